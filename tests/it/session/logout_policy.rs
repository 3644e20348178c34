//! What ends with a login: the grant or not (`SALESFORCE_REVOKE_ON_LOGOUT`), and the other logins of its user.

use std::{sync::Arc, time::Duration};

use crate::support::{
    ADA, Client, Page, TestApp,
    failing::{FailingStore, Mode},
};
use actix_salesforce::{Error, UserRef, config::RevokeOnLogout, store::GrantFilter};
use salesforce_fake_org::{FakeOrg, User};

const LOGOUT: &str = "/auth/salesforce/logout";
const BEN: &str = "ben@example.com";

async fn with(policy: RevokeOnLogout) -> TestApp {
    TestApp::with(|builder| builder.revoke_on_logout(policy)).await
}

async fn log_out(app: &TestApp, browser: &Client, fields: &[(&str, &str)]) -> Page {
    browser.submit(&app.url(LOGOUT), &app.server.url, fields).await
}

fn user_ref(user: &User) -> UserRef {
    UserRef::new(user.organization_id().parse().unwrap(), user.id().parse().unwrap())
}

fn revocations(org: &FakeOrg) -> usize {
    org.requests().iter().filter(|request| request.path == "/services/oauth2/revoke").count()
}

async fn wait_until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..200 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what}");
}

/// Another browser of the user who is signed in at the org.
async fn of(app: &TestApp, name: &str) -> Client {
    app.org.sign_in(&app.org.user(name));
    app.logged_in().await
}

#[actix_web::test]
async fn a_logout_everywhere_ends_each_login_of_the_user_and_no_other_one() {
    let app = TestApp::start().await;
    let (one, two, three) = (of(&app, ADA).await, of(&app, ADA).await, of(&app, ADA).await);
    let ben = of(&app, BEN).await;
    // From another origin it does nothing.
    let page = one.submit(&app.url(LOGOUT), "https://evil.example", &[("everywhere", "1")]).await;
    assert_eq!(page.status, 403);
    assert!(app.is_logged_in(&two).await);

    // Without the parameter one browser is logged out.
    log_out(&app, &three, &[("everywhere", "0")]).await;
    assert!(!app.is_logged_in(&three).await && app.is_logged_in(&two).await);

    let page = log_out(&app, &one, &[("everywhere", "1"), ("return_to", "/bye")]).await;
    assert_eq!((page.status, page.header("location")), (303, "/bye"));
    for browser in [&one, &two] {
        assert!(!app.is_logged_in(browser).await);
    }
    assert!(app.is_logged_in(&ben).await, "the other user stays");
    let (ada, ben) = (app.org.user(ADA), app.org.user(BEN));
    wait_until("the tokens are revoked", || app.org.live_refresh_tokens(&ada).is_empty()).await;
    assert!(!app.org.live_refresh_tokens(&ben).is_empty());
}

/// The parameter of the page that asks first, and of an app's own call.
#[actix_web::test]
async fn the_page_that_asks_first_offers_all_browsers_too() {
    let app = TestApp::start().await;
    let (one, two) = (of(&app, ADA).await, of(&app, ADA).await);
    let page = one.open(&app.url(&format!("{LOGOUT}?return_to=/bye"))).await;
    assert!(page.body.contains("name=\"everywhere\" value=\"1\""), "{page:?}");
    assert!(!page.body.contains("name=\"salesforce\""), "single logout is off: {page:?}");
    assert_eq!(page.body.matches("name=\"return_to\" value=\"/bye\"").count(), 2, "{page:?}");
    app.salesforce.log_out_everywhere(user_ref(&app.org.user(ADA))).await.unwrap();
    for browser in [&one, &two] {
        assert!(!app.is_logged_in(browser).await);
    }
}

/// A logout everywhere that could not be stored everywhere does not look like one.
#[actix_web::test]
async fn without_the_store_a_logout_everywhere_is_an_error() {
    let store = FailingStore::default();
    let shared = store.clone();
    let app = TestApp::with(|builder| {
        builder.keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=").store(Arc::new(shared))
    })
    .await;
    let (one, two) = (of(&app, ADA).await, of(&app, ADA).await);
    store.set(Mode::Fails);
    let page = log_out(&app, &one, &[("everywhere", "1")]).await;
    assert_eq!(page.status, 503, "{page:?}");
    assert!(one.own_cookie("").is_none(), "this browser is logged out");
    let alone = log_out(&app, &two, &[]).await;
    assert_eq!(alone.status, 303, "a logout of one browser goes on behind the response");
}

/// Other browsers may be logged in still, so that it must not look like a logout everywhere.
#[actix_web::test]
async fn a_logout_everywhere_without_a_valid_login_is_no_success() {
    let app = TestApp::start().await;
    let (one, two) = (of(&app, ADA).await, of(&app, ADA).await);
    let stale = one.copy();
    log_out(&app, &one, &[]).await;
    for browser in [&stale, &stale.copy(), &Client::new()] {
        let page = log_out(&app, browser, &[("everywhere", "1"), ("return_to", "/bye")]).await;
        assert_eq!(page.status, 401, "{page:?}");
        assert!(page.body.contains("/auth/salesforce/login"), "a page with the way on: {page:?}");
        assert!(browser.own_cookie("").is_none(), "its cookies are gone");
    }
    assert!(app.is_logged_in(&two).await);
    let headers = [("accept", "application/json"), ("origin", app.server.url.as_str())];
    let url = app.url(&format!("{LOGOUT}?everywhere=1"));
    let page = Client::new().send(reqwest::Method::POST, &url, &headers, Some("")).await;
    assert_eq!((page.status, &page.json()["error"]), (401, &"login_required".into()), "{page:?}");
    // A logout of this browser alone is done either way.
    assert_eq!(log_out(&app, &stale, &[]).await.status, 303);
    assert_eq!(log_out(&app, &two, &[("everywhere", "1")]).await.status, 303);
}

