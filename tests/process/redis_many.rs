//! Redis of several servers: a primary that Sentinel watches, and a Cluster. One of them dies, and another takes over:
//! that costs 503s for as long as Redis needs, and no login (F-02, F-07).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::support::{
    ADA, Client, TestApp, free_port,
    servers::{Cluster, Redis, Sentinels},
};
use actix_salesforce::store::{RedisStore, contract};
use salesforce_fake_org::FakeOrg;

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

#[actix_web::test]
async fn redis_behind_sentinels_keeps_the_contract() {
    let redis = Sentinels::start();
    let store = RedisStore::connect(&redis.url(&[]), "test:").await.unwrap();
    contract::check(Arc::new(store)).await.unwrap();
    assert!(redis.primary.keys().iter().all(|key| key.starts_with("test:")));
}

#[actix_web::test]
async fn a_redis_cluster_keeps_the_contract() {
    let cluster = Cluster::start();
    let store = RedisStore::connect(&cluster.url(), "test:").await.unwrap();
    contract::check(Arc::new(store)).await.unwrap();
    let keys: Vec<_> = cluster.servers.iter().map(Redis::keys).filter(|keys| !keys.is_empty()).collect();
    assert!((1..=2).contains(&keys.len()), "one server and its replica have all");
    assert!(keys.iter().flatten().all(|key| key.starts_with("{test}:")), "{keys:?}");
}

#[actix_web::test]
async fn another_primary_takes_over_where_sentinels_watch() {
    let mut redis = Sentinels::start();
    // No server listens where the first sentinel should be.
    let (app, browser) = app(&redis.url(&[free_port()])).await;
    logs_in_and_refreshes(&app, &browser).await;
    // Replicas are told a moment later.
    redis.primary.cli(&["WAIT", "1", "2000"]);
    redis.primary.stop();
    recovers(&app, &browser).await;
    assert!(redis.replica.cli(&["ROLE"]).starts_with("master"), "the replica is the primary now");
}

#[actix_web::test]
async fn another_server_of_a_cluster_takes_over() {
    let mut cluster = Cluster::start();
    let (app, browser) = app(&cluster.url()).await;
    logs_in_and_refreshes(&app, &browser).await;
    let holder = cluster.holder(":grant:");
    holder.cli(&["WAIT", "1", "2000"]);
    let port = holder.port;
    cluster.servers.iter_mut().find(|server| server.port == port).unwrap().stop();
    recovers(&app, &browser).await;
}

/// An app on this store, found by its address, and a browser that is logged in.
async fn app(address: &str) -> (TestApp, Client) {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder.keys(KEYS).store_url(address.to_owned())).await;
    let browser = app.logged_in().await;
    (app, browser)
}

async fn logs_in_and_refreshes(app: &TestApp, browser: &Client) {
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    assert_eq!(app.refreshes(), 1);
}

async fn recovers(app: &TestApp, browser: &Client) {
    let started = Instant::now();
    loop {
        let asked = Instant::now();
        let page = browser.fetch(&app.url("/names")).await;
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        match page.status {
            200 => break,
            503 => assert!(started.elapsed() < Duration::from_secs(30), "{page:?}"),
            _ => panic!("no user is logged out: {page:?}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    assert_eq!((app.refreshes(), app.org.refresh_reuse_count()), (2, 0));
}
