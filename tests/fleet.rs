//! Promises 1, 3, 4 and 7 over several processes' worth of instances that share a store (F-02, F-16, A-21, A-23, R-30):
//! each instance has its own workers, its own memory and its own handle on the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod support;

use std::time::{Duration, Instant};

use actix_salesforce::{Salesforce, store::Subject};
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};
use support::{
    ADA, Client, Page, Server, app, reserve,
    servers::{Folder, Postgres, Redis},
    settings_for,
};

const KEYS: &str = "q4TTvM1XK3cR0nA7hJwYb2sLdE9fUi6GxZpO8mVeHtk=";

/// One app, as one process of many.
struct Instance {
    salesforce: Salesforce,
    app: Server,
}

impl Instance {
    async fn start(org: &FakeOrg, store: &str) -> Self {
        let (listener, url) = reserve();
        let salesforce =
            settings_for(org, &url).keys(KEYS).store_url(store).build().await.expect("good settings");
        let app = app::standard(listener, 2, salesforce.clone());
        Self { salesforce, app }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.app.url)
    }
}

async fn org() -> FakeOrg {
    let org = FakeOrg::start().await.expect("the fake org starts");
    org.sign_in(&org.user(ADA));
    org
}

/// Requests at both instances at once.
async fn crowd(fleet: &[Instance; 2], browser: &Client, each: usize) -> Vec<Page> {
    let urls: Vec<_> = (0..2 * each).map(|n| fleet[n % 2].url("/names")).collect();
    join_all(urls.iter().map(|url| browser.fetch(url))).await
}

fn assert_all(pages: &[Page], status: u16) {
    let other = pages.iter().find(|page| page.status != status);
    assert!(other.is_none(), "{other:?}");
}

/// F-16: however slow the token endpoint is, one token call for 50 requests at two instances.
async fn one_token_call(store: &str) {
    let org = org().await;
    let fleet = [Instance::start(&org, store).await, Instance::start(&org, store).await];
    let browser = Client::new();
    assert_eq!(browser.visit(&fleet[0].url("/whoami")).await.status, 200);
    // The same session cookie is good at the other instance.
    assert_eq!(browser.fetch(&fleet[1].url("/names")).await.status, 200);
    for (round, delay) in [0, 0, 1, 8].into_iter().enumerate() {
        org.faults().clear();
        org.faults().refresh(Fault::Delay(Duration::from_secs(delay)));
        org.expire_access_tokens();
        assert_all(&crowd(&fleet, &browser, 25).await, 200);
        let calls = org.token_calls("refresh_token");
        assert_eq!(
            calls,
            round as u64 + 1,
            "one token call per expiry, with {delay} s at the token endpoint"
        );
        assert_eq!(org.refresh_reuse_count(), 0);
    }
    org.faults().clear();

    // logged out at one instance while a refresh is on its way at the other.
    org.expire_access_tokens();
    org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    let (slow_url, logout) = (fleet[0].url("/names"), fleet[1].url("/auth/salesforce/logout"));
    let elsewhere = browser.copy();
    let (_, out) = futures_util::future::join(browser.fetch(&slow_url), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        elsewhere.submit(&logout, &fleet[1].app.url, &[]).await
    })
    .await;
    assert!(out.status == 303 || out.status == 200, "{out:?}");
    for instance in &fleet {
        assert_eq!(browser.fetch(&instance.url("/user")).await.status, 401, "it never comes back");
    }
    assert!(fleet[0].salesforce.grants(Subject::All).await.unwrap().is_empty());
    let end = Instant::now() + Duration::from_secs(10);
    while !org.live_refresh_tokens(&org.user(ADA)).is_empty() {
        assert!(Instant::now() < end, "the newest token is revoked");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[actix_web::test]
async fn instances_that_share_a_redis_make_one_token_call() {
    let server = Redis::start();
    one_token_call(&server.url()).await;
}

#[actix_web::test]
async fn instances_that_share_a_sqlite_file_make_one_token_call() {
    let folder = Folder::new("fleet");
    one_token_call(&format!("sqlite:{}", folder.file("store.db").display())).await;
}

#[actix_web::test]
async fn instances_that_share_a_postgres_make_one_token_call() {
    let server = Postgres::start();
    one_token_call(&server.url()).await;
}

/// F-02: a store that hangs or is gone costs protected pages a 503 within 2 s, and nothing else.
#[actix_web::test]
async fn a_redis_outage_costs_protected_pages_a_quick_503_and_nothing_else() {
    let mut server = Redis::start();
    let org = org().await;
    let instance = Instance::start(&org, &server.url()).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&instance.url("/whoami")).await.status, 200);
    for gone in [false, true] {
        if gone {
            server.kill();
        } else {
            server.hang();
        }
        let url = instance.url("/names");
        let began = Instant::now();
        let pages = join_all((0..20).map(|_| browser.fetch(&url))).await;
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_all(&pages, 503);
        let page = browser.open(&url).await;
        assert_eq!(page.status, 503, "nobody is sent to log in: {page:?}");
        let began = Instant::now();
        assert_eq!(browser.fetch(&instance.url("/")).await.status, 200);
        assert!(began.elapsed() < Duration::from_millis(500), "public pages do not wait");
        if gone {
            server.start_again();
            // It came back empty: everybody is logged out, and can log in.
            assert_eq!(browser.fetch(&url).await.status, 401);
            assert_eq!(browser.visit(&url).await.status, 200);
        } else {
            server.go_on();
            assert_eq!(browser.fetch(&url).await.status, 200, "the login is still there");
        }
    }
    assert_eq!(org.refresh_reuse_count(), 0);
}

