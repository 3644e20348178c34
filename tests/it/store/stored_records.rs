//! What a store holds: records that other programs wrote, rows that expire, two handles on one store, and rights on it
//! (F-04, F-26; R-65).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use super::store_faults::{KEYS, grant_key, records};
use crate::support::servers::{Folder, Postgres, Redis};
use actix_salesforce::{
    Salesforce, Secret,
    store::{
        ConnectedOwner, ConsumerKey, DeletedLogin, DisconnectedOwner, GrantFilter, GrantKey, GrantRecord,
        GrantVersion, LeaseHolder, LeaseName, LoginKey, LoginRecord, OneTimeKey, OwnedFilter, OwnedKey,
        OwnedRecord, PositionRecord, PositionSwap, RedisStore, Sealed, SqlStore, Store, StoreError,
        StoreFuture, SwapOutcome, contract,
    },
};

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

/// F-04, F-26: what another program wrote harms the one record only, and makes room.
#[tokio::test]
async fn strange_records_in_redis_are_absent_and_block_no_write() {
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
        // The user logs in again, over all of it.
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
    fn break_grant(&self, expected: GrantVersion, broken: GrantRecord) -> StoreFuture<'_, bool> {
        self.next().break_grant(expected, broken)
    }
    fn connect_owner(
        &self,
        owned: OwnedRecord,
        grant: GrantRecord,
        keep_unused: Duration,
    ) -> StoreFuture<'_, ConnectedOwner> {
        self.next().connect_owner(owned, grant, keep_unused)
    }
    fn load_owned(&self, key: OwnedKey) -> StoreFuture<'_, Option<(OwnedRecord, Option<GrantRecord>)>> {
        self.next().load_owned(key)
    }
    fn disconnect_owner(
        &self,
        key: OwnedKey,
        expected: Sealed,
        keep_unused: Duration,
        ended_at: SystemTime,
    ) -> StoreFuture<'_, DisconnectedOwner> {
        self.next().disconnect_owner(key, expected, keep_unused, ended_at)
    }
    fn list_owned(&self, filter: OwnedFilter) -> StoreFuture<'_, Vec<OwnedRecord>> {
        self.next().list_owned(filter)
    }
    fn reseal_owned(&self, key: OwnedKey, expected: Sealed, next: Sealed) -> StoreFuture<'_, bool> {
        self.next().reseal_owned(key, expected, next)
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
    fn load_position(&self, key: ConsumerKey) -> StoreFuture<'_, Option<PositionRecord>> {
        self.next().load_position(key)
    }
    fn compare_and_swap_position(
        &self,
        expected: Option<u64>,
        next: PositionRecord,
    ) -> StoreFuture<'_, PositionSwap> {
        self.next().compare_and_swap_position(expected, next)
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
async fn a_sweep_waits_for_no_transaction() {
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
        assert!(["Check ", "Use ", "prefix"].iter().any(|step| text.contains(step)), "what to do: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
