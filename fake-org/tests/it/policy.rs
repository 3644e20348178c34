//! `/fake/policy`: what the app's developer and the org's admin decide, switched over HTTP.
use crate::grants::{claims, key, sign};
use crate::support::{
    ADA, ALL, Api, Browser, CALLBACK, Response, authorize_url, code, exchange, http, refresh, send, token,
    token_at,
};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

async fn show(org: &FakeOrg) -> Value {
    send(http().get(format!("{}/fake/policy", org.login_url()))).await.json()
}

async fn set(org: &FakeOrg, policy: Value) -> Response {
    send(http().post(format!("{}/fake/policy", org.login_url())).json(&policy)).await
}

/// The settings that the README's table names, with the value in its second column.
fn documented() -> Vec<(String, Value)> {
    let readme = include_str!("../../README.md");
    let after = readme.split("## Policies").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = after.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, rest) = row.split_once("` | `").unwrap_or_else(|| panic!("{row}"));
        let value = rest.split("` |").next().unwrap();
        (
            name.to_owned(),
            serde_json::from_str(value).unwrap_or_else(|error| panic!("{name}: {error}: {value}")),
        )
    })
    .collect()
}

/// The README names every setting, no other, and shows what each is at the start.
#[tokio::test]
async fn the_readme_names_every_setting() {
    let org = FakeOrg::start().await.unwrap();
    let policy = show(&org).await;
    let documented = documented();
    assert_eq!(policy.as_object().unwrap().len(), documented.len());
    for (name, value) in documented {
        assert_eq!(policy.get(&name), Some(&value), "{name}");
    }
}

/// Each changes alone, is shown afterwards, and goes back with a reset.
#[tokio::test]
async fn every_setting_changes_alone() {
    let org = FakeOrg::start().await.unwrap();
    let before = show(&org).await;
    let changes = json!({
        "rotation": false,
        "refresh_policy": { "idle_seconds": 3600 },
        "idle_ttl_limit_seconds": 60,
        "session_ttl_seconds": 900,
        "access_tokens": { "jwt_seconds": 900 },
        "permitted_users": { "admin_approved": [ADA] },
        "app_state": "blocked",
        "org_locked": true,
        "my_domain_login_only": true,
        "my_domain_api_login_only": true,
        "execution_user": ADA,
        "ip_restricted": true,
        "login_limit": 3,
        "parallel_refresh": "already_processing",
        "pkce_required": false,
        "user_agent_flow": false,
        "code_credentials_post_only": true,
        "secret_required": false,
        "refresh_secret_required": false,
        "rotated_credentials": { "client_id": "3MVG9Rotated", "client_secret": "R0TATED" },
        "first_credentials": "invalid_client",
        "scopes": ["api"],
        "redirect_uris": [CALLBACK],
        "certificate": null,
        "exchange_tokens": [{ "token": "theirs", "username": ADA }],
        "exchange_handler": "Portal",
        "custom_permissions": ["Export"],
        "id_token_auth_age_seconds": 30,
        "is_sandbox": true,
        "custom_attributes": { "team": "north" },
        "mobile_policy": { "screen_lock": 10, "pin_length": 4 },
        "single_logout_url": "https://app.example.com/slo",
        "canvas_url": "https://app.example.com/canvas",
        "canvas_oauth": true,
        "cors_origins": ["https://spa.example.com"],
        "cors_for_oauth": true,
        "page_size": 5,
        "compress": false,
        "api_limit": 9,
        "newest_version": 67,
        "deprecated_below": 41,
        "bulk_delay_ms": 0,
        "old_instance": { "redirect": 307 },
        "refresh_redirect": 302,
        "refresh_redirect_loop": true,
        "refresh_response_without": ["instance_url"],
        "token_errors": { "refresh_token": { "error": "inactive_user", "description": "user is inactive" } },
        "permitted_users_on_refresh": true,
        "callback_issuer": { "url": "https://login.example.com" },
        "duplicate_callback": true,
        "api_access": "ip_locked",
        "language": "de",
        "date_skew_seconds": -300,
        "instance_path": "/portal",
        "cursor_limit": 10,
        "child_cursors_end": true,
        "vanishing_rows": 1,
        "total_size_drift": -1,
        "declined_queries": ["LIKE '%union%'"],
        "failed_results": "no_content",
        "bulk_read_timeout_ms": 5000,
    });
    assert_eq!(changes.as_object().unwrap().len(), before.as_object().unwrap().len(), "all of them");
    let mut now = before.clone();
    for (name, value) in changes.as_object().unwrap() {
        now[name] = value.clone();
        let response = set(&org, json!({ name: value })).await;
        assert_eq!((response.status, response.json()), (200, now.clone()), "{name}");
        assert_eq!(show(&org).await, now, "{name}");
    }
    org.reset().unwrap();
    assert_eq!(show(&org).await, before);
    // The other words that there are.
    for (name, value) in [
        ("refresh_policy", json!("never")),
        ("refresh_policy", json!({ "lifetime_seconds": 86400 })),
        ("refresh_policy", json!("until_revoked")),
        ("app_state", json!("uninstalled")),
        ("app_state", json!("failing")),
        ("parallel_refresh", json!("expired_code")),
        ("first_credentials", json!("invalid_client_id")),
        ("first_credentials", json!("accepted")),
    ] {
        assert_eq!(set(&org, json!({ name: value })).await.json()[name], value);
    }
}

