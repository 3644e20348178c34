//! Promise 3: a login that was logged out never comes back (R-27, R-28, R-46, R-47; ).

use std::time::Duration;

use crate::support::{ADA, Client, Page, TestApp};
use salesforce_fake_org::{Fault, Route, Rule};

const LOGOUT: &str = "/auth/salesforce/logout";

async fn log_out(app: &TestApp, browser: &Client) -> Page {
    browser.submit(&app.url(LOGOUT), &app.server.url, &[]).await
}

fn revocations(app: &TestApp) -> Vec<String> {
    let requests = app.org.requests();
    requests
        .iter()
        .filter(|request| request.path == "/services/oauth2/revoke" && request.method == "POST")
        // One that has just come has no body yet.
        .filter_map(|request| request.form.get("token").cloned())
        .collect()
}

/// Waits until the org was asked to revoke `n` tokens.
async fn wait_for_revocations(app: &TestApp, n: usize) -> Vec<String> {
    for _ in 0..100 {
        if revocations(app).len() >= n {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    revocations(app)
}

#[actix_web::test]
async fn a_logout_ends_the_login_everywhere() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let stolen = browser.copy();
    let removal = format!("{}=;", browser.own_cookie("").unwrap().0);
    let page = log_out(&app, &browser).await;
    assert_eq!((page.status, page.header("location")), (303, "/"));
    assert!(
        page.set_cookies().iter().any(|cookie| cookie.starts_with(&removal)
            && cookie.contains("Path=/")
            && cookie.contains("HttpOnly")
            && cookie.contains("SameSite=Lax")),
        "the deletion has the same attributes: {page:?}"
    );
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
    assert_eq!(stolen.fetch(&app.url("/user")).await.status, 401, "the old cookie is dead");
    let revoked = wait_for_revocations(&app, 1).await;
    assert_eq!(revoked.len(), 1, "the refresh token is revoked, in the body of a POST");
    assert!(app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty());
}

/// Other logins of the same user stay, and the tokens with them, until the last one ends.
#[actix_web::test]
async fn a_logout_ends_one_login() {
    let app = TestApp::start().await;
    let (one, two) = (app.logged_in().await, app.logged_in().await);
    // The second login replaced the first one's approval, which is given back.
    let given_back = wait_for_revocations(&app, 1).await.len();
    log_out(&app, &one).await;
    assert_eq!(one.fetch(&app.url("/user")).await.status, 401);
    assert_eq!(two.fetch(&app.url("/names")).await.status, 200);
    assert_eq!(revocations(&app).len(), given_back);
    log_out(&app, &two).await;
    assert_eq!(wait_for_revocations(&app, given_back + 1).await.len(), given_back + 1);
}

/// no request waits for the revocation, and it is tried again.
#[actix_web::test]
async fn a_logout_does_not_depend_on_salesforce() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let outage = app.org.faults().at(Route::Revoke, Fault::Status(503).times(2));
    let started = std::time::Instant::now();
    assert_eq!(log_out(&app, &browser).await.status, 303);
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
    assert_eq!(wait_for_revocations(&app, 3).await.len(), 3);
    assert_eq!(outage.hits(), 2);
    assert!(app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty());
}

/// not by GET, and not from another site.
#[actix_web::test]
async fn another_user_cannot_log_a_user_out() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let confirm = browser.open(&app.url(&format!("{LOGOUT}?return_to=/bye"))).await;
    assert_eq!(confirm.status, 200);
    assert!(
        confirm.body.contains("method=\"post\"") && confirm.body.contains("value=\"/bye\""),
        "{confirm:?}"
    );
    let other_port = "http://127.0.0.1:1".to_owned();
    let suffixed = format!("{}.evil.example", app.server.url);
    for headers in [
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("origin", other_port.as_str())],
        vec![("origin", suffixed.as_str())],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "none")],
        vec![("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
        vec![("origin", app.server.url.as_str()), ("origin", "https://evil.example")],
        vec![],
    ] {
        let page = browser.send(reqwest::Method::POST, &app.url(LOGOUT), &headers, Some("")).await;
        assert_eq!(page.status, 403, "{headers:?}: {page:?}");
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 200, "{headers:?}");
    }
    let own = [("sec-fetch-site", "same-origin")];
    assert_eq!(browser.send(reqwest::Method::POST, &app.url(LOGOUT), &own, Some("")).await.status, 303);
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
}

/// A form of a page with `Referrer-Policy: no-referrer`, such as our own page that asks first, sends `Origin: null`.
#[actix_web::test]
async fn a_page_without_referrer_can_log_a_user_out() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let confirm = browser.open(&app.url(LOGOUT)).await;
    assert_eq!(confirm.header("referrer-policy"), "no-referrer");
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("none", 403), ("same-origin", 303)] {
        let headers = [("origin", "null"), ("sec-fetch-site", site), ("accept", "text/html")];
        let page = browser.send(reqwest::Method::POST, &app.url(LOGOUT), &headers, Some("")).await;
        assert_eq!(page.status, status, "{site}: {page:?}");
    }
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
}

