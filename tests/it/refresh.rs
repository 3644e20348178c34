//! Promises 1 and 2 in one process: one token call per expiry, and no rotated token is ever lost
//! (R-24, R-25, R-26; F-08 to F-12, F-15, F-17 to F-22, F-34 to F-36).

use std::time::{Duration, Instant};

use crate::support::{ADA, COOL_DOWN, Client, Page, TestApp, hostile, raw};
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::json;

/// So many requests at once, over as many connections.
async fn burst(app: &TestApp, browser: &Client, n: usize) -> Vec<Page> {
    let url = app.url("/names");
    join_all((0..n).map(|_| browser.fetch(&url))).await
}

/// F-15: 50 requests on an expired token over 4 workers, and a token endpoint that takes a second.
#[actix_web::test]
async fn fifty_requests_on_an_expired_token_make_one_token_call() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    for round in 1..=2 {
        app.org.expire_access_tokens();
        let pages = burst(&app, &browser, 50).await;
        assert!(
            pages.iter().all(|page| page.status == 200),
            "{:?}",
            pages.iter().find(|page| page.status != 200)
        );
        assert_eq!(app.refreshes(), round, "one token call per expiry");
    }
    assert_eq!(app.org.refresh_reuse_count(), 0);
}

/// F-21: the request that began the refresh is cut off by a reset; no other request notices.
#[actix_web::test]
async fn a_client_that_goes_away_does_not_lose_the_rotated_token() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    app.org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    let (url, cookies) = (app.server.url.clone(), browser.cookie_line());
    let cut = tokio::task::spawn_blocking(move || {
        raw::get_and_reset(&url, "/names", &cookies, Duration::from_millis(400));
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        app.org
            .requests()
            .iter()
            .filter(|request| request.form.get("grant_type").is_some_and(|g| g == "refresh_token"))
            .count(),
        1,
        "the first request began the refresh"
    );
    let pages = burst(&app, &browser, 50).await;
    cut.await.unwrap();
    assert!(
        pages.iter().all(|page| page.status == 200),
        "{:?}",
        pages.iter().find(|page| page.status != 200)
    );
    assert_eq!(app.refreshes(), 1);

    // Alone: no request waits for the refresh, and its tokens are stored all the same.
    app.org.expire_access_tokens();
    let (url, cookies) = (app.server.url.clone(), browser.cookie_line());
    tokio::task::spawn_blocking(move || {
        raw::get_and_reset(&url, "/names", &cookies, Duration::from_millis(300))
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(app.refreshes(), 2);
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    assert_eq!((app.refreshes(), app.org.refresh_reuse_count()), (2, 0));
}

/// F-22: a handler with its own timeout gives up in the middle.
#[actix_web::test]
async fn a_handler_that_gives_up_does_not_lose_the_rotated_token() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    app.org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    assert_eq!(browser.fetch(&app.url("/impatient")).await.body, "gave up");
    let pages = burst(&app, &browser, 10).await;
    assert!(pages.iter().all(|page| page.status == 200), "{pages:?}");
    assert_eq!(browser.fetch(&app.url("/impatient")).await.body, "rows");
    assert_eq!((app.refreshes(), app.org.refresh_reuse_count()), (1, 0));
}

/// the rotated token is kept, and the old one where none is sent.
#[actix_web::test]
async fn refresh_tokens_are_kept_with_and_without_rotation() {
    for rotation in [true, false] {
        let org = FakeOrg::builder().rotation(rotation).start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let app = TestApp::around(org, |builder| builder).await;
        let browser = app.logged_in().await;
        for round in 1..=3 {
            app.org.expire_access_tokens();
            assert_eq!(
                browser.fetch(&app.url("/names")).await.status,
                200,
                "rotation {rotation}, round {round}"
            );
            assert_eq!(app.refreshes(), round);
        }
        assert_eq!(app.org.refresh_reuse_count(), 0);
    }
}

/// The identity URL answers 403 `Bad_OAuth_Token`, not 401.
#[actix_web::test]
async fn an_expired_token_is_noticed_at_the_identity_url_too() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/whoami")).await.status, 200);
    assert_eq!(app.refreshes(), 1);
}

