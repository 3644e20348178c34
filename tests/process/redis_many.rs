//! Redis of several servers: a primary that Sentinel watches, and a Cluster. One of them dies, and another takes over:
//! that costs 503s for as long as Redis needs, and no login (F-02, F-07).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use crate::support::{
    ADA, Client, TestApp, free_port,
    proxy::Proxy,
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

/// A name leads to another server, and the former one stays up as a replica that hears nothing: each worker that still
/// has a connection to it would take ended logins for valid.
#[actix_web::test]
async fn a_logout_counts_in_each_worker_after_its_server_was_demoted() {
    let (former, new) = (Redis::start(), Redis::start());
    new.cli(&["REPLICAOF", "127.0.0.1", &former.port.to_string()]);
    let proxy = Proxy::before(former.port).await;
    let (app, browser) = app(&format!("redis://127.0.0.1:{}", proxy.port)).await;
    let (stays, ends) = (browser.copy(), browser);
    let pages = |browser: &Client| {
        let browsers: Vec<_> = (0..24).map(|_| browser.copy()).collect();
        let url = app.url("/user");
        async move { join_all(browsers.iter().map(|browser| browser.fetch(&url))).await }
    };
    assert!(pages(&stays).await.iter().all(|page| page.status == 200), "each worker reads");
    former.cli(&["WAIT", "1", "2000"]);
    proxy.lead_to(new.port);
    new.cli(&["REPLICAOF", "NO", "ONE"]);
    // There is no server: it keeps what it has, and serves reads.
    former.cli(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);

    let origin = app.url("").trim_end_matches('/').to_owned();
    ends.submit(&app.url("/auth/salesforce/logout"), &origin, &[]).await;
    let end = Instant::now() + Duration::from_secs(8);
    while app.salesforce.health().await.pending.logouts > 0
        || new.keys().iter().any(|key| key.contains(":login:"))
    {
        assert!(Instant::now() < end, "the logout is stored");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let statuses: Vec<_> = pages(&stays).await.iter().map(|page| page.status).collect();
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
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
