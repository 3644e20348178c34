//! What Salesforce sends when a login is finished: refusals are explained, and a response that does not hold together
//! makes no login.

use std::time::{Duration, Instant};

use crate::support::{ADA, Client, TestApp, client::query, hostile, raw};
use actix_salesforce::{AuthEvent, store::GrantFilter};
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde_json::json;

/// each refusal of Salesforce is explained, with its status and a way on, never a redirect by itself.
#[actix_web::test]
async fn a_refusal_is_explained() {
    let app = TestApp::start().await;
    for (code, status, says) in [
        ("access_denied", 403, "You did not allow access"),
        ("access-denied", 403, "You did not allow access"),
        ("OAUTH_APP_BLOCKED", 403, "Connected Apps OAuth Usage"),
        ("invalid_app_access", 403, "administrator"),
        ("invalid_client", 403, "install"),
        ("OAUTH_APPROVAL_ERROR_GENERIC", 403, "not installed"),
        ("inactive_user", 403, "deactivated"),
        ("rate_limit_exceeded", 429, "Too many logins"),
        ("invalid_scope", 400, "scope"),
        ("server_error", 502, "problem"),
        ("service_unavailable", 503, "not available"),
        ("something_new", 400, "did not log you in"),
    ] {
        let browser = Client::new();
        let callback = app.callback_of(&browser).await;
        let mut refused = callback.clone();
        refused
            .query_pairs_mut()
            .clear()
            .append_pair("error", code)
            .append_pair("error_description", "<script>alert('x')</script>")
            .append_pair("state", &query(&callback, "state").unwrap());
        let page = browser.open(refused.as_str()).await;
        assert_eq!(page.status, status, "{code}: {page:?}");
        assert!(page.body.contains(says) && page.body.contains("Try again"), "{code}: {page:?}");
        assert!(!page.body.contains("<script"), "{code}");
        assert!(page.header("location").is_empty());
        let used = browser.open(callback.as_str()).await;
        assert_eq!(used.status, 400, "{code}: the attempt is used up");
    }
    assert_eq!(app.exchanges(), 0);
}

/// A-12 at the token endpoint, and R-03: no second try without PKCE.
#[actix_web::test]
async fn a_refusal_at_the_token_endpoint_is_explained_too() {
    let app = TestApp::start().await;
    let oauth =
        |error: &str| Fault::OauthError { error: error.to_owned(), description: "x".to_owned(), status: 400 };
    for (fault, status) in [
        (oauth("invalid_client"), 500),
        (oauth("invalid_grant"), 403),
        (oauth("invalid_request"), 400),
        (Fault::Status(503), 503),
        (Fault::Maintenance, 503),
        (Fault::Garbage, 503),
        (Fault::ResetBeforeResponse, 503),
    ] {
        let name = format!("{fault:?}");
        let browser = Client::new();
        let callback = app.callback_of(&browser).await;
        let before = app.org.requests().iter().filter(|request| request.path.ends_with("/token")).count();
        app.org.faults().token_endpoint(fault.once());
        let page = browser.open(callback.as_str()).await;
        assert_eq!(page.status, status, "{name}: {page:?}");
        assert!(page.body.contains("Try again"), "{name}");
        let calls = app.org.requests().iter().filter(|request| request.path.ends_with("/token")).count();
        assert_eq!(calls - before, 1, "{name}: a code is sent once");
        assert!(!app.is_logged_in(&browser).await);
    }
}

/// a token response that does not hold together makes no login, and no foreign host is contacted.
#[actix_web::test]
async fn a_hostile_token_response_logs_no_user_in() {
    let app = TestApp::start().await;
    let stranger = FakeOrg::start().await.unwrap();
    let mut responses = hostile::token_responses(&stranger.instance_url());
    responses.extend([
        json!({ "id": format!("{}/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU", stranger.login_url()) }),
        json!({ "id_token": null }),
        // S-01: a scope of the response must not talk the request's `openid` away.
        json!({ "id_token": null, "scope": "api refresh_token" }),
        json!({ "id_token": "a.b.c" }),
    ]);
    for response in responses {
        let name: String = response.to_string().chars().take(100).collect();
        let browser = Client::new();
        let callback = app.callback_of(&browser).await;
        app.org.faults().token_endpoint(Fault::MergeJson(response).once());
        let page = browser.open(callback.as_str()).await;
        assert!((500..=503).contains(&page.status), "{name}: {page:?}");
        assert!(!page.body.contains("evil") && !page.body.contains("00D"), "{name}");
        assert!(!app.is_logged_in(&browser).await, "{name}");
    }
    assert!(stranger.requests().is_empty(), "no foreign host was contacted: {:?}", stranger.requests());
    assert!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().is_empty());
}