/// F-19, R-26: a revoked grant ends the login for everyone at once: JSON 401, navigations are sent to log in.
#[actix_web::test]
async fn a_revoked_grant_ends_the_login_with_one_token_call() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let other = app.logged_in().await;
    app.org.revoke_all();
    let pages = burst(&app, &browser, 50).await;
    assert!(
        pages.iter().all(|page| page.status == 401),
        "{:?}",
        pages.iter().find(|page| page.status != 401)
    );
    assert_eq!(pages[0].json()["error"], "login_required");
    assert_eq!(app.refreshes(), 1);
    let page = other.open(&app.url("/names?x=1")).await;
    assert_eq!(page.status, 303, "all logins of the grant are over: {page:?}");
    assert!(page.header("location").ends_with("/login?return_to=%2Fnames%3Fx%3D1"), "{page:?}");
    assert_eq!(app.refreshes(), 1, "nothing is tried again");
    assert_eq!(browser.visit(&app.url("/names")).await.status, 200, "logging in again works");
}

/// F-35: a sixth approval elsewhere pushes ours out: as if revoked.
#[actix_web::test]
async fn a_grant_that_was_pushed_out_asks_to_log_in_again() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    for _ in 0..5 {
        let _ = app.org.issue_tokens(&app.org.user(ADA), "api refresh_token");
    }
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 401);
    assert_eq!(browser.visit(&app.url("/names")).await.status, 200);
}

/// Each further browser of one person replaces the grant and gives the replaced approval back.
#[actix_web::test]
async fn many_browsers_of_one_person_use_one_approval() {
    let app = TestApp::start().await;
    let mut browsers = Vec::new();
    for _ in 0..8 {
        browsers.push(app.logged_in().await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for round in 1..=2 {
        app.org.expire_access_tokens();
        for browser in &browsers {
            assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "no login is pushed out");
        }
        assert_eq!(app.refreshes(), round, "and all share one refresh");
    }
}

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
        Fault::ResetBeforeAnswer,
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

/// A gateway gives up on an answer after it passed the request on: that is a lost answer.
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

/// F-11: garbage in a 200 overwrites nothing. (The old token was spent by then: the next try ends the login cleanly.)
#[actix_web::test]
async fn a_hostile_refresh_answer_overwrites_nothing() {
    let app = TestApp::start().await;
    let stranger = FakeOrg::start().await.unwrap();
    let mut cases = hostile::token_answers(&stranger.instance_url());
    // Nothing put over the genuine answer: it is the values that are refused, not the test's answers.
    cases.push(json!({}));
    // These are merely thin: the grant knows what they lack.
    let thin = [json!({}), json!({ "instance_url": null }), json!({ "id": null })];
    let mut people = Vec::new();
    for (n, hostile) in cases.into_iter().enumerate() {
        let user = app.org.user(&format!("person{n}@example.com"));
        app.org.sign_in(&user);
        people.push((user, app.logged_in().await, hostile));
    }
    app.org.expire_access_tokens();
    for (user, browser, hostile) in &people {
        let name: String = hostile.to_string().chars().take(100).collect();
        // Instead of the genuine answer, so that the token is not spent: only the answer is at fault.
        let mut answer = serde_json::to_value(app.org.issue_tokens(user, "api refresh_token")).unwrap();
        for (member, value) in hostile.as_object().unwrap() {
            answer[member] = value.clone();
        }
        answer.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let fault = app.org.faults().refresh(Fault::Json(answer));
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

/// a refresh answer about someone else is not taken over, and ends the login, as such an ID token does.
#[actix_web::test]
async fn a_refresh_answer_about_someone_else_is_refused() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    let answer = serde_json::json!({
        "access_token": "00Dx0000000BV7z!x", "token_type": "Bearer", "instance_url": app.org.instance_url(),
        "id": format!("{}/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU", app.org.login_url().trim_end_matches('/')),
    });
    let fault = app.org.faults().refresh(Fault::Json(answer));
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 401);
    fault.remove();
    assert_eq!(browser.fetch(&app.url("/whoami")).await.status, 401, "and stays so");
    no_tokens_are_left(&app).await;
    app.log_in(&browser).await;
    assert_eq!(browser.fetch(&app.url("/whoami")).await.body, ADA);
}

/// F-12: the answer was lost after the token was rotated: one more try at most, then one login, no 500.
#[actix_web::test]
async fn a_lost_answer_costs_one_login_at_most() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    let lost = app.org.faults().refresh(Fault::LoseAnswer.once());
    let pages = burst(&app, &browser, 10).await;
    assert!(pages.iter().all(|page| page.status == 401), "{pages:?}");
    assert_eq!((lost.hits(), app.refreshes()), (1, 2), "one repetition and no more");
    assert_eq!(browser.visit(&app.url("/names")).await.status, 200);
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
}

