//! Promise 5: no bearer token leaves its own origin, whatever the server sends; and what is wrong with a response is
//! a separate error, with bounded time and memory (R-21, R-58 to R-61; ).

use std::time::{Duration, Instant};

use crate::support::{Client, Page, TestApp};
use actix_salesforce::{Error, http::HttpError, request::Retry};
use salesforce_fake_org::{FakeOrg, Fault, Route};

async fn names(app: &TestApp, browser: &Client) -> Page {
    browser.fetch(&app.url("/names")).await
}

/// over a whole run the bearer is in the header only, and on the instance only.
#[actix_web::test]
async fn the_bearer_goes_to_its_own_instance_in_the_header() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    names(&app, &browser).await;
    app.org.expire_access_tokens();
    names(&app, &browser).await;
    let mut seen = 0;
    for request in app.org.requests() {
        if let Some(header) = request.header("authorization") {
            seen += 1;
            assert!(header.starts_with("Bearer 00D"), "{}", request.path);
            assert_eq!(format!("{:?}", request.host), "Instance", "{}", request.path);
        }
        let query = request.query.unwrap_or_default();
        assert!(
            !query.contains("access_token") && !query.contains("00D") || request.path.contains("authorize")
        );
    }
    assert!(seen >= 4);
}

/// a hostile `nextRecordsUrl` is an error of that query; no other host is contacted.
#[actix_web::test]
async fn a_hostile_next_page_is_not_fetched() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let stranger = FakeOrg::start().await.unwrap();
    let evil = stranger.instance_url().trim_end_matches('/').to_owned();
    let authority = evil.trim_start_matches("http://").to_owned();
    for next in [
        format!("{evil}/services/data/v66.0/query/01g-2000"),
        format!("//{authority}/services/data/v66.0/query/01g-2000"),
        format!("@{authority}/services/data/v66.0/query/x"),
        ".evil.example/services/data/v66.0/query/x".to_owned(),
        ":443@evil.example/services/data/v66.0/query/x".to_owned(),
        format!("\\\\{authority}/x"),
        format!("/\\{authority}/services/data/v66.0/query/x"),
        "/services/../../secret".to_owned(),
        "/services/data/../apexrest/x".to_owned(),
        "/services/data/v66.0/query/..%2f..%2fsecret".to_owned(),
        "/services/data/v66.0/query/%2e%2e/secret".to_owned(),
        "/services/data/v66.0/query/x\r\nX-Evil: 1".to_owned(),
        "/services/apexrest/x".to_owned(),
        "services/data/v66.0/query/x".to_owned(),
        "".to_owned(),
    ] {
        let merged = serde_json::json!({ "done": false, "totalSize": 100, "nextRecordsUrl": next });
        let fault = app.org.faults().query(Fault::MergeJson(merged).once());
        let before = app.org.requests().len();
        let page = names(&app, &browser).await;
        assert_eq!(page.status, 502, "{next:?}: {page:?}");
        assert!(!page.body.contains("evil") && !page.body.contains("query"), "{page:?}");
        assert_eq!(app.org.requests().len() - before, 1, "{next:?}: no second request");
        fault.remove();
    }
    assert!(stranger.requests().is_empty(), "{:?}", stranger.requests());
    assert_eq!(names(&app, &browser).await.status, 200);
}

/// a redirect is never followed, anywhere; above all no POST is repeated to a stranger.
#[actix_web::test]
async fn no_redirect_is_followed() {
    let app = TestApp::start().await;
    let stranger = FakeOrg::start().await.unwrap();
    let location = format!("{}/stolen?x=1", stranger.instance_url().trim_end_matches('/'));
    for status in [301, 302, 303, 307, 308] {
        let redirect = || Fault::Redirect { status, location: location.clone() };
        for route in [Route::Token, Route::Userinfo, Route::Jwks] {
            let fault = app.org.faults().at(route.clone(), redirect());
            let page = Client::new().visit(&app.url("/whoami")).await;
            fault.remove();
            assert!(page.status < 500 || page.status >= 502, "{route:?}: {page:?}");
            assert!(!page.body.contains("stolen"), "{page:?}");
        }
        let browser = app.logged_in().await;
        for (route, path) in [(Route::Query, "/names"), (Route::Identity, "/whoami")] {
            let fault = app.org.faults().at(route.clone(), redirect());
            assert_eq!(browser.fetch(&app.url(path)).await.status, 502, "{status} {route:?}");
            fault.remove();
        }
        let fault = app.org.faults().at(Route::Revoke, redirect());
        browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        fault.remove();
    }
    assert!(stranger.requests().is_empty(), "{:?}", stranger.requests());
}

