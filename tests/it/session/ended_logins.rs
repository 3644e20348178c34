//! The cookie of a login that is over is removed, by our own responses and only if the store says so.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection as _, SqliteConnection};

use crate::support::{
    ADA, Client, Page, Server, TestApp,
    app::{self, listen},
    failing::FailingStore,
    reserve, serve,
    servers::{Folder, Postgres, Redis},
    settings_for,
};
use actix_salesforce::{SalesforceBuilder, SessionMode, store::GrantFilter};
use actix_session::{SessionMiddleware, storage::CookieSessionStore};
use actix_web::{App, cookie::Key};
use salesforce_fake_org::FakeOrg;

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
const OTHER_KEYS: &str = "xJ4uW8nQe2RfT6yLs0ZaPq9bVc3dMk5hGi7oEtBwYjU=";

/// What a browser with the login's cookie gets: from pages, for scripts, of our own routes, and of handlers.
struct Responses {
    ours: Vec<Page>,
    of_handlers: Vec<Page>,
}

impl Responses {
    /// Each request comes with the same cookie.
    async fn of(url: &str, cookie: &str) -> Self {
        let (mut ours, mut of_handlers) = (Vec::new(), Vec::new());
        let paths = ["/user", "/admin/secret", "/auth/salesforce/me", "/maybe", "/", "/admin/open"];
        for (path, is_ours) in paths.into_iter().zip([true, true, true, false, false, false]) {
            for mode in ["navigate", "cors"] {
                let accept = if mode == "navigate" { "text/html" } else { "application/json" };
                let headers = [("cookie", cookie), ("accept", accept), ("sec-fetch-mode", mode)];
                let url = format!("{url}{path}");
                let page = Client::new().send(reqwest::Method::GET, &url, &headers, None).await;
                if is_ours { &mut ours } else { &mut of_handlers }.push(page);
            }
        }
        Self { ours, of_handlers }
    }
}

fn removes(page: &Page, cookie: &str) -> bool {
    let name = cookie.split_once('=').expect("name=value").0;
    page.set_cookies().iter().any(|set| set.starts_with(&format!("{name}=;")) && set.contains("Max-Age=0"))
}

/// An app on a SQLite file, and the cookie of a browser that is logged in.
async fn app_and_cookie(folder: &Folder) -> (TestApp, String) {
    let store = format!("sqlite:{}", folder.path().join("logins.db").display());
    let app = TestApp::with(|builder| builder.keys(KEYS).store_url(store)).await;
    let browser = app.logged_in().await;
    let (name, value) = browser.own_cookie("").unwrap();
    (app, format!("{name}={value}"))
}

async fn change(folder: &Folder, sql: &'static str) {
    let url = format!("sqlite:{}", folder.path().join("logins.db").display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
}

#[actix_web::test]
async fn the_cookie_of_a_login_that_is_over_is_removed_by_our_own_responses() {
    for expired in [false, true] {
        let folder = Folder::new("ended");
        let (app, cookie) = app_and_cookie(&folder).await;
        if expired {
            change(&folder, "UPDATE actix_salesforce_logins SET expires = 1").await;
        } else {
            app.salesforce.revoke_grants(GrantFilter::All).await.unwrap();
        }
        let responses = Responses::of(&app.server.url, &cookie).await;
        for page in &responses.ours {
            assert!(matches!(page.status, 303 | 401) && removes(page, &cookie), "{expired}: {page:?}");
            assert_eq!(page.header("cache-control"), "no-store");
        }
        for page in &responses.of_handlers {
            assert!(page.status == 200 && page.set_cookies().is_empty(), "{expired}: {page:?}");
        }
    }
}

/// The same with each kind of session, over one store.
async fn check_in_each_mode(store: impl Fn(SalesforceBuilder) -> SalesforceBuilder) {
    for (mode, expired) in [
        (SessionMode::Embedded, false),
        (SessionMode::Embedded, true),
        (SessionMode::App, false),
        (SessionMode::App, true),
    ] {
        let case = format!("{mode:?}, expired: {expired}");
        let org = FakeOrg::start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let (listener, url) = reserve();
        let idle = Duration::from_secs(if expired { 1 } else { 60 });
        let salesforce = store(settings_for(&org, &url).keys(KEYS)).session(mode).idle_timeout(idle);
        let salesforce = salesforce.build().await.unwrap();
        let wrapped = salesforce.clone();
        let server = serve(listener, move |listener| match mode {
            SessionMode::App => listen!(listener, 2, move || {
                let session = SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]));
                let session = session.cookie_secure(false).build();
                App::new().configure(app::routes).wrap(wrapped.clone()).wrap(session)
            }),
            _ => listen!(listener, 2, move || App::new().configure(app::routes).wrap(wrapped.clone())),
        });
        let browser = Client::new();
        assert_eq!(browser.visit(&format!("{url}/user")).await.status, 200, "{case}");
        let (name, value) = browser.own_cookie("").unwrap();
        if expired {
            tokio::time::sleep(idle + Duration::from_millis(300)).await;
        } else {
            salesforce.revoke_grants(GrantFilter::All).await.unwrap();
        }
        let cookie = format!("{name}={value}");
        let responses = Responses::of(&server.url, &cookie).await;
        for page in &responses.ours {
            assert!(matches!(page.status, 303 | 401) && removes(page, &cookie), "{case}: {page:?}");
        }
        for page in &responses.of_handlers {
            assert!(page.status == 200 && !removes(page, &cookie), "{case}: {page:?}");
        }
    }
}

