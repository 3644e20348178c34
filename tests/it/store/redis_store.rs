//! The Redis store against a real redis-server (F-02 to F-06, F-25, F-26; R-65).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::store_faults::{grant_key, records};
use crate::support::{ADA, Client, TestApp, free_port, servers::Redis};
use actix_salesforce::store::{
    GrantFilter, GrantRecord, GrantVersion, LoginKey, RedisStore, Sealed, Store, StoreError, SwapOutcome,
    contract,
};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

async fn connect(redis: &Redis) -> RedisStore {
    RedisStore::connect(&redis.url(), "test:").await.unwrap()
}

async fn app(redis: &Redis) -> TestApp {
    let store = connect(redis).await;
    TestApp::with(|builder| builder.keys(KEYS).store(std::sync::Arc::new(store))).await
}

#[actix_web::test]
async fn it_keeps_the_contract() {
    let redis = Redis::start();
    contract::check(Arc::new(connect(&redis).await)).await.unwrap();
    for key in redis.keys() {
        let ttl: i64 = redis.cli(&["PTTL", &key]).trim().parse().unwrap();
        // A consumer that starts after a long time has to learn that its position is lost.
        let lasts = key.starts_with("test:position:");
        assert!(if lasts { ttl == -1 } else { ttl > 0 }, "{key} has the lifetime {ttl}");
        assert!(key.starts_with("test:"), "{key}");
    }
}

#[actix_web::test]
async fn nothing_in_it_is_of_use_to_who_reads_it() {
    let redis = Redis::start();
    let app = app(&redis).await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    let ada = app.org.user(ADA);
    let mut secrets = app.org.live_refresh_tokens(&ada);
    secrets.extend(app.org.live_access_tokens(&ada));
    secrets.extend(browser.cookies("127.0.0.1").into_values());
    assert!(secrets.len() >= 3);
    for key in redis.keys() {
        let dump = redis.cli(&["HGETALL", &key]) + &redis.cli(&["GET", &key]) + &key;
        assert!(secrets.iter().all(|secret| !dump.contains(secret)), "{key}");
        let ttl: i64 = redis.cli(&["PTTL", &key]).trim().parse().unwrap();
        assert!(ttl > 0 && ttl < 31 * 24 * 3_600_000, "{key}: {ttl}");
    }
    browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    // A lease lives on to the end of its period, so that one process alone does the work of the period.
    let passing = |key: &String| ["once:", "ended:", "lease:"].iter().any(|part| key.contains(part));
    let left: Vec<_> = redis.keys().into_iter().filter(|key| !passing(key)).collect();
    assert_eq!(left, Vec::<String>::new(), "a logout leaves nothing behind but that it was");
}

/// A record that something else made so large takes no memory of a process. The connection is replaced.
#[actix_web::test]
async fn a_reply_of_more_than_16_mib_is_an_error_and_the_next_one_is_read() {
    let redis = Redis::start();
    let store = connect(&redis).await;
    let (key, login, grant) = records("a browser");
    let stored = store.create_login(key, login, grant.clone()).await;
    assert_eq!(stored.unwrap(), None);
    let resize = "return redis.call('HSET', KEYS[1], 'sealed', string.rep('x', ARGV[1]))";
    let name = format!("test:grant:{}", grant.key);
    redis.cli(&["EVAL", resize, "1", &name, "17000000"]);
    let error = store.load_login(key).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    redis.cli(&["EVAL", resize, "1", &name, "9000"]);
    let (_, grant) = store.load_login(key).await.unwrap().unwrap();
    assert_eq!(grant.sealed.as_bytes().len(), 9_000);
}

#[actix_web::test]
async fn a_redis_that_hangs_or_goes_away_costs_503s_and_nothing_else() {
    let redis = Redis::start();
    let app = app(&redis).await;
    let browser = app.logged_in().await;

    redis.freeze();
    for _ in 0..2 {
        let started = Instant::now();
        let page = browser.fetch(&app.url("/user")).await;
        assert_eq!(page.status, 503, "{page:?}");
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert_eq!(browser.fetch(&app.url("/")).await.body, "public");
    }
    redis.thaw();
    eventually(|| async { browser.fetch(&app.url("/whoami")).await.status == 200 }).await;

    // Gone, with everything in it.
    let port = redis.kill();
    let started = Instant::now();
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 503);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let _redis = Redis::on(port, &[]);
    eventually(|| async { browser.fetch(&app.url("/user")).await.status == 401 }).await;
    app.log_in(&browser).await;
}

