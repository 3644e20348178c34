//! A weak configuration does not start, and a wrong one is one clear error (A-42, A-44; R-20). In a separate process, since
//! these tests read what the process logs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#[path = "../support/mod.rs"]
mod support;

use std::{net::TcpListener, time::Duration};

use actix_salesforce::{
    Config, RequireLogin, Salesforce, SalesforceBuilder, SalesforceConn, SessionMode, config::RoutePaths,
};
use actix_session::{SessionMiddleware, storage::CookieSessionStore};
use actix_web::{App, Responder, cookie::Key, web};
use salesforce_fake_org::FakeOrg;
use support::{ADA, Client, Server, app::listen, reserve, serve, settings_for};

const KEY: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

fn good() -> SalesforceBuilder {
    Salesforce::builder().client_id("3MVG9client").client_secret("2A7F9C0D11E84B63")
}

/// The settings that the error names, and the whole error.
async fn refused(builder: SalesforceBuilder) -> (Vec<&'static str>, String) {
    let error = builder.build().await.expect_err("a weak set-up starts");
    let settings = error.problems().iter().map(|problem| problem.setting).collect();
    assert!(error.problems().iter().all(|problem| problem.hint.len() > 15), "each has its fix: {error}");
    (settings, error.to_string())
}

#[actix_web::test]
async fn a_good_set_up_starts() {
    good().build().await.expect("good settings");
    good().public_url("https://app.example").keys(KEY).build().await.expect("good settings");
}

#[actix_web::test]
async fn each_weak_setting_is_named_with_its_fix_and_not_its_value() {
    let canary = "canary-value-7731";
    let routes = |change: fn(&mut RoutePaths)| {
        let mut routes = RoutePaths::default();
        change(&mut routes);
        good().routes(routes)
    };
    for (builder, setting) in [
        (good().client_id(""), "SALESFORCE_CLIENT_ID"),
        (good().client_secret(""), "SALESFORCE_CLIENT_SECRET"),
        (good().client_secret("changeme"), "SALESFORCE_CLIENT_SECRET"),
        (good().login_url(canary), "SALESFORCE_LOGIN_URL"),
        (good().login_url("http://login.salesforce.com"), "SALESFORCE_LOGIN_URL"),
        (good().login_url("https://*.my.salesforce.com"), "SALESFORCE_LOGIN_URL"),
        (good().login_url("https://acme.salesforce-setup.com"), "SALESFORCE_LOGIN_URL"),
        (good().client_id("3MVG9 client"), "SALESFORCE_CLIENT_ID"),
        (good().client_secret("canary-value-7731\nSALESFORCE_STORE=x"), "SALESFORCE_CLIENT_SECRET"),
        (good().client_secret("\"canary-value-7731"), "SALESFORCE_CLIENT_SECRET"),
        (good().store_url("memory:\nx"), "SALESFORCE_STORE"),
        (good().login_host("x", "http://evil.example"), "SALESFORCE_LOGIN_HOSTS"),
        (good().public_url("http://app.example").keys(KEY), "SALESFORCE_PUBLIC_URL"),
        (good().public_url("https://app.example/a//b").keys(KEY), "SALESFORCE_PUBLIC_URL"),
        (good().public_url("https://app.example/?x").keys(KEY), "SALESFORCE_PUBLIC_URL"),
        (good().login_host("portal", "https://login.acme.example"), "SALESFORCE_LOGIN_HOSTS"),
        (good().login_host("portal", "https://login.acme.example|x"), "SALESFORCE_LOGIN_HOSTS"),
        (good().allowed_orgs(["x"]), "SALESFORCE_ALLOWED_ORGS"),
        (good().denied_orgs(["x"]), "SALESFORCE_DENIED_ORGS"),
        (good().login_timeout(std::time::Duration::ZERO), "SALESFORCE_LOGIN_TIMEOUT"),
        (good().remember(std::time::Duration::from_secs(25 * 60 * 60)), "SALESFORCE_REMEMBER"),
        (good().public_url(canary), "SALESFORCE_PUBLIC_URL"),
        (good().cookie_name("a.b"), "SALESFORCE_COOKIE_NAME"),
        (good().cookie_name("a=b; Path=/x"), "SALESFORCE_COOKIE_NAME"),
        (good().cookie_name("__Host-a"), "SALESFORCE_COOKIE_NAME"),
        (good().cookie_name("a".repeat(41)), "SALESFORCE_COOKIE_NAME"),
        (good().public_url("https://app.example"), "SALESFORCE_KEYS"),
        (good().keys(canary), "SALESFORCE_KEYS"),
        (good().keys("c2hvcnQ="), "SALESFORCE_KEYS"),
        (good().store(std::sync::Arc::new(actix_salesforce::store::MemoryStore::new())), "SALESFORCE_KEYS"),
        (good().scopes(""), "SALESFORCE_SCOPES"),
        (good().api_version(canary), "SALESFORCE_API_VERSION"),
        (good().allowed_origin("https://*.example"), "SALESFORCE_ALLOWED_ORIGINS"),
        (good().allowed_origin("http://example.com"), "SALESFORCE_ALLOWED_ORIGINS"),
        (good().after_login("https://evil.example/"), "after_login"),
        (
            good().idle_timeout(Duration::ZERO).max_lifetime(Duration::from_secs(60)),
            "SALESFORCE_IDLE_TIMEOUT",
        ),
        (
            good().idle_timeout(Duration::from_secs(60)).max_lifetime(Duration::from_secs(59)),
            "SALESFORCE_IDLE_TIMEOUT",
        ),
        (good().idle_timeout(Duration::from_secs(60)).max_lifetime(Duration::MAX), "SALESFORCE_MAX_LIFETIME"),
        (good().keep_broken(Duration::MAX), "SALESFORCE_KEEP_BROKEN"),
        (good().keep_alive_days(0), "keep_alive_days"),
        (routes(|routes| routes.callback = None), "routes.redirect_uri"),
        (
            routes(|routes| routes.redirect_uri = Some("http://127.0.0.1:8080/elsewhere".into())),
            "routes.redirect_uri",
        ),
        (routes(|routes| routes.prefix = "auth".into()), "routes.prefix"),
        (routes(|routes| routes.me = Some("/login".into())), "routes"),
    ] {
        let (settings, text) = refused(builder).await;
        assert!(settings.contains(&setting), "{setting} is named: {text}");
        assert!(!text.contains(canary), "no value is repeated: {text}");
    }
}