#[actix_web::test]
async fn the_cookie_of_a_login_that_is_over_is_removed_in_each_mode() {
    check_in_each_mode(|builder| builder.store(Arc::new(FailingStore::default()))).await;
}

#[actix_web::test]
async fn the_cookie_of_a_login_that_is_over_is_removed_in_each_mode_with_redis() {
    let redis = Redis::start();
    check_in_each_mode(|builder| builder.store_url(redis.url())).await;
}

#[actix_web::test]
async fn the_cookie_of_a_login_that_is_over_is_removed_in_each_mode_with_postgres() {
    let postgres = Postgres::start();
    check_in_each_mode(|builder| builder.store_url(postgres.url())).await;
}

/// Each of these may be repaired, and then the login goes on.
#[actix_web::test]
async fn the_cookie_stays_unless_the_store_says_that_the_login_is_over() {
    for (case, damage, repair) in [
        (
            "an unreadable login",
            "UPDATE actix_salesforce_logins SET created = 'x' || created",
            "UPDATE actix_salesforce_logins SET created = CAST(substr(created, 2) AS INTEGER)",
        ),
        (
            "an unreadable proof",
            "UPDATE actix_salesforce_logins SET proof = 'x' || proof",
            "UPDATE actix_salesforce_logins SET proof = substr(proof, 2)",
        ),
        (
            "a login of a newer version",
            "UPDATE actix_salesforce_logins SET grant_key = 'v2:' || grant_key",
            "UPDATE actix_salesforce_logins SET grant_key = substr(grant_key, 4)",
        ),
        (
            "an unreadable grant",
            "UPDATE actix_salesforce_grants SET version = 'x' || version",
            "UPDATE actix_salesforce_grants SET version = substr(version, 2)",
        ),
        (
            "a grant of a newer version",
            "UPDATE actix_salesforce_grants SET version = '1' || version, \
             sealed = CAST(X'02' || substr(sealed, 2) AS BLOB)",
            "UPDATE actix_salesforce_grants SET version = substr(version, 2), \
             sealed = CAST(X'01' || substr(sealed, 2) AS BLOB)",
        ),
        (
            "a grant under a missing key",
            "CREATE TABLE saved AS SELECT * FROM actix_salesforce_grants; \
             UPDATE actix_salesforce_grants SET version = '1' || version, \
             sealed = CAST(X'0100000000' || substr(sealed, 6) AS BLOB)",
            "UPDATE actix_salesforce_grants SET (version, sealed) = (SELECT version, sealed FROM saved)",
        ),
    ] {
        let folder = Folder::new("kept");
        let (app, cookie) = app_and_cookie(&folder).await;
        change(&folder, damage).await;
        let Responses { ours, of_handlers } = Responses::of(&app.server.url, &cookie).await;
        for page in &ours {
            assert!(matches!(page.status, 303 | 401), "{case}: {page:?}");
        }
        for page in ours.iter().chain(&of_handlers) {
            assert!(page.set_cookies().is_empty(), "{case}: {page:?}");
        }
        change(&folder, repair).await;
        let headers = [("cookie", &*cookie)];
        let page = Client::new().send(reqwest::Method::GET, &app.url("/user"), &headers, None).await;
        assert_eq!(page.status, 200, "{case}: {page:?}");
    }
}

/// The same for a store that fails, and for a key that is missing.
#[actix_web::test]
async fn the_cookie_stays_after_a_store_error_and_without_its_key() {
    let folder = Folder::new("error");
    let (app, cookie) = app_and_cookie(&folder).await;
    change(&folder, "ALTER TABLE actix_salesforce_logins RENAME TO away").await;
    let Responses { ours, of_handlers } = Responses::of(&app.server.url, &cookie).await;
    assert!(ours.iter().all(|page| page.status == 503), "{ours:?}");
    for page in ours.iter().chain(&of_handlers) {
        assert!(page.set_cookies().is_empty(), "{page:?}");
    }
    change(&folder, "ALTER TABLE away RENAME TO actix_salesforce_logins").await;

    // Neither the cookie nor the grant opens.
    let store = FailingStore::default();
    let run = async |keys: &str| -> Server {
        let (listener, url) = reserve();
        let salesforce = settings_for(&app.org, &url).keys(keys).cookie_name("app");
        let salesforce = salesforce.store(Arc::new(store.clone())).build().await.unwrap();
        app::standard(listener, 2, salesforce)
    };
    let server = run(OTHER_KEYS).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&format!("{}/whoami", server.url)).await.status, 200);
    let cookie = format!("app={}", browser.cookies("127.0.0.1")["app"]);
    drop(server);
    let server = run(KEYS).await;
    let Responses { ours, of_handlers } = Responses::of(&server.url, &cookie).await;
    for page in ours.iter().chain(&of_handlers) {
        assert!(page.set_cookies().is_empty(), "{page:?}");
    }
}