/// userinfo about someone else ends the login; an outage of it does not.
#[actix_web::test]
async fn userinfo_must_name_the_same_user() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let other = json!({ "user_id": "005x00000012Q9PAAU" });
    app.org.faults().at(Route::Userinfo, Fault::MergeJson(other).once());
    assert_eq!(browser.open(callback.as_str()).await.status, 502);
    assert!(!app.is_logged_in(&browser).await);

    let callback = app.callback_of(&browser).await;
    app.org.faults().at(Route::Userinfo, Fault::Status(503).once());
    assert_eq!(browser.open(callback.as_str()).await.status, 303);
    assert!(app.is_logged_in(&browser).await);
}

/// what was not granted is not assumed.
#[actix_web::test]
async fn a_scope_that_was_not_granted_is_not_assumed() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    app.org.faults().token_endpoint(Fault::MergeJson(json!({ "scope": "openid id" })).once());
    browser.open(callback.as_str()).await;
    let me = browser.fetch(&app.url("/auth/salesforce/me")).await.json();
    let scopes: Vec<_> =
        me["scopes"].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
    assert!(scopes.len() == 2 && !scopes.contains(&"api"), "{scopes:?}");
}

/// A login whose cookie no browser has could never be ended: it would keep the tokens alive after a logout elsewhere.
#[actix_web::test]
async fn a_browser_that_goes_away_meanwhile_leaves_no_login_behind() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let app = TestApp::with(|builder| {
        builder.on_event(move |event| {
            let _ = told.send(event.clone());
        })
    })
    .await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    app.org.faults().token_endpoint(Fault::Delay(Duration::from_millis(500)).once());
    let target = format!("{}?{}", callback.path(), callback.query().unwrap());
    raw::get_and_reset(&app.server.url, &target, &browser.cookie_line(), Duration::from_millis(100));
    for what in ["logged in", "logged out again", "revoked"] {
        let event = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await;
        let event = event.unwrap_or_else(|_| panic!("the login is {what}")).unwrap();
        let is_it = match what {
            "logged in" => matches!(event, AuthEvent::LoggedIn { .. }),
            "revoked" => event == AuthEvent::TokenRevoked,
            _ => matches!(event, AuthEvent::LoggedOut { .. }),
        };
        assert!(is_it, "{what}: {event:?}");
    }
    assert!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().is_empty());
    assert!(app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty());
}

/// Strangers who call back without end, or all users at once in the morning: so many codes are traded in at a time, a
/// few seconds are waited for a turn, and who gets none is told to try again.
#[actix_web::test]
async fn logins_are_finished_so_many_at_a_time() {
    let app = TestApp::start().await;
    let browsers: Vec<_> = (0..40).map(|_| Client::new()).collect();
    let callbacks = join_all(browsers.iter().map(|browser| app.callback_of(browser))).await;
    app.org.faults().token_endpoint(Fault::Delay(Duration::from_secs(7)));
    let opened = browsers.iter().zip(&callbacks).map(|(browser, callback)| browser.open(callback.as_str()));
    let pages = join_all(opened).await;
    assert_eq!(pages.iter().filter(|page| page.status == 303).count(), 32, "{pages:?}");
    for page in pages.iter().filter(|page| page.status != 303) {
        assert_eq!((page.status, page.header("retry-after")), (503, "5"), "{page:?}");
        assert!(page.body.contains("Too many people") && page.body.contains("Try again"), "{page:?}");
    }
    assert_eq!(app.org.tokens_in_flight_max(), 32);
}

/// An outage of the signing keys is no forgery.
#[actix_web::test]
async fn signing_keys_that_cannot_be_had_are_an_outage_and_a_short_one() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let keys = app.org.faults().at(Route::Jwks, Fault::Status(503));
    let page = browser.open(callback.as_str()).await;
    assert_eq!(page.status, 503, "{page:?}");
    assert!(page.body.contains("Salesforce did not respond"), "{page:?}");
    let started = Instant::now();
    while !app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "the tokens of that login are revoked");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    keys.remove();
    tokio::time::sleep(Duration::from_secs(2)).await;
    app.log_in(&browser).await;
    assert!(app.is_logged_in(&browser).await);
}

/// One hiccup costs no login.
#[actix_web::test]
async fn signing_keys_are_asked_for_once_more() {
    let app = TestApp::start().await;
    app.org.faults().at(Route::Jwks, Fault::ResetBeforeResponse.once());
    app.logged_in().await;
}