#[actix_web::test]
async fn all_mistakes_are_reported_at_once_and_in_words() {
    let (settings, text) =
        refused(Salesforce::builder().public_url("http://app.example").scopes("").keys("x")).await;
    for setting in ["SALESFORCE_CLIENT_ID", "SALESFORCE_PUBLIC_URL", "SALESFORCE_SCOPES", "SALESFORCE_KEYS"] {
        assert!(settings.contains(&setting), "{text}");
    }
    // What a `main` that returns the error prints.
    let error = Salesforce::builder().build().await.unwrap_err();
    let printed = format!("{:?}", Box::<dyn std::error::Error>::from(error));
    assert!(printed.contains("\n  SALESFORCE_CLIENT_ID: set it to the consumer key"), "{printed}");
}

#[actix_web::test]
async fn a_store_that_cannot_be_opened_is_named_at_the_start() {
    for store in [
        "redis://u:canary@127.0.0.1:1",
        "sqlite:/no/such/canary.db",
        "postgres://u:canary@127.0.0.1:1/d",
        "what",
    ] {
        let config = Config::from_variables(|name| match name {
            "SALESFORCE_CLIENT_ID" => Some("id".to_owned()),
            "SALESFORCE_STORE" => Some(store.to_owned()),
            "SALESFORCE_KEYS" => Some(KEY.to_owned()),
            _ => None,
        });
        let error = Salesforce::from_config(config).await.expect_err("there is no such store");
        assert!(error.problems().iter().any(|problem| problem.setting == "SALESFORCE_STORE"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}

/// An app that wraps sessions in some order; gives its address.
fn app(
    make: impl FnOnce(TcpListener, Salesforce) -> actix_web::dev::Server + Send + 'static,
    salesforce: Salesforce,
) -> Server {
    let (listener, _) = reserve();
    serve(listener, move |listener| make(listener, salesforce))
}

fn session() -> SessionMiddleware<CookieSessionStore> {
    SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]))
        .cookie_secure(false)
        .build()
}

