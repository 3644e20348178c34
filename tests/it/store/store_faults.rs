//! What networks and servers do to a store, and what a store must not do then (F-02, F-03, F-06; A-23).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use crate::support::{
    ADA, Client, TestApp,
    proxy::Proxy,
    reserve,
    servers::{Folder, Postgres, Redis},
    settings_for,
};
use actix_salesforce::{
    Salesforce, Secret, UserRef,
    store::{
        AppKey, DeletedLogin, GrantFilter, GrantKey, GrantRecord, GrantVersion, LeaseHolder, LeaseName,
        LoginKey, LoginRecord, OneTimeKey, RedisStore, Sealed, SqlStore, Store, StoreError, StoreFuture,
        SwapOutcome, contract,
    },
};
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

fn grant_key() -> GrantKey {
    let (org, user) = ("00Dx0000000BV7z".parse().unwrap(), "005x00000012Q9P".parse().unwrap());
    GrantKey::new(AppKey::from_client_id("faults"), UserRef::new(org, user))
}

fn records(browser: &str) -> (LoginKey, LoginRecord, GrantRecord) {
    let now = SystemTime::now();
    let end = now + Duration::from_secs(3600);
    let login = LoginRecord::new(grant_key(), now, end);
    let (version, sealed) =
        (GrantVersion { epoch: 1, revision: 0 }, Sealed::from_bytes(vec![0, 255, 39, 92, 10]));
    let grant = GrantRecord::new(grant_key(), version, sealed, now, end);
    (LoginKey::from_session_id(&Secret::new(browser)), login, grant)
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

/// Once the tables are there, a role needs no right to make any.
#[tokio::test]
async fn a_postgres_role_without_the_right_to_create_is_enough_afterwards() {
    let postgres = Postgres::start();
    let store = SqlStore::postgres(&postgres.url()).await.unwrap();
    let mut admin = <sqlx::PgConnection as sqlx::Connection>::connect(&postgres.url()).await.unwrap();
    sqlx::raw_sql(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE app LOGIN; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app",
    )
    .execute(&mut admin)
    .await
    .unwrap();
    let url = format!("postgres://app@127.0.0.1:{}/postgres", postgres.port);
    let restricted = SqlStore::postgres(&url).await.unwrap();
    let (key, login, grant) = records("a browser");
    restricted.create_login(key, login, grant).await.unwrap();
    assert!(store.load_login(key).await.unwrap().is_some());
}

/// No request came while Redis was restarted: the first one after it does not notice.
#[tokio::test]
async fn a_redis_that_was_started_anew_costs_no_read() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url(), "test:").await.unwrap();
    assert!(store.load_grant(grant_key()).await.unwrap().is_none());
    let port = redis.kill();
    let _redis = Redis::on(port, &[]);
    assert!(store.load_grant(grant_key()).await.unwrap().is_none());
}

/// Another process writes for long: a writer here gives up in time, and a reader does not notice.
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

/// F-04, F-26: what another program wrote harms the one record only, and makes room.
#[tokio::test]
async fn strange_records_in_redis_are_absent_and_in_nobodys_way() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url(), "test:").await.unwrap();
    let (key, login, grant) = records("a browser");
    let name: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let (login_name, grant_name) = (format!("test:login:{name}"), format!("test:grant:{}", grant_key()));
    let sets = [format!("test:logins:{}", grant_key()), "test:all".to_owned()];
    for round in ["half", "text", "type"] {
        store.create_login(key, login.clone(), grant.clone()).await.unwrap();
        match round {
            "half" => {
                redis.cli(&["HDEL", &grant_name, "sealed", "updated"]);
                redis.cli(&["HDEL", &login_name, "seen"]);
            }
            "text" => {
                redis.cli(&["HSET", &grant_name, "version", "'"]);
                redis.cli(&["HSET", &login_name, "grant", "x y"]);
            }
            _ => {
                for name in [&login_name, &grant_name, &sets[0], &sets[1]] {
                    redis.cli(&["DEL", name]);
                    redis.cli(&["LPUSH", name, "1"]);
                }
            }
        }
        let found = store.load_login(key).await;
        assert!(matches!(found, Ok(None) | Err(StoreError::Corrupt(_))), "{round}: {found:?}");
        let found = store.load_grant(grant_key()).await;
        assert!(matches!(found, Ok(None) | Err(StoreError::Corrupt(_))), "{round}: {found:?}");
        for of in [GrantFilter::All, GrantFilter::Org(grant_key().user().organization_id)] {
            assert!(store.list_logins(of).await.is_ok_and(|found| found.is_empty()), "{round}");
            assert!(store.list_grants(of).await.is_ok_and(|found| found.is_empty()), "{round}");
        }
        // The person logs in again, over all of it.
        let (fresh, ..) = records(round);
        store.create_login(fresh, login.clone(), grant.clone()).await.unwrap();
        assert!(store.load_login(fresh).await.unwrap().is_some(), "{round}");
        assert!(matches!(
            store.delete_login(fresh).await.unwrap(),
            DeletedLogin::GrantDeleted(_) | DeletedLogin::GrantKept(_)
        ));
        store.delete_grant(grant_key(), None).await.unwrap();
        redis.cli(&["FLUSHALL"]);
    }
}

