//! What the browser is given: cookies and headers (R-22, R-43 to; ).

use crate::support::{Client, Page, TestApp, raw};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

/// The session cookie as an app behind https names it. The test speaks http to it, as a proxy would.
async fn https_app() -> TestApp {
    TestApp::with(|builder| builder.public_url("https://app.example").keys(KEYS)).await
}

fn check_headers(page: &Page) {
    assert_eq!(page.header("cache-control"), "no-store", "{page:?}");
    assert_eq!(page.header("referrer-policy"), "no-referrer", "{page:?}");
    assert_eq!(page.header("x-content-type-options"), "nosniff", "{page:?}");
    assert_eq!(page.header("x-frame-options"), "DENY", "{page:?}");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{page:?}");
}

/// D9: every response of the middleware itself.
#[actix_web::test]
async fn no_auth_response_is_cached_framed_sniffed_or_referred() {
    let app = TestApp::start().await;
    let stranger = Client::new();
    let browser = app.logged_in().await;
    let auth = |path: &str| app.url(&format!("/auth/salesforce{path}"));
    let callback = browser.visit_until(&auth("/login"), "/auth/salesforce/callback").await;
    for page in [
        stranger.open(&auth("/login")).await,
        stranger.open(&auth("/login?host=nowhere")).await,
        stranger.open(&auth("/callback")).await,
        stranger.open(&auth("/callback?error=access_denied")).await,
        stranger.open(&auth("/logout")).await,
        stranger.open(&auth("/me")).await,
        stranger.submit(&auth("/login"), &app.server.url, &[]).await,
        stranger.submit(&auth("/logout"), "https://evil.example", &[]).await,
        stranger.open(&app.url("/user")).await,
        stranger.fetch(&app.url("/user")).await,
        browser.open(&auth("/me")).await,
        browser.open(callback.as_str()).await,
        browser.submit(&auth("/logout"), &app.server.url, &[]).await,
    ] {
        check_headers(&page);
    }
}

/// over a whole run, deletions included.
#[actix_web::test]
async fn every_cookie_has_its_attributes() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    browser.open(&app.url("/session")).await;
    browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    let origin = url::Url::parse(&app.server.url).unwrap().origin();
    let trace = browser.trace();
    let cookies: Vec<_> =
        trace.iter().filter(|page| page.url.origin() == origin).flat_map(Page::set_cookies).collect();
    assert!(cookies.len() >= 5, "{cookies:?}");
    for cookie in cookies {
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(attribute), "{attribute}: {cookie}");
        }
        assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
        assert!(cookie.split(';').next().unwrap().len() <= 4096);
    }
}

#[actix_web::test]
async fn behind_https_every_cookie_is_secure_and_bound_to_its_host() {
    let app = https_app().await;
    let browser = Client::new();
    let page = browser.open(&app.url("/auth/salesforce/login")).await;
    let session = browser.open(&app.url("/session")).await;
    for cookie in page.set_cookies().into_iter().chain(session.set_cookies()) {
        assert!(
            cookie.starts_with("__Host-") && cookie.contains("Secure") && cookie.contains("Path=/"),
            "{cookie}"
        );
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    assert!(
        page.location()
            .as_str()
            .contains("redirect_uri=https%3A%2F%2Fapp.example%2Fauth%2Fsalesforce%2Fcallback")
    );
}

/// a cookie that a sibling subdomain planted under another spelling is never used; two exact ones count as none.
#[actix_web::test]
async fn a_planted_cookie_never_passes_for_the_session() {
    let app = https_app().await;
    let attacker = Client::new();
    attacker.open(&app.url("/session")).await;
    let (session, planted) = attacker.own_cookie(".session").unwrap();
    let unprefixed = session.strip_prefix("__Host-").unwrap();
    let browser = Client::new();
    for _ in 0..4 {
        browser.open(&app.url("/session")).await;
    }
    let own = browser.own_cookie(".session").unwrap().1;
    let count = |cookies: Vec<u8>| {
        let response = raw::get(&app.server.url, "/session", &[b"Cookie: ", &cookies[..], b"\r\n"].concat());
        response.rsplit("\r\n\r\n").next().unwrap().to_owned()
    };
    assert_eq!(count(format!("{session}={own}").into()), "5");
    for name in [
        format!("%5F%5FHost-{unprefixed}"),
        format!("__%48ost-{unprefixed}"),
        format!("\u{a0}{session}"),
        format!("\u{2000}{session}"),
    ] {
        assert_eq!(count(format!("{name}={planted}").into()), "1", "{name} alone");
        assert_eq!(count(format!("{name}={planted}; {session}={own}").into()), "5", "{name} first");
        assert_eq!(count(format!("{session}={own}; {name}={planted}").into()), "5", "{name} last");
    }
    assert_eq!(count(format!("{session}={planted}; {session}={own}").into()), "1", "twice");
    assert_eq!(count(format!("x=\"a; {session}={planted}\"; {session}={own}").into()), "1", "smuggled");
}

/// A-17 for the cookies of logins on their way.
#[actix_web::test]
async fn a_planted_login_cookie_is_never_used() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = browser.visit_until(&app.url("/whoami"), "/auth/salesforce/callback").await;
    let (name, value) = browser.own_cookie(".attempt.").unwrap();
    let target = format!("{}?{}", callback.path(), callback.query().unwrap());
    let dashed = name.replacen('-', "%2D", 1);
    for cookies in [
        format!("{dashed}={value}"),
        format!("\u{a0}{name}={value}"),
        format!("{name}={value}; {name}={value}"),
        format!("{name}x={value}"),
        format!("{name}="),
    ] {
        let response = raw::get(&app.server.url, &target, format!("Cookie: {cookies}\r\n").as_bytes());
        assert_eq!(raw::status(&response), 400, "{cookies}");
    }
    assert_eq!(app.exchanges(), 0);
    assert_eq!(browser.open(callback.as_str()).await.status, 303);
}

