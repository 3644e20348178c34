//! What the token endpoint can do to a refresh: fail, hang, lose its response, or send a hostile one
//! (R-25, R-42; F-08 to F-12).

use std::time::{Duration, Instant};

use crate::{
    refresh::burst,
    support::{ADA, COOL_DOWN, TestApp, hostile},
};
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::json;

/// F-08: an outage of the token endpoint costs a 503, never the login, and is not stormed.
#[actix_web::test]
async fn an_outage_of_the_token_endpoint_keeps_the_login() {
    let oauth = |error: &str, description: &str| Fault::OauthError {
        error: error.to_owned(),
        description: description.to_owned(),
        status: 400,
    };
    let faults = [
        Fault::Status(500),
        Fault::Maintenance,
        Fault::Html,
        Fault::Empty200,
        Fault::ResetBeforeResponse,
        Fault::BadGzip,
        oauth("invalid_client", "invalid client credentials"),
        oauth("rate_limit_exceeded", "number of logins exceeded"),
        oauth("invalid_grant", "Token request is already being processed"),
        Fault::Redirect { status: 307, location: "http://127.0.0.1:1/".to_owned() },
    ];
    // Side by side: each waits for a cool-down.
    join_all(faults.map(async |fault| {
        let name = format!("{fault:?}");
        let app = TestApp::start().await;
        let browser = app.logged_in().await;
        app.org.expire_access_tokens();
        let outage = app.org.faults().refresh(fault);
        let pages = burst(&app, &browser, 20).await;
        for page in &pages {
            assert_eq!(page.status, 503, "{name}: {page:?}");
            assert!(
                page.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1),
                "{name}: {page:?}"
            );
            assert_eq!(page.header("cache-control"), "no-store");
        }
        assert!(outage.hits() <= 3, "{name}: {} calls in one cool-down", outage.hits());
        let page = browser.open(&app.url("/names")).await;
        assert_eq!(page.status, 503, "{name}: {page:?}");
        assert!(page.body.contains("not logged out"), "{name}: {page:?}");
        outage.remove();
        tokio::time::sleep(COOL_DOWN).await;
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "{name}: it recovers by itself");
        assert_eq!(app.org.refresh_reuse_count(), 0, "{name}");
    }))
    .await;
}

/// F-09: 429 with `Retry-After` is obeyed by everyone.
#[actix_web::test]
async fn the_token_endpoints_retry_after_is_obeyed() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    let limit = app.org.faults().refresh(Fault::RetryAfter { status: 429, seconds: 30 });
    let pages = burst(&app, &browser, 5).await;
    assert!(pages.iter().all(|page| page.status == 503), "{pages:?}");
    for _ in 0..3 {
        let page = browser.fetch(&app.url("/names")).await;
        assert!(page.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 20), "{page:?}");
    }
    assert_eq!(limit.hits(), 1, "no call before that time");
}

/// A wrong number locks no user out, and breaks nothing.
#[actix_web::test]
async fn a_retry_after_beyond_all_measure_is_a_minute() {
    for seconds in [86_400, u64::MAX] {
        let app = TestApp::start().await;
        let browser = app.logged_in().await;
        app.org.expire_access_tokens();
        let fault = app.org.faults().refresh(Fault::RetryAfter { status: 503, seconds });
        for _ in 0..2 {
            let page = browser.fetch(&app.url("/names")).await;
            assert_eq!(page.status, 503, "{page:?}");
            let wait = page.header("retry-after").parse::<u64>().unwrap();
            assert!((50..=60).contains(&wait), "{seconds}: {page:?}");
        }
        assert_eq!(fault.hits(), 1);
    }
}

/// A gateway gives up on a response after it passed the request on: that is a lost response.
#[actix_web::test]
async fn a_gateway_that_gives_up_is_asked_once_more_at_most() {
    for status in [502, 504] {
        let app = TestApp::start().await;
        let browser = app.logged_in().await;
        app.org.expire_access_tokens();
        let fault = app.org.faults().refresh(Fault::Status(status));
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 503);
        assert_eq!(fault.hits(), 2, "{status}");
    }
}

/// F-10: a token endpoint that hangs releases everyone in time.
#[actix_web::test]
async fn a_token_endpoint_that_hangs_releases_everyone() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    app.org.faults().refresh(Fault::Delay(Duration::from_secs(60)));
    let started = Instant::now();
    let pages = burst(&app, &browser, 10).await;
    assert!(pages.iter().all(|page| page.status == 503), "{pages:?}");
    assert!(started.elapsed() < Duration::from_secs(13), "{:?}", started.elapsed());
}