async fn hello(session: actix_session::Session) -> actix_web::Result<impl Responder> {
    let count = session.get::<u32>("count")?.unwrap_or(0) + 1;
    session.insert("count", count)?;
    Ok(count.to_string())
}

async fn needs_login(_: SalesforceConn) -> impl Responder {
    "in"
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/hello", web::get().to(hello)).route("/in", web::get().to(needs_login));
}

#[actix_web::test]
async fn two_sessions_are_one_clear_error_and_no_session_data_is_lost() {
    support::logs::capture();
    let salesforce = good().build().await.unwrap();
    // The app's own session further out than ours: it would be emptied into ours.
    let outer = app(
        |listener, salesforce| {
            listen!(listener, 2, move || App::new()
                .configure(routes)
                .wrap(salesforce.clone())
                .wrap(session()))
        },
        salesforce,
    );
    let browser = Client::new();
    for _ in 0..8 {
        let page = browser.open(&format!("{}/hello", outer.url)).await;
        assert_eq!(page.status, 500, "{page:?}");
        assert!(page.body.is_empty(), "the details are for the log: {page:?}");
    }
    assert!(support::logs::text().contains("two sessions"), "the log says what to change");
}

/// A second session further in works on the same data. It cannot harm a login, and the log says what to change.
#[actix_web::test]
async fn a_second_session_on_a_scope_costs_no_login_and_is_logged() {
    support::logs::capture();
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).build().await.unwrap();
    let server = serve(listener, move |listener| {
        listen!(listener, 1, move || {
            let look = web::get().to(|_: actix_session::Session| async { "look" });
            let shop = web::scope("/shop").configure(routes).route("/look", look).wrap(session());
            App::new().configure(support::app::routes).service(shop).wrap(salesforce.clone())
        })
    });
    let at = |path: &str| format!("{}{path}", server.url);
    let browser = Client::new();
    assert_eq!(browser.visit(&at("/user")).await.status, 200);
    for count in 1..=3 {
        assert_eq!(browser.open(&at("/shop/hello")).await.body, count.to_string(), "its own data stay");
        assert_eq!(browser.open(&at("/shop/in")).await.body, "in");
        assert_eq!(browser.fetch(&at("/user")).await.status, 200, "still logged in");
    }
    let browser = Client::new();
    assert_eq!(browser.visit(&at("/user")).await.status, 200);
    assert_eq!(browser.open(&at("/session")).await.body, "1");
    assert_eq!(browser.open(&at("/shop/look")).await.body, "look");
    assert!(support::logs::text().contains("two sessions"), "the log says what to change");
    assert_eq!(browser.open(&at("/session")).await.body, "2", "who only looks takes nothing");
    assert_eq!(browser.fetch(&at("/user")).await.status, 200, "still logged in");
}

/// The session that the middleware brings is the app's to use, and to empty. A login is not in it.
#[actix_web::test]
async fn an_app_may_empty_the_session() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).build().await.unwrap();
    let server = serve(listener, move |listener| {
        listen!(listener, 1, move || {
            let clear = |session: actix_session::Session| async move {
                session.clear();
                "cleared"
            };
            let purge = |session: actix_session::Session| async move {
                session.purge();
                "purged"
            };
            App::new()
                .configure(support::app::routes)
                .route("/clear", web::get().to(clear))
                .route("/purge", web::get().to(purge))
                .wrap(salesforce.clone())
        })
    });
    for (path, body) in [("/clear", "cleared"), ("/purge", "purged")] {
        let browser = Client::new();
        let url = format!("{}{path}", server.url);
        assert_eq!(browser.open(&url).await.body, body, "a stranger");
        assert_eq!(browser.visit(&format!("{}/user", server.url)).await.status, 200);
        assert_eq!(browser.open(&format!("{}/session", server.url)).await.body, "1");
        assert_eq!(browser.open(&url).await.body, body, "a user");
        assert_eq!(browser.open(&format!("{}/session", server.url)).await.body, "1", "emptied");
        assert_eq!(browser.fetch(&format!("{}/user", server.url)).await.status, 200, "and logged in");
    }
}

