//! F-08 to F-19: the token endpoint fails, is slow, lies, refuses; F-13 and F-14: and the store is away just then.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use salesforce_fake_org::{Fault, Rule};

use crate::{
    faults::fleet::{Fleet, Kind, address, all},
    faults::on_each_store,
    faults::on_redis_and_postgres,
    support::COOL_DOWN,
    wait::eventually,
};

on_each_store!(
    f_08_an_outage_of_the_token_endpoint_keeps_the_login,
    f_09_the_time_that_the_token_endpoint_asks_for_is_kept,
    f_10_a_token_endpoint_that_hangs_releases_everyone,
    f_11_garbage_overwrites_nothing,
    f_12_a_lost_response_costs_one_login_at_most,
    f_17_late_refusals_use_the_new_token,
    f_18_a_refusal_of_a_fresh_token_is_no_loop,
    f_19_a_revoked_grant_ends_the_login_with_one_token_call,
);
on_redis_and_postgres!(
    f_13_a_crash_with_the_new_token_in_hand_costs_one_login_at_most,
    f_14_a_token_that_cannot_be_stored_is_held_and_the_old_one_never_sent_again,
);

async fn f_08_an_outage_of_the_token_endpoint_keeps_the_login(kind: Kind) {
    let fleet = Fleet::start(kind, 1).await;
    let browser = fleet.logged_in().await;
    for fault in [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Maintenance,
        Fault::Html,
        Fault::Empty200,
        Fault::ResetBeforeRead,
        Fault::ResetBeforeResponse,
    ] {
        let name = format!("{fault:?}");
        fleet.org.expire_access_tokens();
        let outage = fleet.org.faults().refresh(fault);
        let pages = fleet.burst(&browser, 20).await;
        all(&pages, 503);
        let wait = |page: &crate::support::Page| page.header("retry-after").parse::<u64>().unwrap_or(0);
        assert!(pages.iter().all(|page| wait(page) >= 1), "{name}: {pages:?}");
        assert!(outage.hits() <= 3, "{name}: {} calls in one cool-down", outage.hits());
        outage.remove();
        tokio::time::sleep(COOL_DOWN).await;
        assert_eq!(browser.fetch(&fleet.url(0, "/accounts")).await.status, 200, "{name}: it recovers");
    }
    assert_eq!(fleet.org.refresh_reuse_count(), 0);
}

async fn f_09_the_time_that_the_token_endpoint_asks_for_is_kept(kind: Kind) {
    let fleet = Fleet::start(kind, 1).await;
    let browser = fleet.logged_in().await;
    fleet.org.expire_access_tokens();
    let limit = fleet.org.faults().refresh(Fault::RetryAfter { status: 429, seconds: 30 });
    for _ in 0..3 {
        let pages = fleet.burst(&browser, 5).await;
        all(&pages, 503);
        let wait = pages[0].header("retry-after").parse::<u64>().unwrap();
        assert!((20..=30).contains(&wait), "the rest of the time: {wait}");
    }
    assert_eq!(limit.hits(), 1, "no call before that time");
}

async fn f_10_a_token_endpoint_that_hangs_releases_everyone(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    fleet.org.expire_access_tokens();
    fleet.org.faults().refresh(Fault::Delay(Duration::from_secs(60)));
    let started = Instant::now();
    all(&fleet.burst(&browser, 20).await, 503);
    assert!(started.elapsed() < Duration::from_secs(13), "{:?}", started.elapsed());
}

async fn f_11_garbage_overwrites_nothing(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    let identity = "https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU";
    let response = |name: &str, value: serde_json::Value| {
        let mut response = serde_json::json!({
            "access_token": "00Dx0000000BV7z!x", "token_type": "Bearer", "id": identity,
            "instance_url": fleet.org.instance_url(),
        });
        response[name] = value;
        Fault::Json(response)
    };
    for fault in [
        response("access_token", serde_json::Value::Null),
        response("token_type", "mac".into()),
        response("instance_url", "https://evil.example".into()),
        Fault::Garbage,
    ] {
        let name = format!("{fault:?}");
        fleet.org.expire_access_tokens();
        let fault = fleet.org.faults().refresh(fault);
        assert_eq!(browser.fetch(&fleet.url(0, "/accounts")).await.status, 503, "{name}");
        fault.remove();
        tokio::time::sleep(COOL_DOWN).await;
        all(&fleet.burst(&browser, 4).await, 200);
    }
    // Of another user.
    fleet.org.expire_access_tokens();
    let fault = fleet.org.faults().refresh(response("access_token", "00Dx0000000BV7z!y".into()));
    all(&fleet.burst(&browser, 4).await, 401);
    fault.remove();
    fleet.log_in(&browser).await;
    all(&fleet.burst(&browser, 4).await, 200);
    assert_eq!(fleet.org.refresh_reuse_count(), 0);
}

async fn f_12_a_lost_response_costs_one_login_at_most(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    fleet.org.expire_access_tokens();
    fleet.org.faults().refresh(Fault::LoseResponse.once());
    all(&fleet.burst(&browser, 20).await, 401);
    assert_eq!(fleet.refreshes(), 2, "one repetition and no more, over both processes");
    fleet.log_in(&browser).await;
    all(&fleet.burst(&browser, 20).await, 200);
    assert_eq!(fleet.refreshes(), 2);
}

