//! What real orgs do now and then with logins and tokens, as settings that stay.

use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

use crate::support::{
    ADA, ALL, Api, Browser, Response, authorize_url, code, exchange, http, refresh, send, token_at, userinfo,
};

async fn set(org: &FakeOrg, policy: Value) {
    let response = send(http().post(format!("{}/fake/policy", org.login_url())).json(&policy)).await;
    assert_eq!(response.status, 200, "{policy}: {}", response.body);
}

fn tokens(org: &FakeOrg) -> (String, String) {
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    (tokens.access_token, tokens.refresh_token.unwrap())
}

/// A data request with a token at an origin.
async fn limits(origin: &str, token: &str) -> Response {
    send(http().get(format!("{origin}/services/data/v66.0/limits?a=b%20c")).bearer_auth(token)).await
}

#[tokio::test]
async fn the_old_instance_rejects_or_redirects_as_set() {
    let org = FakeOrg::start().await.unwrap();
    let old = org.instance_url();
    let (token, _) = tokens(&org);
    for policy in
        [json!("invalid_session"), json!("not_found"), json!("url_not_reset"), json!({ "redirect": 308 })]
    {
        set(&org, json!({ "old_instance": policy })).await;
        assert_eq!(limits(&old, &token).await.status, 200, "before the move: {policy}");
    }
    org.move_instance();
    let new = org.instance_url();
    assert_ne!(new, old);
    for status in [301, 302, 307, 308] {
        set(&org, json!({ "old_instance": { "redirect": status } })).await;
        for _ in 0..2 {
            let response = limits(&old, &token).await;
            assert_eq!(response.status, status);
            assert_eq!(response.header("location"), format!("{new}/services/data/v66.0/limits?a=b%20c"));
        }
        let apex = send(http().get(format!("{old}/services/apexrest/x")).bearer_auth(&token)).await;
        assert_eq!(apex.status, status);
    }
    set(&org, json!({ "old_instance": "not_found" })).await;
    let response = limits(&old, &token).await;
    assert_eq!((response.status, response.header("content-type")), (404, "text/html;charset=UTF-8"));
    assert!(response.body.contains("URL No Longer Exists"), "{}", response.body);
    set(&org, json!({ "old_instance": "url_not_reset" })).await;
    let response = limits(&old, &token).await;
    assert_eq!((response.status, response.error().0.as_str()), (400, "URL_NOT_RESET"));
    set(&org, json!({ "old_instance": "invalid_session" })).await;
    assert_eq!(limits(&old, &token).await.status, 401);
    assert_eq!(limits(&new, &token).await.status, 200, "the new instance serves");
    for wrong in [json!({ "redirect": 200 }), json!("gone")] {
        assert!(org.set_policy(&json!({ "old_instance": wrong })).is_err());
    }
}

/// The request is not processed: the token does not rotate.
#[tokio::test]
async fn the_login_host_redirects_refreshes() {
    let org = FakeOrg::start().await.unwrap();
    let (_, token) = tokens(&org);
    let my_domain = format!("{}/services/oauth2/token", org.instance_url());
    for status in [301, 302, 303, 307, 308] {
        set(&org, json!({ "refresh_redirect": status })).await;
        let response = refresh(&org, &token).await;
        assert_eq!((response.status, response.header("location")), (status, my_domain.as_str()));
    }
    // Other grants are not moved.
    let login = exchange(&org, &code(&org, &[]).await).await;
    assert_eq!(login.status, 200);
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let moved = token_at(&org.instance_url(), &org, &fields).await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    let token = moved.json()["refresh_token"].as_str().unwrap().to_owned();
    set(&org, json!({ "refresh_redirect_loop": true })).await;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    assert_eq!(token_at(&org.instance_url(), &org, &fields).await.status, 308);
    set(&org, json!({ "refresh_redirect": null })).await;
    assert_eq!(refresh(&org, &token).await.status, 200);
    assert!(org.set_policy(&json!({ "refresh_redirect": 200 })).is_err());
}

