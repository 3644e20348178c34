//! Silent logins: once, without a page of Salesforce, and never in the way of the page itself.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::support::{
    ADA, CALLBACK, Client, LOGIN, Page, TestApp,
    app::{listen, routes, serve},
    client::query,
    reserve, settings_for,
};
use actix_salesforce::{
    InvalidFacts, LoginDecision, MaybeSalesforceConn, SalesforceBuilder, SalesforceUser, SilentLogin,
    UserRef, store::GrantFilter,
};
use actix_web::{App, HttpRequest, Responder, web};
use reqwest::Method;
use salesforce_fake_org::{FakeOrg, Fault};

async fn home(sf: MaybeSalesforceConn) -> impl Responder {
    if sf.is_some() { "connected" } else { "anonymous" }
}

async fn protected(user: SalesforceUser) -> impl Responder {
    user.username.unwrap_or_default()
}

/// How often the app was asked for the hint `counted`.
static COUNTED: AtomicUsize = AtomicUsize::new(0);

fn hint(request: &HttpRequest) -> Option<String> {
    let hint = request.headers().get("x-hint")?.to_str().ok()?;
    COUNTED.fetch_add(usize::from(hint == "counted"), Ordering::SeqCst);
    Some(hint.to_owned())
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

/// Where users of the org may not come in, the visitor sees the page as without a login, and nothing is left behind.
#[actix_web::test]
async fn a_silent_login_that_is_refused_leaves_nothing_behind() {
    let org = FakeOrg::start().await.unwrap();
    let id = org.organization_id();
    for refuse in ["list", "function", "on_login"] {
        let org = FakeOrg::builder().organization_id(&id).start().await.unwrap();
        let app = around(org, |builder| match refuse {
            "list" => builder.denied_orgs([id.clone()]),
            "function" => builder.allow_org_if(|_| async { Ok::<_, std::io::Error>(false) }),
            _ => builder.on_login(|_| async { Ok::<_, InvalidFacts>(LoginDecision::refuse("No.")) }),
        })
        .await;
        sign_in(&app);
        let browser = Client::new();
        let page = browser.visit(&app.url("/home")).await;
        assert_eq!((page.body.as_str(), page.sets_login()), ("anonymous", false), "{refuse}: {page:?}");
        assert_eq!(
            (app.exchanges(), browser.visit(&app.url("/home")).await.status),
            (1, 200),
            "{refuse}: once"
        );
        assert_eq!(app.exchanges(), 1, "{refuse}");
        for _ in 0..200 {
            if app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty(), "{refuse}: revoked");
        assert_eq!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 0, "{refuse}");
    }
}

/// At the host of the browser's last login, and at no other.
#[actix_web::test]
async fn a_silent_login_goes_to_the_last_login_host() {
    let sandbox = FakeOrg::start().await.unwrap();
    let org =
        FakeOrg::builder().client(&sandbox.client_id(), &sandbox.client_secret()).start().await.unwrap();
    let (login, instance) = (sandbox.login_url(), sandbox.instance_url());
    let app =
        around(org, |builder| builder.login_host("sandbox", login.clone()).allowed_origin(instance)).await;
    sign_in(&app);
    sandbox.sign_in(&sandbox.user(BEN));
    let browser = Client::new();
    browser.visit(&app.url(&format!("{LOGIN}?host=sandbox&return_to=/user"))).await;
    app.salesforce.revoke_grants(GrantFilter::All).await.unwrap();
    // A while after the login.
    let (guard, _) = browser.own_cookie(".landed").unwrap();
    browser.remove_cookie("127.0.0.1", &guard);
    let start = browser.open(&app.url("/protected")).await.location();
    assert!(start.as_str().starts_with(&*login), "{start}");
    assert_eq!(query(&start, "immediate").as_deref(), Some("true"));
    assert_eq!(browser.visit(&app.url("/protected")).await.body, BEN);
    assert_eq!((sandbox.token_calls("authorization_code"), app.exchanges()), (2, 0));
}

const BEN: &str = "ben@example.com";
const LOGOUT: &str = "/auth/salesforce/logout";

fn user_ref(app: &TestApp, name: &str) -> UserRef {
    let user = app.org.user(name);
    UserRef::new(user.organization_id().parse().unwrap(), user.id().parse().unwrap())
}

/// The function may be dear. It is called where a silent login starts, and for no other request.
#[actix_web::test]
async fn the_function_for_the_hint_is_called_only_where_a_login_starts() {
    let app = with(|builder| builder).await;
    sign_in(&app);
    let browser = Client::new();
    app.log_in(&browser).await;
    let open = async |browser: &Client, accept: &str| {
        let headers = [("accept", accept), ("x-hint", "counted")];
        browser.send(Method::GET, &app.url("/home"), &headers, None).await.status
    };
    assert_eq!(open(&browser, "text/html").await, 200);
    assert_eq!(open(&Client::new(), "application/json").await, 200);
    assert_eq!(COUNTED.load(Ordering::SeqCst), 0);
    assert_eq!(open(&Client::new(), "text/html").await, 303);
    assert_eq!(COUNTED.load(Ordering::SeqCst), 1);
}

