//! Every store that outlives the process keeps the contract, survives what servers do, and gives nothing away
//! (F-01 to F-06, F-26; ).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "support/servers.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
mod servers;

use std::{
    os::unix::fs::PermissionsExt as _,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use actix_salesforce::{
    AppKey, GrantKey, Secret, Version,
    store::{
        self, EndedLogin, GrantRecord, LeaseHolder, LoginKey, LoginRecord, OnceKey, Sealed, Store,
        StoreError, StoreFuture, Subject, Swap, contract,
    },
};
use servers::{Folder, Postgres, Redis};

/// Two handles on one store, as two processes have them: each operation goes through the other one.
#[derive(Debug)]
struct Both {
    stores: [Arc<dyn Store>; 2],
    turn: AtomicUsize,
}

impl Both {
    fn next(&self) -> &dyn Store {
        &*self.stores[self.turn.fetch_add(1, Ordering::Relaxed) % 2]
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
    fn login(&self, key: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        self.next().login(key)
    }
    fn touch_login(&self, key: LoginKey, seen: SystemTime, expires: SystemTime) -> StoreFuture<'_, bool> {
        self.next().touch_login(key, seen, expires)
    }
    fn end_login(&self, key: LoginKey) -> StoreFuture<'_, EndedLogin> {
        self.next().end_login(key)
    }
    fn put_grant(&self, grant: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        self.next().put_grant(grant)
    }
    fn grant(&self, key: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
        self.next().grant(key)
    }
    fn replace_grant(&self, expected: Version, next: GrantRecord) -> StoreFuture<'_, Swap> {
        self.next().replace_grant(expected, next)
    }
    fn end_grant(&self, key: GrantKey, expected: Option<Version>) -> StoreFuture<'_, Option<GrantRecord>> {
        self.next().end_grant(key, expected)
    }
    fn logins(&self, of: Subject) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        self.next().logins(of)
    }
    fn grants(&self, of: Subject) -> StoreFuture<'_, Vec<GrantRecord>> {
        self.next().grants(of)
    }
    fn consume(&self, once: OnceKey, lifetime: Duration) -> StoreFuture<'_, bool> {
        self.next().consume(once, lifetime)
    }
    fn acquire_lease(&self, key: GrantKey, holder: LeaseHolder, lifetime: Duration) -> StoreFuture<'_, bool> {
        self.next().acquire_lease(key, holder, lifetime)
    }
    fn release_lease(&self, key: GrantKey, holder: LeaseHolder) -> StoreFuture<'_, ()> {
        self.next().release_lease(key, holder)
    }
}

async fn open(address: &str) -> Arc<dyn Store> {
    store::open(&Secret::new(address)).await.expect("the store opens")
}

fn grant_key() -> GrantKey {
    let (org, user) = ("00Dx0000000BV7z".parse().unwrap(), "005x00000012Q9P".parse().unwrap());
    GrantKey::new(AppKey::of_client_id("stores"), org, user)
}

fn records() -> (LoginKey, LoginRecord, GrantRecord) {
    let now = SystemTime::now();
    let end = now + Duration::from_secs(3600);
    let key = LoginKey::of_id(&Secret::new("what the browser holds"));
    let login = LoginRecord { grant: grant_key(), created_at: now, seen_at: now, expires_at: end };
    let grant = GrantRecord {
        key: grant_key(),
        // Numbers that no signed or floating-point number holds.
        version: Version { lineage: u64::MAX - 1, revision: u64::MAX - 2 },
        sealed: Sealed::from_bytes(vec![0, 255, 39, 92, 10]),
        updated_at: now,
        expires_at: end,
    };
    (key, login, grant)
}

/// The contract over one handle, then over two; then what was stored is found by a third that is opened afterwards.
async fn check(address: &str) {
    let first = open(address).await;
    contract::check(Arc::clone(&first)).await.unwrap();
    let stores = [first, open(address).await];
    let both = Arc::new(Both { stores, turn: AtomicUsize::default() });
    contract::check(Arc::clone(&both) as Arc<dyn Store>).await.unwrap();

    let (key, login, grant) = records();
    both.create_login(key, login.clone(), grant.clone()).await.unwrap();
    drop(both);
    let (found_login, found_grant) =
        open(address).await.login(key).await.unwrap().expect("it is still there");
    assert_eq!((found_grant.version, &found_grant.sealed), (grant.version, &grant.sealed));
    for (found, stored) in [
        (found_login.created_at, login.created_at),
        (found_login.expires_at, login.expires_at),
        (found_grant.updated_at, grant.updated_at),
        (found_grant.expires_at, grant.expires_at),
    ] {
        assert!(stored.duration_since(found).unwrap() < Duration::from_micros(1), "times are kept");
    }
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let folder = Folder::new("sqlite");
    check(&format!("sqlite:{}", folder.file("store.db").display())).await;
    for file in std::fs::read_dir(&folder.0).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?} is its owner's alone", file.file_name());
    }
}

