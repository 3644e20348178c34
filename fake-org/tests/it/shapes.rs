//! Every body the org serves around a login, and the first ones of REST, against the sample that its source shows: the
//! same members, each of the same type. The rest of REST: `rest_shapes.rs`.
use std::time::Duration;

use crate::support::shape::same_shape;
use crate::support::{ADA, ALL, Api, code, exchange, http, refresh, send, token, token_at, userinfo};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use salesforce_fake_org::{AccessTokens, FakeOrg};
use serde_json::{Value, json};

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

/// Section 1.3: captured from the live login host; the three members of a My Domain from forcedotcom/postman-salesforce-apis,
/// and of sites from live captures of several.
#[tokio::test]
async fn openid_configuration() {
    let org = FakeOrg::builder().site("portal").start().await.unwrap();
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
    same_shape(&send(http().get(url(org.site_url().unwrap()))).await.json(), &domain);
}

/// Section 1.5: Help, "Identity URLs", and the Mobile SDK's reader of it.
#[tokio::test]
async fn identity() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    let response = send(http().get(&tokens.id).bearer_auth(tokens.access_token)).await.json();
    let sample = json!({
        "id": "", "asserted_user": true, "user_id": "", "organization_id": "", "username": "", "nick_name": "",
        "display_name": "", "email": "", "email_verified": true, "first_name": "", "last_name": "",
        "timezone": "", "photos": { "picture": "", "thumbnail": "" }, "addr_street": null, "addr_city": null,
        "addr_state": null, "addr_country": "US", "addr_zip": null, "mobile_phone": null,
        "mobile_phone_verified": false, "is_lightning_login_user": false,
        "status": { "created_date": null, "body": null }, "urls": urls(), "active": true, "user_type": "",
        "language": "", "locale": "", "utcOffset": -28_800_000, "last_modified_date": "", "is_app_installed": true,
    });
    same_shape(&response, &sample);
    // The sample's nulls are nulls here too.
    assert!(response["addr_street"].is_null() && response["status"]["body"].is_null());
}

/// Section 2.6: Help, "OAuth 2.0 Web Server Flow", the sample response.
#[tokio::test]
async fn token_response() {
    let org = FakeOrg::start().await.unwrap();
    let response = exchange(&org, &code(&org, &[]).await).await;
    let mut sample = json!({
        "access_token": "", "refresh_token": "", "signature": "", "scope": "", "id_token": "",
        "instance_url": "", "id": "", "token_type": "", "issued_at": "1278448384422",
    });
    let body = response.json();
    same_shape(&body, &sample);
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&body), names(&sample), "in the sample's order");
    assert_eq!(response.header("content-type"), "application/json;charset=UTF-8");
    assert_eq!(response.header("cache-control"), "no-store");
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

/// Section 2.7: Help, "OAuth 2.0 Authorization Errors".
#[tokio::test]
async fn token_error() {
    let org = FakeOrg::start().await.unwrap();
    let response = token(&org, &[("grant_type", "refresh_token"), ("refresh_token", "x")]).await;
    assert_eq!(response.status, 400);
    same_shape(&response.json(), &json!({ "error": "", "error_description": "" }));
    assert!(response.body.starts_with("{\"error\":\""), "{}", response.body);
}

/// Section 4.2: Help, "OpenID Connect Token Introspection".
#[tokio::test]
async fn introspection() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    let send_request = async |token: &str| {
        let form =
            [("token", token), ("client_id", &org.client_id()), ("client_secret", &org.client_secret())];
        send(http().post(format!("{}/services/oauth2/introspect", org.login_url())).form(&form)).await.json()
    };
    let sample = json!({
        "active": true, "scope": "", "client_id": "", "username": "", "sub": "", "token_type": "", "exp": 1,
        "iat": 1, "nbf": 1,
    });
    same_shape(&send_request(&tokens.access_token).await, &sample);
    same_shape(&send_request("unknown").await, &json!({ "active": false }));
}

/// Section 4.3: Help, "User Info Endpoint".
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

/// Section 4.5: the live key set as captured by a test fixture of jose4j.
#[tokio::test]
async fn key_set() {
    let org = FakeOrg::start().await.unwrap();
    let keys = send(http().get(format!("{}/id/keys", org.login_url()))).await.json();
    let sample = json!({ "keys": [{ "kty": "RSA", "n": "", "e": "AQAB", "alg": "RS256", "use": "sig", "kid": "188" }] });
    same_shape(&keys, &sample);
    assert!(keys["keys"].as_array().unwrap().len() > 1, "several at once");
    assert_eq!(keys["keys"][0]["e"], "AQAB");
}

/// Section 7.1: REST API guide, "Versions" and "Resources by Version".
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

/// Section 7.2: REST API guide, "Query".
#[tokio::test]
async fn query_result() {
    let org = FakeOrg::builder().page_size(5).start().await.unwrap();
    let api = Api::of(&org);
    let response = api.query("SELECT Name, Owner.Name FROM Account").await.json();
    let attributes = json!({ "type": "Account", "url": "/services/data/v66.0/sobjects/Account/001…" });
    let sample = json!({
        "totalSize": 40, "done": false, "nextRecordsUrl": "/services/data/v66.0/query/01g…-2000",
        "records": [{ "attributes": attributes, "Name": "", "Owner": { "attributes": attributes, "Name": "" } }],
    });
    same_shape(&response, &sample);
}

/// Sections 7.4 and 7.12: REST API guide, "sObject Basic Information", "Upsert", "Status Codes and Error Responses".
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

/// Section 7.7: REST API guide, "Limits".
#[tokio::test]
async fn limits() {
    let org = FakeOrg::start().await.unwrap();
    let body = Api::of(&org).get("/limits").await.json();
    for (name, limit) in body.as_object().unwrap() {
        assert!(limit["Max"].is_u64() && limit["Remaining"].is_u64(), "{name}");
    }
    assert!(body["PermissionSets"]["CreateCustom"]["Max"].is_u64(), "some nest");
}