#[actix_web::test]
async fn no_session_or_the_wrong_order_is_one_clear_error() {
    support::logs::capture();
    let salesforce = good().session(SessionMode::App).build().await.unwrap();
    let none = app(
        |listener, salesforce| {
            listen!(listener, 2, move || App::new().configure(routes).wrap(salesforce.clone()))
        },
        salesforce.clone(),
    );
    let wrong_order = app(
        |listener, salesforce| {
            listen!(listener, 2, move || App::new()
                .configure(routes)
                .wrap(session())
                .wrap(salesforce.clone()))
        },
        salesforce,
    );
    for server in [none, wrong_order] {
        for path in ["/hello", "/in", "/auth/salesforce/login"] {
            assert_eq!(Client::new().open(&format!("{}{path}", server.url)).await.status, 500);
        }
    }
    assert!(support::logs::text().contains("no session"), "the log says what to change");
}

#[actix_web::test]
async fn the_right_order_with_the_apps_own_session_works_and_keeps_its_data() {
    let salesforce = good().session(SessionMode::App).build().await.unwrap();
    let server = app(
        |listener, salesforce| {
            listen!(listener, 2, move || App::new()
                .configure(routes)
                .wrap(salesforce.clone())
                .wrap(session()))
        },
        salesforce,
    );
    let browser = Client::new();
    for count in 1..=6 {
        assert_eq!(browser.open(&format!("{}/hello", server.url)).await.body, count.to_string());
    }
    assert_eq!(browser.open(&format!("{}/in", server.url)).await.status, 303);
}

#[actix_web::test]
async fn the_session_that_the_middleware_brings_serves_the_app_too() {
    let salesforce = good().build().await.unwrap();
    let server = app(
        |listener, salesforce| {
            listen!(listener, 2, move || App::new().configure(routes).wrap(salesforce.clone()))
        },
        salesforce,
    );
    let browser = Client::new();
    for count in 1..=6 {
        assert_eq!(browser.open(&format!("{}/hello", server.url)).await.body, count.to_string());
    }
}

#[actix_web::test]
async fn two_salesforces_at_the_same_place_are_one_clear_error() {
    support::logs::capture();
    let (one, two) = (FakeOrg::start().await.unwrap(), FakeOrg::start().await.unwrap());
    let (listener, url) = reserve();
    let first = settings_for(&one, &url).keys(KEY).mount("").build().await.unwrap();
    let second = settings_for(&two, &url).keys(KEY).mount("").build().await.unwrap();
    let server = serve(listener, move |listener| {
        listen!(listener, 2, move || App::new()
            .configure(support::app::routes)
            .wrap(second.clone())
            .wrap(first.clone()))
    });
    for path in ["/", "/user"] {
        assert_eq!(Client::new().open(&format!("{}{path}", server.url)).await.status, 500, "{path}");
    }
    assert!(support::logs::text().contains("two different Salesforces"), "the log says what to change");
}

#[actix_web::test]
async fn a_handler_without_the_middleware_responds_with_500_and_the_log_says_what_to_add() {
    support::logs::capture();
    let salesforce = good().build().await.unwrap();
    let server = app(
        |listener, _| listen!(listener, 1, || App::new().route("/in", web::get().to(needs_login))),
        salesforce,
    );
    let page = Client::new().open(&format!("{}/in", server.url)).await;
    assert_eq!(page.status, 500, "{page:?}");
    assert!(support::logs::text().contains(".wrap(salesforce.clone())"));
}

#[actix_web::test]
async fn require_login_outside_of_salesforce_responds_with_500_and_the_log_says_which_order_works() {
    support::logs::capture();
    let salesforce = good().build().await.unwrap();
    let server = app(
        |listener, salesforce| {
            listen!(listener, 1, move || {
                App::new().configure(routes).wrap(salesforce.clone()).wrap(RequireLogin::new())
            })
        },
        salesforce,
    );
    let page = Client::new().open(&format!("{}/hello", server.url)).await;
    assert_eq!(page.status, 500, "{page:?}");
    let said = support::logs::text();
    assert!(said.contains("`.wrap(RequireLogin::new()).wrap(salesforce)`; the last one"), "{said}");
}

#[actix_web::test]
async fn a_salesforce_that_is_dropped_does_not_hold_the_program_up() {
    let started = std::time::Instant::now();
    drop(good().build().await.unwrap());
    assert!(started.elapsed() < Duration::from_secs(2));
}
