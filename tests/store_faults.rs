//! What networks and servers do to a store, and what a store must not do then (F-02, F-03, F-06; A-23).
#![cfg(all(feature = "redis", feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod support;

use std::time::{Duration, Instant, SystemTime};

use actix_salesforce::{
    AppKey, GrantKey, Secret, Version,
    store::{GrantRecord, LoginKey, LoginRecord, RedisStore, Sealed, SqlStore, Store, StoreError},
};
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};
use support::{
    ADA, Client, World,
    proxy::Proxy,
    servers::{Folder, Postgres, Redis},
};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

fn grant_key() -> GrantKey {
    let (org, user) = ("00Dx0000000BV7z".parse().unwrap(), "005x00000012Q9P".parse().unwrap());
    GrantKey::new(AppKey::of_client_id("faults"), org, user)
}

fn records(browser: &str) -> (LoginKey, LoginRecord, GrantRecord) {
    let now = SystemTime::now();
    let end = now + Duration::from_secs(3600);
    let login = LoginRecord { grant: grant_key(), created_at: now, seen_at: now, expires_at: end };
    let grant = GrantRecord {
        key: grant_key(),
        version: Version { lineage: 1, revision: 0 },
        sealed: Sealed::from_bytes(vec![0, 255, 39, 92, 10]),
        updated_at: now,
        expires_at: end,
    };
    (LoginKey::of_id(&Secret::new(browser)), login, grant)
}

/// Every connection that the store has falls silent. That may cost the calls that meet them their second, and no more.
async fn recovers_from_silence(store: &dyn Store, proxy: &Proxy) {
    for _ in 0..2 {
        // As many connections as the store cares to make, so that each of them is a silent one afterwards.
        for read in join_all((0..32).map(|_| store.grant(grant_key()))).await {
            read.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        proxy.silence();
        let began = Instant::now();
        while store.grant(grant_key()).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(4), "it makes a new connection");
        }
        for read in join_all((0..32).map(|_| store.grant(grant_key()))).await {
            read.unwrap();
        }
    }
    // In the middle of calls too, all connections at once.
    let calls = join_all((0..32).map(|_| store.grant(grant_key())));
    proxy.silence();
    calls.await;
    let began = Instant::now();
    while store.grant(grant_key()).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(4), "it makes a new connection");
    }
}

#[tokio::test]
async fn a_redis_connection_that_falls_silent_is_replaced() {
    let redis = Redis::start();
    let proxy = Proxy::before(redis.port).await;
    let store = RedisStore::connect(&format!("redis://127.0.0.1:{}", proxy.port), "test:").await.unwrap();
    recovers_from_silence(&store, &proxy).await;
}

#[tokio::test]
async fn a_postgres_connection_that_falls_silent_is_replaced() {
    let postgres = Postgres::start();
    let proxy = Proxy::before(postgres.port).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", proxy.port);
    let store = SqlStore::postgres(&url).await.unwrap();
    recovers_from_silence(&store, &proxy).await;
}

/// Nobody asked while Redis was started anew: who asks first does not notice.
#[tokio::test]
async fn a_redis_that_was_started_anew_costs_no_read() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url(), "test:").await.unwrap();
    assert!(store.grant(grant_key()).await.unwrap().is_none());
    let port = redis.kill();
    let _redis = Redis::on(port, &[]);
    assert!(store.grant(grant_key()).await.unwrap().is_none());
}

/// Another process writes for long: whoever writes here gives up in time, and whoever reads does not notice.
#[tokio::test]
async fn a_sqlite_file_that_somebody_locks_can_be_read() {
    let folder = Folder::new("locked");
    let path = folder.path().join("logins.db");
    let store = SqlStore::sqlite(&path).await.unwrap();
    let (key, login, grant) = records("a browser");
    store.create_login(key, login.clone(), grant.clone()).await.unwrap();
    let mut other =
        <sqlx::SqliteConnection as sqlx::Connection>::connect(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let (late, ..) = records("another browser");
    let began = Instant::now();
    let write = store.create_login(late, login.clone(), grant.clone());
    let reads = async {
        for _ in 0..20 {
            let began = Instant::now();
            assert!(store.login(key).await.unwrap().is_some(), "reading goes on");
            assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (written, ()) = futures_util::join!(write, reads);
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    assert!(began.elapsed() < Duration::from_millis(1_300), "{:?}", began.elapsed());
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert!(store.login(late).await.unwrap().is_none(), "what failed has left nothing behind");
    store.create_login(late, login, grant).await.unwrap();
}

/// F-06: a login whose answer is lost may be carried out all the same, and later. It must not cost the same person's
/// other browsers theirs.
#[actix_web::test]
async fn a_login_that_redis_carries_out_late_takes_no_other_login_along() {
    let redis = Redis::start();
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let store = RedisStore::connect(&redis.url(), "test:").await.unwrap();
    let world = World::around(org, |builder| builder.keys(KEYS).store(store)).await;
    let browser = world.logged_in().await;

    // Redis falls asleep while the second browser's code is being traded, and wakes up when the app has given up.
    world.org.faults().token_endpoint(Fault::Delay(Duration::from_millis(800)));
    let late = Client::new();
    let callback = late.visit_until(&world.url("/auth/salesforce/login"), "/auth/salesforce/callback").await;
    let (page, ()) = futures_util::join!(late.open(callback.as_str()), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        redis.freeze();
    });
    assert_eq!(page.status, 503, "{page:?}");
    redis.thaw();
    world.org.faults().clear();
    tokio::time::sleep(Duration::from_secs(3)).await;

    let logins: Vec<_> = redis.keys().into_iter().filter(|key| key.starts_with("test:login:")).collect();
    assert_eq!(logins.len(), 1, "nobody can use the login of which nobody was told");
    for _ in 0..2 {
        world.org.expire_access_tokens();
        let page = browser.fetch(&world.url("/names")).await;
        assert_eq!(page.status, 200, "the first browser is still logged in: {page:?}");
    }
    assert_eq!(world.org.refresh_reuse_count(), 0);
}