/// What is wrong is named, and nothing changes then, not even what is right beside it.
#[tokio::test]
async fn a_wrong_setting_is_named_and_changes_nothing() {
    let org = FakeOrg::start().await.unwrap();
    let before = show(&org).await;
    for (policy, named) in [
        (json!({ "rotation": false, "rotatoin": true }), "`rotatoin`"),
        (json!({ "rotation": "off" }), "rotation:"),
        (json!({ "pkce_required": false, "session_ttl_seconds": -1 }), "session_ttl_seconds:"),
        (json!({ "session_ttl_seconds": 0 }), "session_ttl_seconds:"),
        (json!({ "session_ttl_seconds": null }), "session_ttl_seconds:"),
        (json!({ "refresh_policy": { "idle_days": 3 } }), "refresh_policy:"),
        (json!({ "refresh_policy": { "idle_seconds": 0 } }), "refresh_policy:"),
        (json!({ "access_tokens": "jwt_seconds" }), "access_tokens:"),
        (json!({ "permitted_users": { "admin_approved": ADA } }), "permitted_users:"),
        (json!({ "app_state": "gone" }), "app_state:"),
        (json!({ "login_limit": 1.5 }), "login_limit:"),
        (json!({ "page_size": 0 }), "page_size:"),
        (json!({ "certificate": "-----BEGIN CERTIFICATE-----" }), "certificate:"),
        (json!({ "canvas_url": "canvas" }), "canvas_url:"),
        (json!({ "redirect_uris": ["callback"] }), "redirect_uris:"),
        (json!({ "exchange_tokens": [{ "token": "t", "user": ADA }] }), "exchange_tokens:"),
        (json!({ "idle_ttl_limit_seconds": 0 }), "idle_ttl_limit_seconds:"),
        (json!([]), "expected an object"),
    ] {
        let response = set(&org, policy.clone()).await;
        assert_eq!(response.status, 400, "{policy}");
        let error = response.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(named), "{policy}: {error}");
        assert_eq!(show(&org).await, before, "{policy}");
    }
}

/// In Rust they have the same names, before the start and after it; a reset goes back to what the builder had.
#[tokio::test]
async fn settings_have_their_names_in_rust_too() {
    let builder = FakeOrg::builder().policy(&json!({ "rotation": false, "login_limit": 9 })).unwrap();
    let org = builder.start().await.unwrap();
    org.set_policy(&json!({ "rotation": true, "canvas_url": "https://app.example.com/" })).unwrap();
    let policy = show(&org).await;
    assert_eq!((&policy["rotation"], &policy["login_limit"]), (&json!(true), &json!(9)));
    assert_eq!(policy["canvas_url"], "https://app.example.com/");
    for (wrong, named) in [
        (json!({ "rotatoin": true }), "rotatoin"),
        (json!([]), "object"),
        (json!({ "page_size": 0 }), "page_size"),
    ] {
        let shown = org.set_policy(&wrong).unwrap_err().to_string();
        assert!(shown.contains(named), "{shown}");
        assert!(FakeOrg::builder().policy(&wrong).is_err(), "{wrong}");
    }
    assert_eq!(show(&org).await, policy);
    org.reset().unwrap();
    assert_eq!(show(&org).await["rotation"], false);
}

