//! A login within a frame: its cookie, its pages and its logout.

use std::sync::{Arc, Mutex};

use crate::support::{
    ADA, Client, Page, TestApp,
    app::{listen, routes, serve},
    reserve, settings_for,
};
use actix_salesforce::{
    AuthEvent, SessionMode,
    actix_session::{SessionMiddleware, storage::CookieSessionStore},
    store::GrantFilter,
};
use actix_web::App;
use reqwest::Method;
use salesforce_fake_org::FakeOrg;

use super::*;

#[actix_web::test]
async fn a_framed_page_has_the_ancestors_of_the_org_and_nothing_else() {
    let app = start().await;
    let browser = frame(&app, ADA).await;
    let instance = app.org.instance_url();
    let ours = format!("frame-ancestors {}", instance.trim_end_matches('/'));
    let policies = |page: &Page| {
        let all = page.headers.get_all("content-security-policy");
        all.iter().map(|policy| policy.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let page = in_frame(&app, &browser, "/user").await;
    assert_eq!((policies(&page), page.header("x-frame-options")), (vec![ours.clone()], ""));
    let page = in_frame(&app, &browser, "/unframed").await;
    assert_eq!(policies(&page), ["default-src 'self'".to_owned(), ours.clone()], "{page:?}");
    assert!(!page.headers.contains_key("x-frame-options"), "{page:?}");
    let page = in_frame(&app, &browser, "/fails").await;
    assert!(policies(&page).contains(&ours), "an error page, too: {page:?}");
    // Without a login of the frame nothing changes.
    let ordinary = Client::new();
    app.org.sign_in(&app.org.user(ADA));
    app.log_in(&ordinary).await;
    let page = in_frame(&app, &ordinary, "/unframed").await;
    assert_eq!(policies(&page), ["default-src 'self'; frame-ancestors 'self'"]);
    assert_eq!(page.header("x-frame-options"), "SAMEORIGIN");
}

/// In a set-up in which both cookies come, such as one on one site.
#[actix_web::test]
async fn an_ordinary_login_of_the_browser_counts_first() {
    let app = start().await;
    app.org.sign_in(&app.org.user(BEN));
    let browser = Client::new();
    app.log_in(&browser).await;
    let before = browser.own_cookie("");
    assert_eq!(post(&app, &browser, CANVAS, &signed(&app, ADA), &[]).await.status, 303);
    assert_eq!(user_of(&app, &browser).await.as_deref(), Some(BEN));
    assert_eq!(browser.own_cookie(""), before, "the ordinary cookie is as it was");
    assert!(app.is_logged_in(&browser).await);
}

/// The cookie comes with requests from pages of other sites.
#[actix_web::test]
async fn an_unsafe_method_needs_the_apps_own_origin() {
    let app = start().await;
    let browser = frame(&app, ADA).await;
    let own = app.server.url.clone();
    let frame = ("sec-fetch-dest", "iframe");
    for (headers, status) in [
        (vec![frame, ("origin", own.as_str())], 200),
        (vec![frame, ("origin", "null"), ("sec-fetch-site", "same-origin")], 200),
        (vec![("sec-fetch-dest", "empty"), ("sec-fetch-site", "same-origin"), ("origin", own.as_str())], 200),
        (vec![frame, ("origin", "https://evil.example")], 403),
        (vec![frame, ("origin", "null"), ("sec-fetch-site", "cross-site")], 403),
        (vec![frame, ("sec-fetch-site", "same-site")], 403),
        (vec![frame, ("origin", own.as_str()), ("origin", "https://evil.example")], 403),
        (vec![frame], 403),
    ] {
        for (method, path) in [(Method::POST, "/save"), (Method::DELETE, "/save"), (Method::POST, "/hook")] {
            let page = browser.send(method.clone(), &app.url(path), &headers, Some("")).await;
            let expected = if path == "/hook" || status == 403 { status } else { 200 };
            assert_eq!(page.status, expected, "{method} {path} {headers:?}: {page:?}");
        }
    }
    let forged = [frame, ("origin", "https://evil.example"), ("accept", "application/json")];
    let page = browser.send(Method::POST, &app.url("/save"), &forged, Some("")).await;
    assert!(page.body.contains("foreign"), "{page:?}");
    // Without the cookie a public route takes requests of other sites as ever.
    let page = Client::new().send(Method::POST, &app.url("/hook"), &forged, Some("")).await;
    assert_eq!(page.status, 200);
}

/// The token ends with the session in Salesforce: no grant waits to be reconnected.
#[actix_web::test]
async fn a_frame_whose_token_has_ended_asks_to_be_reloaded() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let app = with(|builder| builder.on_event(move |event| heard.lock().unwrap().push(event.clone()))).await;
    let browser = frame(&app, ADA).await;
    app.org.expire_access_tokens();
    let page = in_frame(&app, &browser, "/whoami").await;
    let page = if page.status == 403 { page } else { in_frame(&app, &browser, "/whoami").await };
    assert!(page.status == 403 && page.body.contains("Reload the page of Salesforce"), "{page:?}");
    let policies = page.headers.get_all("content-security-policy");
    let allows =
        |policy: &reqwest::header::HeaderValue| policy.to_str().unwrap().starts_with("frame-ancestors http");
    assert!(policies.iter().any(allows) && !page.headers.contains_key("x-frame-options"), "{page:?}");
    assert!(
        app.salesforce.list_grants(GrantFilter::All).await.unwrap().is_empty(),
        "none needs reconnecting"
    );
    let is_revocation = |event: &AuthEvent| matches!(event, AuthEvent::GrantRevoked { .. });
    assert!(!events.lock().unwrap().iter().any(is_revocation));
    let script = [("accept", "application/json"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    assert_eq!(browser.send(Method::GET, &app.url("/user"), &script, None).await.status, 401);
    assert_eq!(post(&app, &browser, CANVAS, &signed(&app, ADA), &[]).await.status, 303);
    assert_eq!(user_of(&app, &browser).await.as_deref(), Some(ADA));
}

/// A logout in the frame takes the frame's cookie, and a cookie of the frame is no other cookie.
#[actix_web::test]
async fn a_logout_in_the_frame_ends_its_login() {
    let app = with(|builder| builder.single_logout(true)).await;
    let browser = frame(&app, ADA).await;
    let (name, value) = browser.own_cookie(".canvas").unwrap();
    let ordinary = name.strip_suffix(".canvas").unwrap().to_owned();
    let moved = Client::new();
    moved.set_cookie("127.0.0.1", &ordinary, &value);
    assert!(!app.is_logged_in(&moved).await);

    let copy = browser.copy();
    let headers =
        [("origin", app.server.url.as_str()), ("sec-fetch-dest", "iframe"), ("accept", "text/html")];
    let page = browser.send(Method::POST, &app.url(LOGOUT), &headers, Some("")).await;
    assert_eq!((page.status, page.set_cookies().len()), (303, 1), "no cookie of a window: {page:?}");
    let removal = page.set_cookies().into_iter().find(|cookie| cookie.starts_with(&name)).unwrap();
    assert!(removal.contains("Max-Age=0") && removal.contains("Partitioned"), "{removal}");
    assert_eq!(user_of(&app, &copy).await, None, "the old cookie is dead");
}

/// A browser without partitions sends the cookie with what pages of other sites load, too.
#[actix_web::test]
async fn outside_of_a_frame_the_cookie_counts_for_the_apps_own_pages_only() {
    let app = start().await;
    let browser = frame(&app, ADA).await;
    let own = app.server.url.clone();
    for destination in ["empty", "image", "script", "websocket"] {
        for (site, status) in [("same-origin", 200), ("same-site", 401), ("cross-site", 401), ("none", 401)] {
            let headers = [("sec-fetch-dest", destination), ("sec-fetch-site", site)];
            let page = browser.send(Method::GET, &app.url("/user"), &headers, None).await;
            assert_eq!(page.status, status, "{destination} {site}: {page:?}");
        }
    }
    // What opens a WebSocket is a GET that changes something.
    let upgrade = [("sec-fetch-dest", "iframe"), ("upgrade", "websocket")];
    for (origin, status) in [(own.as_str(), 200), ("https://evil.example", 403), ("null", 403)] {
        let headers = [&upgrade[..], &[("origin", origin)]].concat();
        let page = browser.send(Method::GET, &app.url("/user"), &headers, None).await;
        assert_eq!(page.status, status, "{origin}: {page:?}");
    }
    assert_eq!(browser.send(Method::GET, &app.url("/user"), &upgrade, None).await.status, 403);
}

/// The app's own session may come to frames: it gets another id, and the app removes what the former user left.
#[actix_web::test]
async fn a_login_in_the_frame_renews_the_apps_own_session() {
    let org = FakeOrg::start().await.unwrap();
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).session(SessionMode::App);
    let salesforce = salesforce.on_user_change(|session| session.clear()).build().await.unwrap();
    let wrapped = salesforce.clone();
    let server = serve(listener, move |listener| {
        let key = actix_web::cookie::Key::generate();
        listen!(listener, 4, move || {
            let own = SessionMiddleware::builder(CookieSessionStore::default(), key.clone());
            let own = own.cookie_secure(false).build();
            App::new().configure(routes).wrap(wrapped.clone()).wrap(own)
        })
    });
    let app = TestApp { org, salesforce, server };
    let browser = frame(&app, ADA).await;
    let count = async || in_frame(&app, &browser, "/session").await.body;
    assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()));
    let page = post(&app, &browser, CANVAS, &signed(&app, ADA), &[]).await;
    assert!(page.set_cookies().iter().any(|cookie| cookie.starts_with("id=")), "it is renewed: {page:?}");
    assert_eq!(count().await, "3", "the same user's stays");
    post(&app, &browser, CANVAS, &signed(&app, BEN), &[]).await;
    assert_eq!(count().await, "1");
}