async fn eventually<F: Future<Output = bool>>(holds: impl Fn() -> F) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(10), "it recovers without a restart");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// F-05: a login that cannot be stored is rejected.
#[actix_web::test]
async fn a_full_redis_refuses_logins_and_keeps_those_it_has() {
    let redis = Redis::start();
    let app = app(&redis).await;
    let browser = app.logged_in().await;
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1mb"]);
    redis.cli(&["CONFIG", "SET", "maxmemory-clients", "0"]);
    let late = Client::new();
    let callback = late.visit_until(&app.url("/auth/salesforce/login"), "/auth/salesforce/callback").await;
    let page = late.open(callback.as_str()).await;
    assert_eq!(page.status, 503, "{page:?}");
    assert!(!page.sets_login(), "{page:?}");
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 200);
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    app.log_in(&late).await;
}

/// F-04, F-26: an invalid record is absent, and harms no other.
#[actix_web::test]
async fn a_broken_record_is_absent() {
    let redis = Redis::start();
    let app = app(&redis).await;
    for (field, value, expected) in [
        ("version", "x", 401),
        ("updated", "yesterday", 401),
        // Tokens of a version that is in memory are not read again.
        ("sealed", "\u{1}garbage", 200),
    ] {
        let browser = app.logged_in().await;
        let grant = redis.keys().into_iter().find(|key| key.starts_with("test:grant:")).unwrap();
        redis.cli(&["HSET", &grant, field, value]);
        assert_eq!(browser.fetch(&app.url("/user")).await.status, expected, "{field}");
        app.log_in(&browser).await;
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 200);
    }
    let browser = app.logged_in().await;
    for login in redis.keys().into_iter().filter(|key| key.starts_with("test:login:")) {
        redis.cli(&["DEL", &login]);
        redis.cli(&["SET", &login, "a string"]);
    }
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
    app.log_in(&browser).await;
}

#[actix_web::test]
async fn a_redis_that_is_not_there_is_a_clear_error_at_the_start() {
    let started = Instant::now();
    let url = format!("redis://user:a-password@127.0.0.1:{}", free_port());
    let error = RedisStore::connect(&url, "").await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(6));
    assert!(!format!("{error:?} {error}").contains("a-password"));
    assert!(RedisStore::connect("not a URL", "").await.is_err());
}

/// Two connections to one Redis see each other's records at once.
#[actix_web::test]
async fn two_processes_share_it() {
    let redis = Redis::start();
    let app = app(&redis).await;
    let other = connect(&redis).await;
    let browser = app.logged_in().await;
    assert_eq!(other.list_logins(GrantFilter::All).await.unwrap().len(), 1);
    let grants = other.list_grants(GrantFilter::All).await.unwrap();
    other.delete_grant(grants[0].key, None).await.unwrap();
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
}

/// Reads twice, so that the login is remembered.
async fn read(store: &RedisStore, key: LoginKey) -> Option<GrantRecord> {
    let first = store.load_login(key).await.unwrap();
    let second = store.load_login(key).await.unwrap();
    assert_eq!(first, second);
    second.map(|(_, grant)| grant)
}