/// Two handles on one store, as two processes have them: each call goes through the other one.
#[derive(Debug)]
struct Both([Arc<dyn Store>; 2], AtomicUsize);

impl Both {
    fn next(&self) -> &dyn Store {
        &*self.0[self.1.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

impl Store for Both {
    fn create_login(
        &self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        self.next().create_login(key, login, grant)
    }
    fn load_login(&self, key: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        self.next().load_login(key)
    }
    fn touch_login(&self, key: LoginKey, seen: SystemTime, expires: SystemTime) -> StoreFuture<'_, bool> {
        self.next().touch_login(key, seen, expires)
    }
    fn delete_login(&self, key: LoginKey) -> StoreFuture<'_, DeletedLogin> {
        self.next().delete_login(key)
    }
    fn put_grant(&self, grant: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        self.next().put_grant(grant)
    }
    fn load_grant(&self, key: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
        self.next().load_grant(key)
    }
    fn compare_and_swap_grant(
        &self,
        expected: GrantVersion,
        next: GrantRecord,
    ) -> StoreFuture<'_, SwapOutcome> {
        self.next().compare_and_swap_grant(expected, next)
    }
    fn delete_grant(
        &self,
        key: GrantKey,
        expected: Option<GrantVersion>,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        self.next().delete_grant(key, expected)
    }
    fn list_logins(&self, of: GrantFilter) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        self.next().list_logins(of)
    }
    fn list_grants(&self, of: GrantFilter) -> StoreFuture<'_, Vec<GrantRecord>> {
        self.next().list_grants(of)
    }
    fn consume_once(&self, once: OneTimeKey, lifetime: Duration) -> StoreFuture<'_, bool> {
        self.next().consume_once(once, lifetime)
    }
    fn acquire_lease(
        &self,
        name: LeaseName,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'_, bool> {
        self.next().acquire_lease(name, holder, lifetime)
    }
    fn release_lease(&self, name: LeaseName, holder: LeaseHolder) -> StoreFuture<'_, ()> {
        self.next().release_lease(name, holder)
    }
}

/// All races of the contract, between two connections to the same server or file.
#[tokio::test]
async fn two_handles_on_one_store_keep_the_contract() {
    let (redis, postgres, folder) = (Redis::start(), Postgres::start(), Folder::new("both"));
    let path = folder.path().join("logins.db");
    let url = format!("{}/3?prefix=shop:", redis.url());
    let stores: [[Arc<dyn Store>; 2]; 3] = [
        [
            Arc::new(RedisStore::connect(&url, "x:").await.unwrap()),
            Arc::new(RedisStore::connect(&url, "x:").await.unwrap()),
        ],
        [
            Arc::new(SqlStore::postgres(&postgres.url()).await.unwrap()),
            Arc::new(SqlStore::postgres(&postgres.url()).await.unwrap()),
        ],
        [Arc::new(SqlStore::sqlite(&path).await.unwrap()), Arc::new(SqlStore::sqlite(&path).await.unwrap())],
    ];
    for both in stores {
        let name = format!("{both:?}");
        if let Err(broken) = contract::check(Arc::new(Both(both, AtomicUsize::default()))).await {
            panic!("{name}: {broken} ({broken:?})");
        }
    }
    let keys: Vec<_> = redis.cli(&["-n", "3", "--scan"]).lines().map(str::to_owned).collect();
    assert!(!keys.is_empty() && keys.iter().all(|key| key.starts_with("shop:")), "{keys:?}");
    for file in std::fs::read_dir(folder.path()).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?} is its owner's alone", file.file_name());
    }
}