/// F-17: late 401s of the old token do not cause a second refresh.
#[actix_web::test]
async fn late_refusals_of_the_old_token_use_the_new_one() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    app.org.faults().query(
        salesforce_fake_org::Rule::from(Fault::Slow).delay_status(401, Duration::from_secs(2)).times(10),
    );
    let pages = burst(&app, &browser, 20).await;
    assert!(
        pages.iter().all(|page| page.status == 200),
        "{:?}",
        pages.iter().find(|page| page.status != 200)
    );
    assert_eq!(app.refreshes(), 1);
}

/// F-18: a 401 that a refresh cannot help is an error, not a loop.
#[actix_web::test]
async fn a_refusal_of_a_fresh_token_is_no_loop() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let refused = |message: &str| Fault::ApiError {
        status: 401,
        code: "INVALID_SESSION_ID".to_owned(),
        message: message.to_owned(),
    };
    let fault = app.org.faults().query(refused("Session expired or invalid"));
    let page = browser.fetch(&app.url("/names")).await;
    assert!(page.status >= 400 && page.status != 401, "{page:?}");
    assert_eq!((app.refreshes(), fault.hits()), (1, 2), "one refresh and one replay per request");
    fault.remove();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "the login is kept");

    let before = app.refreshes();
    let fault = app.org.faults().query(refused("This session is not valid for use with the REST API"));
    let page = browser.fetch(&app.url("/names")).await;
    assert!(page.status == 403 || page.status == 502, "{page:?}");
    assert_eq!((app.refreshes(), fault.hits()), (before, 1), "no refresh helps here, none is made");
}

/// The instance may move with a refresh: the replay goes to the new one.
#[actix_web::test]
async fn a_request_is_replayed_on_the_current_instance() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let moved = org.moved_instance_url();
    let app = TestApp::around(org, |builder| builder.allowed_origin(moved)).await;
    let browser = app.logged_in().await;
    app.org.move_instance();
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    assert_eq!(app.refreshes(), 1);
}

/// F-34: 60 people at once, bounded concurrency at the token endpoint.
#[actix_web::test]
async fn many_people_refresh_at_once_within_bounds() {
    let app = TestApp::start().await;
    let mut browsers = Vec::new();
    for n in 0..60 {
        app.org.sign_in(&app.org.user(&format!("person{n}@example.com")));
        browsers.push(app.logged_in().await);
    }
    app.org.faults().refresh(Fault::Delay(Duration::from_millis(300)));
    app.org.expire_access_tokens();
    let url = app.url("/names");
    let pages = join_all(browsers.iter().map(|browser| browser.fetch(&url))).await;
    assert!(pages.iter().all(|page| page.status == 200), "{pages:?}");
    assert_eq!(app.refreshes(), browsers.len() as u64, "one each");
    let at_once = app.org.tokens_in_flight_max();
    assert!((2..=16).contains(&at_once), "{at_once} at a time");
}

/// F-36: any worker serves any login.
#[actix_web::test]
async fn any_worker_serves_any_login() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    for _ in 0..40 {
        // A new connection each time, so that workers take turns.
        assert_eq!(browser.copy().fetch(&app.url("/user")).await.status, 200);
    }
}

/// A connection outlives its request in a background task, with the same rules.
#[actix_web::test]
async fn a_connection_for_background_work_follows_the_same_rules() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let me = browser.fetch(&app.url("/auth/salesforce/me")).await.json();
    let (org, user) = (me["organization_id"].as_str().unwrap(), me["user_id"].as_str().unwrap());
    let connection = app
        .salesforce
        .user_connection(actix_salesforce::UserRef::new(org.parse().unwrap(), user.parse().unwrap()))
        .await
        .unwrap();
    app.org.expire_access_tokens();
    let url = app.url("/names");
    let (here, there) = futures_util::join!(
        async { connection.query::<serde_json::Value>("SELECT Id FROM Account").fetch_all().await },
        browser.fetch(&url),
    );
    assert!(here.is_ok() && there.status == 200);
    assert_eq!(app.refreshes(), 1);
}

/// an ID token in a refresh answer names the same person and issuer, or the login is over.
#[actix_web::test]
async fn an_id_token_of_someone_else_in_a_refresh_answer_ends_the_login() {
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

/// What the answer brought is revoked, and what was used before.
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
