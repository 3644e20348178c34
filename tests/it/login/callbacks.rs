//! Callbacks that come twice, late, or not from Salesforce.

use std::time::Duration;

use crate::support::{
    ADA, CALLBACK, Client, LOGIN, TestApp,
    client::query,
    failing::{FailingStore, Mode},
};
use actix_salesforce::store::GrantFilter;
use salesforce_fake_org::{FakeOrg, Fault};

/// W-23: a reload or a double tap sends the callback again while the first one is still exchanged.
#[actix_web::test]
async fn a_callback_that_comes_twice_gives_the_same_login_twice() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let (second, stranger) = (browser.copy(), Client::new());
    app.org.faults().token_endpoint(Fault::Delay(Duration::from_millis(1_500)).once());
    let first = browser.open(callback.as_str());
    let later = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        futures_util::future::join(second.open(callback.as_str()), stranger.open(callback.as_str())).await
    };
    let (first, (again, foreign)) = futures_util::future::join(first, later).await;
    for page in [&first, &again] {
        assert_eq!((page.status, page.header("location")), (303, "/whoami"), "{page:?}");
        assert!(page.sets_login(), "{page:?}");
    }
    assert_eq!(foreign.status, 400, "without the cookie of the pending login: {foreign:?}");
    assert_eq!(app.exchanges(), 1);
    assert_eq!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().len(), 1, "one login");
    assert!(app.is_logged_in(&browser).await && app.is_logged_in(&second).await);
}

/// W-23: the browser that reloads closes the first request. The login that the second one took stays.
#[actix_web::test]
async fn a_login_stays_if_only_the_second_callback_was_waited_for() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    app.org.faults().token_endpoint(Fault::Delay(Duration::from_millis(1_000)).once());
    let target = format!("{}?{}", callback.path(), callback.query().unwrap());
    crate::support::raw::get_and_reset(
        &app.server.url,
        &target,
        &browser.cookie_line(),
        Duration::from_millis(100),
    );
    let page = browser.open(callback.as_str()).await;
    assert_eq!((page.status, page.header("location")), (303, "/whoami"), "{page:?}");
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(app.is_logged_in(&browser).await);
    assert_eq!(app.exchanges(), 1);
}

/// W-23: an outage of the store says nothing about who took a login.
#[actix_web::test]
async fn a_login_that_another_callback_took_stays_if_the_store_fails_meanwhile() {
    let store = FailingStore::default();
    let app = TestApp::with(|builder| {
        builder.store(std::sync::Arc::new(store.clone())).keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=")
    })
    .await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    app.org.faults().token_endpoint(Fault::Delay(Duration::from_millis(600)).once());
    let target = format!("{}?{}", callback.path(), callback.query().unwrap());
    let wait = Duration::from_millis(100);
    crate::support::raw::get_and_reset(&app.server.url, &target, &browser.cookie_line(), wait);
    let page = browser.open(callback.as_str()).await;
    assert_eq!((page.status, page.header("location")), (303, "/whoami"), "{page:?}");
    store.set(Mode::FailsToConsume);
    let calls = async |at_least: usize| {
        for _ in 0..200 {
            if store.once_calls() >= at_least {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the login is not looked at again: {} calls", store.once_calls());
    };
    let before = store.once_calls();
    calls(before + 1).await;
    store.set(Mode::Works);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(app.is_logged_in(&browser).await, "an error ends no login");
    calls(before + 2).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(app.is_logged_in(&browser).await, "the second callback took it");
}

/// W-23: a callback that comes again after a failure does not exchange the code again, and waits for nothing.
#[actix_web::test]
async fn a_callback_that_comes_again_after_a_failure_is_refused() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let second = browser.copy();
    app.org.faults().token_endpoint(Fault::Status(503).once());
    assert_eq!(browser.open(callback.as_str()).await.status, 503);
    let page = second.open(callback.as_str()).await;
    assert_eq!(page.status, 400, "{page:?}");
    assert!(page.body.contains("return_to=%2Fwhoami"), "the new try leads to the same page: {page:?}");
    assert_eq!(app.exchanges(), 1);
}

/// W-27: an error of Salesforce that belongs to no pending login is explained if its code is known.
#[actix_web::test]
async fn an_error_without_a_known_state_is_explained_and_changes_nothing() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    for (error, status, says) in [
        ("OAUTH_APP_BLOCKED", 403, "blocked"),
        ("access_denied", 403, "You did not allow access"),
        ("server_error", 502, "problem"),
        ("something_new", 400, "cannot be finished"),
    ] {
        for state in ["&state=old", ""] {
            let page = browser.open(&app.url(&format!("{CALLBACK}?error={error}{state}"))).await;
            assert_eq!(page.status, status, "{error}{state}: {page:?}");
            assert!(page.body.contains(says), "{error}{state}: {page:?}");
            assert!(page.set_cookies().is_empty(), "{error}{state}: {page:?}");
        }
    }
    assert!(app.is_logged_in(&browser).await);
}

