//! Silent logins: once, without a page of Salesforce, and never in the way of the page itself.

use std::time::Duration;

use crate::support::{
    ADA, CALLBACK, Client, LOGIN, Page, TestApp,
    app::{listen, routes, serve},
    client::query,
    reserve, settings_for,
};
use actix_salesforce::{MaybeSalesforceConn, SalesforceBuilder, SalesforceUser, SilentLogin};
use actix_web::{App, HttpRequest, Responder, web};
use reqwest::Method;
use salesforce_fake_org::{FakeOrg, Fault};

async fn home(sf: MaybeSalesforceConn) -> impl Responder {
    if sf.is_some() { "connected" } else { "anonymous" }
}

async fn protected(user: SalesforceUser) -> impl Responder {
    user.username.unwrap_or_default()
}

fn hint(request: &HttpRequest) -> Option<String> {
    request.headers().get("x-hint")?.to_str().ok().map(str::to_owned)
}

/// An app with silent routes in front of this org.
async fn around(org: FakeOrg, settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> TestApp {
    let (listener, url) = reserve();
    let salesforce = settings(settings_for(&org, &url)).build().await.unwrap();
    let wrapped = salesforce.clone();
    let server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            let silent = || SilentLogin::new().login_hint(hint);
            App::new()
                .service(web::resource("/home").wrap(silent()).to(home))
                .service(web::resource("/protected").wrap(silent()).to(protected))
                .configure(routes)
                .wrap(wrapped.clone())
        })
    });
    TestApp { org, salesforce, server }
}