/// A link within the frame comes from the app's own page. Salesforce's login refuses to be shown there.
#[actix_web::test]
async fn a_link_within_the_frame_that_needs_a_login_opens_a_window() {
    let app = start().await;
    for site in ["same-origin", "same-site", "cross-site", "none"] {
        for (browser, path) in [(Client::new(), "/user"), (frame(&app, ADA).await, "/recent")] {
            let headers = [&FRAME[..], &[("sec-fetch-site", site)]].concat();
            let page = browser.send(Method::GET, &app.url(path), &headers, None).await;
            assert!(!page.is_redirect(), "{site} {path}: {page:?}");
            assert!(page.body.contains("target=\"_blank\""), "{site} {path}: {page:?}");
            let policies = page.headers.get_all("content-security-policy").iter();
            let policies: Vec<_> = policies.map(|policy| policy.to_str().unwrap()).collect();
            assert!(policies.iter().any(|policy| policy.contains("frame-ancestors ")), "{policies:?}");
            assert!(!policies.iter().any(|policy| policy.contains("'none'; frame-ancestors 'none'")));
        }
    }
    // A form in the frame, and a page that another user may see: their links lead into a window.
    let browser = frame(&app, ADA).await;
    let own = [("accept", "text/html"), ("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "navigate")];
    let own = [&own[..], &[("sec-fetch-site", "same-origin"), ("origin", app.server.url.as_str())]].concat();
    for (method, path, status) in
        [(Method::POST, "/save", 401), (Method::POST, "/recent", 401), (Method::GET, "/forbidden", 403)]
    {
        let browser = if path == "/save" { Client::new() } else { browser.copy() };
        let body = (method == Method::POST).then_some("");
        let page = browser.send(method, &app.url(path), &own, body).await;
        assert_eq!(page.status, status, "{path}: {page:?}");
        let link = page.body.split("<a ").find(|link| link.contains("/auth/salesforce/login")).unwrap();
        assert!(link.contains("target=\"_blank\""), "{path}: {page:?}");
    }
}