#[tokio::test]
async fn valid_tokens_are_rejected_by_policy() {
    let org = FakeOrg::start().await.unwrap();
    let (access, token) = tokens(&org);
    let rejections = [
        ("ip_locked", 401, "INVALID_SESSION_ID"),
        ("missing_scope", 401, "INVALID_SESSION_ID"),
        ("access_control", 401, "INVALID_SESSION_ID"),
        ("expired_password", 403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD"),
        ("mfa_required", 403, "MFA_REQUIRED"),
        ("terms_required", 403, "TERMS_OF_USE_REQUIRED"),
        ("disabled", 403, "API_DISABLED_FOR_ORG"),
    ];
    let mut token = token;
    for (policy, status, error) in rejections {
        set(&org, json!({ "api_access": policy })).await;
        let refreshed = refresh(&org, &token).await.json();
        token = refreshed["refresh_token"].as_str().unwrap().to_owned();
        // A new token is rejected as the old one is.
        for access in [&access, refreshed["access_token"].as_str().unwrap()] {
            let response = limits(&org.instance_url(), access).await;
            assert_eq!((response.status, response.error().0.as_str()), (status, error), "{policy}");
        }
        let locked = policy == "ip_locked";
        assert_eq!(userinfo(&org, &access).await.status, if locked { 403 } else { 200 }, "{policy}");
    }
    set(&org, json!({ "api_access": "missing_scope" })).await;
    let message = limits(&org.instance_url(), &access).await.error().1;
    assert_eq!(message, "This session is not valid for use with the REST API");
    set(&org, json!({ "api_access": "allowed" })).await;
    assert_eq!(limits(&org.instance_url(), &access).await.status, 200);
}

#[tokio::test]
async fn responses_to_refreshes_lack_members() {
    let org = FakeOrg::start().await.unwrap();
    let (_, token) = tokens(&org);
    set(&org, json!({ "refresh_response_without": ["instance_url", "id", "scope"] })).await;
    let mut token = token;
    for _ in 0..2 {
        let response = refresh(&org, &token).await.json();
        for member in ["instance_url", "id", "scope"] {
            assert_eq!(response.get(member), None, "{member}");
        }
        assert!(response["access_token"].is_string());
        token = response["refresh_token"].as_str().unwrap().to_owned();
    }
    let login = exchange(&org, &code(&org, &[]).await).await.json();
    assert!(login["instance_url"].is_string() && login["id"].is_string(), "{login}");
}

/// In Salesforce's words, for every reason; nothing changes meanwhile.
#[tokio::test]
async fn token_requests_fail_as_set() {
    let org = FakeOrg::start().await.unwrap();
    let (_, token) = tokens(&org);
    for (error, description) in [
        ("inactive_user", "user is inactive"),
        ("inactive_org", "organization is locked, closed, or suspended"),
        ("OAUTH_APP_BLOCKED", "this app is blocked by admin"),
        ("app_blocked", ""),
        ("invalid_app_access", "user is not admin approved to access this app"),
        ("invalid_grant", "ip restricted or invalid login hours"),
    ] {
        set(
            &org,
            json!({ "token_errors": { "refresh_token": { "error": error, "description": description } } }),
        )
        .await;
        for _ in 0..2 {
            let response = refresh(&org, &token).await;
            assert_eq!(response.status, 400);
            assert_eq!(response.error(), (error.to_owned(), description.to_owned()));
        }
    }
    let other = json!({ "token_errors": { "authorization_code": { "error": "invalid_grant", "description": "authentication failure" } } });
    set(&org, other).await;
    let login = exchange(&org, &code(&org, &[]).await).await;
    assert_eq!(login.error().1, "authentication failure");
    assert_eq!(refresh(&org, &token).await.status, 200, "the token is still the valid one");
}

#[tokio::test]
async fn refreshes_need_the_approval_of_an_admin() {
    let org = FakeOrg::start().await.unwrap();
    let (_, token) = tokens(&org);
    set(&org, json!({ "permitted_users": { "admin_approved": ["ben@example.com"] } })).await;
    let response = refresh(&org, &token).await;
    assert_eq!(response.status, 200, "issued tokens stay valid by default");
    let token = response.json()["refresh_token"].as_str().unwrap().to_owned();
    set(&org, json!({ "permitted_users_on_refresh": true })).await;
    let response = refresh(&org, &token).await;
    assert_eq!(
        response.error(),
        ("invalid_app_access".into(), "user is not admin approved to access this app".into())
    );
    set(&org, json!({ "permitted_users": { "admin_approved": [ADA] } })).await;
    assert_eq!(refresh(&org, &token).await.status, 200);
}

#[tokio::test]
async fn callbacks_name_an_issuer() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let issuer = async || Browser::default().get(&authorize_url(&org, &[])).await.location_param("iss");
    assert_eq!(issuer().await, None);
    set(&org, json!({ "callback_issuer": "login_host" })).await;
    assert_eq!(issuer().await, Some(org.login_url()));
    set(&org, json!({ "callback_issuer": "my_domain" })).await;
    assert_eq!(issuer().await, Some(org.instance_url()));
    set(&org, json!({ "callback_issuer": { "url": "https://evil.example" } })).await;
    assert_eq!(issuer().await, Some("https://evil.example".into()));
    // An error is a callback, too.
    let denied = Browser::default().get(&authorize_url(&org, &[("scope", "no_such_scope")])).await;
    assert_eq!(denied.location_param("iss"), Some("https://evil.example".into()));
}