/// The current login has ended, and another one of the browser has not: it must not be replaced behind the user's back.
#[actix_web::test]
async fn a_silent_login_never_replaces_another_login_of_the_browser() {
    let app = with(|builder| builder).await;
    sign_in(&app);
    let browser = Client::new();
    app.log_in(&browser).await;
    app.org.sign_in(&app.org.user(BEN));
    let orgs = app.url("/auth/salesforce/orgs");
    let add = browser.submit(&orgs, &app.server.url, &[("add", "1"), ("return_to", "/user")]).await;
    assert_eq!(browser.visit(add.location().as_str()).await.json()["username"], BEN);
    app.salesforce.revoke_grants(GrantFilter::User(user_ref(&app, BEN))).await.unwrap();
    // A while after the login.
    let (guard, _) = browser.own_cookie(".landed").unwrap();
    browser.remove_cookie("127.0.0.1", &guard);
    for _ in 0..2 {
        let page = browser.open(&app.url("/home")).await;
        assert_eq!((page.status, page.body.as_str()), (200, "anonymous"), "{page:?}");
    }
    assert_eq!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().len(), 1, "Ada's stays");
    // All of them have ended.
    app.salesforce.revoke_grants(GrantFilter::All).await.unwrap();
    assert_eq!(browser.open(&app.url("/home")).await.status, 303);
}

/// A cookie that this process cannot open may be that of a login that others can.
#[actix_web::test]
async fn a_browser_with_a_login_that_does_not_open_is_sent_nowhere() {
    let app = with(|builder| builder).await;
    sign_in(&app);
    let browser = Client::new();
    app.log_in(&browser).await;
    let (name, value) = browser.own_cookie("").unwrap();
    let altered: String = value.chars().rev().collect();
    for cookie in [name.clone(), format!("{name}.current"), format!("{name}.org.AAAAAAAAAAAAAAAA")] {
        let browser = Client::new();
        browser.set_cookie("127.0.0.1", &cookie, &altered);
        assert_eq!(browser.open(&app.url("/home")).await.status, 200, "{cookie}");
    }
}

/// The callback of a silent login comes after the user has logged out, or in by hand, in another tab.
#[actix_web::test]
async fn a_silent_login_that_was_overtaken_changes_nothing() {
    let app = with(|builder| builder).await;
    sign_in(&app);
    let browser = Client::new();
    let callback = async || {
        let start = browser.open(&app.url("/home")).await;
        browser.visit_until(start.location().as_str(), CALLBACK).await
    };
    // Logged in as another user.
    let silent = callback().await;
    app.org.sign_in(&app.org.user(BEN));
    app.log_in(&browser).await;
    let exchanges = app.exchanges();
    let page = browser.open(silent.as_str()).await;
    assert_eq!(
        (page.status, page.header("location"), app.exchanges()),
        (303, "/home", exchanges),
        "{page:?}"
    );
    assert!(browser.own_cookie(".attempt.").is_none());
    assert_eq!(browser.fetch(&app.url("/user")).await.json()["username"], BEN);

    // Logged out again.
    browser.submit(&app.url(LOGOUT), &app.server.url, &[]).await;
    let (name, mark) = browser.own_cookie(".silent").unwrap();
    browser.remove_cookie("127.0.0.1", &name);
    let silent = callback().await;
    browser.set_cookie("127.0.0.1", &name, &mark);
    let exchanges = app.exchanges();
    for query in [
        silent.query().unwrap().to_owned(),
        "error=immediate_unsuccessful&".to_owned()
            + silent.query().unwrap().split('&').find(|pair| pair.starts_with("state=")).unwrap(),
    ] {
        let page = browser.open(&app.url(&format!("{CALLBACK}?{query}"))).await;
        assert_eq!((page.status, app.exchanges()), (303, exchanges), "{page:?}");
        assert_eq!(browser.own_cookie(".silent").unwrap().1, mark, "it stays until the browser closes");
        assert_eq!(browser.open(&app.url("/home")).await.body, "anonymous");
    }
}

/// As a logout does.
#[actix_web::test]
async fn dropping_the_last_login_is_not_undone_by_a_silent_login() {
    let app = with(|builder| builder).await;
    sign_in(&app);
    let browser = Client::new();
    assert_eq!(browser.visit(&app.url("/home")).await.body, "connected");
    let org = app.org.organization_id();
    let page = browser.submit(&app.url("/auth/salesforce/orgs"), &app.server.url, &[("drop", &org)]).await;
    let cookies = page.set_cookies();
    let mark = cookies.iter().find(|cookie| cookie.contains(".silent=logged_out")).expect("a mark");
    assert!(!mark.contains("Max-Age"), "{mark}");
    assert_eq!(browser.open(&app.url("/home")).await.body, "anonymous");
}
