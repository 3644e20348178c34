//! Logins that are used without asking Redis (`SALESFORCE_CACHE_LOGINS`), against a real redis-server.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::store_faults::{KEYS, grant_key, records};
use crate::support::{
    TestApp,
    proxy::Proxy,
    servers::{Redis, Sentinels},
};
use actix_salesforce::store::{
    GrantFilter, GrantRecord, GrantVersion, LoginKey, LoginRecord, RedisStore, Sealed, Store, SwapOutcome,
    contract,
};

/// How late a change may be seen at most, whatever happens to connections.
const LATEST: Duration = Duration::from_secs(1);

async fn caching(port: u16) -> RedisStore {
    let store = RedisStore::connect(&format!("redis://127.0.0.1:{port}"), "test:").await.unwrap();
    store.cache_logins().unwrap()
}

async fn asking(redis: &Redis) -> RedisStore {
    RedisStore::connect(&redis.url(), "test:").await.unwrap()
}

fn commands(redis: &Redis) -> u64 {
    let info = redis.cli(&["INFO", "commandstats"]);
    let calls = |line: &str| line.split(['=', ',']).nth(1)?.parse::<u64>().ok();
    let reads =
        info.lines().filter(|line| ["hget:", "hmget:", "evalsha:"].iter().any(|name| line.contains(name)));
    reads.filter_map(calls).sum()
}

/// Reads until the login is cached: a read asks Redis for nothing.
async fn cached(store: &RedisStore, redis: &Redis, key: LoginKey) -> (LoginRecord, GrantRecord) {
    if_cached(store, redis, key).await.expect("it has not ended")
}

/// The same for a login that may end before it is cached.
async fn if_cached(store: &RedisStore, redis: &Redis, key: LoginKey) -> Option<(LoginRecord, GrantRecord)> {
    let started = Instant::now();
    loop {
        let found = store.load_login(key).await.unwrap()?;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let before = commands(redis);
        if store.load_login(key).await.unwrap().as_ref() == Some(&found) && commands(redis) == before {
            return Some(found);
        }
        assert!(started.elapsed() < Duration::from_secs(20), "it is cached");
    }
}

async fn create(store: &RedisStore, browser: &str) -> (LoginKey, LoginRecord, GrantRecord) {
    let (key, login, grant) = records(browser);
    store.create_login(key, login.clone(), grant.clone()).await.unwrap();
    (key, login, grant)
}

fn next(grant: &GrantRecord) -> GrantRecord {
    let (version, sealed) = (grant.version.next(), Sealed::from_bytes(vec![7; 900]));
    GrantRecord::new(grant.key, version, sealed, grant.updated_at, grant.expires_at)
}