/// Section 5.1: Help, "OAuth 2.0 Client Credentials Flow", the sample response.
#[tokio::test]
async fn client_credentials_response() {
    let org = FakeOrg::builder().execution_user(ADA).scopes("api id").start().await.unwrap();
    let response = token_at(&org.instance_url(), &org, &[("grant_type", "client_credentials")]).await;
    let sample = json!({
        "access_token": "", "signature": "", "scope": "", "instance_url": "", "id": "", "token_type": "",
        "issued_at": "",
    });
    same_shape(&response.json(), &sample);
}

/// Section 4.4: Help, "OpenID Token"; the header as captured in apache-oltu-oauth2-provider-demo issue 11.
#[tokio::test]
async fn id_token() {
    let org = FakeOrg::start().await.unwrap();
    let response = exchange(&org, &code(&org, &[("nonce", "n")]).await).await.json();
    let (header, claims) = jws(response["id_token"].as_str().unwrap());
    same_shape(&header, &json!({ "kid": "210", "typ": "JWT", "alg": "RS256" }));
    let sample = json!({ "iss": "", "sub": "", "aud": "", "exp": 1, "iat": 1, "at_hash": "", "nonce": "" });
    same_shape(&claims, &sample);
}

/// Section 3.5: Help, "JWT-Based Access Tokens", the sample token.
#[tokio::test]
async fn jwt_access_token() {
    let org =
        FakeOrg::builder().access_tokens(AccessTokens::Jwt(Duration::from_secs(60))).start().await.unwrap();
    let (header, claims) = jws(&org.issue_tokens(&org.user(ADA), ALL).access_token);
    let sample = json!({ "tnk": "core/…", "ver": "1.0", "kid": "CORE_ATJWT.…", "tty": "", "typ": "JWT", "alg": "RS256" });
    same_shape(&header, &sample);
    let sample = json!({
        "scp": "", "aud": [""], "sub": "uid:005…", "iss": "", "client_id": "", "iat": 1, "nbf": 1, "exp": 1,
        "mty": "oauth", "sfi": "", "roles": [], "hsc": false,
    });
    same_shape(&claims, &sample);
    assert_eq!(claims["roles"], json!([]));
}

/// Section 1.6: `getFrontDoorUrl` of @salesforce/core, and Help, "Generate a Frontdoor URL".
#[tokio::test]
async fn single_access() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), "web").access_token;
    let url = format!("{}/services/oauth2/singleaccess", org.instance_url());
    same_shape(&send(http().post(url).bearer_auth(token)).await.json(), &json!({ "frontdoor_uri": "" }));
}

/// Section 6: Canvas Developer Guide, "SignedRequest", "CanvasRequest" and the context objects.
#[tokio::test]
async fn canvas_signed_request() {
    let org = FakeOrg::start().await.unwrap();
    let signed = org.canvas_signed_request(&org.user(ADA));
    let bytes = STANDARD.decode(signed.split_once('.').unwrap().1).unwrap();
    let request: Value = serde_json::from_slice(&bytes).unwrap();
    let members = |names: &str| -> Value {
        names.split(' ').map(|name| (name.to_owned(), Value::Null)).collect::<serde_json::Map<_, _>>().into()
    };
    let mut sample = json!({ "algorithm": "", "issuedAt": null, "userId": "" });
    sample["client"] = members("instanceId targetOrigin instanceUrl oauthToken refreshToken");
    sample["context"] = json!({
        "user": members(
            "userId userName firstName lastName fullName email locale language timeZone profileId roleId userType \
             currencyISOCode profilePhotoUrl profileThumbnailUrl siteUrl siteUrlPrefix networkId isDefaultNetwork \
             accessibilityModeEnabled",
        ),
        "organization": members("organizationId name multicurrencyEnabled namespacePrefix currencyIsoCode"),
        "application": members(
            "applicationId name canvasUrl developerName version authType referenceId options namespace \
             isInstalledPersonalApp samlInitiationMethod",
        ),
        "environment": {
            "locationUrl": "", "displayLocation": null, "subLocation": null, "uiTheme": "",
            "dimensions": {
                "width": "800px", "height": "", "maxWidth": "", "maxHeight": "", "clientWidth": "", "clientHeight": "",
            },
            "version": { "season": "", "api": "" }, "parameters": {}, "record": {},
        },
        "links": members(
            "loginUrl enterpriseUrl metadataUrl partnerUrl restUrl sobjectUrl searchUrl queryUrl recentItemsUrl \
             chatterFeedsUrl chatterGroupsUrl chatterUsersUrl chatterFeedItemsUrl userUrl",
        ),
    });
    same_shape(&request, &sample);
    assert!(request["issuedAt"].is_null(), "always");
}

/// Section 4.2 again: a refresh token, which has no end to show.
#[tokio::test]
async fn introspection_of_a_refresh_token() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), ALL).refresh_token.unwrap();
    let form =
        [("token", token.as_str()), ("client_id", &org.client_id()), ("client_secret", &org.client_secret())];
    let response =
        send(http().post(format!("{}/services/oauth2/introspect", org.login_url())).form(&form)).await.json();
    let sample = json!({
        "active": true, "scope": "", "client_id": "", "username": "", "sub": "", "token_type": "", "iat": 1, "nbf": 1,
    });
    same_shape(&response, &sample);
}

/// Header and claims of a JWS.
fn jws(text: &str) -> (Value, Value) {
    let part = |place: usize| {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.split('.').nth(place).unwrap()).unwrap()).unwrap()
    };
    (part(0), part(1))
}
