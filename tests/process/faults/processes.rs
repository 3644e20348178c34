//! F-15, F-16 and F-20 to F-26: requests and processes that come together, go away, panic, die, differ.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use salesforce_fake_org::Fault;

use crate::{
    faults::fleet::{Fleet, Kind, Server, all},
    faults::on_each_store,
    faults::store::sql,
    support::{ADA, Client, raw},
    wait::eventually,
};

on_each_store!(
    f_15_fifty_requests_on_an_expired_token_make_one_token_call,
    f_16_two_processes_make_one_token_call_however_slow_it_is,
    f_16_processes_whose_clocks_differ_make_one_token_call,
    f_20_a_clock_that_jumps_costs_nothing_but_logins_that_are_over,
    f_21_a_client_that_is_reset_loses_no_token,
    f_22_a_handler_that_gives_up_loses_no_token,
    f_23_a_handler_that_panics_harms_no_waiting_request,
    f_24_a_sigterm_in_the_middle_of_a_refresh_loses_nothing,
    f_25_a_sigkill_in_the_middle_of_a_refresh_costs_one_more_call_at_most,
    f_26_a_record_of_a_newer_version_is_absent_and_stays,
);

async fn f_15_fifty_requests_on_an_expired_token_make_one_token_call(kind: Kind) {
    let fleet = Fleet::start(kind, 1).await;
    let browser = fleet.logged_in().await;
    fleet.org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    for round in 1..=3 {
        fleet.org.expire_access_tokens();
        let started = Instant::now();
        all(&fleet.burst(&browser, 50).await, 200);
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        fleet.check_tokens(round);
    }
}

/// `fleet.rs` does this with many rounds.
async fn f_16_two_processes_make_one_token_call_however_slow_it_is(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    for (round, delay) in (1..).zip([0, 1_000, 8_000]) {
        fleet.org.faults().clear();
        fleet.org.faults().refresh(Fault::Delay(Duration::from_millis(delay)));
        fleet.org.expire_access_tokens();
        all(&fleet.burst(&browser, 50).await, 200);
        fleet.check_tokens(round);
    }
}

/// Instances of the program whose clock can be set wrong.
async fn with_clocks<const N: usize>(kind: Kind, seconds: [i64; N]) -> Fleet {
    let mut fleet = Fleet::start(kind, 0).await;
    for (instance, seconds) in seconds.into_iter().enumerate() {
        fleet.join("shutdown_app").await;
        set_clock(&fleet, instance, seconds).await;
    }
    fleet
}

async fn set_clock(fleet: &Fleet, instance: usize, seconds: i64) {
    let page = Client::new().fetch(&fleet.url(instance, &format!("/clock/{seconds}"))).await;
    assert_eq!(page.body, "done");
}

/// (A machine whose clock is wrong by more than an ID token allows rejects logins. It serves users who are logged in.)
async fn f_16_processes_whose_clocks_differ_make_one_token_call(kind: Kind) {
    let fleet = with_clocks(kind, [0, -600, 600]).await;
    let browser = Client::new();
    let mut refreshes = 0;
    for _ in 0..3 {
        // A login of the same user that is known everywhere is followed by a newer one.
        let login = fleet.url(0, "/auth/salesforce/login?return_to=/accounts");
        assert_eq!(browser.visit(&login).await.status, 200);
        all(&fleet.burst(&browser, 6).await, 200);
        for _ in 0..2 {
            fleet.org.expire_access_tokens();
            all(&fleet.burst(&browser, 48).await, 200);
            refreshes += 1;
            fleet.check_tokens(refreshes);
        }
    }
}

async fn f_20_a_clock_that_jumps_costs_nothing_but_logins_that_are_over(kind: Kind) {
    const HOUR: i64 = 3_600;
    const TEN_YEARS: i64 = 10 * 365 * 24 * HOUR;
    let fleet = with_clocks(kind, [0, 0]).await;
    let browser = fleet.logged_in().await;
    for (refreshes, jump) in (1..).zip([HOUR, -HOUR, -TEN_YEARS, 0]) {
        set_clock(&fleet, 0, jump).await;
        all(&fleet.burst(&browser, 10).await, 200);
        fleet.check_tokens(refreshes - 1);
        fleet.org.expire_access_tokens();
        all(&fleet.burst(&browser, 10).await, 200);
        fleet.check_tokens(refreshes);
    }
    set_clock(&fleet, 0, TEN_YEARS).await;
    let url = fleet.url(0, "/accounts");
    eventually("ten years on it is over", async || browser.fetch(&url).await.status == 401).await;
    let there = browser.fetch(&fleet.url(1, "/accounts")).await;
    assert_eq!(there.status, 401, "everywhere: {there:?}");
    fleet.check_tokens(4);
}

/// Sends a request to the instance and resets its connection after a while.
async fn get_and_reset(fleet: &Fleet, cookies: String, path: &'static str, after: Duration) {
    let url = fleet.url(0, "");
    tokio::task::spawn_blocking(move || raw::get_and_reset(&url, path, &cookies, after)).await.unwrap();
}

async fn f_21_a_client_that_is_reset_loses_no_token(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    fleet.org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    fleet.org.expire_access_tokens();
    let cut = get_and_reset(&fleet, browser.cookie_line(), "/accounts", Duration::from_millis(400));
    let follow = async {
        fleet.until_refreshes(1).await;
        fleet.burst(&browser, 20).await
    };
    let ((), pages) = futures_util::join!(cut, follow);
    all(&pages, 200);
    fleet.check_tokens(1);
    // And when no other process follows.
    fleet.org.expire_access_tokens();
    get_and_reset(&fleet, browser.cookie_line(), "/accounts", Duration::from_millis(400)).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    all(&fleet.burst(&browser, 20).await, 200);
    fleet.check_tokens(2);
}

