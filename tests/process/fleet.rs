//! Promises 1 and 2 over real processes that share a real store (F-16, F-24, F-25).
//!
//! `FLEET_ROUNDS=10 cargo test --all-features --test fleet one_token_call -- --nocapture` runs the slow rounds ten
//! times too, which takes two minutes a store, and prints how long they took.
#![allow(clippy::print_stderr, reason = "figures")]

use std::time::{Duration, Instant};

use crate::support::{
    ADA, Client,
    example::Example,
    free_port, raw,
    servers::{Folder, Postgres, Redis},
};
use crate::wait::eventually;
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

async fn org() -> FakeOrg {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    org
}

/// One instance of the accounts app. Cookies know no ports, and all instances have one name for them, so that a
/// browser is logged in at all.
async fn instance(org: &FakeOrg, store: &str, port: u16) -> Example {
    let more = [
        ("SALESFORCE_STORE", store),
        ("SALESFORCE_KEYS", KEYS),
        ("SALESFORCE_COOKIE_NAME", "salesforce-fleet"),
        ("WORKERS", "2"),
    ];
    Example::with("127.0.0.1", port, "accounts", org, &more).await
}

fn rounds(usual: usize) -> usize {
    std::env::var("FLEET_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

/// 25 requests to each of two processes, on an expired token.
async fn one_call_per_expiry(store: &str) {
    let org = org().await;
    let (one, two) = (instance(&org, store, free_port()).await, instance(&org, store, free_port()).await);
    let browser = Client::new();
    assert_eq!(browser.visit(&one.url("/accounts")).await.status, 200);
    let mut calls = 0;
    for (delay, rounds) in [(0, 10), (1_000, rounds(3)), (8_000, rounds(1))] {
        org.faults().clear();
        org.faults().refresh(Fault::Delay(Duration::from_millis(delay)));
        let mut slowest = Duration::ZERO;
        for round in 0..rounds {
            org.expire_access_tokens();
            let urls = [one.url("/accounts"), two.url("/accounts")];
            let started = Instant::now();
            let pages = join_all((0..50).map(|i| browser.fetch(&urls[i % 2]))).await;
            assert!(
                pages.iter().all(|page| page.status == 200),
                "{store}, {delay} ms, round {round}: {:?}",
                pages.iter().find(|page| page.status != 200)
            );
            calls += 1;
            assert_eq!(org.token_calls("refresh_token"), calls, "{store}, {delay} ms, round {round}");
            slowest = slowest.max(started.elapsed());
            assert!(slowest < Duration::from_millis(delay + 5_000), "{store}, {delay} ms: {slowest:?}");
        }
        eprintln!(
            "{store}: token endpoint {delay} ms late, {rounds} rounds of 50 requests, {rounds} token calls, slowest round \
             {slowest:.1?}"
        );
    }
    assert_eq!(org.refresh_reuse_count(), 0, "no used token was ever sent again");
}

#[actix_web::test]
async fn two_processes_on_redis_make_one_token_call_per_expiry() {
    let redis = Redis::start();
    one_call_per_expiry(&redis.url()).await;
}

#[actix_web::test]
async fn two_processes_on_a_file_make_one_token_call_per_expiry() {
    let folder = Folder::new("fleet");
    let store = format!("sqlite:{}", folder.path().join("logins.db").display());
    one_call_per_expiry(&store).await;
}

#[actix_web::test]
async fn two_processes_on_postgres_make_one_token_call_per_expiry() {
    let postgres = Postgres::start();
    one_call_per_expiry(&postgres.url()).await;
}

/// F-25: the process that refreshes is killed. Its call goes on at Salesforce, so the token may be used: then one
/// login is asked for, and there is no error and no storm.
#[actix_web::test]
async fn a_leader_that_is_killed_costs_one_more_call_at_most() {
    let redis = Redis::start();
    let org = org().await;
    let mut leader = instance(&org, &redis.url(), free_port()).await;
    let other = instance(&org, &redis.url(), free_port()).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&leader.url("/accounts")).await.status, 200);
    for (fault, survives) in [
        // The call is still being worked on when its process dies, and takes effect.
        (Fault::Delay(Duration::from_secs(2)).once(), false),
        // The call never took effect: the next process succeeds with the same token.
        (Fault::ResetBeforeResponse.delay(Duration::from_secs(2)).times(1), true),
    ] {
        let calls = org.token_calls("refresh_token");
        org.faults().clear();
        org.faults().refresh(fault);
        org.expire_access_tokens();
        let (url, cookies) = (leader.url(""), browser.cookie_line());
        let cut = tokio::task::spawn_blocking(move || {
            raw::get_and_reset(&url, "/accounts", &cookies, Duration::from_millis(1500));
        });
        eventually("the leader begins", async || org.token_calls("refresh_token") > calls).await;
        let waiting = async {
            let url = other.url("/accounts");
            join_all((0..10).map(|_| browser.fetch(&url))).await
        };
        let kills = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            leader.kill();
        };
        let (pages, ()) = futures_util::join!(waiting, kills);
        cut.await.unwrap();
        let expected = if survives { 200 } else { 401 };
        assert!(pages.iter().all(|page| page.status == expected), "{pages:?}");
        assert!(org.token_calls("refresh_token") <= calls + 2, "one more at most");
        assert_eq!(browser.visit(&other.url("/accounts")).await.status, 200, "at most one login");
        leader = instance(&org, &redis.url(), free_port()).await;
    }
}

/// F-24: a deploy ends a process in the middle of a refresh that no request waits for any more.
#[actix_web::test]
async fn a_sigterm_in_the_middle_of_a_refresh_loses_nothing() {
    let (redis, folder) = (Redis::start(), Folder::new("sigterm"));
    for store in [redis.url(), format!("sqlite:{}", folder.path().join("logins.db").display())] {
        let org = org().await;
        let port = free_port();
        let mut app = instance(&org, &store, port).await;
        let browser = Client::new();
        assert_eq!(browser.visit(&app.url("/accounts")).await.status, 200);
        org.expire_access_tokens();
        org.faults().refresh(Fault::Delay(Duration::from_secs(2)));
        let (url, cookies) = (app.url(""), browser.cookie_line());
        tokio::task::spawn_blocking(move || {
            raw::get_and_reset(&url, "/accounts", &cookies, Duration::from_millis(300));
        })
        .await
        .unwrap();
        assert_eq!(org.token_calls("refresh_token"), 1, "{store}");
        let started = Instant::now();
        let status = app.terminate().await;
        assert!(status.success(), "{store}: {status}");
        assert!(started.elapsed() < Duration::from_secs(10), "{store}: {:?}", started.elapsed());

        let app = instance(&org, &store, port).await;
        let browser = browser.copy();
        assert_eq!(browser.fetch(&app.url("/accounts")).await.status, 200, "{store}");
        assert_eq!((org.token_calls("refresh_token"), org.refresh_reuse_count()), (1, 0), "{store}");
    }
}
