//! Grants without a browser: client credentials, JWT bearer, token exchange; and those that a current org
//! refuses.
use crate::support::{ADA, ALL, Api, Response, http, send, token, token_at};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, SigningKey as _};
use salesforce_fake_org::{AppState, FakeOrg, PermittedUsers};
use serde_json::{Value, json};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A key and the PEM of its certificate.
pub(crate) fn key() -> (KeyPair, String) {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let pem = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
    (key, pem)
}

pub(crate) fn sign(key: &KeyPair, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({ "alg": "RS256" })), part(claims));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap()))
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

pub(crate) fn claims(org: &FakeOrg) -> Value {
    json!({ "iss": org.client_id(), "sub": ADA, "aud": org.login_url(), "exp": now() + 180 })
}

async fn bearer(org: &FakeOrg, assertion: &str) -> Response {
    let form = [("grant_type", JWT_BEARER), ("assertion", assertion)];
    send(http().post(format!("{}/services/oauth2/token", org.login_url())).form(&form)).await
}

async fn credentials(org: &FakeOrg, more: &[(&str, &str)]) -> Response {
    let fields: Vec<_> =
        [("grant_type", "client_credentials")].into_iter().chain(more.iter().copied()).collect();
    token_at(&org.instance_url(), org, &fields).await
}

#[track_caller]
fn refused(response: &Response, error: &str, description: &str) {
    assert_eq!(response.status, 400, "{response:?}");
    assert_eq!(response.error(), (error.to_owned(), description.to_owned()));
}

async fn works(org: &FakeOrg, access_token: &Value) -> bool {
    let mut api = Api::of(org);
    api.token = access_token.as_str().unwrap().to_owned();
    api.query("SELECT COUNT() FROM Account").await.status == 200
}

/// Section 5.1.
#[tokio::test]
async fn client_credentials_run_as_the_execution_user() {
    let org = FakeOrg::builder().execution_user(ADA).start().await.unwrap();
    let response = credentials(&org, &[]).await.json();
    assert!(response["id"].as_str().unwrap().ends_with(org.user(ADA).id()));
    assert!(response.get("refresh_token").is_none());
    assert!(!response["scope"].as_str().unwrap().contains("refresh_token"));
    assert!(works(&org, &response["access_token"]).await);
}

/// Section 5.1, the refusals.
#[tokio::test]
async fn client_credentials_are_refused_as_at_salesforce() {
    let org = FakeOrg::start().await.unwrap();
    refused(&credentials(&org, &[]).await, "invalid_grant", "no client credentials user enabled");
    org.set_execution_user(Some(ADA));
    refused(
        &token(&org, &[("grant_type", "client_credentials")]).await,
        "invalid_grant",
        "request not supported on this domain",
    );
    refused(
        &credentials(&org, &[("scope", "api")]).await,
        "invalid_request",
        "scope parameter not supported",
    );
    refused(
        &credentials(&org, &[("client_secret", "wrong")]).await,
        "invalid_client",
        "invalid client credentials",
    );
    org.set_permitted_users(PermittedUsers::AdminApproved(vec!["ben@example.com".into()]));
    refused(
        &credentials(&org, &[]).await,
        "invalid_app_access",
        "user is not admin approved to access this app",
    );
    let public = FakeOrg::builder().public_client().execution_user(ADA).start().await.unwrap();
    let response = credentials(&public, &[("client_secret", "")]).await;
    refused(&response, "invalid_client", "invalid client credentials");
    let only_full =
        FakeOrg::builder().scopes("full refresh_token").execution_user(ADA).start().await.unwrap();
    refused(&credentials(&only_full, &[]).await, "invalid_grant", "no valid scopes defined");
}

/// Section 5.2.
#[tokio::test]
async fn jwt_bearer_needs_an_approval() {
    let (key, pem) = key();
    let org = FakeOrg::builder().certificate(&pem).unwrap().start().await.unwrap();
    let assertion = sign(&key, &claims(&org));
    refused(&bearer(&org, &assertion).await, "invalid_grant", "user hasn't approved this consumer");
    let _ = org.issue_tokens(&org.user(ADA), "api id refresh_token");
    let response = bearer(&org, &assertion).await.json();
    let mut members: Vec<_> = response.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["access_token", "id", "instance_url", "scope", "token_type"]);
    assert!(works(&org, &response["access_token"]).await);
    org.revoke_all();
    refused(&bearer(&org, &assertion).await, "invalid_grant", "user hasn't approved this consumer");
    org.set_permitted_users(PermittedUsers::AdminApproved(vec![ADA.into()]));
    assert_eq!(bearer(&org, &assertion).await.status, 200, "pre-authorized");
    org.deactivate_user(&org.user(ADA));
    refused(&bearer(&org, &assertion).await, "inactive_user", "user is inactive");
}

/// Sections 2.7 and 5.2: each claim counts, and so does the key.
#[tokio::test]
async fn jwt_bearer_checks_every_claim() {
    let (key, pem) = key();
    let org = FakeOrg::builder()
        .certificate(&pem)
        .unwrap()
        .permitted_users(PermittedUsers::AdminApproved(vec![ADA.into()]))
        .site("portal")
        .start()
        .await
        .unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = claims(&org);
        claims[name] = value;
        sign(&key, &claims)
    };
    let site = org.site_url().unwrap();
    for aud in ["https://login.salesforce.com", "https://test.salesforce.com", &org.instance_url(), &site] {
        assert_eq!(bearer(&org, &with("aud", json!(aud))).await.status, 200, "{aud}");
    }
    for (assertion, error, description) in [
        (with("iss", json!("3MVG9other")), "invalid_client_id", "client identifier invalid"),
        (with("aud", json!("https://example.com")), "invalid_grant", "audience is invalid"),
        (with("exp", json!(now() - 1)), "invalid_grant", "invalid assertion"),
        (with("exp", Value::Null), "invalid_grant", "invalid assertion"),
        (with("sub", json!("unknown@example.com")), "invalid_grant", "user hasn't approved this consumer"),
        (with("sub", json!("ben@example.com")), "invalid_grant", "user hasn't approved this consumer"),
        (sign(&self::key().0, &claims(&org)), "invalid_grant", "invalid assertion"),
        ("a.b.c".into(), "invalid_grant", "invalid assertion"),
    ] {
        refused(&bearer(&org, &assertion).await, error, description);
    }
    let once = with("jti", json!("1"));
    assert_eq!(bearer(&org, &once).await.status, 200);
    refused(&bearer(&org, &once).await, "invalid_grant", "expired authorization code");
}