/// The leader has the new token, and its write is on the way to the store. There it is cut off.
async fn f_13_a_crash_with_the_new_token_in_hand_costs_one_login_at_most(kind: Kind) {
    let mut fleet = Fleet::start(kind, 1).await;
    let proxy = fleet.proxy().await;
    fleet.join_at("accounts", &address(fleet.kind, proxy.port)).await;
    let browser = fleet.logged_in().await;
    assert_eq!(browser.fetch(&fleet.url(1, "/accounts")).await.status, 200);
    fleet.org.expire_access_tokens();
    fleet.org.faults().refresh(Fault::Delay(Duration::from_millis(1_000)));
    let leader = fleet.url(1, "/accounts");
    let asks = async {
        let headers = [("accept", "application/json")];
        let _ = browser.try_send(reqwest::Method::GET, &leader, &headers, None).await;
    };
    let crash = async {
        fleet.until_refreshes(1).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        proxy.hold_requests(true);
        tokio::time::sleep(Duration::from_millis(900)).await;
    };
    // The request ends with the process.
    tokio::select! {
        () = asks => panic!("no request ends before the token is stored"),
        () = crash => {}
    }
    fleet.instances[1].kill();
    fleet.org.faults().clear();
    drop(proxy);
    let started = Instant::now();
    let url = fleet.url(0, "/accounts");
    let pages = join_all((0..10).map(|_| browser.fetch(&url))).await;
    all(&pages, 401);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(fleet.refreshes(), 2, "one more call at most");
    fleet.log_in(&browser).await;
    assert_eq!(browser.fetch(&url).await.status, 200);
    assert_eq!(fleet.refreshes(), 2, "and no storm");
}

/// The store goes away just when a new token was given, for longer than any lease lasts, and both processes want the
/// token at the very moment in which it is back.
async fn f_14_a_token_that_cannot_be_stored_is_held_and_the_old_one_never_sent_again(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    let urls = [fleet.url(0, "/accounts"), fleet.url(1, "/accounts")];
    all(&fleet.burst(&browser, 2).await, 200);
    for round in 1..=2 {
        fleet.org.expire_access_tokens();
        let slow = fleet.org.faults().refresh(Fault::Delay(Duration::from_millis(1_000)));
        let leads = browser.fetch(&urls[0]);
        let outage = async {
            fleet.until_refreshes(round).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            fleet.server.freeze();
        };
        let (page, ()) = futures_util::join!(leads, outage);
        assert_eq!(page.status, 200, "a request from before is served with the new token: {page:?}");
        slow.remove();
        let page = browser.fetch(&urls[0]).await;
        assert_eq!(page.status, 503, "while the store is away no login can be looked up: {page:?}");
        tokio::time::sleep(Duration::from_secs(8)).await;
        fleet.server.thaw();
        let pages = async |n: usize| {
            let asks = (0..n).map(|i| browser.fetch(&urls[1 - i % 2]));
            join_all(asks).await
        };
        eventually("everyone is served again", async || {
            let pages = pages(20).await;
            assert!(pages.iter().all(|page| page.status == 200 || page.status == 503), "{pages:?}");
            pages.iter().all(|page| page.status == 200)
        })
        .await;
        fleet.check_tokens(round);
    }
}

async fn f_17_late_refusals_use_the_new_token(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    fleet.org.expire_access_tokens();
    fleet.org.faults().query(Rule::from(Fault::Slow).delay_status(401, Duration::from_secs(2)).times(10));
    all(&fleet.burst(&browser, 20).await, 200);
    fleet.check_tokens(1);
}

async fn f_18_a_refusal_of_a_fresh_token_is_no_loop(kind: Kind) {
    let fleet = Fleet::start(kind, 1).await;
    let browser = fleet.logged_in().await;
    let refused = Fault::ApiError {
        status: 401,
        code: "INVALID_SESSION_ID".to_owned(),
        message: "Session expired or invalid".to_owned(),
    };
    let fault = fleet.org.faults().query(refused);
    let page = browser.fetch(&fleet.url(0, "/accounts")).await;
    assert!(page.status >= 400 && page.status != 401, "{page:?}");
    assert_eq!((fleet.refreshes(), fault.hits()), (1, 2), "one refresh and one replay");
    fault.remove();
    assert_eq!(browser.fetch(&fleet.url(0, "/accounts")).await.status, 200, "the login is kept");
    fleet.check_tokens(1);
}

async fn f_19_a_revoked_grant_ends_the_login_with_one_token_call(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    all(&fleet.burst(&browser, 2).await, 200);
    fleet.org.revoke_all();
    let pages = fleet.burst(&browser, 50).await;
    all(&pages, 401);
    assert_eq!(pages[0].json()["error"], "login_required");
    assert_eq!(fleet.refreshes(), 1, "over both processes");
    let page = browser.open(&fleet.url(1, "/accounts?name=x")).await;
    assert_eq!(page.status, 303, "{page:?}");
    assert!(page.header("location").contains("return_to=%2Faccounts%3Fname%3Dx"), "{page:?}");
    fleet.log_in(&browser).await;
}