/// A-35, "local end first and always": a form that never comes does not keep the login alive, nor the connection open.
#[actix_web::test]
async fn a_form_that_never_comes_is_a_logout_all_the_same() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let request = format!(
        "POST {LOGOUT} HTTP/1.1\r\nHost: x\r\nOrigin: {}\r\nCookie: {}\r\nContent-Length: 100\r\nConnection: close\r\n\r\nreturn",
        app.server.url,
        browser.cookie_line()
    );
    let url = app.server.url.clone();
    let response =
        tokio::task::spawn_blocking(move || crate::support::raw::exchange(&url, request.as_bytes()));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401, "the login is over at once");
    let response = tokio::time::timeout(Duration::from_secs(10), response).await.expect("a response in time");
    assert_eq!(crate::support::raw::status(&response.unwrap()), 303);
}

/// a request and a refresh that are under way when the logout comes revive nothing, and the newest token is the
/// one that is revoked.
#[actix_web::test]
async fn a_refresh_under_way_does_not_revive_a_login() {
    let app = TestApp::start().await;
    for round in 0..10_u64 {
        app.org.sign_in(&app.org.user(ADA));
        let browser = app.logged_in().await;
        let stolen = browser.copy();
        app.org.expire_access_tokens();
        let slow = app.org.faults().refresh(Fault::Slow.delay(Duration::from_millis(150)));
        let url = app.url("/names");
        let under_way = browser.copy();
        let (page, logout) = futures_util::join!(under_way.fetch(&url), async {
            tokio::time::sleep(Duration::from_millis(20 + 25 * round)).await;
            log_out(&app, &browser).await
        });
        slow.remove();
        assert_eq!(logout.status, 303);
        assert!(page.status == 200 || page.status == 401, "{page:?}");
        for jar in [&browser, &stolen, &under_way] {
            assert_eq!(jar.fetch(&app.url("/user")).await.status, 401, "round {round}: nothing came back");
        }
        for _ in 0..60 {
            if app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let left = app.org.live_refresh_tokens(&app.org.user(ADA));
        assert!(left.is_empty(), "round {round}: the newest token was revoked");
    }
    assert_eq!(app.org.refresh_reuse_count(), 0);
}

/// The tokens that a refresh brings after a logout belong to no login. Salesforce may know nothing of them yet when it is
/// told of the logout.
#[actix_web::test]
async fn what_a_refresh_brings_after_the_logout_is_revoked() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    app.org.faults().refresh(Rule::from(Fault::Slow).delay_after(Duration::from_millis(600)));
    // What is told of the logout goes nowhere.
    let told = app.org.faults().at(Route::Revoke, Fault::Json(serde_json::json!({})).once());
    let (url, under_way) = (app.url("/names"), browser.copy());
    let (page, logout) = futures_util::join!(under_way.fetch(&url), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        log_out(&app, &browser).await
    });
    assert_eq!((page.status, logout.status), (401, 303), "{page:?}");
    assert_eq!(wait_for_revocations(&app, 2).await.len(), 2);
    assert_eq!(told.hits(), 1);
    assert!(app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty());
}

/// a new login ends the old one of the same browser, whichever user it was of.
#[actix_web::test]
async fn a_new_login_replaces_the_old_one_of_the_browser() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let before = browser.copy();
    let bob = app.org.users().into_iter().find(|user| user.username() != ADA).unwrap();
    app.org.sign_in(&bob);
    let page = browser.visit(&app.url("/auth/salesforce/login?return_to=/whoami")).await;
    assert_eq!(page.body, bob.username());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(before.fetch(&app.url("/user")).await.status, 401, "the old cookie is dead");
    assert_eq!(browser.fetch(&app.url("/whoami")).await.body, bob.username());
}

/// One device of a user, from the operator's list.
#[actix_web::test]
async fn an_operator_ends_one_login() {
    let app = TestApp::start().await;
    let everyone = actix_salesforce::store::GrantFilter::All;
    let one = app.logged_in().await;
    let login = app.salesforce.list_logins(everyone).await.unwrap().remove(0);
    let two = app.logged_in().await;
    app.salesforce.revoke_login(&login).await.unwrap();
    assert_eq!(one.fetch(&app.url("/user")).await.status, 401);
    assert_eq!(two.fetch(&app.url("/user")).await.status, 200, "the other one stays");
    app.salesforce.revoke_login(&login).await.unwrap();
    let rest = app.salesforce.list_logins(everyone).await.unwrap();
    assert_eq!(rest.len(), 1);
    app.salesforce.revoke_login(&rest[0]).await.unwrap();
    assert_eq!(two.fetch(&app.url("/user")).await.status, 401);
    let live = || app.org.live_refresh_tokens(&app.org.user(ADA));
    for _ in 0..100 {
        if live().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the last one takes the tokens along: {:?}", live());
}
