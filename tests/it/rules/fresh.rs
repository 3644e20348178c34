//! A route that needs a recent login (RFC 9470).

use super::guarded_app::{BEN, GuardedApp, ONE, PAGE};
use crate::support::{ADA, CALLBACK, Client, Page};
use actix_salesforce::RequireLogin;
use reqwest::Method;
use salesforce_fake_org::FakeOrg;
use serde_json::json;

const AGAIN: &str = "/auth/salesforce/login?prompt=login&return_to=%2Fin%2Fpage";

async fn app() -> GuardedApp {
    GuardedApp::start(RequireLogin::new().fresh(5)).await
}

/// The prompts of the logins that came to Salesforce.
fn prompts(org: &FakeOrg) -> Vec<Option<String>> {
    let authorize = "/services/oauth2/authorize";
    org.requests()
        .iter()
        .filter(|request| request.path == authorize)
        .map(|request| {
            let query = request.query.clone().unwrap_or_default();
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find(|(name, _)| name == "prompt").map(|(_, value)| value.into_owned())
        })
        .collect()
}

fn asserts_challenge(page: &Page) {
    let challenge = page.header("www-authenticate");
    assert!(challenge.starts_with("Bearer error=\"insufficient_user_authentication\""), "{page:?}");
    assert!(challenge.ends_with("max_age=\"300\""), "{page:?}");
}

#[actix_web::test]
async fn a_navigation_is_sent_to_log_in_and_comes_back() {
    let app = app().await;
    let browser = app.logged_in(ADA).await;
    let page = browser.open(&app.url(PAGE)).await;
    assert_eq!((page.status, page.header("location")), (303, AGAIN), "an ordinary login does not count");
    app.org.clear_requests();
    assert_eq!(browser.visit(&app.url(PAGE)).await.body, "inside");
    assert_eq!(prompts(&app.org), [Some("login".to_owned())], "Salesforce was asked for its login page");
    for path in [PAGE, ONE] {
        assert_eq!(browser.open(&app.url(path)).await.body, "inside", "no further login");
        assert_eq!(browser.submit(&app.url(PAGE), &app.server.url, &[]).await.body, "inside");
    }
    // A link to an ordinary login is no way around it.
    browser.visit(&app.url("/auth/salesforce/login?return_to=/user&prompt=consent")).await;
    assert_eq!(browser.open(&app.url(PAGE)).await.status, 303);
}

#[actix_web::test]
async fn the_first_login_is_a_fresh_one() {
    let app = app().await;
    app.org.sign_in(&app.org.user(ADA));
    let stranger = Client::new();
    assert_eq!(stranger.fetch(&app.url(PAGE)).await.json()["error"], "login_required");
    assert_eq!(stranger.visit(&app.url(PAGE)).await.body, "inside");
    assert_eq!(prompts(&app.org), [Some("login".to_owned())]);
}

#[actix_web::test]
async fn what_is_no_navigation_gets_401_and_the_logins_url() {
    let app = app().await;
    let browser = app.logged_in(ADA).await;
    let page = browser.fetch(&app.url(PAGE)).await;
    assert_eq!(page.status, 401);
    asserts_challenge(&page);
    let body = page.json();
    assert_eq!(body["error"], "fresh_login_required");
    assert_eq!(body["login_url"], "/auth/salesforce/login?prompt=login");

    let current = app.url("/user?a=1");
    let headers = [("hx-request", "true"), ("hx-current-url", current.as_str())];
    let page = browser.send(Method::POST, &app.url(PAGE), &headers, Some("x=1")).await;
    assert_eq!((page.status, page.header("location")), (401, ""));
    assert_eq!(page.header("hx-redirect"), "/auth/salesforce/login?prompt=login&return_to=%2Fuser%3Fa%3D1");
    asserts_challenge(&page);

    // A form: its body is not stored, and the page links to the form's own page.
    let headers = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", &*app.server.url),
        ("referer", &*current),
    ];
    let page = browser.send(Method::POST, &app.url(PAGE), &headers, Some("amount=17")).await;
    assert_eq!((page.status, page.header("content-type")), (401, "text/html; charset=utf-8"), "{page:?}");
    asserts_challenge(&page);
    let link = "href=\"/auth/salesforce/login?prompt=login&amp;return_to=%2Fuser%3Fa%3D1\"";
    assert!(page.body.contains(link) && page.body.contains("Send it again"), "{page:?}");
    assert!(!page.body.contains("17") && page.set_cookies().is_empty(), "{page:?}");
}

/// The password of another user proves nothing about the user of a session that was left alone.
#[actix_web::test]
async fn a_login_of_another_user_does_not_count() {
    let app = app().await;
    let browser = app.logged_in(ADA).await;
    let callback = browser.visit_until(&app.url(PAGE), "/services/oauth2/authorize").await;
    app.org.sign_in(&app.org.user(BEN));
    let page = browser.open(callback.as_str()).await;
    let page = browser.open(page.location().as_str()).await;
    assert_eq!(page.location().path(), PAGE, "Ben is logged in: {page:?}");
    let page = browser.open(&app.url(PAGE)).await;
    assert_eq!((page.status, page.header("location")), (303, AGAIN), "and has to log in himself");
    assert_eq!(browser.visit(&app.url(PAGE)).await.body, "inside");
    assert_eq!(browser.fetch(&app.url("/user")).await.json()["username"], BEN);
}

#[actix_web::test]
async fn an_old_auth_time_is_refused_and_makes_no_loop() {
    let app = app().await;
    let browser = app.logged_in(ADA).await;
    app.org.set_policy(&json!({ "id_token_auth_age_seconds": 3600 })).unwrap();
    let exchanges = app.org.token_calls("authorization_code");
    let page = browser.visit(&app.url(PAGE)).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("did not ask you to log in again"), "{page:?}");
    assert_eq!(app.refusal(&browser).await["reason"], "not_confirmed");
    assert_eq!(app.org.token_calls("authorization_code"), exchanges + 1);
    app.org.set_policy(&json!({ "id_token_auth_age_seconds": 10 })).unwrap();
    browser.visit(&app.url(AGAIN)).await;
    assert_eq!(browser.open(&app.url(PAGE)).await.body, "inside");
}

#[actix_web::test]
async fn a_user_who_may_not_use_the_route_is_not_sent_to_log_in() {
    let app = GuardedApp::start(RequireLogin::new().any_org().permission("Export").fresh(5)).await;
    let browser = app.logged_in(ADA).await;
    assert_eq!(app.refusal(&browser).await["reason"], "permission");
    app.change(&app.org.user(ADA), &json!({ "custom_permissions": ["Export"] })).await;
    assert_eq!(
        browser.open(&app.url("/menu")).await.body,
        "shown",
        "a menu does not ask for the login's age"
    );
    assert_eq!(browser.open(&app.url(PAGE)).await.status, 303);
}

/// A browser that sends its callback twice gets the same login both times, and it counts both times.
#[actix_web::test]
async fn a_callback_that_comes_twice_counts() {
    let app = app().await;
    let browser = app.logged_in(ADA).await;
    let callback = browser.visit_until(&app.url(PAGE), CALLBACK).await;
    let (twin, exchanges) = (browser.copy(), app.exchanges());
    assert_eq!(browser.visit(callback.as_str()).await.body, "inside");
    assert_eq!(twin.visit(callback.as_str()).await.body, "inside");
    assert_eq!(app.exchanges(), exchanges + 1, "neither had to log in once more");
}