async fn f_22_a_handler_that_gives_up_loses_no_token(kind: Kind) {
    let mut fleet = Fleet::start(kind, 0).await;
    fleet.join("shutdown_app").await;
    let browser = fleet.logged_in().await;
    fleet.org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    fleet.org.expire_access_tokens();
    assert_eq!(browser.fetch(&fleet.url(0, "/impatient")).await.body, "gave up");
    all(&fleet.burst(&browser, 10).await, 200);
    assert_eq!(browser.fetch(&fleet.url(0, "/impatient")).await.body, "responded");
    fleet.check_tokens(1);
}

async fn f_23_a_handler_that_panics_harms_no_waiting_request(kind: Kind) {
    let mut fleet = Fleet::start(kind, 0).await;
    fleet.join("shutdown_app").await;
    let browser = fleet.logged_in().await;
    fleet.org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    for round in 1..=2 {
        fleet.org.expire_access_tokens();
        let url = fleet.url(0, "/panics");
        let headers = [("accept", "application/json")];
        let panics = browser.try_send(reqwest::Method::GET, &url, &headers, None);
        let wait = async {
            fleet.until_refreshes(round).await;
            fleet.burst(&browser, 20).await
        };
        let (panicked, pages) = futures_util::join!(panics, wait);
        assert!(panicked.is_err(), "the connection of a handler that panics is closed: {panicked:?}");
        all(&pages, 200);
        fleet.check_tokens(round);
    }
}

async fn f_24_a_sigterm_in_the_middle_of_a_refresh_loses_nothing(kind: Kind) {
    let mut fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    fleet.org.faults().refresh(Fault::Delay(Duration::from_secs(2)));
    fleet.org.expire_access_tokens();
    get_and_reset(&fleet, browser.cookie_line(), "/accounts", Duration::from_millis(200)).await;
    let started = Instant::now();
    let status = fleet.instances[0].terminate().await;
    assert!(status.success() && started.elapsed() < Duration::from_secs(10), "{status}");
    let url = fleet.url(1, "/accounts");
    assert_eq!(browser.fetch(&url).await.status, 200);
    fleet.check_tokens(1);
}

/// The call of the killed process takes effect or not; `fleet.rs` shows what follows in each case.
async fn f_25_a_sigkill_in_the_middle_of_a_refresh_costs_one_more_call_at_most(kind: Kind) {
    let mut fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    fleet.org.faults().refresh(Fault::ResetBeforeResponse.delay(Duration::from_secs(2)).times(1));
    fleet.org.expire_access_tokens();
    let url = fleet.url(0, "/accounts");
    let headers = [("accept", "application/json")];
    let leads = browser.try_send(reqwest::Method::GET, &url, &headers, None);
    tokio::select! {
        page = leads => panic!("{page:?}"),
        () = async {
            fleet.until_refreshes(1).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        } => {}
    }
    fleet.instances[0].kill();
    let url = fleet.url(1, "/accounts");
    let pages = join_all((0..10).map(|_| browser.fetch(&url))).await;
    all(&pages, 200);
    fleet.check_tokens(2);
}

async fn f_26_a_record_of_a_newer_version_is_absent_and_stays(kind: Kind) {
    let mut fleet = Fleet::start(kind, 1).await;
    let browser = fleet.logged_in().await;
    // The first byte says of which version the rest is.
    match &fleet.server {
        Server::Redis(redis) => {
            let grant = redis.keys().into_iter().find(|key| key.contains(":grant:")).unwrap();
            let script = "local s = redis.call('HGET', KEYS[1], 'sealed') \
                          redis.call('HSET', KEYS[1], 'sealed', string.char(2) .. string.sub(s, 2))";
            redis.cli(&["EVAL", script, "1", &grant]);
        }
        Server::Postgres(_) => {
            sql(&fleet, "UPDATE actix_salesforce_grants SET sealed = set_byte(sealed, 0, 2)").await;
        }
        Server::File(_) => {
            let change = "UPDATE actix_salesforce_grants SET sealed = unhex('02' || substr(hex(sealed), 3))";
            sql(&fleet, change).await;
        }
    }
    fleet.join("accounts").await;
    assert_eq!(browser.fetch(&fleet.url(1, "/accounts")).await.status, 401, "absent, and no error");
    // The newer version still finds it: put back what was there.
    match &fleet.server {
        Server::Redis(redis) => {
            let grant = redis.keys().into_iter().find(|key| key.contains(":grant:")).expect("it stays");
            let script = "local s = redis.call('HGET', KEYS[1], 'sealed') \
                          redis.call('HSET', KEYS[1], 'sealed', string.char(1) .. string.sub(s, 2))";
            redis.cli(&["EVAL", script, "1", &grant]);
        }
        Server::Postgres(_) => {
            sql(&fleet, "UPDATE actix_salesforce_grants SET sealed = set_byte(sealed, 0, 1)").await;
        }
        Server::File(_) => {
            let change = "UPDATE actix_salesforce_grants SET sealed = unhex('01' || substr(hex(sealed), 3))";
            sql(&fleet, change).await;
        }
    }
    let kept = fleet.org.live_refresh_tokens(&fleet.org.user(ADA)).len();
    assert_eq!(kept, 1, "nothing was revoked");
    assert_eq!(browser.copy().fetch(&fleet.url(0, "/accounts")).await.status, 200);
}
