//! Every body the org serves, against the sample of its section in the protocol page: the same members, each of
//! the same type.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};
use support::shape::same_shape;
use support::{ADA, ALL, Api, code, exchange, http, refresh, send, token, userinfo};

const URLS: [&str; 17] = [
    "enterprise",
    "metadata",
    "partner",
    "rest",
    "sobjects",
    "search",
    "query",
    "recent",
    "tooling_soap",
    "tooling_rest",
    "profile",
    "feeds",
    "groups",
    "users",
    "feed_items",
    "feed_elements",
    "custom_domain",
];

fn urls() -> Value {
    URLS.iter().map(|name| ((*name).to_owned(), json!("https://…"))).collect::<serde_json::Map<_, _>>().into()
}

/// Section 1.3.
#[tokio::test]
async fn openid_configuration() {
    let org = FakeOrg::start().await.unwrap();
    let sample = json!({
        "issuer": "", "authorization_endpoint": "", "token_endpoint": "", "revocation_endpoint": "",
        "userinfo_endpoint": "", "jwks_uri": "", "registration_endpoint": "", "introspection_endpoint": "",
        "scopes_supported": [""], "response_types_supported": [""], "subject_types_supported": [""],
        "id_token_signing_alg_values_supported": [""], "display_values_supported": [""],
        "token_endpoint_auth_methods_supported": [""], "claims_supported": [""],
    });
    let url = |origin: String| format!("{origin}/.well-known/openid-configuration");
    same_shape(&send(http().get(url(org.login_url()))).await.json(), &sample);
    let mut domain = sample;
    domain["end_session_endpoint"] = json!("");
    domain["frontchannel_logout_supported"] = json!(true);
    domain["frontchannel_logout_session_supported"] = json!(true);
    same_shape(&send(http().get(url(org.instance_url()))).await.json(), &domain);
}

/// Section 1.5.
#[tokio::test]
async fn identity() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    let answer = send(http().get(&tokens.id).bearer_auth(tokens.access_token)).await.json();
    let sample = json!({
        "id": "", "asserted_user": true, "user_id": "", "organization_id": "", "username": "", "nick_name": "",
        "display_name": "", "email": "", "email_verified": true, "first_name": "", "last_name": "",
        "timezone": "", "photos": { "picture": "", "thumbnail": "" }, "addr_street": null, "addr_city": null,
        "addr_state": null, "addr_country": "US", "addr_zip": null, "mobile_phone": null,
        "mobile_phone_verified": false, "is_lightning_login_user": false,
        "status": { "created_date": null, "body": null }, "urls": urls(), "active": true, "user_type": "",
        "language": "", "locale": "", "utcOffset": -28_800_000, "last_modified_date": "", "is_app_installed": true,
    });
    same_shape(&answer, &sample);
    // The sample's nulls are nulls here too.
    assert!(answer["addr_street"].is_null() && answer["status"]["body"].is_null());
}

/// Section 2.6.
#[tokio::test]
async fn token_answer() {
    let org = FakeOrg::start().await.unwrap();
    let answer = exchange(&org, &code(&org, &[]).await).await;
    let mut sample = json!({
        "access_token": "", "refresh_token": "", "signature": "", "scope": "", "id_token": "",
        "instance_url": "", "id": "", "token_type": "", "issued_at": "1278448384422",
    });
    let body = answer.json();
    same_shape(&body, &sample);
    assert_eq!(answer.header("content-type"), "application/json;charset=UTF-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    assert_eq!(text("issued_at").len(), 13, "milliseconds, as text");
    assert_eq!(text("token_type"), "Bearer");
    assert!(!text("instance_url").ends_with('/'));
    // Section 3.4: `<15-character org id>!<text>` with `.` and `_` in it, about 110 to 120 characters.
    let access = text("access_token");
    let (head, tail) = access.split_once('!').unwrap();
    assert_eq!(head, &org.organization_id()[..15]);
    assert!(tail.contains('.') && tail.contains('_') && (105..=125).contains(&access.len()), "{access}");
    assert!(tail.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_'));
    // Section 1.4: 18-character ids.
    assert!(text("id").ends_with(&format!("/id/{}/{}", org.organization_id(), org.user(ADA).id())));

    // Section 3.1: without rotation a refresh has no refresh token.
    org.set_rotation(false);
    let refreshed = refresh(&org, &text("refresh_token")).await.json();
    sample.as_object_mut().unwrap().remove("refresh_token");
    same_shape(&refreshed, &sample);
}

/// Section 2.7.
#[tokio::test]
async fn token_error() {
    let org = FakeOrg::start().await.unwrap();
    let answer = token(&org, &[("grant_type", "refresh_token"), ("refresh_token", "x")]).await;
    assert_eq!(answer.status, 400);
    same_shape(&answer.json(), &json!({ "error": "", "error_description": "" }));
}

/// Section 4.2.
#[tokio::test]
async fn introspection() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    let ask = async |token: &str| {
        let form =
            [("token", token), ("client_id", &org.client_id()), ("client_secret", &org.client_secret())];
        send(http().post(format!("{}/services/oauth2/introspect", org.login_url())).form(&form)).await.json()
    };
    let sample = json!({
        "active": true, "scope": "", "client_id": "", "username": "", "sub": "", "token_type": "", "exp": 1,
        "iat": 1, "nbf": 1,
    });
    same_shape(&ask(&tokens.access_token).await, &sample);
    same_shape(&ask("unknown").await, &json!({ "active": false }));
}

/// Section 4.3.
#[tokio::test]
async fn user_info() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), ALL).access_token;
    let sample = json!({
        "sub": "", "user_id": "", "organization_id": "", "preferred_username": "", "nickname": "", "name": "",
        "email": "", "email_verified": true, "given_name": "", "family_name": "", "zoneinfo": "",
        "photos": { "picture": "", "thumbnail": "" }, "profile": "", "picture": "", "address": null,
        "phone_number": null, "phone_number_verified": false, "urls": urls(), "active": true, "user_type": "",
        "language": "", "locale": "", "utcOffset": 1, "updated_at": "", "is_app_installed": true,
        "is_salesforce_integration_user": false, "is_lightning_login_user": false,
    });
    same_shape(&userinfo(&org, &token).await.json(), &sample);
}