/// They do what the handle's methods do: a sample of each kind, seen from outside.
#[tokio::test]
async fn settings_take_effect() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = exchange(&org, &code(&org, &[]).await).await.json();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    set(&org, json!({ "rotation": false })).await;
    assert!(refresh(&org, &text("refresh_token")).await.json().get("refresh_token").is_none());
    set(&org, json!({ "refresh_policy": "never" })).await;
    assert_eq!(refresh(&org, &text("refresh_token")).await.error().1, "expired access/refresh token");
    set(&org, json!({ "refresh_policy": "until_revoked", "ip_restricted": true })).await;
    assert_eq!(refresh(&org, &text("refresh_token")).await.error().1, "ip restricted");
    set(&org, json!({ "ip_restricted": false, "session_ttl_seconds": 60 })).await;
    let short =
        refresh(&org, &text("refresh_token")).await.json()["access_token"].as_str().unwrap().to_owned();
    org.advance(std::time::Duration::from_secs(61));
    assert_eq!(crate::support::userinfo(&org, &short).await.status, 403);
    set(&org, json!({ "access_tokens": { "jwt_seconds": 600 } })).await;
    let jwt = refresh(&org, &text("refresh_token")).await.json();
    assert_eq!(jwt["token_format"], "jwt");

    set(&org, json!({ "scopes": ["api", "web"], "secret_required": false, "access_tokens": "opaque" })).await;
    let back = Browser::default().get(&authorize_url(&org, &[("scope", "api id")])).await;
    assert_eq!(back.location_param("error").as_deref(), Some("invalid_scope"));
    let code = code(&org, &[("scope", "api")]).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_secret", ""),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", crate::support::VERIFIER),
    ];
    assert_eq!(token(&org, &fields).await.status, 200);

    set(&org, json!({ "execution_user": ADA, "secret_required": true })).await;
    let credentials = token_at(&org.instance_url(), &org, &[("grant_type", "client_credentials")]).await;
    assert_eq!(credentials.status, 200, "{credentials:?}");
    set(&org, json!({ "redirect_uris": ["https://app.example.com/callback"] })).await;
    let page = Browser::default().get(&authorize_url(&org, &[])).await;
    assert!(page.body.contains("redirect_uri_mismatch"));

    set(&org, json!({ "page_size": 3, "api_limit": 2 })).await;
    let api = Api::of(&org);
    assert_eq!(api.query("SELECT Id FROM Account").await.json()["records"].as_array().unwrap().len(), 3);
    api.get("/limits").await;
    assert_eq!(api.get("/limits").await.error().0, "REQUEST_LIMIT_EXCEEDED");
}

/// Sections 2.4 and 2.7: logins to a locked org fail.
#[tokio::test]
async fn logins_to_a_locked_org_fail() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let refresh_token = org.issue_tokens(&org.user(ADA), ALL).refresh_token.unwrap();
    let expected = ("inactive_org".to_owned(), "organization is locked, closed, or suspended".to_owned());
    org.set_org_locked(true);
    assert_eq!(refresh(&org, &refresh_token).await.error(), expected);
    let back = Browser::default().get(&authorize_url(&org, &[])).await;
    assert_eq!(back.location_param("error").as_ref(), Some(&expected.0));
    assert_eq!(back.location_param("error_description").as_ref(), Some(&expected.1));
    org.set_org_locked(false);
    assert_eq!(refresh(&org, &refresh_token).await.status, 200);
}