/// F-11: garbage in a 200 overwrites nothing. (The old token was used by then: the next try ends the login cleanly.)
#[actix_web::test]
async fn a_hostile_refresh_response_overwrites_nothing() {
    let app = TestApp::start().await;
    let stranger = FakeOrg::start().await.unwrap();
    let mut cases = hostile::token_responses(&stranger.instance_url());
    // Nothing put over the genuine response: it is the values that are refused, not the test's responses.
    cases.push(json!({}));
    // These are merely thin: the grant knows what they lack.
    let thin = [
        json!({}),
        json!({ "instance_url": null }),
        json!({ "instance_url": "" }),
        json!({ "instance_url": 7 }),
        json!({ "instance_url": [stranger.instance_url()] }),
        json!({ "id": null }),
        json!({ "id": 7 }),
    ];
    let mut people = Vec::new();
    for (n, hostile) in cases.into_iter().enumerate() {
        let user = app.org.user(&format!("person{n}@example.com"));
        app.org.sign_in(&user);
        people.push((user, app.logged_in().await, hostile));
    }
    app.org.expire_access_tokens();
    for (user, browser, hostile) in &people {
        let name: String = hostile.to_string().chars().take(100).collect();
        // Instead of the genuine response, so that the token is not used up: only the response is at fault.
        let mut response = serde_json::to_value(app.org.issue_tokens(user, "api refresh_token")).unwrap();
        for (member, value) in hostile.as_object().unwrap() {
            response[member] = value.clone();
        }
        response.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let fault = app.org.faults().refresh(Fault::Json(response));
        let status = browser.fetch(&app.url("/names")).await.status;
        assert_eq!(status, if thin.contains(hostile) { 200 } else { 503 }, "{name}");
        fault.remove();
    }
    tokio::time::sleep(COOL_DOWN).await;
    for (_, browser, hostile) in &people {
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "{hostile}");
    }
    assert!(stranger.requests().is_empty(), "no foreign host was contacted: {:?}", stranger.requests());
}

/// a refresh response about someone else is not taken over, and ends the login, as such an ID token does.
#[actix_web::test]
async fn a_refresh_response_about_someone_else_is_refused() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    let response = serde_json::json!({
        "access_token": "00Dx0000000BV7z!x", "token_type": "Bearer", "instance_url": app.org.instance_url(),
        "id": format!("{}/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU", app.org.login_url().trim_end_matches('/')),
    });
    let fault = app.org.faults().refresh(Fault::Json(response));
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 401);
    fault.remove();
    assert_eq!(browser.fetch(&app.url("/whoami")).await.status, 401, "and stays so");
    no_tokens_are_left(&app).await;
    app.log_in(&browser).await;
    assert_eq!(browser.fetch(&app.url("/whoami")).await.body, ADA);
}

/// F-12: the response was lost after the token was rotated: one more try at most, then one login, no 500.
#[actix_web::test]
async fn a_lost_response_costs_one_login_at_most() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    let lost = app.org.faults().refresh(Fault::LoseResponse.once());
    let pages = burst(&app, &browser, 10).await;
    assert!(pages.iter().all(|page| page.status == 401), "{pages:?}");
    assert_eq!((lost.hits(), app.refreshes()), (1, 2), "one repetition and no more");
    assert_eq!(browser.visit(&app.url("/names")).await.status, 200);
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
}

/// an ID token in a refresh response names the same user and issuer, or the login is over.
#[actix_web::test]
async fn an_id_token_of_someone_else_in_a_refresh_response_ends_the_login() {
    let app = TestApp::start().await;
    let login = app.org.login_url().trim_end_matches('/').to_owned();
    let ada = app.org.user(ADA);
    let id = format!("{login}/id/{}/{}", app.org.organization_id(), ada.id());
    let other = format!("{login}/id/{}/005x00000012Q9PAAU", app.org.organization_id());
    for (iss, sub, status) in [
        (login.as_str(), id.as_str(), 200),
        (app.org.instance_url().trim_end_matches('/'), id.as_str(), 200),
        (login.as_str(), other.as_str(), 401),
        (login.as_str(), "someone", 401),
        ("https://evil.example", id.as_str(), 401),
    ] {
        let browser = app.logged_in().await;
        app.org.expire_access_tokens();
        let lie = serde_json::json!({ "id_token": app.org.sign_id_token(&serde_json::json!({ "iss": iss, "sub": sub })) });
        let fault = app.org.faults().refresh(Fault::MergeJson(lie));
        assert_eq!(browser.fetch(&app.url("/names")).await.status, status, "{iss} {sub}");
        fault.remove();
        assert_eq!(browser.fetch(&app.url("/names")).await.status, status, "{iss} {sub}: and stays so");
        if status == 401 {
            no_tokens_are_left(&app).await;
        }
    }
}

/// What the response brought is revoked, and what was used before.
async fn no_tokens_are_left(app: &TestApp) {
    let ada = app.org.user(ADA);
    for _ in 0..100 {
        if app.org.live_refresh_tokens(&ada).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("unused tokens stay valid");
}
