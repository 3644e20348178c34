//! Promise 6: no return target leaves the app's own origin. `browser.rs` shows the same in a real browser.

use crate::support::{Client, TestApp, client::encoded, raw};
use url::Url;

const ALLOWED: [&str; 9] = [
    "/",
    "/records?x=1",
    "/records?next=//evil.example/",
    "/@user/profile",
    "/%2f%2fevil.example",
    "/%5cevil.example",
    "/%09/evil.example",
    "/ /evil.example",
    "/\u{ff0f}evil.example",
];

const REFUSED: [&str; 47] = [
    "//evil.example",
    "///evil.example",
    "////evil.example/",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "//\\evil.example",
    "//app.example@evil.example/",
    "//evil\u{3002}example/",
    "//evil\u{ad}.example/",
    "//2130706433/",
    "//",
    "/\t/evil.example",
    "/\t\\evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    " //evil.example",
    "\u{1}//evil.example",
    "java\tscript:alert(1)",
    "/a\r\nSet-Cookie: injected=1",
    "/\0/evil.example",
    "\u{a0}//evil.example",
    "https://evil.example/",
    "https:/evil.example",
    "https:evil.example",
    "http:/\\evil.example",
    "https://evil.example\\@app.example/",
    "https://app.example.evil.example/",
    "javascript:alert(document.domain)",
    "data:text/html,<script>alert(1)</script>",
    "",
    "records",
    "?code=attacker&state=attacker",
    "@evil.example",
    ".evil.example",
    "%2f%2fevil.example",
    "\u{ff0f}\u{ff0f}evil.example",
    "/..//evil.example",
    "/.//evil.example",
    "/%2e%2e//evil.example",
    "/./\\evil.example",
    "/auth/salesforce/login",
    "/auth/salesforce/logout",
    "/auth/salesforce/callback?code=x",
    "/auth/salesforce/me",
    "/auth/salesforce/login?return_to=/x",
];

/// Where a browser lands, given a `Location` header.
fn land(app: &TestApp, location: &str) -> Url {
    let base = Url::parse(&app.url("/auth/salesforce/callback")).unwrap();
    let landed = base.join(location).unwrap_or_else(|error| panic!("{location:?}: {error}"));
    assert_eq!(landed.origin(), base.origin(), "{location:?}");
    assert!(!landed.path().starts_with("//") && !location.starts_with("//"), "{location:?}");
    landed
}

#[actix_web::test]
async fn a_login_lands_on_its_own_origin_or_on_the_default_page() {
    let app = TestApp::with(|builder| builder.after_login("/home")).await;
    for (target, allowed) in
        ALLOWED.map(|target| (target, true)).into_iter().chain(REFUSED.map(|target| (target, false)))
    {
        let browser = Client::new();
        let login = app.url(&format!("/auth/salesforce/login?return_to={}", encoded(target)));
        let callback = browser.visit_until(&login, "/auth/salesforce/callback").await;
        let page = browser.open(callback.as_str()).await;
        assert_eq!(page.status, 303, "{target:?}: the login works in any case: {page:?}");
        let landed = land(&app, page.header("location"));
        if allowed {
            assert_ne!(landed.path(), "/home", "{target:?} is allowed");
        } else {
            assert_eq!(page.header("location"), "/home", "{target:?} is refused");
        }
        assert!(!page.set_cookies().iter().any(|cookie| cookie.contains("injected")), "{target:?}");
    }
}

#[actix_web::test]
async fn a_logout_lands_on_its_own_origin_or_on_the_default_page() {
    let app = TestApp::with(|builder| builder.after_logout("/bye")).await;
    let browser = Client::new();
    for (target, allowed) in
        ALLOWED.map(|target| (target, true)).into_iter().chain(REFUSED.map(|target| (target, false)))
    {
        let logout = app.url("/auth/salesforce/logout");
        let in_form = browser.submit(&logout, &app.server.url, &[("return_to", target)]).await;
        let in_query =
            browser.submit(&format!("{logout}?return_to={}", encoded(target)), &app.server.url, &[]).await;
        for page in [in_form, in_query] {
            assert_eq!(page.status, 303, "{target:?}: {page:?}");
            land(&app, page.header("location"));
            assert_eq!(page.header("location") == "/bye", !allowed, "{target:?}: {page:?}");
        }
    }
}

/// The path that was asked for is a target too, and passes the same filter.
#[actix_web::test]
async fn a_path_that_was_asked_for_is_filtered_as_well() {
    let app = TestApp::start().await;
    for target in [
        "//evil.example/admin/secret",
        "///evil.example/",
        "/admin/secret",
        "/admin/..//evil.example",
        "/admin/\\evil.example",
        "/admin/%0d%0ax",
    ] {
        let response = raw::get(&app.server.url, target, b"Accept: text/html\r\n");
        let location = response.lines().find_map(|line| line.strip_prefix("location: "));
        let Some(location) = location else {
            assert!((400..500).contains(&raw::status(&response)), "{target}: {response}");
            continue;
        };
        let login = land(&app, location);
        assert_eq!(login.path(), "/auth/salesforce/login", "{target}");
        if let Some(back) = crate::support::client::query(&login, "return_to") {
            land(&app, &back);
        }
    }
    let browser = Client::new();
    let page = browser.visit(&app.url("/user?a=1&b=%2F%2Fevil.example")).await;
    assert_eq!(page.url.query(), Some("a=1&b=%2F%2Fevil.example"), "the user comes back to where they were");
}