#[tokio::test]
async fn postgres_keeps_the_contract() {
    let server = Postgres::start();
    check(&server.url()).await;
}

#[tokio::test]
async fn redis_keeps_the_contract_and_every_key_ends() {
    let server = Redis::start();
    check(&server.url()).await;
    check(&format!("{}/3?prefix=shop:", server.url())).await;
    for (database, prefix) in [(0, "actix-salesforce:"), (3, "shop:")] {
        let client = redis::Client::open(format!("{}/{database}", server.url())).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        assert!(keys.len() > 20, "the contract left records behind");
        for key in keys {
            let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
            assert!(left > 0, "{key} has a lifetime");
            assert!(left <= 2 * 3600 * 1000, "{key} lives no longer than the longest of its records: {left}");
            assert!(key.starts_with(prefix), "{key}");
            assert!(!key.contains("what the browser holds"));
        }
    }
}

/// How the operations that requests wait for behave while the server does not answer.
async fn expect_outage(store: &dyn Store) {
    let (key, login, grant) = records();
    for _ in 0..2 {
        let began = Instant::now();
        let results = futures_util::future::join3(
            async { store.login(key).await.map(|_| ()) },
            async { store.grant(grant_key()).await.map(|_| ()) },
            async { store.create_login(key, login.clone(), grant.clone()).await.map(|_| ()) },
        )
        .await;
        for result in [results.0, results.1, results.2] {
            assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        }
        assert!(began.elapsed() < Duration::from_millis(1300), "{:?}", began.elapsed());
    }
}

async fn expect_recovery(store: &dyn Store) {
    let began = Instant::now();
    while let Err(error) = store.grant(grant_key()).await {
        assert!(began.elapsed() < Duration::from_secs(5), "no recovery: {error:?}");
    }
    assert!(store.acquire_lease(grant_key(), LeaseHolder(7), Duration::from_secs(1)).await.unwrap());
    store.release_lease(grant_key(), LeaseHolder(7)).await.unwrap();
}

