//! Salesforce's single logout: its page, and the call of that page into the app (OpenID Connect Front-Channel Logout).

use crate::support::{
    ADA, Client, Page, TestApp,
    app::{listen, routes},
    reserve, serve, settings_for,
};
use actix_salesforce::{
    SessionMode,
    actix_session::{SessionMiddleware, storage::CookieSessionStore},
    config::RevokeOnLogout,
    store::GrantFilter,
};
use actix_web::{App, cookie::Key};
use reqwest::Method;
use salesforce_fake_org::FakeOrg;

const LOGOUT: &str = "/auth/salesforce/logout";
const SLO: &str = "/auth/salesforce/slo";

async fn start() -> TestApp {
    TestApp::with(|builder| builder.single_logout(true)).await
}

/// A browser that sends, as in a frame of another site, the cookies with `SameSite=None` alone.
fn framed(browser: &Client) -> Client {
    let framed = Client::new();
    if let Some((name, value)) = browser.own_cookie(".slo") {
        framed.set_cookie("127.0.0.1", &name, &value);
    }
    framed
}

/// What Salesforce's logout page loads.
async fn call(app: &TestApp, browser: &Client) -> Page {
    let headers =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    browser.send(Method::GET, &app.url(SLO), &headers, None).await
}

#[actix_web::test]
async fn single_logout_is_off_by_default() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    assert!(browser.own_cookie(".slo").is_none());
    assert_eq!(call(&app, &browser).await.status, 404);
    assert!(app.is_logged_in(&browser).await);
}

#[actix_web::test]
async fn a_logout_at_salesforce_ends_the_login_of_this_browser_alone() {
    let app = start().await;
    let (one, two) = (app.logged_in().await, app.logged_in().await);
    let cookie = one.trace().iter().flat_map(Page::set_cookies).find(|cookie| cookie.contains(".slo="));
    let cookie = cookie.expect("a login gives a handle");
    for attribute in ["SameSite=None", "Secure", "HttpOnly", "Path=/"] {
        assert!(cookie.contains(attribute), "{attribute}: {cookie}");
    }
    assert!(!cookie.contains("Partitioned") && !cookie.contains("Domain"), "{cookie}");

    let frame = framed(&one);
    let page = call(&app, &frame).await;
    assert_eq!((page.status, page.body.as_str(), page.header("cache-control")), (200, "", "no-store"));
    let policies = page.headers.get_all("content-security-policy").iter();
    let policies: Vec<_> = policies.map(|policy| policy.to_str().unwrap()).collect();
    assert!(policies.iter().any(|policy| policy.starts_with("frame-ancestors https://")), "{policies:?}");
    assert!(!policies.iter().any(|policy| policy.contains("frame-ancestors 'none'")), "{policies:?}");
    assert!(!page.headers.contains_key("x-frame-options"), "{page:?}");
    assert!(frame.own_cookie(".slo").is_none(), "the handle is used");
    assert!(!app.is_logged_in(&one).await);
    assert!(app.is_logged_in(&two).await, "another browser of the same user");
    assert!(!app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty());

    // A logout here takes the handle, too.
    two.submit(&app.url(LOGOUT), &app.server.url, &[]).await;
    assert!(two.own_cookie(".slo").is_none());
}

/// The handle is good for nothing else, and nothing else is good for a handle.
#[actix_web::test]
async fn a_logout_handle_is_no_login() {
    let app = start().await;
    let browser = app.logged_in().await;
    let ((login, sealed), (handle, value)) =
        (browser.own_cookie("").unwrap(), browser.own_cookie(".slo").unwrap());
    assert!(!value.contains(&sealed) && !sealed.contains(&value));
    let thief = Client::new();
    thief.set_cookie("127.0.0.1", &login, &value);
    assert!(!app.is_logged_in(&thief).await);

    let altered: String = value.chars().rev().collect();
    for forged in [sealed.as_str(), altered.as_str(), "x", ""] {
        let other = Client::new();
        other.set_cookie("127.0.0.1", &handle, forged);
        let page = call(&app, &other).await;
        assert_eq!((page.status, page.body.as_str()), (200, ""), "{forged}");
    }
    assert_eq!(call(&app, &Client::new()).await.status, 200, "without a cookie");
    let post = framed(&browser).send(Method::POST, &app.url(SLO), &[], Some("")).await;
    assert_eq!(post.status, 405);
    assert!(app.is_logged_in(&browser).await);
}