/// The form has come: what it asks for is done, whether its browser waits or not.
#[actix_web::test]
async fn a_logout_everywhere_goes_on_when_its_browser_goes_away() {
    let store = FailingStore::default();
    let shared = store.clone();
    let app = TestApp::with(|builder| {
        builder.keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=").store(Arc::new(shared))
    })
    .await;
    let (one, two) = (of(&app, ADA).await, of(&app, ADA).await);
    store.set(Mode::Slow(Duration::from_millis(300)));
    let request = format!(
        "POST {LOGOUT} HTTP/1.1\r\nHost: x\r\nOrigin: {}\r\nCookie: {}\r\nContent-Length: 12\r\n\r\neverywhere=1",
        app.server.url,
        one.cookie_line()
    );
    let url = app.server.url.clone();
    let reset =
        move || crate::support::raw::send_and_reset(&url, request.as_bytes(), Duration::from_millis(100));
    tokio::task::spawn_blocking(reset).await.unwrap();
    for _ in 0..100 {
        if app.salesforce.list_logins(GrantFilter::All).await.unwrap().is_empty() {
            break;
        }
    }
    store.set(Mode::Works);
    assert!(!app.is_logged_in(&one).await, "this browser");
    assert!(!app.is_logged_in(&two).await, "the other one");
}

/// `never`: jobs go on. The grant stays, the login does not.
#[actix_web::test]
async fn with_never_the_grant_outlives_the_logout() {
    let app = with(RevokeOnLogout::Never).await;
    let browser = app.logged_in().await;
    let (stolen, ada) = (browser.copy(), app.org.user(ADA));
    log_out(&app, &browser, &[]).await;
    for browser in [&browser, &stolen] {
        assert!(!app.is_logged_in(browser).await, "the login is over");
    }
    assert!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().is_empty());
    let connection = app.salesforce.user_connection(user_ref(&ada)).await.unwrap();
    app.org.expire_access_tokens();
    assert_eq!(connection.identity().await.unwrap().username, ADA, "its tokens are refreshed as before");
    // Everywhere, and by an operator.
    let (one, two) = (of(&app, ADA).await, of(&app, ADA).await);
    let revoked = revocations(&app.org);
    log_out(&app, &one, &[("everywhere", "1")]).await;
    assert!(!app.is_logged_in(&two).await);
    let three = of(&app, ADA).await;
    for login in app.salesforce.list_logins(GrantFilter::All).await.unwrap() {
        app.salesforce.revoke_login(&login).await.unwrap();
    }
    assert!(!app.is_logged_in(&three).await);
    assert!(!app.org.live_refresh_tokens(&ada).is_empty());
    // The third login replaced the tokens of the second one, which are given back.
    wait_until("nothing else is revoked", || revocations(&app.org) == revoked + 1).await;
    assert_eq!(
        app.salesforce.revoke_grants(GrantFilter::All).await.unwrap(),
        1,
        "an operator's revocation counts"
    );
    wait_until("the tokens are revoked", || app.org.live_refresh_tokens(&ada).is_empty()).await;
    assert!(matches!(app.salesforce.user_connection(user_ref(&ada)).await, Err(Error::LoginRequired)));
}

/// `always`: the logout of one browser is one of all. What replaces a login, and what an operator ends, is not.
#[actix_web::test]
async fn with_always_a_logout_ends_all_logins_of_the_grant() {
    let app = with(RevokeOnLogout::Always).await;
    let (one, two) = (of(&app, ADA).await, of(&app, ADA).await);
    let ben = of(&app, BEN).await;
    // A new login in the first browser replaces its login there.
    app.org.sign_in(&app.org.user(ADA));
    let page = one.visit(&app.url("/auth/salesforce/login?return_to=/whoami")).await;
    assert_eq!(page.body, ADA);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(app.is_logged_in(&one).await && app.is_logged_in(&two).await);

    let three = of(&app, ADA).await;
    let newest = app.salesforce.list_logins(GrantFilter::User(user_ref(&app.org.user(ADA)))).await.unwrap();
    let newest = newest.into_iter().max_by_key(|login| login.created_at).unwrap();
    app.salesforce.revoke_login(&newest).await.unwrap();
    assert!(!app.is_logged_in(&three).await && app.is_logged_in(&two).await, "an operator ends one login");

    log_out(&app, &one, &[]).await;
    for browser in [&one, &two] {
        assert!(!app.is_logged_in(browser).await);
    }
    assert!(app.is_logged_in(&ben).await);
    let ada = app.org.user(ADA);
    wait_until("the tokens are revoked", || app.org.live_refresh_tokens(&ada).is_empty()).await;
}

/// The store fails just then: the other logins end all the same.
#[actix_web::test]
async fn with_always_an_outage_delays_the_other_logouts_only() {
    let store = FailingStore::default();
    let shared = store.clone();
    let app = TestApp::with(|builder| {
        let keys = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
        builder.keys(keys).store(Arc::new(shared)).revoke_on_logout(RevokeOnLogout::Always)
    })
    .await;
    for mode in [Mode::Fails, Mode::LosesEnds] {
        let (one, two) = (of(&app, ADA).await, of(&app, ADA).await);
        store.set(mode);
        assert_eq!(log_out(&app, &one, &[]).await.status, 303, "{mode:?}");
        store.set(Mode::Works);
        let ada = app.org.user(ADA);
        wait_until("the tokens are revoked", || app.org.live_refresh_tokens(&ada).is_empty()).await;
        assert!(!app.is_logged_in(&two).await, "{mode:?}");
    }
}