/// Section 4.5.
#[tokio::test]
async fn key_set() {
    let org = FakeOrg::start().await.unwrap();
    let keys = send(http().get(format!("{}/id/keys", org.login_url()))).await.json();
    let sample = json!({ "keys": [{ "kty": "RSA", "n": "", "e": "AQAB", "alg": "RS256", "use": "sig", "kid": "188" }] });
    same_shape(&keys, &sample);
    assert!(keys["keys"].as_array().unwrap().len() > 1, "several at once");
    assert_eq!(keys["keys"][0]["e"], "AQAB");
}

/// Section 7.1.
#[tokio::test]
async fn versions_and_resources() {
    let org = FakeOrg::start().await.unwrap();
    let versions = send(http().get(format!("{}/services/data/", org.instance_url()))).await.json();
    same_shape(
        &versions,
        &json!([{ "label": "Spring '26", "url": "/services/data/v66.0", "version": "66.0" }]),
    );
    let api = Api::of(&org);
    let resources = api.get("/").await.json();
    for (name, place) in resources.as_object().unwrap() {
        let place = place.as_str().unwrap();
        if name == "identity" {
            assert!(place.starts_with(&org.login_url()), "absolute");
        } else {
            assert!(place.starts_with("/services/data/v66.0/"), "{name}: {place}");
        }
    }
}

/// Section 7.2.
#[tokio::test]
async fn query_result() {
    let org = FakeOrg::builder().page_size(5).start().await.unwrap();
    let api = Api::of(&org);
    let answer = api.query("SELECT Name, Owner.Name FROM Account").await.json();
    let attributes = json!({ "type": "Account", "url": "/services/data/v66.0/sobjects/Account/001…" });
    let sample = json!({
        "totalSize": 40, "done": false, "nextRecordsUrl": "/services/data/v66.0/query/01g…-2000",
        "records": [{ "attributes": attributes, "Name": "", "Owner": { "attributes": attributes, "Name": "" } }],
    });
    same_shape(&answer, &sample);
}

/// Sections 7.4 and 7.12.
#[tokio::test]
async fn rows_and_errors() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let created = api.post("/sobjects/Account", json!({ "Name": "x" })).await.json();
    same_shape(&created, &json!({ "id": "", "success": true, "errors": [] }));
    assert_eq!(created["errors"], json!([]));
    let upserted = api.patch("/sobjects/Account/ExternalKey__c/new", json!({ "Name": "x" })).await.json();
    same_shape(&upserted, &json!({ "id": "", "success": true, "errors": [], "created": true }));
    let missing = api.post("/sobjects/Account", json!({})).await.json();
    same_shape(&missing, &json!([{ "message": "", "errorCode": "", "fields": [""] }]));
    let unknown = api.get("/nope").await.json();
    same_shape(&unknown, &json!([{ "message": "", "errorCode": "" }]));
}

/// Section 7.7.
#[tokio::test]
async fn limits() {
    let org = FakeOrg::start().await.unwrap();
    let body = Api::of(&org).get("/limits").await.json();
    for (name, limit) in body.as_object().unwrap() {
        assert!(limit["Max"].is_u64() && limit["Remaining"].is_u64(), "{name}");
    }
    assert!(body["PermissionSets"]["CreateCustom"]["Max"].is_u64(), "some nest");
}