async fn with(settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> TestApp {
    around(FakeOrg::start().await.unwrap(), settings).await
}

/// How often the org was asked for a login.
fn authorizations(app: &TestApp) -> usize {
    app.org.requests().iter().filter(|request| request.path == "/services/oauth2/authorize").count()
}

/// Ada is signed in at Salesforce.
fn sign_in(app: &TestApp) {
    app.org.sign_in(&app.org.user(ADA));
}

#[actix_web::test]
async fn a_visitor_with_a_session_at_salesforce_is_logged_in_without_a_page() {
    let app = with(|builder| builder).await;
    sign_in(&app);
    let browser = Client::new();
    let start = browser.open(&app.url("/home?a=1")).await;
    assert_eq!(start.status, 303);
    let location = start.location();
    assert!(location.as_str().starts_with(&app.org.login_url()), "{location}");
    assert_eq!(query(&location, "immediate").as_deref(), Some("true"));
    assert!(query(&location, "prompt").is_none() && query(&location, "login_hint").is_none());
    let page = browser.visit(location.as_str()).await;
    assert_eq!((page.body.as_str(), page.url.path(), page.url.query()), ("connected", "/home", Some("a=1")));
    assert_eq!(browser.open(&app.url("/home")).await.body, "connected");
    assert_eq!(authorizations(&app), 1, "a user who is logged in is sent nowhere");
    // An ordinary login asks for no such thing.
    let other = Client::new();
    let ordinary = other.open(&app.url(LOGIN)).await.location();
    assert!(query(&ordinary, "immediate").is_none(), "{ordinary}");
}

#[actix_web::test]
async fn a_visitor_without_a_session_sees_the_page_and_is_sent_once() {
    let app = with(|builder| builder).await;
    let browser = Client::new();
    let page = browser.visit(&app.url("/home?a=1")).await;
    assert_eq!((page.body.as_str(), page.url.path()), ("anonymous", "/home"));
    assert!(page.url.query().unwrap().starts_with("a=1&salesforce_silent="), "{}", page.url);
    let back = browser.trace().into_iter().find(|page| page.url.path() == CALLBACK).unwrap();
    let cookies = back.set_cookies();
    let remembered = cookies.iter().find(|cookie| cookie.contains(".silent=")).unwrap();
    assert!(remembered.contains("Max-Age=600") && remembered.contains("SameSite=Lax"), "{remembered}");
    assert!(browser.own_cookie(".attempt.").is_none(), "the pending login is used");

    for path in ["/home?a=1", "/home", "/protected"] {
        let page = browser.open(&app.url(path)).await;
        let to_login = page.is_redirect() && page.location().path() == LOGIN;
        assert!(page.body == "anonymous" || to_login, "{page:?}");
    }
    assert_eq!(authorizations(&app), 1);
    // Both are gone: it is tried again.
    let (name, _) = browser.own_cookie(".silent").unwrap();
    browser.remove_cookie("127.0.0.1", &name);
    assert_eq!(browser.open(page.url.as_str()).await.body, "anonymous", "the mark still counts");
    assert_eq!(browser.open(&app.url("/home")).await.status, 303);
    let old = browser.open(&app.url("/home?salesforce_silent=1700000000&b=2")).await;
    assert_eq!(old.status, 303, "a mark counts for ten minutes");
}

/// A crawler, or a browser that blocks all cookies: with and without a session at Salesforce.
#[actix_web::test]
async fn a_client_without_cookies_goes_once_too() {
    let app = with(|builder| builder).await;
    for is_signed_in in [false, true] {
        if is_signed_in {
            sign_in(&app);
        }
        app.org.clear_requests();
        let long = format!("/home?q={}", "x".repeat(800));
        for path in ["/home?a=1", &long] {
            let mut url = app.url(path);
            let mut hops = Vec::new();
            let page: Page = loop {
                let page = Client::new().open(&url).await;
                hops.push(page.url.path().to_owned());
                assert!(hops.len() < 6, "{hops:?}");
                if !page.is_redirect() {
                    break page;
                }
                url = page.location().to_string();
            };
            assert_eq!((page.body.as_str(), page.url.path()), ("anonymous", "/home"), "{hops:?}");
            assert_eq!(hops.len(), 4, "page, Salesforce, callback, page: {hops:?}");
        }
        assert_eq!((authorizations(&app), app.exchanges()), (2, 0));
    }
    // What no silent login of this app sealed leads nowhere.
    for state in ["x.y", "x.AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "."] {
        let callback = app.url(&format!("{CALLBACK}?error=immediate_unsuccessful&state={state}"));
        assert_eq!(Client::new().open(&callback).await.status, 403, "{state}");
    }
}

#[actix_web::test]
async fn only_a_page_that_a_window_opens_is_sent() {
    let app = with(|builder| builder).await;
    let html = ("accept", "text/html");
    for (method, path, headers) in [
        (Method::GET, "/home", vec![("accept", "application/json")]),
        (Method::GET, "/home", vec![html, ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]),
        (Method::GET, "/home", vec![html, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]),
        (Method::GET, "/home", vec![html, ("hx-request", "true")]),
        (Method::GET, "/home", vec![html, ("sec-purpose", "prefetch;prerender")]),
        (Method::HEAD, "/home", vec![html]),
        (Method::POST, "/home", vec![html]),
        (Method::GET, "/maybe", vec![html]),
        // Another name of this machine: the callback's cookies would not come back.
        (
            Method::GET,
            "/home",
            vec![html, ("host", &app.server.url.replace("http://127.0.0.1", "localhost"))],
        ),
    ] {
        let page = Client::new().send(method.clone(), &app.url(path), &headers, None).await;
        assert_eq!(page.status, 200, "{method} {path} {headers:?}: {page:?}");
    }
    assert_eq!(Client::new().send(Method::GET, &app.url("/home"), &[html], None).await.status, 303);
}

/// A protected page asks for a login as always, and comes back without the mark.
#[actix_web::test]
async fn a_protected_page_leads_on_to_the_login_page() {
    let app = with(|builder| builder).await;
    let browser = Client::new();
    let page = browser.visit(&app.url("/protected?a=1")).await;
    assert!(page.url.as_str().starts_with(&app.org.login_url()), "at Salesforce's login page: {page:?}");
    let login = browser.trace().into_iter().find(|page| page.url.path() == LOGIN).unwrap();
    assert_eq!(login.query("return_to").as_deref(), Some("/protected?a=1"));
    assert_eq!(authorizations(&app), 2);
}

/// The visitor did not ask for a login: no failure of it shows a page.
#[actix_web::test]
async fn whatever_goes_wrong_the_visitor_sees_the_page() {
    let refused: [fn(SalesforceBuilder) -> SalesforceBuilder; 3] = [
        |builder| builder.allowed_orgs(["00D000000000001EAA"]),
        |builder| builder.login_timeout(Duration::from_millis(1)),
        |builder| builder,
    ];
    for (case, settings) in refused.into_iter().enumerate() {
        let app = with(settings).await;
        sign_in(&app);
        if case == 2 {
            app.org.faults().token_endpoint(Fault::Status(503));
        }
        let browser = Client::new();
        let page = browser.visit(&app.url("/home")).await;
        assert_eq!(page.body, "anonymous", "case {case}: {page:?}");
        assert!(browser.own_cookie(".attempt.").is_none(), "case {case}");
        assert_eq!(browser.open(&app.url("/home")).await.status, 200, "case {case}");
    }
    // A login that the user asked for is explained as ever.
    let app = with(|builder| builder.allowed_orgs(["00D000000000001EAA"])).await;
    sign_in(&app);
    assert_eq!(Client::new().visit(&app.url(LOGIN)).await.status, 403);
}

#[actix_web::test]
async fn a_logout_is_not_undone_by_a_silent_login() {
    let app = with(|builder| builder).await;
    sign_in(&app);
    let browser = Client::new();
    assert_eq!(browser.visit(&app.url("/home")).await.body, "connected");
    let logout = browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    let cookies = logout.set_cookies();
    let remembered = cookies.iter().find(|cookie| cookie.contains(".silent=")).unwrap();
    assert!(!remembered.contains("Max-Age"), "until the browser closes: {remembered}");
    assert_eq!(browser.open(&app.url("/home")).await.body, "anonymous");
    // A login by hand counts again.
    assert_eq!(browser.visit(&app.url(&format!("{LOGIN}?return_to=/home"))).await.body, "connected");
    assert!(browser.own_cookie(".silent").is_none());

    let without = TestApp::start().await;
    let browser = without.logged_in().await;
    let logout = browser.submit(&without.url("/auth/salesforce/logout"), &without.server.url, &[]).await;
    assert!(!logout.set_cookies().iter().any(|cookie| cookie.contains(".silent")), "{logout:?}");
}

#[actix_web::test]
async fn the_apps_login_hint_is_sent() {
    let app = with(|builder| builder).await;
    for (given, sent) in [("ada@example.com", true), ("", false), (&"x".repeat(257), false)] {
        let headers = [("accept", "text/html"), ("x-hint", given)];
        let page = Client::new().send(Method::GET, &app.url("/home"), &headers, None).await;
        let hint = query(&page.location(), "login_hint");
        assert_eq!(hint.as_deref(), sent.then_some(given));
    }
}

/// Experience Cloud sites do not know `immediate`.
#[actix_web::test]
async fn a_site_is_never_asked_for_a_silent_login() {
    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    let site = org.site_url().unwrap();
    let app = around(org, |builder| builder.login_url(site)).await;
    assert_eq!(Client::new().open(&app.url("/home")).await.body, "anonymous");
    assert_eq!(authorizations(&app), 0);
}