/// Reads until `is_seen`, for at most as long as a change may be unseen.
async fn seen(
    store: &RedisStore,
    key: LoginKey,
    is_seen: impl Fn(Option<&(LoginRecord, GrantRecord)>) -> bool,
    what: &str,
) {
    let started = Instant::now();
    while !is_seen(store.load_login(key).await.unwrap().as_ref()) {
        assert!(started.elapsed() < LATEST, "{what} is seen");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let redis = Redis::start();
    contract::check(Arc::new(caching(redis.port).await)).await.unwrap();
}

#[tokio::test]
async fn a_cached_login_is_used_without_asking_redis() {
    let redis = Redis::start();
    let store = caching(redis.port).await;
    let (key, ..) = create(&store, "a browser").await;
    let found = cached(&store, &redis, key).await;
    let before = commands(&redis);
    for _ in 0..50 {
        assert_eq!(store.load_login(key).await.unwrap().as_ref(), Some(&found));
    }
    assert_eq!(commands(&redis), before);
}

/// While both connections work. What comes late here comes late by the network alone.
#[tokio::test]
async fn what_another_process_changes_is_seen_by_a_cached_login() {
    let redis = Redis::start();
    let (here, there) = (caching(redis.port).await, asking(&redis).await);
    let (key, login, grant) = create(&there, "a browser").await;
    let (other, ..) = create(&there, "another browser").await;

    cached(&here, &redis, key).await;
    cached(&here, &redis, other).await;
    let refreshed = next(&grant);
    let swapped = there.compare_and_swap_grant(grant.version, refreshed.clone()).await.unwrap();
    assert_eq!(swapped, SwapOutcome::Stored);
    for key in [key, other] {
        let is = |found: Option<&(_, GrantRecord)>| {
            found.is_some_and(|(_, grant)| grant.sealed == refreshed.sealed)
        };
        seen(&here, key, is, "a refresh").await;
    }

    cached(&here, &redis, key).await;
    let used = login.last_used_at + Duration::from_secs(90);
    assert!(there.touch_login(key, used, login.expires_at).await.unwrap());
    seen(
        &here,
        key,
        |found| found.is_some_and(|(found, _)| found.last_used_at > login.last_used_at),
        "a use",
    )
    .await;

    cached(&here, &redis, key).await;
    let _ = there.delete_login(key).await.unwrap();
    seen(&here, key, |found| found.is_none(), "a logout").await;

    cached(&here, &redis, other).await;
    there.delete_grant(grant_key(), None).await.unwrap();
    seen(&here, other, |found| found.is_none(), "a revocation").await;

    let (third, ..) = create(&there, "a third browser").await;
    cached(&here, &redis, third).await;
    redis.cli(&["FLUSHALL"]);
    seen(&here, third, |found| found.is_none(), "a database that was emptied").await;
}

/// What this process changes counts with its next read, before Redis reports it.
#[tokio::test]
async fn what_this_process_changes_is_seen_at_once() {
    let redis = Redis::start();
    let store = caching(redis.port).await;
    for round in 0..20 {
        let (key, login, grant) = create(&store, &format!("browser {round}")).await;
        cached(&store, &redis, key).await;
        let refreshed = next(&grant);
        let swapped = store.compare_and_swap_grant(grant.version, refreshed.clone()).await.unwrap();
        assert_eq!(swapped, SwapOutcome::Stored);
        let (_, found) = store.load_login(key).await.unwrap().unwrap();
        assert_eq!(found.version, refreshed.version, "{round}: a refresh");
        cached(&store, &redis, key).await;
        let used = login.last_used_at + Duration::from_secs(90);
        assert!(store.touch_login(key, used, login.expires_at).await.unwrap());
        let (found, _) = store.load_login(key).await.unwrap().unwrap();
        assert!(found.last_used_at > login.last_used_at, "{round}: a use");
        cached(&store, &redis, key).await;
        let _ = store.delete_login(key).await.unwrap();
        assert_eq!(store.load_login(key).await.unwrap(), None, "{round}: a logout");
    }
}

/// A connection that is dead without a sign of it: no report comes, and no error.
#[tokio::test]
async fn a_logout_elsewhere_is_seen_within_a_second_over_a_connection_that_fell_silent() {
    let redis = Redis::start();
    let proxy = Proxy::before(redis.port).await;
    let (here, there) = (caching(proxy.port).await, asking(&redis).await);
    let (key, ..) = create(&there, "a browser").await;
    cached(&here, &redis, key).await;

    proxy.silence();
    // The proxy is a task of this thread.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let _ = there.delete_login(key).await.unwrap();
    let ended = Instant::now();
    let mut used_until = None;
    loop {
        let asked = Instant::now();
        match here.load_login(key).await {
            Ok(Some(_)) => used_until = Some(asked),
            Ok(None) => break,
            // The connection of this thread is silent, too.
            Err(_) => {}
        }
        assert!(ended.elapsed() < Duration::from_secs(5), "Redis is asked again");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let late = used_until.expect("it was still cached when the connections fell silent") - ended;
    assert!(late <= LATEST, "used {late:?} after the logout");

    // The cache works again, with a new connection.
    let (next, ..) = create(&there, "another browser").await;
    cached(&here, &redis, next).await;
}

#[tokio::test]
async fn a_logout_elsewhere_is_seen_after_a_connection_was_reset() {
    let redis = Redis::start();
    let (here, there) = (caching(redis.port).await, asking(&redis).await);
    for round in 0..3 {
        let (key, ..) = create(&there, &format!("browser {round}")).await;
        cached(&here, &redis, key).await;
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        // Nothing reports this logout: it comes before the next connection.
        let _ = there.delete_login(key).await.unwrap();
        seen(&here, key, |found| found.is_none(), "a logout").await;
    }
}

/// Reads that run while tokens change cache nothing old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_never_become_older_while_they_are_refreshed_elsewhere() {
    let redis = Redis::start();
    let (here, there) = (Arc::new(caching(redis.port).await), asking(&redis).await);
    let (key, _, grant) = create(&there, "a browser").await;
    cached(&here, &redis, key).await;
    let reader = tokio::spawn({
        let here = Arc::clone(&here);
        async move {
            let mut newest = GrantVersion { epoch: 1, revision: 0 };
            let mut reads = 0_u64;
            while newest.revision < 300 {
                let (_, grant) = here.load_login(key).await.unwrap().unwrap();
                assert!(grant.version.revision >= newest.revision, "{:?} after {newest:?}", grant.version);
                newest = grant.version;
                reads += 1;
                tokio::task::yield_now().await;
            }
            reads
        }
    });
    let mut current = grant;
    for _ in 0..300 {
        let refreshed = next(&current);
        let swapped = there.compare_and_swap_grant(current.version, refreshed.clone()).await.unwrap();
        assert_eq!(swapped, SwapOutcome::Stored);
        current = refreshed;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let reads = tokio::time::timeout(LATEST, reader).await.expect("the last refresh is seen").unwrap();
    assert!(reads > 300, "{reads}");
}

#[tokio::test]
async fn a_cached_login_ends_when_it_expires() {
    let redis = Redis::start();
    // Expired keys are deleted, and so reported, only when they are asked for.
    redis.cli(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let store = caching(redis.port).await;
    // On a busy machine a login may expire before it is cached. Another one has longer then.
    for seconds in [1, 2, 4, 8, 16] {
        let (key, mut login, grant) = records(&format!("browser {seconds}"));
        login.expires_at = SystemTime::now() + Duration::from_secs(seconds);
        store.create_login(key, login.clone(), grant).await.unwrap();
        if if_cached(&store, &redis, key).await.is_some() {
            let left = login.expires_at.duration_since(SystemTime::now()).unwrap_or_default();
            tokio::time::sleep(left + Duration::from_millis(20)).await;
            assert_eq!(store.load_login(key).await.unwrap(), None);
            return;
        }
    }
    panic!("no login was cached before it expired");
}

/// Two processes of one app, over HTTP: this one has the setting, and the other one ends the login.
#[actix_web::test]
async fn a_page_is_refused_within_a_second_after_a_logout_in_another_process() {
    let redis = Redis::start();
    let url = format!("{}/?prefix=test:", redis.url());
    let app = TestApp::with(|builder| builder.keys(KEYS).store_url(url).cache_logins(true)).await;
    let other = asking(&redis).await;
    let browser = app.logged_in().await;
    let started = Instant::now();
    loop {
        let before = commands(&redis);
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 200);
        if commands(&redis) == before {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "a page asks Redis for nothing");
    }
    for (key, _) in other.list_logins(GrantFilter::All).await.unwrap() {
        let _ = other.delete_login(key).await.unwrap();
    }
    let ended = Instant::now();
    while browser.fetch(&app.url("/user")).await.status != 401 {
        assert!(ended.elapsed() < LATEST, "the logout is seen");
    }
}

#[tokio::test]
async fn sentinels_are_refused() {
    let redis = Sentinels::start();
    let store = RedisStore::connect(&redis.url(&[]), "test:").await.unwrap();
    let error = store.cache_logins().unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("one Redis server only"), "{source}");
}
