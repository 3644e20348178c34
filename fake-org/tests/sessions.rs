//! Access tokens: sliding expiry, and the 401s and 403s around them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use salesforce_fake_org::FakeOrg;
use support::{ADA, ALL, Answer, Api, http, send, userinfo};

fn error(code: &str, message: &str) -> (u16, (String, String)) {
    (401, (code.to_owned(), message.to_owned()))
}

fn of(answer: &Answer) -> (u16, (String, String)) {
    (answer.status, answer.error())
}

/// Section 3.6: two hours of inactivity; each call resets the timer.
#[tokio::test]
async fn sessions_slide() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    for _ in 0..5 {
        org.advance(Duration::from_secs(7_000));
        assert_eq!(api.get("/limits").await.status, 200);
    }
    org.advance(Duration::from_secs(7_201));
    assert_eq!(of(&api.get("/limits").await), error("INVALID_SESSION_ID", "Session expired or invalid"));
    assert!(org.live_access_tokens(&org.user(ADA)).is_empty());
}

#[tokio::test]
async fn the_time_out_can_be_set() {
    let org = FakeOrg::builder().session_ttl(Duration::from_secs(900)).start().await.unwrap();
    let api = Api::of(&org);
    org.advance(Duration::from_secs(890));
    assert_eq!(api.get("/limits").await.status, 200);
    org.set_session_ttl(Duration::from_secs(60));
    let young = Api::of(&org);
    org.advance(Duration::from_secs(70));
    assert_eq!(young.get("/limits").await.status, 401);
    assert_eq!(api.get("/limits").await.status, 200, "older tokens keep theirs");
}

/// Sections 7.12 and 5.8.
#[tokio::test]
async fn each_401_has_its_code() {
    let org = FakeOrg::start().await.unwrap();
    let url = format!("{}/services/data/v66.0/limits", org.instance_url());
    let call = async |header: Option<String>| {
        let request = http().get(&url);
        of(&send(match header {
            Some(value) => request.header("authorization", value),
            None => request,
        })
        .await)
    };
    assert_eq!(call(None).await, error("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"));
    assert_eq!(call(Some("Basic YTpi".into())).await, error("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"));
    assert_eq!(call(Some("Bearer a.b.c".into())).await, error("INVALID_AUTH_HEADER", "INVALID_JWT_FORMAT"));
    let garbage = Some("Bearer 00Dx0000000BV7z!garbage".into());
    assert_eq!(call(garbage).await, error("INVALID_SESSION_ID", "Session expired or invalid"));
    let no_api = org.issue_tokens(&org.user(ADA), "id openid").access_token;
    let text = "This session is not valid for use with the REST API";
    assert_eq!(call(Some(format!("Bearer {no_api}"))).await, error("INVALID_SESSION_ID", text));
    // `OAuth` is accepted in place of `Bearer`.
    let token = org.issue_tokens(&org.user(ADA), "api").access_token;
    let answer = send(http().get(&url).header("authorization", format!("OAuth {token}"))).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn tokens_end_by_order() {
    let org = FakeOrg::start().await.unwrap();
    let (ada, ben) = (org.user(ADA), org.user("ben@example.com"));
    let (a, b) = (org.issue_tokens(&ada, ALL), org.issue_tokens(&ben, ALL));
    org.expire_access_tokens_of(&ada);
    assert_eq!(userinfo(&org, &a.access_token).await.status, 403);
    assert_eq!(userinfo(&org, &b.access_token).await.status, 200);
    org.expire_access_tokens();
    assert_eq!(userinfo(&org, &b.access_token).await.status, 403);
    let again = support::refresh(&org, &b.refresh_token.unwrap()).await.json();
    assert_eq!(userinfo(&org, again["access_token"].as_str().unwrap()).await.status, 200);
    org.deactivate_user(&ben);
    assert_eq!(userinfo(&org, again["access_token"].as_str().unwrap()).await.status, 403);
    org.activate_user(&ben);
    org.revoke_all();
    assert!(org.live_refresh_tokens(&ben).is_empty() && org.live_access_tokens(&ben).is_empty());
}

/// Section 1.1: `URL_NOT_RESET` on the login host. Its status is unverified.
#[tokio::test]
async fn the_login_host_has_no_data() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), ALL).access_token;
    let url = format!("{}/services/data/v66.0/query?q=SELECT+Id+FROM+Account", org.login_url());
    let answer = send(http().get(url).bearer_auth(token)).await;
    assert_eq!(answer.error().0, "URL_NOT_RESET");
    assert!(answer.error().1.starts_with("Destination URL not reset"));
}

/// Section 7.1: retired and unknown versions.
#[tokio::test]
async fn versions_come_and_go() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    assert_eq!(api.get("/services/data/v67.0/limits").await.status, 200);
    assert_eq!(api.get("/services/data/v31.0/limits").await.status, 200);
    assert_eq!(api.get("/services/data/v30.0/limits").await.status, 410);
    for path in ["/services/data/v68.0/limits", "/services/data/66.0/limits", "/services/data/v66/limits"] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.error().0.as_str()), (404, "NOT_FOUND"), "{path}");
    }
}

/// Section 7.10: `api-usage=18/5000`, counted call by call; section 7.12: the limit.
#[tokio::test]
async fn the_limit_is_counted_and_enforced() {
    let org = FakeOrg::builder().api_limit(4).start().await.unwrap();
    let api = Api::of(&org);
    let versions = send(http().get(format!("{}/services/data/", org.instance_url()))).await;
    assert_eq!(versions.header("sforce-limit-info"), "", "Versions is not counted");
    for used in 1..=4 {
        let answer = api.get("/limits").await;
        assert_eq!(answer.header("sforce-limit-info"), format!("api-usage={used}/4"));
        assert_eq!(answer.json()["DailyApiRequests"]["Remaining"], 4 - used);
    }
    let over = api.get("/limits").await;
    assert_eq!(over.status, 403);
    assert_eq!(over.error(), ("REQUEST_LIMIT_EXCEEDED".into(), "TotalRequests Limit exceeded.".into()));
    assert_eq!(org.api_calls(), 5);
    org.set_api_limit(100);
    assert_eq!(api.get("/limits").await.status, 200);
}

/// Sections 7.2 and 7.11: 414 and 431 above 16,384 bytes.
#[tokio::test]
async fn long_requests_are_refused() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    assert_eq!(api.get(&format!("/query?q={}", "x".repeat(17_000))).await.status, 414);
    let request = http().get(api.url("/limits")).bearer_auth(&api.token).header("x-long", "x".repeat(16_300));
    assert_eq!(send(request).await.status, 431);
}