/// F-14: the store goes while a rotated token is on its way to it. It is used, held, and stored when the store is back.
#[actix_web::test]
async fn a_rotated_token_survives_a_redis_outage() {
    let server = Redis::start();
    let org = org().await;
    let fleet = [Instance::start(&org, &server.url()).await, Instance::start(&org, &server.url()).await];
    let browser = Client::new();
    assert_eq!(browser.visit(&fleet[0].url("/whoami")).await.status, 200);
    org.expire_access_tokens();
    org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    let url = fleet[0].url("/names");
    let (page, ()) = futures_util::future::join(browser.fetch(&url), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.hang();
    })
    .await;
    assert_eq!(page.status, 200, "the request is served with the token that could not be stored: {page:?}");
    server.go_on();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(browser.fetch(&fleet[1].url("/names")).await.status, 200, "the other instance finds it");
    org.faults().clear();
    org.expire_access_tokens();
    assert_all(&crowd(&fleet, &browser, 5).await, 200);
    assert_eq!((org.token_calls("refresh_token"), org.refresh_reuse_count()), (2, 0));
}

/// who reads the store gets no token, and nothing to put into a cookie.
#[actix_web::test]
async fn nothing_in_a_store_is_of_use_to_its_reader() {
    let folder = Folder::new("secrets");
    let path = folder.file("store.db");
    let redis = Redis::start();
    for store in [redis.url(), format!("sqlite:{}", path.display())] {
        let org = org().await;
        let instance = Instance::start(&org, &store).await;
        let browser = Client::new();
        assert_eq!(browser.visit(&instance.url("/whoami")).await.status, 200);
        org.expire_access_tokens();
        assert_eq!(browser.fetch(&instance.url("/names")).await.status, 200);

        let stored = if store.starts_with("redis") { dump(&redis).await } else { files(&folder) };
        assert!(stored.len() > 500, "something is stored");
        let has = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(has(&org.organization_id()), "what is looked at is the store");
        let user = org.user(ADA);
        let mut secrets = org.live_refresh_tokens(&user);
        secrets.extend(org.live_access_tokens(&user));
        assert!(secrets.len() >= 2);
        secrets.extend([KEYS.to_owned(), org.client_id(), org.client_secret(), ADA.to_owned()]);
        secrets.extend(browser.cookies("127.0.0.1").into_values());
        for secret in secrets {
            assert!(!has(&secret), "{store}: {secret} is readable");
        }
    }
}

/// Every key and value of a Redis server.
async fn dump(server: &Redis) -> Vec<u8> {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    let mut all = Vec::new();
    for key in keys {
        all.extend_from_slice(key.as_bytes());
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut connection).await.unwrap();
        let read = match kind.as_str() {
            "hash" => redis::cmd("HGETALL").arg(&key).clone(),
            "zset" => redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).clone(),
            _ => redis::cmd("GET").arg(&key).clone(),
        };
        let value: redis::Value = read.query_async(&mut connection).await.unwrap();
        flatten(value, &mut all);
    }
    all
}

fn flatten(value: redis::Value, into: &mut Vec<u8>) {
    match value {
        redis::Value::BulkString(bytes) => into.extend(bytes),
        redis::Value::Array(values) => values.into_iter().for_each(|value| flatten(value, into)),
        _ => {}
    }
}

/// The bytes of a SQLite database and of what is beside it.
fn files(folder: &Folder) -> Vec<u8> {
    let files = std::fs::read_dir(&folder.0).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}
