//! Promise 3: a login that was logged out never comes back (R-27, R-28, R-46, R-47; ).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod support;

use std::time::Duration;

use salesforce_fake_org::{Fault, Route, Rule};
use support::{Client, World};

const LOGOUT: &str = "/auth/salesforce/logout";

async fn log_out(world: &World, browser: &Client) -> support::Page {
    browser.submit(&world.url(LOGOUT), &world.app.url, &[]).await
}

fn revocations(world: &World) -> Vec<String> {
    let requests = world.org.requests();
    requests
        .iter()
        .filter(|request| request.path == "/services/oauth2/revoke" && request.method == "POST")
        .map(|request| request.form["token"].clone())
        .collect()
}

/// Waits until the org was asked to revoke `n` tokens.
async fn wait_for_revocations(world: &World, n: usize) -> Vec<String> {
    for _ in 0..100 {
        if revocations(world).len() >= n {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    revocations(world)
}

#[actix_web::test]
async fn a_logout_ends_the_login_everywhere() {
    let world = World::start().await;
    let browser = world.logged_in().await;
    let stolen = browser.copy();
    let removal = format!("{}=;", browser.own_cookie("").unwrap().0);
    let page = log_out(&world, &browser).await;
    assert_eq!((page.status, page.header("location")), (303, "/"));
    assert!(
        page.set_cookies().iter().any(|cookie| cookie.starts_with(&removal)
            && cookie.contains("Path=/")
            && cookie.contains("HttpOnly")
            && cookie.contains("SameSite=Lax")),
        "the deletion has the same attributes: {page:?}"
    );
    assert_eq!(browser.fetch(&world.url("/user")).await.status, 401);
    assert_eq!(stolen.fetch(&world.url("/user")).await.status, 401, "the old cookie is dead");
    let revoked = wait_for_revocations(&world, 1).await;
    assert_eq!(revoked.len(), 1, "the refresh token is revoked, in the body of a POST");
    assert!(world.org.live_refresh_tokens(&world.org.user(support::ADA)).is_empty());
}

/// Other logins of the same person stay, and the tokens with them, until the last one ends.
#[actix_web::test]
async fn a_logout_ends_one_login() {
    let world = World::start().await;
    let (one, two) = (world.logged_in().await, world.logged_in().await);
    // The second login replaced the first one's approval, which is given back.
    let given_back = wait_for_revocations(&world, 1).await.len();
    log_out(&world, &one).await;
    assert_eq!(one.fetch(&world.url("/user")).await.status, 401);
    assert_eq!(two.fetch(&world.url("/names")).await.status, 200);
    assert_eq!(revocations(&world).len(), given_back);
    log_out(&world, &two).await;
    assert_eq!(wait_for_revocations(&world, given_back + 1).await.len(), given_back + 1);
}

/// nobody waits for the revocation, and it is tried again.
#[actix_web::test]
async fn a_logout_does_not_depend_on_salesforce() {
    let world = World::start().await;
    let browser = world.logged_in().await;
    let outage = world.org.faults().at(Route::Revoke, Fault::Status(503).times(2));
    let started = std::time::Instant::now();
    assert_eq!(log_out(&world, &browser).await.status, 303);
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    assert_eq!(browser.fetch(&world.url("/user")).await.status, 401);
    assert_eq!(wait_for_revocations(&world, 3).await.len(), 3);
    assert_eq!(outage.hits(), 2);
    assert!(world.org.live_refresh_tokens(&world.org.user(support::ADA)).is_empty());
}

/// not by GET, and not from another site.
#[actix_web::test]
async fn nobody_else_can_log_a_person_out() {
    let world = World::start().await;
    let browser = world.logged_in().await;
    let confirm = browser.open(&world.url(&format!("{LOGOUT}?return_to=/bye"))).await;
    assert_eq!(confirm.status, 200);
    assert!(
        confirm.body.contains("method=\"post\"") && confirm.body.contains("value=\"/bye\""),
        "{confirm:?}"
    );
    let other_port = "http://127.0.0.1:1".to_owned();
    let suffixed = format!("{}.evil.example", world.app.url);
    for headers in [
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("origin", other_port.as_str())],
        vec![("origin", suffixed.as_str())],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "none")],
        vec![("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
        vec![("origin", world.app.url.as_str()), ("origin", "https://evil.example")],
        vec![],
    ] {
        let page = browser.send(reqwest::Method::POST, &world.url(LOGOUT), &headers, Some("")).await;
        assert_eq!(page.status, 403, "{headers:?}: {page:?}");
        assert_eq!(browser.fetch(&world.url("/user")).await.status, 200, "{headers:?}");
    }
    let own = [("sec-fetch-site", "same-origin")];
    assert_eq!(browser.send(reqwest::Method::POST, &world.url(LOGOUT), &own, Some("")).await.status, 303);
    assert_eq!(browser.fetch(&world.url("/user")).await.status, 401);
}

/// A form of a page with `Referrer-Policy: no-referrer`, such as our own page that asks first, sends `Origin: null`.
#[actix_web::test]
async fn a_page_without_referrer_can_log_a_person_out() {
    let world = World::start().await;
    let browser = world.logged_in().await;
    let confirm = browser.open(&world.url(LOGOUT)).await;
    assert_eq!(confirm.header("referrer-policy"), "no-referrer");
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("none", 403), ("same-origin", 303)] {
        let headers = [("origin", "null"), ("sec-fetch-site", site), ("accept", "text/html")];
        let page = browser.send(reqwest::Method::POST, &world.url(LOGOUT), &headers, Some("")).await;
        assert_eq!(page.status, status, "{site}: {page:?}");
    }
    assert_eq!(browser.fetch(&world.url("/user")).await.status, 401);
}