/// A login that was read lately is remembered. What another process does to it counts with the next read.
#[tokio::test]
async fn what_another_process_changes_is_seen_by_the_next_read() {
    let redis = Redis::start();
    let (here, there) = (connect(&redis).await, connect(&redis).await);
    let (key, login, grant) = records("a browser");
    there.create_login(key, login.clone(), grant.clone()).await.unwrap();
    assert_eq!(read(&here, key).await.unwrap().sealed, grant.sealed);

    let sealed = Sealed::from_bytes(vec![7; 900]);
    let refreshed =
        GrantRecord::new(grant_key(), grant.version.next(), sealed, grant.updated_at, grant.expires_at);
    let swapped = there.compare_and_swap_grant(grant.version, refreshed.clone()).await.unwrap();
    assert_eq!(swapped, SwapOutcome::Stored);
    assert_eq!(read(&here, key).await.unwrap().sealed, refreshed.sealed, "a refresh");

    // Another login of the same user brings other tokens for both.
    let (other, ..) = records("another browser");
    let version = GrantVersion { epoch: 2, revision: 0 };
    let newer = GrantRecord::new(
        grant_key(),
        version,
        Sealed::from_bytes(vec![8; 900]),
        grant.updated_at,
        grant.expires_at,
    );
    there.create_login(other, login.clone(), newer.clone()).await.unwrap();
    assert_eq!(read(&here, key).await.unwrap().sealed, newer.sealed, "another login");
    assert_eq!(read(&here, other).await.unwrap().sealed, newer.sealed);

    let _ = there.delete_login(key).await.unwrap();
    assert!(read(&here, key).await.is_none(), "a logout");
    assert!(read(&here, other).await.is_some(), "of one browser");
    there.delete_grant(grant_key(), None).await.unwrap();
    assert!(read(&here, other).await.is_none(), "a revocation");

    let (late, ..) = records("a third browser");
    there.create_login(late, login.clone(), grant.clone()).await.unwrap();
    assert!(read(&here, late).await.is_some());
    assert!(there.touch_login(late, login.last_used_at, login.last_used_at).await.unwrap());
    assert!(read(&here, late).await.is_none(), "an expiry");
}

/// What this process wrote is in what it reads next.
#[tokio::test]
async fn a_last_use_is_read_back() {
    let redis = Redis::start();
    let store = connect(&redis).await;
    let (key, login, grant) = records("a browser");
    store.create_login(key, login.clone(), grant).await.unwrap();
    read(&store, key).await.unwrap();
    let (used, end) =
        (login.last_used_at + Duration::from_secs(60), login.expires_at + Duration::from_secs(60));
    assert!(store.touch_login(key, used, end).await.unwrap());
    let (found, _) = store.load_login(key).await.unwrap().unwrap();
    assert!(found.expires_at > login.expires_at && found.last_used_at > login.last_used_at, "{found:?}");
}

/// The number after this name in a section of `INFO`.
fn info(redis: &Redis, section: &str, name: &str) -> u64 {
    let info = redis.cli(&["INFO", section]);
    let found = info.lines().find_map(|line| line.strip_prefix(name)).expect("such a line");
    let number = found.trim_start_matches(":calls=").trim_start_matches(':');
    number.split(',').next().unwrap().trim().parse().unwrap()
}

/// The tokens are most of a record, and they are needed once per version.
#[tokio::test]
async fn sealed_tokens_are_read_once_and_no_script_runs_for_a_page() {
    const READS: u64 = 20;
    let redis = Redis::start();
    let store = connect(&redis).await;
    let (key, login, grant) = records("a browser");
    let tokens = Sealed::from_bytes(vec![9; 4_000]);
    let grant = GrantRecord::new(grant_key(), grant.version, tokens, grant.updated_at, grant.expires_at);
    store.create_login(key, login, grant.clone()).await.unwrap();
    read(&store, key).await.unwrap();
    let before = info(&redis, "stats", "total_net_output_bytes");
    let scripts = info(&redis, "commandstats", "cmdstat_evalsha");
    for _ in 0..READS {
        assert_eq!(store.load_login(key).await.unwrap().unwrap().1.sealed, grant.sealed);
    }
    assert_eq!(info(&redis, "commandstats", "cmdstat_evalsha"), scripts, "plain commands only");
    // INFO itself responds with some kilobytes.
    let info_bytes =
        redis.cli(&["INFO", "commandstats"]).len() as u64 + redis.cli(&["INFO", "stats"]).len() as u64;
    let sent = info(&redis, "stats", "total_net_output_bytes") - before;
    assert!(sent < 3 * info_bytes + READS * 200, "{sent} bytes for {READS} reads");
    assert!(READS * 4_000 > 3 * info_bytes + READS * 200, "the tokens would show");
}