/// Section 2.5: `private_key_jwt` in place of the secret, at the token endpoint and at introspection.
#[tokio::test]
async fn an_assertion_can_stand_for_the_secret() {
    let (key, pem) = key();
    let org = FakeOrg::builder().certificate(&pem).unwrap().execution_user(ADA).start().await.unwrap();
    let claims = |audience: String| json!({ "iss": org.client_id(), "sub": org.client_id(), "aud": audience, "exp": now() + 60 });
    let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let good = sign(&key, &claims(format!("{}/services/oauth2/token", org.instance_url())));
    let none = [("client_id", ""), ("client_secret", ""), kind];
    let response = credentials(&org, &[&none[..], &[("client_assertion", good.as_str())]].concat()).await;
    assert_eq!(response.status, 200, "{response:?}");
    for bad in [
        sign(&self::key().0, &claims(org.instance_url())),
        sign(&key, &claims("https://example.com".into())),
        sign(
            &key,
            &json!({ "iss": org.client_id(), "sub": ADA, "aud": org.instance_url(), "exp": now() + 60 }),
        ),
    ] {
        let response = credentials(&org, &[&none[..], &[("client_assertion", bad.as_str())]].concat()).await;
        refused(&response, "invalid_client", "invalid client credentials");
    }
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    let form = [kind, ("client_assertion", &good), ("token", &tokens.access_token)];
    let url = format!("{}/services/oauth2/introspect", org.instance_url());
    assert_eq!(send(http().post(url).form(&form)).await.json()["active"], true);
}

/// Section 5.5.
#[tokio::test]
async fn token_exchange_asks_the_handler() {
    let exchange = async |org: &FakeOrg, subject: &str, kind: &str| {
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", subject),
            ("subject_token_type", kind),
        ];
        token_at(&org.instance_url(), org, &fields).await
    };
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    let off = FakeOrg::start().await.unwrap();
    refused(&exchange(&off, "theirs", kind).await, "unsupported_grant_type", "grant type not supported");
    let org = FakeOrg::builder().exchange_token("theirs", ADA).start().await.unwrap();
    let response = exchange(&org, "theirs", kind).await.json();
    assert!(response["id"].as_str().unwrap().ends_with(org.user(ADA).id()));
    assert!(response.get("refresh_token").is_none());
    refused(&exchange(&org, "unknown", kind).await, "invalid_request", "token handler validation failed");
    assert_eq!(exchange(&org, "theirs", "urn:example").await.error().0, "invalid_request");
}

/// Sections 5.3, 5.4 and 5.5: what a current org refuses.
#[tokio::test]
async fn old_flows_are_off() {
    let org = FakeOrg::start().await.unwrap();
    for (fields, error, description) in [
        (vec![("response_type", "device_code")], "invalid_grant", "device flow is not enabled for the app"),
        (
            vec![("grant_type", "device"), ("code", "x")],
            "invalid_grant",
            "device flow is not enabled for the app",
        ),
        (
            vec![("grant_type", "password"), ("username", ADA), ("password", "fake-org-1")],
            "invalid_grant",
            "authentication failure",
        ),
        (
            vec![("grant_type", "urn:ietf:params:oauth:grant-type:saml2-bearer"), ("assertion", "x")],
            "invalid_grant",
            "invalid assertion",
        ),
        (vec![("grant_type", "assertion")], "invalid_assertion_type", "assertion type not supported"),
        (vec![("grant_type", "implicit")], "unsupported_grant_type", "grant type not supported"),
    ] {
        refused(&token(&org, &fields).await, error, description);
    }
}

/// Sections 2.4 and 2.7: an app that the org does not let in.
#[tokio::test]
async fn apps_can_be_uninstalled_or_blocked() {
    let org = FakeOrg::start().await.unwrap();
    let refresh_token = org.issue_tokens(&org.user(ADA), ALL).refresh_token.unwrap();
    for (state, error, description) in [
        (AppState::Uninstalled, "invalid_client", "app must be installed into org"),
        (AppState::Blocked, "OAUTH_APP_BLOCKED", "this app is blocked by admin"),
    ] {
        org.set_app_state(state);
        refused(&crate::support::refresh(&org, &refresh_token).await, error, description);
        let back = crate::support::Browser::default().get(&crate::support::authorize_url(&org, &[])).await;
        assert_eq!(back.location_param("error").as_deref(), Some(error));
        assert_eq!(back.location_param("error_description").as_deref(), Some(description));
    }
    // Section 2.4: a page, from which the browser does not come back.
    org.set_app_state(AppState::Failing);
    let page = crate::support::Browser::default().get(&crate::support::authorize_url(&org, &[])).await;
    assert_eq!(page.header("location"), "");
    assert!(page.body.contains("OAUTH_APPROVAL_ERROR_GENERIC"), "{}", page.body);
    org.set_app_state(AppState::Installed);
    assert_eq!(crate::support::refresh(&org, &refresh_token).await.status, 200);
}