/// A-35, "local end first and always": a form that never comes does not keep the login alive, nor the connection open.
#[actix_web::test]
async fn a_form_that_never_comes_is_a_logout_all_the_same() {
    let world = World::start().await;
    let browser = world.logged_in().await;
    let request = format!(
        "POST {LOGOUT} HTTP/1.1\r\nHost: x\r\nOrigin: {}\r\nCookie: {}\r\nContent-Length: 100\r\nConnection: close\r\n\r\nreturn",
        world.app.url,
        browser.cookie_line()
    );
    let url = world.app.url.clone();
    let answer = tokio::task::spawn_blocking(move || support::raw::exchange(&url, request.as_bytes()));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(browser.fetch(&world.url("/user")).await.status, 401, "the login is over at once");
    let answer = tokio::time::timeout(Duration::from_secs(10), answer).await.expect("an answer in time");
    assert_eq!(support::raw::status(&answer.unwrap()), 303);
}

/// a request and a refresh that are under way when the logout comes revive nothing, and the newest token is the
/// one that is revoked.
#[actix_web::test]
async fn a_refresh_under_way_does_not_revive_a_login() {
    let world = World::start().await;
    for round in 0..10_u64 {
        world.org.sign_in(&world.org.user(support::ADA));
        let browser = world.logged_in().await;
        let stolen = browser.copy();
        world.org.expire_access_tokens();
        let slow = world.org.faults().refresh(Fault::Slow.delay(Duration::from_millis(150)));
        let url = world.url("/names");
        let under_way = browser.copy();
        let (page, logout) = futures_util::join!(under_way.fetch(&url), async {
            tokio::time::sleep(Duration::from_millis(20 + 25 * round)).await;
            log_out(&world, &browser).await
        });
        slow.remove();
        assert_eq!(logout.status, 303);
        assert!(page.status == 200 || page.status == 401, "{page:?}");
        for jar in [&browser, &stolen, &under_way] {
            assert_eq!(jar.fetch(&world.url("/user")).await.status, 401, "round {round}: nothing came back");
        }
        for _ in 0..60 {
            if world.org.live_refresh_tokens(&world.org.user(support::ADA)).is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let left = world.org.live_refresh_tokens(&world.org.user(support::ADA));
        assert!(left.is_empty(), "round {round}: the newest token was revoked");
    }
    assert_eq!(world.org.refresh_reuse_count(), 0);
}

/// The tokens that a refresh brings after a logout are nobody's. Salesforce may know nothing of them yet when it is
/// told of the logout.
#[actix_web::test]
async fn what_a_refresh_brings_after_the_logout_is_revoked() {
    let world = World::start().await;
    let browser = world.logged_in().await;
    world.org.expire_access_tokens();
    world.org.faults().refresh(Rule::from(Fault::Slow).delay_after(Duration::from_millis(600)));
    // What is told of the logout goes nowhere.
    let told = world.org.faults().at(Route::Revoke, Fault::Json(serde_json::json!({})).once());
    let (url, under_way) = (world.url("/names"), browser.copy());
    let (page, logout) = futures_util::join!(under_way.fetch(&url), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        log_out(&world, &browser).await
    });
    assert_eq!((page.status, logout.status), (401, 303), "{page:?}");
    assert_eq!(wait_for_revocations(&world, 2).await.len(), 2);
    assert_eq!(told.hits(), 1);
    assert!(world.org.live_refresh_tokens(&world.org.user(support::ADA)).is_empty());
}

/// a new login ends the old one of the same browser, whoever it was.
#[actix_web::test]
async fn a_new_login_replaces_the_old_one_of_the_browser() {
    let world = World::start().await;
    let browser = world.logged_in().await;
    let before = browser.copy();
    let bob = world.org.users().into_iter().find(|user| user.username() != support::ADA).unwrap();
    world.org.sign_in(&bob);
    let page = browser.visit(&world.url("/auth/salesforce/login?return_to=/whoami")).await;
    assert_eq!(page.body, bob.username());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(before.fetch(&world.url("/user")).await.status, 401, "the old cookie is dead");
    assert_eq!(browser.fetch(&world.url("/whoami")).await.body, bob.username());
}

/// One device of a person, from the operator's list.
#[actix_web::test]
async fn an_operator_ends_one_login() {
    let world = World::start().await;
    let everyone = actix_salesforce::store::GrantFilter::All;
    let one = world.logged_in().await;
    let login = world.salesforce.logins(everyone).await.unwrap().remove(0);
    let two = world.logged_in().await;
    world.salesforce.end_login(&login).await.unwrap();
    assert_eq!(one.fetch(&world.url("/user")).await.status, 401);
    assert_eq!(two.fetch(&world.url("/user")).await.status, 200, "the other one stays");
    world.salesforce.end_login(&login).await.unwrap();
    let rest = world.salesforce.logins(everyone).await.unwrap();
    assert_eq!(rest.len(), 1);
    world.salesforce.end_login(&rest[0]).await.unwrap();
    assert_eq!(two.fetch(&world.url("/user")).await.status, 401);
    let live = || world.org.live_refresh_tokens(&world.org.user(support::ADA));
    for _ in 0..100 {
        if live().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the last one takes the tokens along: {:?}", live());
}
