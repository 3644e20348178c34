//! What networks and servers do to a store, and what a store must not do then (F-02, F-03, F-06; A-23).

use std::time::{Duration, Instant, SystemTime};

use crate::support::{
    ADA, Client, TestApp,
    proxy::Proxy,
    reserve,
    servers::{Folder, Postgres, Redis},
    settings_for,
};
use actix_salesforce::{
    Secret, UserRef,
    store::{
        AppKey, GrantKey, GrantRecord, GrantVersion, LoginKey, LoginRecord, RedisStore, Sealed, SqlStore,
        Store, StoreError,
    },
};
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};

pub(super) const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

pub(super) fn grant_key() -> GrantKey {
    let (org, user) = ("00Dx0000000BV7z".parse().unwrap(), "005x00000012Q9P".parse().unwrap());
    GrantKey::new(AppKey::from_client_id("faults"), UserRef::new(org, user))
}

pub(super) fn records(browser: &str) -> (LoginKey, LoginRecord, GrantRecord) {
    let now = SystemTime::now();
    let end = now + Duration::from_secs(3600);
    let login = LoginRecord::new(grant_key(), now, end);
    let (version, sealed) =
        (GrantVersion { epoch: 1, revision: 0 }, Sealed::from_bytes(vec![0, 255, 39, 92, 10]));
    let grant = GrantRecord::new(grant_key(), version, sealed, now, end);
    (LoginKey::from_login_id(&Secret::new(browser)), login, grant)
}

/// Every connection that the store has falls silent. That may cost the calls that meet them their second, and no more.
async fn recovers_from_silence(store: &dyn Store, proxy: &Proxy) {
    for _ in 0..2 {
        // As many connections as the store cares to make, so that each of them is a silent one afterwards.
        for read in join_all((0..32).map(|_| store.load_grant(grant_key()))).await {
            read.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        proxy.silence();
        let began = Instant::now();
        while store.load_grant(grant_key()).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(4), "it makes a new connection");
        }
        for read in join_all((0..32).map(|_| store.load_grant(grant_key()))).await {
            read.unwrap();
        }
    }
    // In the middle of calls too, all connections at once.
    let calls = join_all((0..32).map(|_| store.load_grant(grant_key())));
    proxy.silence();
    calls.await;
    let began = Instant::now();
    while store.load_grant(grant_key()).await.is_err() {
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

/// A process whose network fails in the middle of a step keeps no other process from the grant for long.
#[tokio::test]
async fn a_silent_postgres_client_keeps_no_lock() {
    let postgres = Postgres::start();
    let proxy = Proxy::before(postgres.port).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", proxy.port);
    let (unlucky, other) =
        (SqlStore::postgres(&url).await.unwrap(), SqlStore::postgres(&postgres.url()).await.unwrap());
    let (_, _, grant) = records("a browser");
    for _ in 0..3 {
        let steps = join_all((0..200).map(|_| unlucky.put_grant(grant.clone())));
        let (done, ()) = futures_util::join!(steps, async {
            tokio::time::sleep(Duration::from_millis(40)).await;
            proxy.silence();
        });
        assert!(done.iter().any(Result::is_err), "some step was cut off");
        let began = Instant::now();
        while let Err(error) = other.put_grant(grant.clone()).await {
            assert!(began.elapsed() < Duration::from_secs(5), "{error:?}");
        }
    }
}

/// No request came while Redis was restarted: the first one after it does not notice.
#[tokio::test]
async fn a_redis_that_was_restarted_costs_no_read() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url(), "test:").await.unwrap();
    assert!(store.load_grant(grant_key()).await.unwrap().is_none());
    let port = redis.kill();
    let _redis = Redis::on(port, &[]);
    assert!(store.load_grant(grant_key()).await.unwrap().is_none());
}

/// Another process writes for long: a writer here gives up in time, and a reader does not notice.
#[tokio::test]
async fn a_sqlite_file_that_another_process_locks_can_be_read() {
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
            assert!(store.load_login(key).await.unwrap().is_some(), "reading goes on");
            assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (written, ()) = futures_util::join!(write, reads);
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    assert!(began.elapsed() < Duration::from_millis(1_300), "{:?}", began.elapsed());
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert!(store.load_login(late).await.unwrap().is_none(), "what failed has left nothing behind");
    store.create_login(late, login, grant).await.unwrap();
}

/// The lease runs out while its holder cannot renew it and its token call is still under way. Another process that wants to
/// refresh then must not send the same token: Salesforce would end everything.
#[actix_web::test]
async fn a_redis_that_hangs_longer_than_the_lease_causes_no_second_token_call() {
    let redis = Redis::start();
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let mut apps = Vec::new();
    for _ in 0..2 {
        let (listener, url) = reserve();
        let settings = settings_for(&org, &url).keys(KEYS).store_url(redis.url());
        // One browser for both, on different ports.
        let settings = settings.cookie_name("salesforce-fleet");
        apps.push(crate::support::app::standard(listener, 2, settings.build().await.unwrap()));
    }
    let (one, two) = (format!("{}/names", apps[0].url), format!("{}/names", apps[1].url));
    let browser = Client::new();
    assert_eq!(browser.visit(&one).await.status, 200);
    assert_eq!(browser.fetch(&two).await.status, 200);
    org.faults().refresh(Fault::Delay(Duration::from_millis(9_000)));
    org.expire_access_tokens();
    let leader = browser.fetch(&one);
    let others = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        redis.freeze();
        tokio::time::sleep(Duration::from_millis(6_200)).await;
        redis.thaw();
        // From the first moment on in which it responds.
        for _ in 0..10 {
            let _ = browser.fetch(&two).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (page, ()) = futures_util::join!(leader, others);
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!((org.token_calls("refresh_token"), org.refresh_reuse_count()), (1, 0));
    assert_eq!(browser.fetch(&two).await.status, 200);
}

/// F-06: a login whose response is lost may be carried out all the same, and later. It must not cost the same user's
/// other browsers theirs.
#[actix_web::test]
async fn a_login_that_redis_carries_out_late_takes_no_other_login_along() {
    let redis = Redis::start();
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let store = RedisStore::connect(&redis.url(), "test:").await.unwrap();
    let app = TestApp::around(org, |builder| builder.keys(KEYS).store(std::sync::Arc::new(store))).await;
    let browser = app.logged_in().await;

    // Redis falls asleep while the second browser's code is being traded, and wakes up when the app has given up.
    app.org.faults().token_endpoint(Fault::Delay(Duration::from_millis(800)));
    let late = Client::new();
    let callback = late.visit_until(&app.url("/auth/salesforce/login"), "/auth/salesforce/callback").await;
    let (page, ()) = futures_util::join!(late.open(callback.as_str()), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        redis.freeze();
    });
    assert_eq!(page.status, 503, "{page:?}");
    redis.thaw();
    app.org.faults().clear();
    tokio::time::sleep(Duration::from_secs(3)).await;

    let logins: Vec<_> = redis.keys().into_iter().filter(|key| key.starts_with("test:login:")).collect();
    assert_eq!(logins.len(), 1, "the login whose cookie was not sent cannot be used");
    for _ in 0..2 {
        app.org.expire_access_tokens();
        let page = browser.fetch(&app.url("/names")).await;
        assert_eq!(page.status, 200, "the first browser is still logged in: {page:?}");
    }
    assert_eq!(app.org.refresh_reuse_count(), 0);
}