/// bombs and wrong responses are errors of their own, while others work. (How much memory they cost:
/// `memory.rs`.)
#[actix_web::test]
async fn a_bad_response_is_an_error_and_nothing_more() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let raw = |content_type: &str, body: &[u8]| Fault::RawBody {
        status: 200,
        content_type: content_type.to_owned(),
        body: body.to_vec().into(),
    };
    let utf16: Vec<u8> = "{\"records\":[]}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for fault in [
        Fault::Html,
        Fault::Garbage,
        Fault::Empty200,
        Fault::Truncated,
        Fault::BadGzip,
        Fault::DeepJson,
        Fault::GzipBomb(300 * 1024 * 1024),
        Fault::Json(serde_json::json!([])),
        Fault::Json(serde_json::json!({ "records": 7 })),
        Fault::ManyHeaders(10_000),
        raw("application/json", &utf16),
        raw("application/json", b"{\"records\":[{\"Name\":1e999}],\"done\":true,\"totalSize\":1"),
        raw("application/json", b"null"),
        raw("text/plain", b"{\"totalSize\":0,\"done\":true,\"records\":[]}"),
    ] {
        let name = format!("{fault:?}");
        let name = &name[..name.len().min(60)];
        let fault = app.org.faults().query(fault);
        let page = names(&app, &browser).await;
        assert!(page.status == 502 || page.status == 503, "{name}: {page:?}");
        assert!(page.body.len() < 300, "{name}: nothing of it is repeated");
        fault.remove();
        assert_eq!(browser.fetch(&app.url("/whoami")).await.status, 200, "{name}: others work");
    }
}

/// a response that drips ends with the deadline of the call, one that never ends with the cap; each says which it
/// was.
#[actix_web::test]
async fn a_drip_and_an_endless_response_to_a_call_end_with_a_typed_error() {
    let app = TestApp::start().await;
    let sf = app.connection().await.with_timeout(Duration::from_secs(4)).with_retry(Retry::none());
    let failure = async || {
        let query =
            sf.query::<serde_json::Value>("SELECT Name FROM Account").fetch_all().await.map(drop::<Vec<_>>);
        [query, sf.limits().await.map(drop), sf.describe_global().await.map(drop)]
    };
    for fault in [Fault::Drip, Fault::Endless] {
        let drips = matches!(fault, Fault::Drip);
        let fault = app.org.faults().api(fault);
        let started = Instant::now();
        for outcome in failure().await {
            let Err(Error::Http(error)) = outcome else { panic!("drips {drips}: {outcome:?}") };
            let expected = if drips {
                matches!(error, HttpError::Timeout)
            } else {
                matches!(error, HttpError::TooLarge)
            };
            assert!(expected, "drips {drips}: {error:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(20), "three calls: {:?}", started.elapsed());
        fault.remove();
    }
    assert!(failure().await.iter().all(Result::is_ok), "the next call works");
}

/// the token endpoint, userinfo and key set are bounded too.
#[actix_web::test]
async fn a_bad_response_to_a_login_is_a_page() {
    let app = TestApp::start().await;
    for route in [Route::Token, Route::Userinfo, Route::Jwks] {
        for fault in [
            Fault::GzipBomb(100 * 1024 * 1024),
            Fault::DeepJson,
            Fault::Truncated,
            Fault::Html,
            Fault::Endless,
        ] {
            let name = format!("{route:?} {fault:?}");
            let fault = app.org.faults().at(route.clone(), fault);
            let started = Instant::now();
            let page = Client::new().visit(&app.url("/whoami")).await;
            assert!(started.elapsed() < Duration::from_secs(12), "{name}");
            assert!([200, 502, 503].contains(&page.status), "{name}: {page:?}");
            fault.remove();
        }
    }
    assert_eq!(Client::new().visit(&app.url("/whoami")).await.status, 200);
}

/// F-27: what may be repeated is repeated; the user does not notice a short outage.
#[actix_web::test]
async fn a_query_survives_a_short_outage() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    for fault in [Fault::Status(503), Fault::ResetBeforeResponse, Fault::ResetMidBody] {
        let name = format!("{fault:?}");
        app.org.faults().query(fault.times(1));
        assert_eq!(names(&app, &browser).await.status, 200, "{name}");
    }
}