/// S-09: a stranger's callbacks without a code, or with the wrong issuer, write nothing.
#[actix_web::test]
async fn only_a_code_exchange_writes_to_the_store() {
    let store = FailingStore::default();
    let app = TestApp::with(|builder| {
        builder.store(std::sync::Arc::new(store.clone())).keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=")
    })
    .await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let refused = |name: &str, value: &str| {
        let mut url = callback.clone();
        url.query_pairs_mut()
            .clear()
            .append_pair("state", &query(&callback, "state").unwrap())
            .append_pair(name, value);
        url
    };
    store.set(Mode::Fails);
    for (url, status) in [
        (refused("error", "access_denied"), 403),
        (refused("iss", "https://evil.example"), 400),
        (refused("x", "y"), 400),
    ] {
        let page = browser.copy().open(url.as_str()).await;
        assert_eq!(page.status, status, "{url}: {page:?}");
    }
    assert_eq!(browser.copy().open(callback.as_str()).await.status, 503, "a code needs the store");
    store.set(Mode::Works);
    assert_eq!(browser.open(callback.as_str()).await.status, 303, "and no code was used");
}

/// W-26: a callback that comes too late starts one new login, with the same target and host.
#[actix_web::test]
async fn a_late_callback_starts_one_new_login() {
    let app = TestApp::with(|builder| builder.login_timeout(Duration::from_millis(300))).await;
    let browser = Client::new();
    let late = || tokio::time::sleep(Duration::from_millis(400));
    let callback = browser.visit_until(&app.url(&format!("{LOGIN}?return_to=/user")), CALLBACK).await;
    late().await;
    let refused = callback.as_str().replace("code=", "error=access_denied&x=");
    assert_eq!(browser.copy().open(&refused).await.status, 403, "an error is a page");
    let again = browser.open(callback.as_str()).await;
    assert!(again.header("location").starts_with(&*app.org.login_url()), "{again:?}");
    assert_eq!(app.exchanges(), 0);
    let in_time = browser.copy();
    let second = in_time.visit_until(again.location().as_str(), CALLBACK).await;
    let page = in_time.open(second.as_str()).await;
    assert_eq!((page.status, page.header("location")), (303, "/user"), "{page:?}");
    let second = browser.visit_until(again.location().as_str(), CALLBACK).await;
    late().await;
    let page = browser.open(second.as_str()).await;
    assert_eq!(page.status, 400, "a second late one is a page: {page:?}");
    assert!(page.body.contains("return_to=%2Fuser"), "{page:?}");
}

/// W-35: which issuers a callback may name.
#[actix_web::test]
async fn a_callback_may_name_the_instance_of_its_org_as_issuer() {
    let other = FakeOrg::start().await.unwrap();
    let (login, instance) = (other.login_url().to_owned(), other.instance_url().to_owned());
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let allowed = instance.clone();
    let app =
        TestApp::around(org, |builder| builder.login_host("other", login).allowed_origin(allowed)).await;
    let trim = |url: &str| url.trim_end_matches('/').to_owned();
    for (iss, status, exchanges) in [
        (trim(&app.org.login_url()), 303, 1),
        (trim(&app.org.instance_url()), 303, 1),
        // An allowed origin that is not the org's instance is found after the exchange.
        (trim(&instance), 400, 1),
        (trim(&other.login_url()), 400, 0),
        ("https://evil.example".to_owned(), 400, 0),
        ("https://acme.my.salesforce.com".to_owned(), 400, 1),
        ("https://acme.my.salesforce.com.evil.example".to_owned(), 400, 0),
    ] {
        let browser = Client::new();
        let mut callback = app.callback_of(&browser).await;
        callback.query_pairs_mut().append_pair("iss", &iss);
        let before = app.exchanges();
        let page = browser.open(callback.as_str()).await;
        assert_eq!((page.status, app.exchanges() - before), (status, exchanges), "{iss}: {page:?}");
        assert_eq!(app.is_logged_in(&browser).await, status == 303, "{iss}");
    }
}