/// What has expired is taken out a little at a time, and nothing else is.
#[tokio::test]
async fn expired_rows_are_swept_out_of_databases() {
    let (folder, postgres) = (Folder::new("sweep"), Postgres::start());
    let path = folder.path().join("logins.db");
    let stores = [SqlStore::sqlite(&path).await.unwrap(), SqlStore::postgres(&postgres.url()).await.unwrap()];
    for store in &stores {
        let (key, login, grant) = records("a browser");
        store.create_login(key, login, grant).await.unwrap();
        for n in 0..1_000 {
            let once = OneTimeKey::from_secret(&Secret::new(format!("value {n}")));
            assert!(store.consume_once(once, Duration::from_millis(1)).await.unwrap());
        }
        assert!(store.load_login(key).await.unwrap().is_some(), "what lives stays");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let count = "SELECT count(*) FROM actix_salesforce_once";
    let mut sqlite =
        <sqlx::SqliteConnection as sqlx::Connection>::connect(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
    let mut server = <sqlx::PgConnection as sqlx::Connection>::connect(&postgres.url()).await.unwrap();
    let left: [i64; 2] = [
        sqlx::query_scalar(count).fetch_one(&mut sqlite).await.unwrap(),
        sqlx::query_scalar(count).fetch_one(&mut server).await.unwrap(),
    ];
    assert!(left.iter().all(|left| *left <= 250), "{left:?} of 1000 are left");
}

/// A transaction that holds rows and waits for rows of others can deadlock. The sweep passes over what another one
/// is changing, and comes back to it another time.
#[tokio::test]
async fn a_sweep_waits_for_nobody() {
    let postgres = Postgres::start();
    let store = SqlStore::postgres(&postgres.url()).await.unwrap();
    // (It sweeps with every 200th change.)
    let consume = async |from: u32, count: u32, lifetime| {
        for n in from..from + count {
            assert!(
                store
                    .consume_once(OneTimeKey::from_secret(&Secret::new(format!("value {n}"))), lifetime)
                    .await
                    .unwrap()
            );
        }
    };
    let mut other = <sqlx::PgConnection as sqlx::Connection>::connect(&postgres.url()).await.unwrap();
    let mut counter = <sqlx::PgConnection as sqlx::Connection>::connect(&postgres.url()).await.unwrap();
    let mut until_left = async |left: i64| {
        let count = "SELECT count(*) FROM actix_salesforce_once \
                     WHERE expires <= extract(epoch FROM clock_timestamp()) * 1000";
        let began = Instant::now();
        while sqlx::query_scalar::<_, i64>(count).fetch_one(&mut counter).await.unwrap() != left {
            assert!(began.elapsed() < Duration::from_secs(5), "{left} should be left");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    consume(0, 150, Duration::from_millis(1)).await;
    until_left(150).await;
    let lock = "BEGIN; SELECT 1 FROM actix_salesforce_once ORDER BY once_key LIMIT 1 FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    consume(1_000, 200, Duration::from_secs(60)).await;
    until_left(1).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    consume(2_000, 200, Duration::from_secs(60)).await;
    until_left(0).await;
}

/// A password in a store's address is in no error and in no `Debug`.
#[tokio::test]
async fn the_password_of_a_store_is_not_told() {
    for (address, why) in [
        ("redis://:hunter2@127.0.0.1:1", "refused"),
        ("rediss://:hunter2@127.0.0.1:1/?prefix=%20", "prefix"),
        ("rediss://:hunter2@127.0.0.1:1/#insecure", "Use redis://"),
        ("postgres://app:hunter2@127.0.0.1:1/db", "refused"),
        ("postgres://app:hunter2@[", "opening the store failed"),
        ("mysql://app:hunter2@127.0.0.1/db", "Use memory:"),
    ] {
        let builder = Salesforce::builder().client_id("3MVG9client").keys(KEYS).store_url(address);
        assert!(!format!("{builder:?}").contains("hunter2"));
        let began = Instant::now();
        let error = builder.build().await.expect_err("there is no such store");
        assert!(began.elapsed() < Duration::from_secs(10));
        let text = format!("{error} {error:?}");
        assert!(text.contains("SALESFORCE_STORE") && text.contains(why), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
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
        // From the first moment on in which it answers.
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

/// F-06: a login whose answer is lost may be carried out all the same, and later. It must not cost the same person's
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