#[tokio::test]
async fn browsers_send_the_callback_twice() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    set(&org, json!({ "duplicate_callback": true })).await;
    for _ in 0..2 {
        let page = Browser::default().get(&authorize_url(&org, &[])).await;
        assert_eq!((page.status, page.header("location")), (200, ""));
        let frame = crate::support::attribute(&page.body, "<iframe", "src");
        let next = crate::support::attribute(&page.body, "http-equiv=\"refresh\"", "content");
        assert_eq!(next, format!("1;url={frame}"));
        let code = url::Url::parse(&frame).unwrap();
        assert!(code.query_pairs().any(|(name, _)| name == "code"), "{frame}");
    }
    set(&org, json!({ "duplicate_callback": false })).await;
    assert_eq!(Browser::default().get(&authorize_url(&org, &[])).await.status, 302);
}

#[tokio::test]
async fn messages_are_in_the_users_language() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    for (language, message) in [
        ("de", "Sitzung abgelaufen oder ungültig"),
        ("fr", "Session expirée ou non valide"),
        ("ja", "セッションの期限が切れているか無効です"),
        ("en_US", "Session expired or invalid"),
    ] {
        set(&org, json!({ "language": language })).await;
        let response = limits(&org.instance_url(), "00D000000000001!none").await;
        assert_eq!(response.error(), ("INVALID_SESSION_ID".into(), message.into()));
        let found = api.get("/sobjects/Account/001000000000000AAA").await;
        assert_eq!((found.status, found.error().0.as_str()), (404, "NOT_FOUND"));
        assert_eq!(found.error().1 == "The requested resource does not exist", language == "en_US");
        assert_eq!(userinfo(&org, &api.token).await.json()["language"], language);
    }
    assert!(org.set_policy(&json!({ "language": "tlh" })).is_err());
}

#[tokio::test]
async fn the_date_is_off() {
    let org = FakeOrg::start().await.unwrap();
    let (_, token) = tokens(&org);
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut token = token;
    for skew in [-300_i64, 300, 0] {
        set(&org, json!({ "date_skew_seconds": skew })).await;
        for _ in 0..2 {
            let response = refresh(&org, &token).await;
            token = response.json()["refresh_token"].as_str().unwrap().to_owned();
            let date = httpdate::parse_http_date(response.header("date")).unwrap();
            let date = date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            assert!(date.checked_add_signed(-skew).unwrap().abs_diff(now()) < 10, "{skew}: {date}");
        }
    }
}
