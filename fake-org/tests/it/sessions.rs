//! Access tokens: sliding expiry, and the 401s and 403s around them.
use std::time::Duration;

use crate::support::{
    ADA, ALL, Api, Browser, Response, authorize_url, code, exchange, http, refresh, send, userinfo,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use salesforce_fake_org::{AccessTokens, FakeOrg, PermittedUsers};

fn error(code: &str, message: &str) -> (u16, (String, String)) {
    (401, (code.to_owned(), message.to_owned()))
}

fn of(response: &Response) -> (u16, (String, String)) {
    (response.status, response.error())
}

/// Section 3.6: two hours of inactivity; each request resets the timer.
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
    let response = send(http().get(&url).header("authorization", format!("OAuth {token}"))).await;
    assert_eq!(response.status, 200);
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
    let again = crate::support::refresh(&org, &b.refresh_token.unwrap()).await.json();
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
    let response = send(http().get(url).bearer_auth(token)).await;
    assert_eq!(response.error().0, "URL_NOT_RESET");
    assert!(response.error().1.starts_with("Destination URL not reset"));
}

/// Section 7.1: retired and unknown versions.
#[tokio::test]
async fn versions_come_and_go() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    for version in [67, 68] {
        let response = api.get(&format!("/services/data/v{version}.0/limits")).await;
        assert_eq!((response.status, response.header("warning")), (200, ""));
    }
    assert_eq!(api.get("/services/data/v31.0/limits").await.status, 200);
    assert_eq!(api.get("/services/data/v30.0/limits").await.status, 410);
    for path in ["/services/data/v69.0/limits", "/services/data/66.0/limits", "/services/data/v66/limits"] {
        let response = api.get(path).await;
        assert_eq!((response.status, response.error().0.as_str()), (404, "NOT_FOUND"), "{path}");
    }
}

/// An org whose release is older, and Salesforce's warning (REST: Warning Header).
#[tokio::test]
async fn a_release_brings_a_version_and_old_ones_get_a_warning() {
    let org = FakeOrg::builder().newest_version(67).deprecated_below(41).start().await.unwrap();
    let api = Api::of(&org);
    assert_eq!(api.get("/services/data/v68.0/limits").await.status, 404);
    let listed = send(http().get(format!("{}/services/data/", org.instance_url()))).await.json();
    assert_eq!(listed.as_array().unwrap().last().unwrap()["version"], "67.0");
    let old = api.get("/services/data/v40.0/limits").await;
    assert!(old.header("warning").starts_with("299 - \"This API is deprecated"), "{old:?}");
    assert_eq!(api.get("/services/data/v41.0/limits").await.header("warning"), "");
}

/// Section 7.10: `api-usage=18/5000`, counted call by call; section 7.12: the limit.
#[tokio::test]
async fn the_limit_is_counted_and_enforced() {
    let org = FakeOrg::builder().api_limit(4).start().await.unwrap();
    let api = Api::of(&org);
    let versions = send(http().get(format!("{}/services/data/", org.instance_url()))).await;
    assert_eq!(versions.header("sforce-limit-info"), "", "Versions is not counted");
    for used in 1..=4 {
        let response = api.get("/limits").await;
        assert_eq!(response.header("sforce-limit-info"), format!("api-usage={used}/4"));
        assert_eq!(response.json()["DailyApiRequests"]["Remaining"], 4 - used);
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

/// Section 3.5: JWT-based access tokens carry their claims, end at their own time however much they are used, and are
/// signed by a key of the My Domain.
#[tokio::test]
async fn jwt_access_tokens_do_not_slide() {
    let life = Duration::from_secs(600);
    let org = FakeOrg::builder().access_tokens(AccessTokens::Jwt(life)).start().await.unwrap();
    let response = exchange(&org, &code(&org, &[]).await).await.json();
    assert_eq!(response["token_format"], "jwt");
    let token = response["access_token"].as_str().unwrap().to_owned();
    let part = |i: usize| -> serde_json::Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(i).unwrap()).unwrap()).unwrap()
    };
    let (header, claims) = (part(0), part(1));
    let number = |name: &str| claims[name].as_i64().unwrap();
    assert_eq!(claims["iss"], org.instance_url());
    assert_eq!(claims["aud"][0], org.instance_url());
    assert_eq!(claims["sub"], format!("uid:{}", org.user(ADA).id()));
    assert_eq!((number("exp") - number("iat"), number("iat") - number("nbf")), (600, 15));
    let keys = send(http().get(format!("{}/id/keys", org.instance_url()))).await.json();
    assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]));

    let api = Api { token: token.clone(), ..Api::of(&org) };
    org.advance(Duration::from_secs(500));
    assert_eq!(api.get("/limits").await.status, 200);
    org.advance(Duration::from_secs(200));
    let refused = api.get("/limits").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.error(), ("INVALID_AUTH_HEADER".into(), "INVALID_JWT_FORMAT".into()));
    let again = refresh(&org, response["refresh_token"].as_str().unwrap()).await.json();
    assert!(again["access_token"].as_str().unwrap().starts_with("eyJ"));
}

/// Section 3.2: the developer's idle limit is over the admin's "until revoked", and the allowlist is over both.
#[tokio::test]
async fn the_developers_controls_are_over_the_admins_policy() {
    let org = FakeOrg::start().await.unwrap();
    let month = Duration::from_secs(30 * 86_400);
    org.set_idle_ttl_limit(Some(month));
    let token = org.issue_tokens(&org.user(ADA), ALL).refresh_token.unwrap();
    org.set_ip_restricted(true);
    assert_eq!(refresh(&org, &token).await.error(), ("invalid_grant".into(), "ip restricted".into()));
    let code = code(&org, &[]).await;
    assert_eq!(exchange(&org, &code).await.error().1, "ip restricted");
    org.set_ip_restricted(false);
    org.advance(month - Duration::from_secs(60));
    let token = refresh(&org, &token).await.json()["refresh_token"].as_str().unwrap().to_owned();
    org.advance(month + Duration::from_secs(1));
    assert_eq!(refresh(&org, &token).await.error().1, "expired access/refresh token");
}

/// Section 2.4: admin approved users need no consent, others get nowhere.
#[tokio::test]
async fn permitted_users_are_let_in_without_consent() {
    let org = FakeOrg::start().await.unwrap();
    org.set_permitted_users(PermittedUsers::AdminApproved(vec![ADA.into()]));
    for (name, error) in [(ADA, None), ("ben@example.com", Some("invalid_app_access"))] {
        let browser = Browser::default();
        let login = browser.get(&authorize_url(&org, &[])).await;
        let back = browser.log_in(&org, &login, name, "fake-org-1").await;
        assert_eq!(back.location_param("error").as_deref(), error, "{name}: {back:?}");
        assert_eq!(back.location_param("code").is_some(), error.is_none());
    }
}

/// Section 2.7: more logins than an hour may have.
#[tokio::test]
async fn logins_are_limited_by_the_hour() {
    let org = FakeOrg::start().await.unwrap();
    org.set_login_limit(1);
    assert_eq!(exchange(&org, &code(&org, &[]).await).await.status, 200);
    let refused = exchange(&org, &code(&org, &[]).await).await;
    assert_eq!(refused.error(), ("rate_limit_exceeded".into(), "number of logins exceeded".into()));
    org.advance(Duration::from_secs(3_600));
    assert_eq!(exchange(&org, &code(&org, &[]).await).await.status, 200);
}