/// Section 1.1: an org can insist on its My Domain, for users and for logins without a browser.
#[tokio::test]
async fn the_shared_login_host_can_be_closed() {
    let (key, pem) = key();
    let org = FakeOrg::builder().certificate(&pem).unwrap().site("portal").start().await.unwrap();
    let _ = org.issue_tokens(&org.user(ADA), ALL);
    let assertion = sign(&key, &claims(&org));
    let (domain, site) = (org.instance_url(), org.site_url().unwrap());
    let unattended = async |origin: &str| {
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.as_str()),
        ];
        token_at(origin, &org, &fields).await
    };
    // Whether the consent comes after the login form.
    let by_form = async |origin: &str| {
        let browser = Browser::default();
        let page = browser.get(&authorize_url(&org, &[]).replace(&org.login_url(), origin)).await;
        let action = crate::support::attribute(&page.body, "<form", "action");
        let request = crate::support::attribute(&page.body, "name=\"request\"", "value");
        let host = if origin == domain { domain.clone() } else { org.login_url() };
        let form = [("request", request.as_str()), ("username", ADA), ("pw", "fake-org-1")];
        browser.post(&format!("{host}{action}"), &form).await.status == 303
    };
    org.set_my_domain_only(false, true);
    assert_eq!(unattended(&org.login_url()).await.error().1, "request not supported on this domain");
    assert_eq!(unattended(&domain).await.status, 200);
    assert_eq!(unattended(&site).await.status, 200, "a site is a separate host");
    assert!(by_form(&org.login_url()).await);

    org.set_my_domain_only(true, false);
    assert_eq!(unattended(&org.login_url()).await.status, 200);
    assert!(!by_form(&org.login_url()).await);
    assert!(by_form(&domain).await);
    assert!(by_form(&site).await);
}

/// Section 3.1: `isSecretRequiredForRefreshToken`; a secret that is sent is validated all the same.
#[tokio::test]
async fn a_refresh_may_need_no_secret() {
    let org = FakeOrg::start().await.unwrap();
    org.set_rotation(false);
    let token = org.issue_tokens(&org.user(ADA), ALL).refresh_token.unwrap();
    let send_request = async |grant_type: &str, secret: &str| {
        let fields =
            [("grant_type", grant_type), ("refresh_token", &token), ("client_secret", secret), ("code", "x")];
        crate::support::token(&org, &fields).await
    };
    let refused = ("invalid_client".to_owned(), "invalid client credentials".to_owned());
    assert_eq!(send_request("refresh_token", "").await.error(), refused);
    set(&org, json!({ "refresh_secret_required": false })).await;
    assert_eq!(send_request("refresh_token", "").await.status, 200);
    assert_eq!(send_request("refresh_token", "wrong").await.error(), refused);
    assert_eq!(send_request("authorization_code", "").await.error(), refused, "only a refresh");
}

/// Section 1.2 and Help, "CORS for OAuth Endpoints": who may read what from a page of another origin.
#[tokio::test]
async fn pages_of_allowed_origins_may_read() {
    let spa = "https://spa.example.com";
    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    let api = Api::of(&org);
    let readable = async |url: String, origin: &str| {
        let response = send(http().get(url).header("origin", origin).bearer_auth(&api.token)).await;
        response.header("access-control-allow-origin").to_owned()
    };
    let (login, domain, site) = (org.login_url(), org.instance_url(), org.site_url().unwrap());
    let userinfo = format!("{domain}/services/oauth2/userinfo");
    let data = format!("{domain}/services/data/v66.0/limits");
    let pair = |host: &str| format!("{host}/services/oauth2/pkce/generator");
    for url in [userinfo.clone(), data.clone(), pair(&domain)] {
        assert_eq!(readable(url, spa).await, "", "no origin at the start");
    }
    assert_eq!(readable(format!("{login}/id/keys"), spa).await, "*");
    set(&org, json!({ "cors_origins": [spa] })).await;
    for url in [userinfo.clone(), data.clone()] {
        assert_eq!(readable(url.clone(), spa).await, spa);
        assert_eq!(readable(url, "https://spa.example.com.evil.example").await, "");
    }
    assert_eq!(readable(pair(&domain), spa).await, "");
    set(&org, json!({ "cors_for_oauth": true })).await;
    assert_eq!(readable(pair(&domain), spa).await, spa);
    assert_eq!(readable(pair(&site), spa).await, spa);
    assert_eq!(readable(pair(&login), spa).await, "", "not at the shared login host");
    assert_eq!(readable(pair(&domain), "https://other.example.com").await, "");

    let send_request = http().request(reqwest::Method::OPTIONS, &data).header("origin", spa);
    let send_request = send_request.header("access-control-request-method", "PATCH");
    let response =
        send(send_request.header("access-control-request-headers", "authorization,content-type")).await;
    assert_eq!(response.status, 200);
    assert!(response.header("access-control-allow-methods").contains("PATCH"), "{response:?}");
    assert_eq!(response.header("access-control-allow-headers"), "authorization,content-type");
    assert_eq!((response.header("access-control-allow-origin"), response.header("vary")), (spa, "Origin"));
}
