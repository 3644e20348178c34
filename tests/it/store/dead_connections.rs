//! A store's server restarts while no request looks: its connections are dead then, and no page notices.

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::{Connection as _, PgConnection};

use crate::support::{
    Client, TestApp,
    servers::{Cluster, Postgres, Redis, Sentinels},
};
use actix_salesforce::{
    Secret,
    store::{
        GrantFilter, GrantRecord, LeaseHolder, LeaseName, OneTimeKey, RedisStore, SqlStore, Store,
        SwapOutcome,
    },
};

use super::store_faults::{grant_key, records};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

async fn app(store: String) -> (TestApp, Client) {
    let app = TestApp::with(|builder| builder.keys(KEYS).store_url(store)).await;
    let browser = app.logged_in().await;
    (app, browser)
}

/// Makes the store open as many connections as it will.
async fn open_connections(app: &TestApp, browser: &Client) {
    let browsers: Vec<_> = (0..24).map(|_| browser.copy()).collect();
    let url = app.url("/user");
    for page in join_all(browsers.iter().map(|browser| browser.fetch(&url))).await {
        assert_eq!(page.status, 200, "{page:?}");
    }
}

/// All that a user does meets a dead connection: reading, many at once, a refresh, a logout, a login.
async fn no_page_notices(app: &TestApp, browser: &Client, end_connections: impl AsyncFn()) {
    open_connections(app, browser).await;
    end_connections().await;
    for round in 0..20 {
        let page = browser.fetch(&app.url("/user")).await;
        assert_eq!(page.status, 200, "{round}: {page:?}");
    }
    open_connections(app, browser).await;
    end_connections().await;
    open_connections(app, browser).await;

    app.org.expire_access_tokens();
    end_connections().await;
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "a refresh");
    assert_eq!((app.refreshes(), app.org.refresh_reuse_count()), (1, 0));

    let other = Client::new();
    end_connections().await;
    app.log_in(&other).await;
    open_connections(app, browser).await;
    end_connections().await;
    let page = other.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    assert_eq!(page.status, 303, "{page:?}");
    assert!(!app.is_logged_in(&other).await, "and the store knows");
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 200);
}

async fn end_postgres_connections(url: &str) {
    let mut admin = PgConnection::connect(url).await.unwrap();
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    // The servers of the connections end a moment later.
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn end_redis_connections(redis: &Redis) {
    redis.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
}

#[actix_web::test]
async fn postgres_connections_that_ended_cost_no_page() {
    let postgres = Postgres::start();
    let (app, browser) = app(postgres.url()).await;
    no_page_notices(&app, &browser, async || end_postgres_connections(&postgres.url()).await).await;
}

#[actix_web::test]
async fn a_postgres_that_was_restarted_costs_no_page() {
    let mut postgres = Postgres::start();
    let (app, browser) = app(postgres.url()).await;
    open_connections(&app, &browser).await;
    postgres.stop();
    postgres.start_again();
    for round in 0..20 {
        let page = browser.fetch(&app.url("/user")).await;
        assert_eq!(page.status, 200, "{round}: {page:?}");
    }
}

#[actix_web::test]
async fn redis_connections_that_ended_cost_no_page() {
    let redis = Redis::start();
    let (app, browser) = app(redis.url()).await;
    no_page_notices(&app, &browser, async || end_redis_connections(&redis)).await;
}

#[actix_web::test]
async fn redis_connections_behind_sentinels_that_ended_cost_no_page() {
    let redis = Sentinels::start();
    let (app, browser) = app(redis.url(&[])).await;
    no_page_notices(&app, &browser, async || end_redis_connections(&redis.primary)).await;
}

#[actix_web::test]
async fn connections_to_a_redis_cluster_that_ended_cost_no_page() {
    let cluster = Cluster::start();
    let (app, browser) = app(cluster.url()).await;
    no_page_notices(&app, &browser, async || cluster.servers.iter().for_each(end_redis_connections)).await;
}

/// Each operation, with nothing above it that would try again. What must not happen twice has happened once.
async fn each_operation_survives(store: &dyn Store, end_connections: impl AsyncFn()) {
    let (key, login, grant) = records("a browser");
    let next = GrantRecord::new(
        grant_key(),
        grant.version.next(),
        grant.sealed.clone(),
        grant.updated_at,
        grant.expires_at,
    );
    let dead = async || {
        join_all((0..16).map(|_| store.load_grant(grant_key()))).await;
        end_connections().await;
    };
    dead().await;
    assert!(store.create_login(key, login.clone(), grant.clone()).await.unwrap().is_none());
    dead().await;
    assert!(store.load_login(key).await.unwrap().is_some());
    dead().await;
    assert!(store.touch_login(key, login.last_used_at, login.expires_at).await.unwrap());
    dead().await;
    assert_eq!(store.compare_and_swap_grant(grant.version, next).await.unwrap(), SwapOutcome::Stored);
    let once = OneTimeKey::from_secret(&Secret::new("once"));
    dead().await;
    assert!(store.consume_once(once, Duration::from_secs(60)).await.unwrap());
    assert!(!store.consume_once(once, Duration::from_secs(60)).await.unwrap());
    let lease = LeaseName::Refresh(grant_key());
    dead().await;
    assert!(store.acquire_lease(lease, LeaseHolder(1), Duration::from_secs(60)).await.unwrap());
    dead().await;
    store.release_lease(lease, LeaseHolder(1)).await.unwrap();
    dead().await;
    assert!(store.put_grant(grant.clone()).await.unwrap().is_some());
    dead().await;
    assert_eq!(store.list_logins(GrantFilter::All).await.unwrap().len(), 1);
    dead().await;
    assert!(store.delete_grant(grant_key(), None).await.unwrap().is_some());
    assert!(store.load_login(key).await.unwrap().is_none());
}

#[tokio::test]
async fn each_operation_survives_a_dead_postgres_connection() {
    let postgres = Postgres::start();
    let store = SqlStore::postgres(&postgres.url()).await.unwrap();
    each_operation_survives(&store, async || end_postgres_connections(&postgres.url()).await).await;
}

#[tokio::test]
async fn each_operation_survives_a_dead_redis_connection() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url(), "test:").await.unwrap();
    each_operation_survives(&store, async || end_redis_connections(&redis)).await;
}
