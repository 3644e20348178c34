//! keys rotate and every login survives; what was sealed with a key that is gone is absent.

use std::sync::Arc;

use crate::support::{ADA, Client, Server, failing::FailingStore, free_port, settings_for};
use actix_salesforce::SalesforceBuilder;
use salesforce_fake_org::FakeOrg;

const BEN: &str = "ben@example.com";
const OLD: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
const NEW: &str = "xJ4uW8nQe2RfT6yLs0ZaPq9bVc3dMk5hGi7oEtBwYjU=";

/// One run of an app whose port, org and store outlive it.
async fn run(org: &FakeOrg, store: &InStore<'_>, port: u16, keys: &str) -> Server {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let salesforce = store(settings_for(org, &url).keys(keys)).build().await.unwrap();
    crate::support::app::standard(listener, 2, salesforce)
}

/// Sets the store of an app.
type InStore<'a> = dyn Fn(SalesforceBuilder) -> SalesforceBuilder + 'a;

/// Keeps what is stored over all runs.
fn in_memory() -> Box<InStore<'static>> {
    let store = FailingStore::default();
    Box::new(move |builder| builder.store(Arc::new(store.clone())))
}

#[actix_web::test]
async fn keys_rotate_without_logging_anyone_out() {
    keys_rotate(&in_memory()).await;
}

#[cfg(feature = "sqlite")]
#[actix_web::test]
async fn keys_rotate_without_logging_anyone_out_on_sqlite() {
    let folder = crate::support::servers::Folder::new("rotation");
    let url = format!("sqlite:{}", folder.path().join("logins.db").display());
    keys_rotate(&|builder| builder.store_url(url.clone())).await;
}

#[cfg(feature = "redis")]
#[actix_web::test]
async fn keys_rotate_without_logging_anyone_out_on_redis() {
    let redis = crate::support::servers::Redis::start();
    keys_rotate(&|builder| builder.store_url(redis.url())).await;
}

#[cfg(feature = "postgres")]
#[actix_web::test]
async fn keys_rotate_without_logging_anyone_out_on_postgres() {
    let postgres = crate::support::servers::Postgres::start();
    keys_rotate(&|builder| builder.store_url(postgres.url())).await;
}

async fn keys_rotate(store: &InStore<'_>) {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let port = free_port();
    let (browser, idle, seldom) = (Client::new(), Client::new(), Client::new());

    let app = run(&org, store, port, OLD).await;
    for browser in [&browser, &idle] {
        assert_eq!(browser.visit(&format!("{}/whoami", app.url)).await.status, 200);
    }
    org.sign_in(&org.user(BEN));
    assert_eq!(seldom.visit(&format!("{}/whoami", app.url)).await.body, BEN);
    org.sign_in(&org.user(ADA));
    drop(app);

    let app = run(&org, store, port, &format!("{NEW},{OLD}")).await;
    let seldom = seldom.copy();
    // The login's cookie, and the session's, which knows its last user.
    assert_eq!(seldom.fetch(&format!("{}/user", app.url)).await.set_cookies().len(), 2, "Ben's cookies too");
    let browser = browser.copy();
    let page = browser.fetch(&format!("{}/user", app.url)).await;
    assert_eq!(page.status, 200, "an old cookie still opens: {page:?}");
    assert_eq!(page.set_cookies().len(), 2, "and is replaced by one under the new key, as is the session's");
    assert_eq!(page.header("cache-control"), "no-store");
    let again = browser.fetch(&format!("{}/", app.url)).await;
    assert!(again.set_cookies().is_empty(), "once");
    // The tokens are sealed again with the next refresh.
    org.expire_access_tokens();
    assert_eq!(browser.fetch(&format!("{}/names", app.url)).await.status, 200);
    // The others are sealed again in the background.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    drop(app);

    let app = run(&org, store, port, NEW).await;
    let (browser, idle, seldom) = (browser.copy(), idle.copy(), seldom.copy());
    assert_eq!(
        browser.fetch(&format!("{}/names", app.url)).await.status,
        200,
        "the old key is not needed any more"
    );
    assert_eq!(
        idle.fetch(&format!("{}/user", app.url)).await.status,
        401,
        "a cookie under a key that is gone"
    );
    assert_eq!(idle.visit(&format!("{}/whoami", app.url)).await.status, 200, "one more login, no error");
    let page = seldom.fetch(&format!("{}/whoami", app.url)).await;
    assert_eq!(
        (page.status, page.body.as_str()),
        (200, BEN),
        "his tokens were not refreshed, and are under the new key"
    );
    assert_eq!(org.refresh_reuse_count(), 0);
}

#[actix_web::test]
async fn another_apps_keys_open_nothing() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (store, port) = (in_memory(), free_port());
    let browser = Client::new();
    let app = run(&org, &store, port, OLD).await;
    assert_eq!(browser.visit(&format!("{}/whoami", app.url)).await.status, 200);
    drop(app);
    let app = run(&org, &store, port, NEW).await;
    let browser = browser.copy();
    assert_eq!(browser.fetch(&format!("{}/user", app.url)).await.status, 401);
    assert_eq!(browser.fetch(&format!("{}/maybe", app.url)).await.body, "anonymous");
}