#[actix_web::test]
async fn a_handle_that_is_called_again_and_again_is_refused_for_a_while() {
    let app = start().await;
    let (browser, other) = (app.logged_in().await, app.logged_in().await);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(call(&app, &framed(&browser)).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    assert_eq!(call(&app, &framed(&other)).await.status, 200, "another browser is not affected");
    assert!(!app.is_logged_in(&other).await);
}

/// With the app's own session the logins end all the same, at all orgs of the browser; the session is the app's concern.
#[actix_web::test]
async fn a_logout_at_salesforce_leaves_the_apps_own_session() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let builder = settings_for(&org, &url).single_logout(true).session(SessionMode::App);
    let salesforce = builder.build().await.unwrap();
    let wrapped = salesforce.clone();
    let server = serve(listener, move |listener| {
        let key = Key::generate();
        listen!(listener, 4, move || {
            let session = SessionMiddleware::builder(CookieSessionStore::default(), key.clone());
            App::new().configure(routes).wrap(wrapped.clone()).wrap(session.cookie_secure(false).build())
        })
    });
    let app = TestApp { org, salesforce, server };
    let browser = app.logged_in().await;
    assert_eq!(browser.fetch(&app.url("/session")).await.body, "1");
    app.org.sign_in(&app.org.user("ben@example.com"));
    let add = [("add", "1"), ("return_to", "/user")];
    let start = browser.submit(&app.url("/auth/salesforce/orgs"), &app.server.url, &add).await.location();
    assert_eq!(browser.visit(start.as_str()).await.json()["username"], "ben@example.com");
    let frame = framed(&browser);
    assert_eq!(call(&app, &frame).await.status, 200);
    assert!(frame.own_cookie(".slo").is_none() && !app.is_logged_in(&browser).await);
    assert_eq!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().len(), 0);
    assert_eq!(browser.fetch(&app.url("/session")).await.body, "2", "what the app stored is there");
}

/// Whatever the settings say of a logout here: any site can make the call.
#[actix_web::test]
async fn single_logout_never_ends_the_logins_of_other_browsers() {
    let app =
        TestApp::with(|builder| builder.single_logout(true).revoke_on_logout(RevokeOnLogout::Always)).await;
    let (one, two) = (app.logged_in().await, app.logged_in().await);
    call(&app, &framed(&one)).await;
    assert!(!app.is_logged_in(&one).await && app.is_logged_in(&two).await);
    assert_eq!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().len(), 1);
}

#[actix_web::test]
async fn a_logout_can_go_on_to_salesforces_logout_page() {
    let app = start().await;
    let browser = app.logged_in().await;
    let page = browser.open(&app.url(LOGOUT)).await;
    assert!(page.body.contains("name=\"salesforce\" value=\"1\""), "{page:?}");
    let fields = [("salesforce", "1"), ("return_to", "/bye")];
    // Only from a page of the app.
    assert_eq!(browser.submit(&app.url(LOGOUT), "https://evil.example", &fields).await.status, 403);
    let page = browser.submit(&app.url(LOGOUT), &app.server.url, &fields).await;
    let expected = format!("{}/services/auth/idp/oidc/logout", app.org.instance_url().trim_end_matches('/'));
    assert_eq!((page.status, page.header("location")), (303, expected.as_str()));
    assert!(!app.is_logged_in(&browser).await);
    // Without a login there is no such page.
    let page = browser.submit(&app.url(LOGOUT), &app.server.url, &fields).await;
    assert_eq!((page.status, page.header("location")), (303, "/bye"));
}