/// a flipped byte, a cut, another cookie's value: no login, never a 5xx.
#[actix_web::test]
async fn a_tampered_cookie_is_no_login_and_no_error() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let (login, good) = browser.own_cookie("").unwrap();
    let starts = Client::new();
    starts.open(&app.url("/auth/salesforce/login")).await;
    let attempt = starts.cookies("127.0.0.1").into_values().next().unwrap();
    let mut values =
        vec![String::new(), attempt.clone(), "x".repeat(4000), "%00%ff".to_owned(), "{}".to_owned()];
    for position in (0..good.len()).step_by(11) {
        let mut bytes = good.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        values.push(String::from_utf8(bytes).unwrap());
        values.push(good[..position].to_owned());
    }
    for value in values {
        let jar = Client::new();
        jar.set_cookie("127.0.0.1", &login, &value);
        assert_eq!(jar.fetch(&app.url("/user")).await.status, 401, "{value}");
    }
    // The session cookie in place of a login on its way, byte flips of that one.
    let flow = Client::new();
    let callback = flow.visit_until(&app.url("/whoami"), "/auth/salesforce/callback").await;
    let (name, value) = flow.own_cookie(".attempt.").unwrap();
    let mut values = vec![good, attempt, String::new()];
    for position in (0..value.len()).step_by(17) {
        let mut bytes = value.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        values.push(String::from_utf8(bytes).unwrap());
    }
    for value in values {
        let jar = Client::new();
        jar.set_cookie("127.0.0.1", &name, &value);
        assert_eq!(jar.open(callback.as_str()).await.status, 400, "{value}");
    }
    assert_eq!(app.exchanges(), 1);
}

/// a session from before the login is not the session of after it.
#[actix_web::test]
async fn the_session_is_renewed_at_login() {
    let app = TestApp::start().await;
    let browser = Client::new();
    browser.open(&app.url("/session")).await;
    let before = browser.copy();
    app.log_in(&browser).await;
    assert_ne!(before.own_cookie(".session").unwrap(), browser.own_cookie(".session").unwrap());
    assert_eq!(before.fetch(&app.url("/user")).await.status, 401);
    assert_eq!(browser.open(&app.url("/session")).await.body, "2", "the app's own data stay");
}

/// a response that brings a session's cookie is not cached, for any user; others are left alone.
#[actix_web::test]
async fn no_response_with_a_session_cookie_is_cached() {
    let app = TestApp::start().await;
    let browser = Client::new();
    for _ in 0..8 {
        let page = browser.open(&app.url("/session")).await;
        assert!(!page.set_cookies().is_empty() && page.header("cache-control") == "no-store", "{page:?}");
        let page = browser.open(&app.url("/")).await;
        assert!(page.set_cookies().is_empty() && page.header("cache-control").is_empty(), "{page:?}");
        let page = Client::new().open(&app.url("/")).await;
        assert!(page.set_cookies().is_empty() && page.header("cache-control").is_empty(), "{page:?}");
    }
}

/// the server ends a login, whatever the cookie says.
#[actix_web::test]
async fn a_login_that_is_not_used_ends() {
    let second = std::time::Duration::from_secs(1);
    let app = TestApp::with(|builder| builder.idle_timeout(second).max_lifetime(10 * second)).await;
    let browser = app.logged_in().await;
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 200);
    tokio::time::sleep(second + second / 5).await;
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
}

/// Logins survive a restart of the key's cookies only with the same keys: another key's cookie is no login, no error.
#[actix_web::test]
async fn another_keys_cookie_is_no_login() {
    // One name, so that it is the key that decides.
    let named = |builder: actix_salesforce::SalesforceBuilder| builder.cookie_name("salesforce-shared");
    let (app, other) = (TestApp::with(named).await, TestApp::with(named).await);
    let browser = app.logged_in().await;
    assert!(browser.own_cookie("").is_some());
    assert_eq!(browser.fetch(&other.url("/user")).await.status, 401);
}
