//! What strangers and other sites send changes nothing for any user.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{ADA, Client, TestApp, client::query, raw};
use salesforce_fake_org::FakeOrg;

const LOGIN: &str = "/auth/salesforce/login";

/// who is sent to the login route by another site stays who they are, until they themselves come back from
/// Salesforce.
#[actix_web::test]
async fn a_login_that_another_site_starts_changes_nothing_by_itself() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let before = browser.own_cookie("").unwrap();
    let headers = [
        ("accept", "text/html"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("referer", "https://evil.example/"),
    ];
    let page = browser.send(reqwest::Method::GET, &app.url(LOGIN), &headers, None).await;
    assert!(page.status == 303 || page.status == 403, "{page:?}");
    assert_eq!(browser.own_cookie("").unwrap(), before);
    assert_eq!(browser.open(&app.url("/whoami")).await.body, ADA);
    assert_eq!(app.exchanges(), 1);
}

/// nothing in a request says where the app calls, or what it asks for.
#[actix_web::test]
async fn no_request_chooses_where_the_app_calls() {
    let app = TestApp::start().await;
    let stranger = FakeOrg::start().await.unwrap();
    let there = stranger.login_url();
    let browser = app.logged_in().await;
    for name in
        ["instance_url", "login_url", "url", "id", "iss", "sfdc_community_url", "redirect_uri", "client_id"]
    {
        let pair =
            format!("{name}={}", url::form_urlencoded::byte_serialize(there.as_bytes()).collect::<String>());
        for path in [LOGIN, "/auth/salesforce/me", "/auth/salesforce/logout", "/whoami", "/names"] {
            let page = browser.open(&app.url(&format!("{path}?{pair}"))).await;
            assert!(
                page.status < 500 && !page.header("location").contains(&there),
                "{path}?{pair}: {page:?}"
            );
            if path == LOGIN {
                assert_eq!(
                    query(&page.location(), "redirect_uri").unwrap(),
                    app.url("/auth/salesforce/callback")
                );
            }
        }
    }
    for host in
        ["evil.example", "login.salesforce.com.evil.example", "..@evil", "x.my.salesforce.com", "", "%00"]
    {
        let page = Client::new().open(&app.url(&format!("{LOGIN}?host={host}"))).await;
        assert!(
            page.status == 400 || page.location().as_str().starts_with(&app.org.login_url()),
            "{host}: {page:?}"
        );
    }
    assert!(stranger.requests().is_empty(), "{:?}", stranger.requests());
}

/// byte by byte, what no browser sends.
#[actix_web::test]
async fn odd_requests_are_refused_or_harmless() {
    let app = TestApp::start().await;
    let send = |request: String| raw::exchange(&app.server.url, request.as_bytes());
    let head = "Connection: close\r\nAccept: text/html\r\n\r\n";
    for request in [
        format!("GET /user HTTP/1.1\r\nHost: a\r\nHost: b\r\n{head}"),
        format!(
            "POST /auth/salesforce/logout HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n{head}ab"
        ),
        format!(
            "POST /auth/salesforce/logout HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n{head}0\r\n\r\n"
        ),
        format!("GET /user HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n{head}"),
    ] {
        assert_eq!(raw::status(&send(request.clone())), 400, "{request:?}");
    }
    let response = send(format!("GET http://evil.example/user HTTP/1.1\r\nHost: evil.example\r\n{head}"));
    assert!(response.contains("location: /auth/salesforce/login?return_to=%2Fuser\r\n"), "{response}");
    for query in [
        "login_hint=a%0d%0aX-Injected:%201",
        "prompt=login%0d%0aX-Injected:1",
        "return_to=/%0d%0aX-Injected:1",
        "return_to=/%250d%250aX-Injected:1",
        "host=%0d%0aX-Injected:1",
        "login_hint=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ] {
        let response = send(format!("GET {LOGIN}?{query} HTTP/1.1\r\nHost: a\r\n{head}"));
        assert!([303, 400].contains(&raw::status(&response)), "{query}: {response}");
        assert!(
            !response.to_lowercase().contains("\nx-injected") && !response.contains("<script"),
            "{query}: {response}"
        );
    }
}

/// idle connections and heads that drip keep no user out, and do not stay.
#[actix_web::test]
async fn slow_clients_keep_no_other_client_out() {
    let app = TestApp::start().await;
    let address = app.server.url.strip_prefix("http://").unwrap();
    let connect = || TcpStream::connect(address).unwrap();
    let _idle: Vec<_> = (0..200).map(|_| connect()).collect();
    let dripping: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect();
            stream.write_all(b"GET /user HTTP/1.1\r\nHo").unwrap();
            stream
        })
        .collect();
    let started = Instant::now();
    app.logged_in().await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let closed = tokio::task::spawn_blocking(move || {
        dripping.into_iter().all(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            // A response that says so, or the end; not the timeout of this test.
            stream.read(&mut [0; 64]).is_ok()
        })
    });
    assert!(closed.await.unwrap(), "every one of them");
}
