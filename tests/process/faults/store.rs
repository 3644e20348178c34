//! F-01 to F-07: the store is away, slow, full, broken, forgetful.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};
use sqlx::Connection as _;

use crate::{
    faults::fleet::{Fleet, Kind, Server, address, all, no_server},
    faults::on_each_store,
    faults::on_redis_and_postgres,
    support::{Client, example::Example, free_port},
    wait::eventually,
};

on_redis_and_postgres!(
    f_01_a_store_that_is_down_at_the_start_is_a_clear_error,
    f_02_a_store_that_goes_away_costs_503s_and_comes_back_without_a_restart,
    f_03_a_slow_store_is_waited_for_within_its_deadline,
    f_05_a_store_that_takes_nothing_logs_no_user_in_or_out,
    f_07_a_store_that_fell_back_to_an_older_state_is_brought_up_to_date,
    f_07_a_token_that_only_the_lost_state_knew_costs_one_login,
);
on_each_store!(f_04_a_broken_record_is_absent_and_harms_no_other_login);

async fn f_01_a_store_that_is_down_at_the_start_is_a_clear_error(kind: Kind) {
    let org = FakeOrg::start().await.unwrap();
    let address = match kind {
        Kind::Redis => format!("redis://app:hunter2@127.0.0.1:{}", free_port()),
        Kind::Postgres => format!("postgres://app:hunter2@127.0.0.1:{}/db", free_port()),
        Kind::Sqlite => no_server(),
    };
    let keys = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
    let started = Instant::now();
    let more = [("SALESFORCE_STORE", address.as_str()), ("SALESFORCE_KEYS", keys)];
    let (status, said) = Example::until_its_end("accounts", &org, &more).await;
    assert!(!status.success() && started.elapsed() < Duration::from_secs(10), "{status}: {said}");
    assert!(said.contains("SALESFORCE_STORE") && said.contains("refused"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

async fn f_02_a_store_that_goes_away_costs_503s_and_comes_back_without_a_restart(kind: Kind) {
    let mut fleet = Fleet::start(kind, 1).await;
    let browser = fleet.logged_in().await;
    let (stranger, cookies) = (Client::new(), browser.cookies("127.0.0.1"));
    for gone in [false, true] {
        match &mut fleet.server {
            server if !gone => server.freeze(),
            Server::Redis(redis) => {
                // With what it holds written down, as a durable Redis does.
                redis.cli(&["SAVE"]);
                redis.stop();
            }
            Server::Postgres(postgres) => postgres.stop(),
            Server::File(_) => no_server(),
        }
        let url = fleet.url(0, "/whoami");
        let asks = (0..20).map(async |_| {
            let started = Instant::now();
            let page = browser.fetch(&url).await;
            assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
            page
        });
        let pages = join_all(asks).await;
        all(&pages, 503);
        assert!(pages.iter().all(|page| !page.header("retry-after").is_empty()), "{pages:?}");
        let page = browser.open(&url).await;
        assert_eq!(page.status, 503, "no user is sent to log in: {page:?}");
        let started = Instant::now();
        let page = browser.open(&fleet.url(0, "/")).await;
        assert_eq!(page.status, 200, "a public page is there for who is logged in too: {page:?}");
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert!(page.body.contains("cannot tell right now") && !page.body.contains("/login"), "{page:?}");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(page.set_cookies().is_empty(), "{page:?}");
        let started = Instant::now();
        assert_eq!(stranger.open(&fleet.url(0, "/")).await.status, 200);
        assert_eq!(stranger.open(&url).await.status, 303, "a stranger is a stranger");
        assert!(started.elapsed() < Duration::from_millis(500), "public pages are untouched");
        match &mut fleet.server {
            server if !gone => server.thaw(),
            Server::Redis(redis) => redis.start_again(),
            Server::Postgres(postgres) => postgres.start_again(),
            Server::File(_) => no_server(),
        }
        eventually("it recovers without a restart", async || browser.fetch(&url).await.status == 200).await;
        assert_eq!(browser.cookies("127.0.0.1"), cookies, "the login is the same");
    }
    fleet.check_tokens(0);
}

async fn f_03_a_slow_store_is_waited_for_within_its_deadline(kind: Kind) {
    let mut fleet = Fleet::start(kind, 0).await;
    let proxy = fleet.proxy().await;
    fleet.join_at("accounts", &address(fleet.kind, proxy.port)).await;
    let browser = fleet.logged_in().await;
    // Slow, and in time: the expired token is refreshed once, however many requests wait.
    proxy.delay(Duration::from_millis(if kind == Kind::Redis { 150 } else { 30 }));
    fleet.org.expire_access_tokens();
    let commands = commands(&fleet);
    all(&fleet.burst(&browser, 50).await, 200);
    fleet.check_tokens(1);
    if let Some(before) = commands {
        let asked = self::commands(&fleet).unwrap() - before;
        assert!(asked <= 50 + 20, "one look-up for each request and one refresh: {asked} calls");
    }
    // Too slow.
    proxy.delay(Duration::from_secs(2));
    let started = Instant::now();
    all(&fleet.burst(&browser, 50).await, 503);
    assert!(started.elapsed() < Duration::from_millis(2_500), "they do not queue: {:?}", started.elapsed());
    proxy.delay(Duration::ZERO);
    let url = fleet.url(0, "/accounts");
    eventually("it recovers", async || browser.fetch(&url).await.status == 200).await;
    fleet.check_tokens(1);
}

/// How many scripts Redis has run.
fn commands(fleet: &Fleet) -> Option<u64> {
    let Server::Redis(redis) = &fleet.server else { return None };
    let stats = redis.cli(&["INFO", "commandstats"]);
    let line = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:"))?;
    line.split_once("calls=")?.1.split(',').next()?.parse().ok()
}

async fn f_04_a_broken_record_is_absent_and_harms_no_other_login(kind: Kind) {
    let mut fleet = Fleet::start(kind, 1).await;
    let mut ada = fleet.logged_in().await;
    let bob = fleet.org.users().into_iter().find(|user| user.username() != crate::support::ADA).unwrap();
    fleet.org.sign_in(&bob);
    let bobs = fleet.logged_in().await;
    fleet.org.sign_in(&fleet.org.user(crate::support::ADA));
    let ada_id = ada.fetch(&fleet.url(0, "/whoami")).await.json()["user_id"].as_str().unwrap().to_owned();
    for damage in ["half", "garbage", "type", "another record's"] {
        match &fleet.server {
            Server::Redis(redis) => {
                let grant = |id: &str, mine: bool| {
                    let keys = redis.keys().into_iter().filter(|key| key.contains(":grant:"));
                    keys.into_iter().find(|key| key.ends_with(id) == mine).unwrap()
                };
                let key = grant(&ada_id, true);
                match damage {
                    "half" => drop(redis.cli(&["HDEL", &key, "sealed", "updated"])),
                    "garbage" => drop(redis.cli(&["HSET", &key, "sealed", "\u{1}garbage"])),
                    "type" => {
                        redis.cli(&["DEL", &key]);
                        redis.cli(&["LPUSH", &key, "1"]);
                    }
                    _ => {
                        let theirs = grant(&ada_id, false);
                        let script =
                            "redis.call('HSET', KEYS[1], 'sealed', redis.call('HGET', KEYS[2], 'sealed'))";
                        redis.cli(&["EVAL", script, "2", &key, &theirs]);
                    }
                }
            }
            Server::Postgres(_) | Server::File(_) => {
                let table = "actix_salesforce_grants";
                let bytes = if kind == Kind::Sqlite { "x'" } else { "'\\x" };
                let change = match damage {
                    "half" => format!("sealed = {bytes}'"),
                    "garbage" => format!("sealed = {bytes}0167617262616765'"),
                    "type" => "version = 'one'".to_owned(),
                    _ => format!("sealed = (SELECT sealed FROM {table} WHERE person <> '{ada_id}')"),
                };
                sql(&fleet, &format!("UPDATE {table} SET {change} WHERE person = '{ada_id}'")).await;
            }
        }
        // A process that holds nothing in memory.
        fleet.instances.clear();
        fleet.join("accounts").await;
        for _ in 0..3 {
            let page = ada.fetch(&fleet.url(0, "/accounts")).await;
            assert_eq!(page.status, 401, "{damage}: absent, and no error: {page:?}");
            assert_eq!(bobs.fetch(&fleet.url(0, "/accounts")).await.status, 200, "{damage}: others go on");
        }
        ada = fleet.logged_in().await;
    }
}

/// Runs statements on PostgreSQL, or on the file.
pub(super) async fn sql(fleet: &Fleet, statements: &str) {
    let (url, statements) = (fleet.store(), sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())));
    if fleet.kind == Kind::Sqlite {
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        statements.execute(&mut connection).await.unwrap();
    } else {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        statements.execute(&mut connection).await.unwrap();
    }
}

async fn f_05_a_store_that_takes_nothing_logs_no_user_in_or_out(kind: Kind) {
    let fleet = Fleet::start(kind, 1).await;
    let browser = fleet.logged_in().await;
    let late = Client::new();
    let callback =
        late.visit_until(&fleet.url(0, "/auth/salesforce/login"), "/auth/salesforce/callback").await;
    match &fleet.server {
        Server::Redis(redis) => {
            redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
            redis.cli(&["CONFIG", "SET", "maxmemory-clients", "0"]);
            redis.cli(&["CONFIG", "SET", "maxmemory", "1mb"]);
        }
        // As a full disk does, or a standby that was not promoted yet.
        Server::Postgres(_) => {
            sql(&fleet, "ALTER SYSTEM SET default_transaction_read_only = on").await;
            sql(&fleet, "SELECT pg_reload_conf()").await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Server::File(_) => no_server(),
    }
    let page = late.open(callback.as_str()).await;
    assert_eq!(page.status, 503, "{page:?}");
    assert!(!page.sets_login(), "{page:?}");
    assert_eq!(browser.fetch(&fleet.url(0, "/accounts")).await.status, 200, "who is in stays in");
    // A token is not used up for a store that could not take the next one.
    fleet.org.expire_access_tokens();
    let page = browser.fetch(&fleet.url(0, "/accounts")).await;
    assert_eq!((page.status, fleet.refreshes()), (503, 0), "{page:?}");
    match &fleet.server {
        Server::Redis(redis) => drop(redis.cli(&["CONFIG", "SET", "maxmemory", "0"])),
        Server::Postgres(_) => {
            let url =
                address(kind, fleet.server.port()) + "&options=-c%20default_transaction_read_only%3Doff";
            let mut admin = sqlx::PgConnection::connect(&url).await.unwrap();
            for change in ["ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"] {
                sqlx::raw_sql(change).execute(&mut admin).await.unwrap();
            }
        }
        Server::File(_) => no_server(),
    }
    let url = fleet.url(0, "/accounts");
    eventually("it recovers", async || browser.fetch(&url).await.status == 200).await;
    fleet.log_in(&late).await;
    // What a store evicts is absent.
    match &fleet.server {
        Server::Redis(redis) => drop(redis.cli(&["FLUSHALL"])),
        Server::Postgres(_) | Server::File(_) => sql(&fleet, "DELETE FROM actix_salesforce_grants").await,
    }
    assert_eq!(browser.fetch(&url).await.status, 401);
    fleet.log_in(&browser).await;
}

/// On Redis, where a write is one command: of a transaction of many the proxy cannot tell which one ends it.
#[actix_web::test]
async fn f_06_a_write_whose_response_is_lost_counts_once() {
    let mut fleet = Fleet::start(Kind::Redis, 1).await;
    let proxy = fleet.proxy().await;
    fleet.join_at("accounts", &address(fleet.kind, proxy.port)).await;
    let browser = fleet.logged_in().await;
    // Once undisturbed, so that Redis knows the scripts.
    fleet.org.expire_access_tokens();
    assert_eq!(browser.fetch(&fleet.url(1, "/accounts")).await.status, 200);
    fleet.org.expire_access_tokens();
    fleet.org.faults().refresh(Fault::Delay(Duration::from_millis(1_200)));
    let url = fleet.url(1, "/accounts");
    let (page, ()) = futures_util::join!(browser.fetch(&url), async {
        fleet.until_refreshes(2).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        // The store carries out the next command, and its response is lost.
        proxy.hold_responses(true);
    });
    assert_eq!(page.status, 200, "the new token is used, stored or not: {page:?}");
    // The other process has it from the store.
    assert_eq!(browser.fetch(&fleet.url(0, "/accounts")).await.status, 200);
    fleet.check_tokens(2);
    proxy.hold_responses(false);
    fleet.org.faults().clear();
    eventually("it recovers", async || browser.fetch(&url).await.status == 200).await;
    fleet.check_tokens(2);
    fleet.org.expire_access_tokens();
    eventually("the next refresh is the third", async || {
        fleet.burst(&browser, 10).await.iter().all(|page| page.status == 200)
    })
    .await;
    fleet.check_tokens(3);
}

/// Keeps what the store holds, as a replica does that hears of nothing from now on.
async fn keep_state(fleet: &Fleet) {
    match &fleet.server {
        Server::Redis(redis) => drop(redis.cli(&["COPY", &grant_of(fleet), "backup", "REPLACE"])),
        Server::Postgres(_) => {
            let copy =
                "DROP TABLE IF EXISTS backup; CREATE TABLE backup AS SELECT * FROM actix_salesforce_grants";
            sql(fleet, copy).await;
        }
        Server::File(_) => no_server(),
    }
}

/// A failover to that replica.
async fn fall_back(fleet: &Fleet) {
    match &fleet.server {
        Server::Redis(redis) => drop(redis.cli(&["COPY", "backup", &grant_of(fleet), "REPLACE"])),
        Server::Postgres(_) => {
            sql(
                fleet,
                "UPDATE actix_salesforce_grants g SET version = b.version, sealed = b.sealed, updated = b.updated \
                 FROM backup b WHERE g.grant_key = b.grant_key",
            )
            .await;
        }
        Server::File(_) => no_server(),
    }
}

async fn f_07_a_store_that_fell_back_to_an_older_state_is_brought_up_to_date(kind: Kind) {
    let mut fleet = Fleet::start(kind, 1).await;
    let browser = fleet.logged_in().await;
    for round in 1..=3 {
        keep_state(&fleet).await;
        fleet.org.expire_access_tokens();
        assert_eq!(browser.fetch(&fleet.url(0, "/accounts")).await.status, 200);
        fleet.check_tokens(round);
        fall_back(&fleet).await;
        assert_eq!(browser.fetch(&fleet.url(0, "/accounts")).await.status, 200);
        tokio::time::sleep(Duration::from_millis(500)).await;
        fleet.check_tokens(round);
    }
    // A process that starts now has nothing but the store: it must not find a token there that is used.
    fleet.join("accounts").await;
    assert_eq!(browser.fetch(&fleet.url(1, "/accounts")).await.status, 200);
    fleet.check_tokens(3);
    fleet.org.expire_access_tokens();
    assert_eq!(browser.fetch(&fleet.url(1, "/accounts")).await.status, 200);
    fleet.check_tokens(4);
}

/// Nothing that is left knows of the newest token: the used one is sent once, and then the user logs in once.
async fn f_07_a_token_that_only_the_lost_state_knew_costs_one_login(kind: Kind) {
    let mut fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    all(&fleet.burst(&browser, 4).await, 200);
    keep_state(&fleet).await;
    fleet.org.expire_access_tokens();
    assert_eq!(browser.fetch(&fleet.url(0, "/accounts")).await.status, 200);
    // The process that has it goes with the server that it was stored on.
    fleet.instances[0].kill();
    fall_back(&fleet).await;
    let url = fleet.url(1, "/accounts");
    let pages = join_all((0..10).map(|_| browser.fetch(&url))).await;
    all(&pages, 401);
    assert_eq!((fleet.refreshes(), fleet.org.refresh_reuse_count()), (2, 1), "sent once, and never again");
    assert_eq!(browser.visit(&url).await.status, 200, "one login");
    fleet.org.expire_access_tokens();
    assert_eq!(browser.fetch(&url).await.status, 200, "which lasts");
    assert_eq!((fleet.refreshes(), fleet.org.refresh_reuse_count()), (3, 1));
}

fn grant_of(fleet: &Fleet) -> String {
    let Server::Redis(redis) = &fleet.server else { panic!("only Redis has keys") };
    redis.keys().into_iter().find(|key| key.contains(":grant:")).unwrap()
}