#[tokio::test]
async fn an_outage_of_redis_costs_a_second_and_passes() {
    let mut server = Redis::start();
    let store = open(&server.url()).await;
    server.hang();
    expect_outage(&*store).await;
    server.go_on();
    expect_recovery(&*store).await;
    server.kill();
    expect_outage(&*store).await;
    server.start_again();
    expect_recovery(&*store).await;
    // Nobody asked while it was away: the first who asks does not notice.
    server.kill();
    server.start_again();
    assert!(store.grant(grant_key()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_outage_of_postgres_costs_a_second_and_passes() {
    let mut server = Postgres::start();
    let store = open(&server.url()).await;
    server.hang();
    expect_outage(&*store).await;
    server.go_on();
    expect_recovery(&*store).await;
    server.kill();
    expect_outage(&*store).await;
    server.start_again();
    expect_recovery(&*store).await;
}

#[tokio::test]
async fn a_sqlite_file_that_somebody_locks_costs_a_second() {
    let folder = Folder::new("locked");
    let path = folder.file("store.db");
    let store = open(&format!("sqlite:{}", path.display())).await;
    let mut other =
        <sqlx::SqliteConnection as sqlx::Connection>::connect(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let (key, login, grant) = records();
    let began = Instant::now();
    let stored = store.create_login(key, login.clone(), grant.clone()).await;
    assert!(matches!(stored, Err(StoreError::Unavailable(_))), "{stored:?}");
    assert!(began.elapsed() < Duration::from_millis(1300), "{:?}", began.elapsed());
    assert!(store.login(key).await.unwrap().is_none(), "reading goes on, and nothing was stored");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    store.create_login(key, login, grant).await.unwrap();
}

/// The other process of the next test, and nothing else.
#[tokio::test]
async fn another_process() {
    if let Ok(address) = std::env::var("STORE_TO_OPEN") {
        contract::check(open(&address).await).await.unwrap();
    }
}

#[tokio::test]
async fn processes_that_start_at_once_make_the_tables_together() {
    let folder = Folder::new("at-once");
    let server = Postgres::start();
    for address in [format!("sqlite:{}", folder.file("store.db").display()), server.url()] {
        let mut processes: Vec<_> = (0..3)
            .map(|_| {
                Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "another_process"])
                    .env("STORE_TO_OPEN", &address)
                    .spawn()
                    .unwrap()
            })
            .collect();
        for process in &mut processes {
            assert!(process.wait().unwrap().success(), "each opens the store and finds it good");
        }
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_says_why_and_no_password() {
    let began = Instant::now();
    let addresses = [
        ("redis://:hunter2@127.0.0.1:1", "refused"),
        ("postgres://app:hunter2@127.0.0.1:1/hunter2", "connection"),
        ("rediss://:hunter2@127.0.0.1:1/?prefix=%20", "prefix"),
        ("postgres://app:hunter2@[", "give postgres://"),
        ("sqlite:/does/not/exist/hunter2.db", "not found"),
        ("sqlite:", "give sqlite:PATH"),
        ("sqlite::memory:", "give sqlite:PATH"),
        ("mysql://app:hunter2@127.0.0.1/x", "give memory:"),
    ];
    let errors = addresses.map(|(address, why)| async move {
        let error = store::open(&Secret::new(address)).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(why), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    });
    futures_util::future::join_all(errors).await;
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// F-04, F-26: what somebody else wrote harms the one record only.
#[tokio::test]
async fn strange_records_in_redis_count_as_absent_and_make_room() {
    let server = Redis::start();
    let store = open(&server.url()).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (key, login, grant) = records();
    let name: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = [
        format!("actix-salesforce:grant:{}", grant_key()),
        format!("actix-salesforce:login:{name}"),
        format!("actix-salesforce:logins:{}", grant_key()),
        "actix-salesforce:all".to_owned(),
    ];
    for round in ["newer", "half", "type", "text"] {
        store.create_login(key, login.clone(), grant.clone()).await.unwrap();
        let mut pipe = redis::pipe();
        match round {
            "newer" => pipe.hset(&keys[0], "format", 2).hset(&keys[1], "format", 2),
            "half" => pipe.hdel(&keys[0], "sealed").hdel(&keys[1], "seen"),
            "type" => {
                pipe.del(&keys).lpush(&keys[0], 1).lpush(&keys[1], 1).lpush(&keys[2], 1).lpush(&keys[3], 1)
            }
            _ => pipe.hset(&keys[0], "lineage", "'").hset(&keys[1], "grant", "x y"),
        };
        pipe.exec_async(&mut connection).await.unwrap();
        let found = store.login(key).await;
        assert!(matches!(found, Ok(None) | Err(StoreError::Corrupt(_))), "{round}: {found:?}");
        let found = store.grant(grant_key()).await;
        assert!(matches!(found, Ok(None) | Err(StoreError::Corrupt(_))), "{round}: {found:?}");
        assert!(store.logins(Subject::All).await.unwrap().is_empty(), "{round}");
        assert!(store.grants(Subject::All).await.unwrap().is_empty(), "{round}");
        // The person logs in again, over all of it.
        let fresh = LoginKey::of_id(&Secret::new(round));
        store.create_login(fresh, login.clone(), grant.clone()).await.unwrap();
        assert!(store.login(fresh).await.unwrap().is_some(), "{round}");
        assert!(store.end_grant(grant_key(), None).await.unwrap().is_some(), "{round}");
        redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    }
}

/// F-05: a full server takes no logins, and still takes logouts.
#[tokio::test]
async fn a_full_redis_takes_logouts_but_no_logins() {
    let server = Redis::start();
    let store = open(&server.url()).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (key, login, grant) = records();
    store.create_login(key, login.clone(), grant.clone()).await.unwrap();
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).exec_async(&mut connection).await.unwrap();
    let other = LoginKey::of_id(&Secret::new("another browser"));
    let refused = store.create_login(other, login, grant).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(matches!(store.end_login(key).await.unwrap(), EndedLogin::Last(_)));
    assert!(store.login(key).await.unwrap().is_none());
}
