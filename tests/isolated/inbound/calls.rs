//! Callouts with the JWT of a Named Credential.

use super::*;
use crate::support::ADA;
use actix_salesforce::{Config, Secret};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use salesforce_fake_org::{Fault, PermittedUsers, Route};
use std::time::Duration;

const BEN: &str = "ben@example.com";

fn token(app: &Inbound, user: &str) -> String {
    app.org.call(&app.org.user(user)).certificate("orders_2026").audience(AUDIENCE).token()
}

#[actix_web::test]
async fn a_call_of_a_named_credential_needs_no_login() {
    let app = Inbound::start().await;
    let ada = app.org.user(ADA);
    let signed = || app.org.call(&ada).certificate("orders_2026").audience(AUDIENCE);
    for token in [
        signed().token(),
        signed().algorithm("RS512").token(),
        signed().claim("aud", serde_json::json!(["https://other.example.com", AUDIENCE])).token(),
        // The form of 15 characters.
        signed().claim("org", &app.org.organization_id()[..15]).claim("sub", &ada.id()[..15]).token(),
        // What a formula makes.
        signed().claim("exp", (seconds(&app) + 100).to_string()).token(),
        signed().lifetime(Duration::from_secs(600)).token(),
    ] {
        let page = app.call("/call", &token).await;
        assert_eq!(page.status, 200, "{page:?}");
        let json = page.json();
        assert_eq!(
            (json["user"].as_str(), json["certificate"].as_str()),
            (Some(ada.id()), Some("orders_2026"))
        );
        assert_eq!(json["org"], app.org.organization_id());
        assert!(page.set_cookies().is_empty(), "{page:?}");
    }
    let page = app.call("/call", &signed().claim("order", 7).token()).await;
    assert_eq!(page.json()["order"], 7, "a custom claim");
    let scheme = format!("bearer {}", signed().token());
    assert_eq!(
        app.post("/call", &[("authorization", &scheme)], "").await.status,
        200,
        "RFC 9110 section 11.1"
    );
    assert_eq!(app.handled(), 8);
}

fn seconds(app: &Inbound) -> u64 {
    app.org.now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[actix_web::test]
async fn a_call_works_as_the_calling_user_and_as_no_other() {
    let app = Inbound::start().await;
    let page = app.call("/call/as-user", &token(&app, ADA)).await;
    assert_eq!((page.status, page.json()["code"].as_str()), (403, Some("login_required")), "{page:?}");
    assert_eq!(app.handled(), 0);
    // Ada logs in once.
    app.org.sign_in(&app.org.user(ADA));
    let browser = Client::new();
    assert_eq!(browser.visit(&app.url("/whoami")).await.body, ADA);
    app.org.sign_out();
    let page = app.call("/call/as-user", &token(&app, ADA)).await;
    assert_eq!((page.status, page.body.as_str()), (200, ADA), "{page:?}");
    assert_eq!(app.call("/call/as-user", &token(&app, BEN)).await.status, 403, "Ada's connection is hers");
    // The token is refreshed as for a browser.
    app.org.expire_access_tokens();
    assert_eq!(app.call("/call/as-user", &token(&app, ADA)).await.body, ADA);
    // A cookie of another user beside the token changes nothing.
    let headers = [("authorization", format!("Bearer {}", token(&app, BEN))), ("accept", ACCEPT.to_owned())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let page = browser.send(Method::POST, &app.url("/call/as-user"), &headers, Some("")).await;
    assert_eq!(page.status, 403, "{page:?}");
    // Nor is it redirected to a login.
    app.org.revoke_user(&app.org.user(ADA));
    let page = app.call("/call/as-user", &token(&app, ADA)).await;
    assert_eq!((page.status, page.json()["code"].as_str()), (403, Some("login_required")), "{page:?}");
    let page = app.call("/call/fails", &token(&app, ADA)).await;
    assert_eq!(
        (page.status, page.header("location"), page.header("content-type")),
        (401, "", "application/json")
    );
}

#[actix_web::test]
async fn an_outage_is_a_503_that_says_when_to_try_again() {
    let app = Inbound::start().await;
    app.org.sign_in(&app.org.user(ADA));
    assert_eq!(Client::new().visit(&app.url("/whoami")).await.body, ADA);
    app.org.faults().at(Route::Identity, Fault::Status(503).times(8));
    let page = app.call("/call/as-user", &token(&app, ADA)).await;
    assert_eq!((page.status, page.json()["code"].as_str()), (503, Some("unavailable")), "{page:?}");
    assert!(page.header("retry-after").parse::<u32>().unwrap() > 0, "{page:?}");
}

#[actix_web::test]
async fn jwt_bearer_connects_a_calling_user_who_never_logged_in() {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let org = FakeOrg::builder().certificate(&certificate.pem()).unwrap();
    let org = org.permitted_users(PermittedUsers::AdminApproved(vec![ADA.into()])).start().await.unwrap();
    let key: Secret = key.serialize_pem().into();
    let app = Inbound::around(org, |org, builder| builder.caller(caller(org).jwt_bearer(key))).await;
    let named = |user: &str, username: &str| {
        let call = app.org.call(&app.org.user(user)).certificate("orders_2026").audience(AUDIENCE);
        call.claim("username", username).token()
    };
    for _ in 0..3 {
        let page = app.call("/call/as-user", &named(ADA, ADA)).await;
        assert_eq!((page.status, page.body.as_str()), (200, ADA), "{page:?}");
    }
    assert_eq!(app.org.token_calls("urn:ietf:params:oauth:grant-type:jwt-bearer"), 1, "one token for all");
    let page = app.call("/call/as-user", &token(&app, ADA)).await;
    assert_eq!(page.json()["code"], "login_required", "without a user name");
    // The name is another user's than the id.
    let page = app.call("/call/as-user", &named(BEN, ADA)).await;
    assert_eq!((page.status, page.json()["code"].as_str()), (403, Some("not_permitted")), "{page:?}");
    let page = app.call("/call/as-user", &named(BEN, BEN)).await;
    assert_eq!((page.status, page.json()["code"].as_str()), (403, Some("not_permitted")), "{page:?}");
}

#[actix_web::test]
async fn certificates_are_exchanged_without_a_refused_call() {
    let app = Inbound::with(|org, builder| {
        builder.caller(caller(org).certificate("orders_2027", org.call_certificate("orders_2027")))
    })
    .await;
    let ada = app.org.user(ADA);
    for name in ["orders_2026", "orders_2027"] {
        let page = app.call("/call", &app.org.call(&ada).certificate(name).audience(AUDIENCE).token()).await;
        assert_eq!(page.json()["certificate"], name, "{page:?}");
    }
}

/// A sandbox that is a copy has the same user ids, and may have the same names of certificates.
#[actix_web::test]
async fn two_orgs_with_certificates_of_one_name_are_told_apart_by_the_signature() {
    let other = FakeOrg::builder().organization_id("00D000000000009EAA").start().await.unwrap();
    let app = Inbound::with(|org, builder| builder.caller(caller(org)).caller(caller(&other))).await;
    for org in [&app.org, &other] {
        let token = org.call(&org.user(ADA)).certificate("orders_2026").audience(AUDIENCE).token();
        let page = app.call("/call", &token).await;
        assert_eq!(
            (page.status, page.json()["org"].as_str()),
            (200, Some(&*org.organization_id())),
            "{page:?}"
        );
    }
    // A token of the one that says it is the other.
    let lie = other.call(&other.user(ADA)).certificate("orders_2026").audience(AUDIENCE);
    let lie = lie.claim("org", app.org.organization_id()).issuer(&app.org.instance_url()).token();
    assert_eq!(app.call("/call", &lie).await.status, 401);
}

#[actix_web::test]
async fn what_is_unverified_of_a_token_can_be_set() {
    let app = Inbound::with(|org, builder| {
        builder.caller(caller(org).without_key_id().without_organization_claim())
    })
    .await;
    let ada = app.org.user(ADA);
    let signed = || app.org.call(&ada).certificate("orders_2026").audience(AUDIENCE);
    assert_eq!(app.call("/call", &signed().header("kid", serde_json::Value::Null).token()).await.status, 200);
    assert_eq!(app.call("/call", &signed().claim("org", serde_json::Value::Null).token()).await.status, 200);
    let other = signed().signed_by("another").header("kid", serde_json::Value::Null).token();
    assert_eq!(app.call("/call", &other).await.status, 401);
    let named = Inbound::with(|org, builder| builder.caller(caller(org).organization_claim("orgId"))).await;
    let signed = || named.org.call(&ada).certificate("orders_2026").audience(AUDIENCE);
    let org = named.org.organization_id();
    assert_eq!(named.call("/call", &signed().claim("orgId", org).token()).await.status, 200);
    assert_eq!(named.call("/call", &signed().token()).await.status, 401);
}

#[actix_web::test]
async fn a_token_that_counts_once_is_refused_the_second_time_on_each_worker() {
    let app = Inbound::with(|org, builder| builder.caller(caller(org).single_use())).await;
    let ada = app.org.user(ADA);
    let signed = || app.org.call(&ada).certificate("orders_2026").audience(AUDIENCE);
    let once = signed().claim("jti", "7d0c").token();
    let results = futures_util::future::join_all((0..12).map(|_| app.call("/call", &once))).await;
    assert_eq!(results.iter().filter(|page| page.status == 200).count(), 1, "{results:?}");
    assert!(results.iter().all(|page| matches!(page.status, 200 | 401)), "{results:?}");
    assert_eq!(app.call("/call", &signed().token()).await.status, 401, "without a `jti`");
    assert_eq!(app.call("/call", &signed().claim("jti", "7d0d").token()).await.status, 200);
    assert_eq!(app.handled(), 2);
}

#[actix_web::test]
async fn callers_are_set_by_variables_and_by_a_settings_file() {
    let org = FakeOrg::start().await.unwrap();
    let folder = std::env::temp_dir().join(format!("inbound-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("orders_2026.crt");
    std::fs::write(&path, org.call_certificate("orders_2026")).unwrap();
    let certificates = format!("orders_2026={}", path.display());
    let config = Config::from_variables(|name| match name {
        "SALESFORCE_CALLER_ORG" => Some(org.organization_id()),
        "SALESFORCE_CALLER_AUDIENCE" => Some(AUDIENCE.to_owned()),
        "SALESFORCE_CALLER_ISSUER" => Some(org.instance_url()),
        "SALESFORCE_CALLER_CERTIFICATES" => Some(certificates.clone()),
        name => org.variable(name),
    });
    let written = serde_json::json!({
        "organization": org.organization_id(), "audience": AUDIENCE, "issuer": org.instance_url(),
        "certificates": { "orders_2026": org.call_certificate("orders_2026").trim().replace('\n', "\\n") },
    });
    let file = serde_json::json!({ "inbound": { "callers": [written] } });
    let file: Config = serde_json::from_value(file).unwrap();
    let environment = SalesforceBuilder::from(config).build().await.unwrap();
    let file =
        SalesforceBuilder::from(file).client_id(org.client_id()).login_url(org.login_url()).build().await;
    std::fs::remove_dir_all(&folder).unwrap();
    for salesforce in [environment, file.unwrap()] {
        let (listener, url) = reserve();
        let seen = web::Data::new(Seen::default());
        let _server = serve(listener, move |listener| server(listener, salesforce, seen));
        let token = org.call(&org.user(ADA)).certificate("orders_2026").audience(AUDIENCE).token();
        let headers = [("authorization", &*format!("Bearer {token}"))];
        let page = Client::new().send(Method::POST, &format!("{url}/call"), &headers, Some("")).await;
        assert_eq!(page.status, 200, "{page:?}");
    }
}

#[actix_web::test]
async fn a_caller_that_is_set_incompletely_does_not_start() {
    let org = FakeOrg::start().await.unwrap();
    let other = FakeOrg::builder().organization_id("00D000000000009EAA").start().await.unwrap();
    let problems = async |callers: Vec<Caller>| {
        let builder =
            callers.into_iter().fold(settings_for(&org, "http://127.0.0.1:1"), SalesforceBuilder::caller);
        let error = builder.build().await.unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error}");
        error.problems().iter().map(|problem| problem.setting).collect::<Vec<_>>()
    };
    let short = include_str!("../../../connection/src/inbound/short_key.pem");
    let audience = "SALESFORCE_CALLER_AUDIENCE";
    let certificates = "SALESFORCE_CALLER_CERTIFICATES";
    let bare = |id: &str| Caller::organization(id).audience(AUDIENCE).issuer("x");
    for (caller, expected) in [
        (bare("canary").certificate("a", org.call_certificate("a")), "SALESFORCE_CALLER_ORG"),
        (caller(&org).audience("canary"), audience),
        (caller(&org).audience("http://orders.example.com"), audience),
        (caller(&org).issuer(""), "SALESFORCE_CALLER_ISSUER"),
        (caller(&org).certificate("b", "/canary/missing.crt"), certificates),
        (caller(&org).certificate("b", "-----BEGIN CERTIFICATE-----\ncanary"), certificates),
        (caller(&org).certificate("b", short), certificates),
        (caller(&org).certificate("canary/x", org.call_certificate("b")), certificates),
        (bare(&org.organization_id()), certificates),
        (caller(&org).max_lifetime(Duration::from_secs(90_000)), "inbound.callers.max_lifetime"),
        (caller(&org).jwt_bearer("canary"), "SALESFORCE_CALLER_KEY"),
        (caller(&org).organization_claim(""), "inbound.callers"),
    ] {
        assert_eq!(problems(vec![caller]).await, [expected]);
    }
    let copy = caller(&other).certificate("orders_2026", org.call_certificate("orders_2026"));
    assert_eq!(problems(vec![caller(&org), copy]).await, ["inbound.callers"], "a certificate of two orgs");
}

#[actix_web::test]
async fn the_components_describe_what_a_refused_call_gets() {
    let app = Inbound::start().await;
    let components = CallError::openapi_components();
    let schema = &components["schemas"]["CallError"];
    let page = app.call("/call", "x").await;
    for member in schema["required"].as_array().unwrap() {
        assert!(page.json()[member.as_str().unwrap()].is_string(), "{page:?}");
    }
    assert_eq!(page.json().as_object().unwrap().len(), schema["properties"].as_object().unwrap().len());
    for name in ["CallRefused", "CallForbidden", "CallUnavailable"] {
        let reference = "/content/application~1json/schema/$ref";
        let response = &components["responses"][name];
        assert_eq!(response.pointer(reference).unwrap(), "#/components/schemas/CallError");
    }
}

/// A test in any language drives the fake org over HTTP.
#[actix_web::test]
async fn calls_and_outbound_messages_are_asked_for_over_http() {
    let app =
        Inbound::with(|org, builder| builder.caller(caller(org)).outbound_messages(messages(org))).await;
    let control = async |path: &str, body: serde_json::Value| {
        let url = format!("{}{path}", app.org.login_url());
        Client::new().send(Method::POST, &url, &[], Some(&body.to_string())).await
    };
    let asked = serde_json::json!({ "username": ADA, "certificate": "orders_2026", "audience": AUDIENCE });
    let signed = control("/fake/call", asked).await.json();
    assert_eq!(signed["certificate"], app.org.call_certificate("orders_2026"));
    assert_eq!(app.call("/call", signed["token"].as_str().unwrap()).await.status, 200);
    for wrong in [serde_json::json!({}), serde_json::json!({ "username": ADA, "algorythm": "none" })] {
        assert_eq!(control("/fake/call", wrong).await.status, 400);
    }
    let id = app.org.issue_tokens(&app.org.user(ADA), "api");
    let query =
        format!("{}/services/data/v66.0/query?q=SELECT+Id+FROM+Account+LIMIT+1", app.org.instance_url());
    let bearer = format!("Bearer {}", id.access_token);
    let rows = Client::new().send(Method::GET, &query, &[("authorization", &bearer)], None).await.json();
    let url = app.url(&format!("/outbound/{SECRET}"));
    let record = &rows["records"][0]["Id"];
    let queued =
        serde_json::json!({ "url": url, "object": "Account", "fields": ["Name"], "records": [record] });
    let queued = control("/fake/outbound-messages", queued).await.json();
    assert_eq!(queued["notification_ids"].as_array().unwrap().len(), 1, "{queued}");
    let attempts = control("/fake/outbound-messages/deliver", serde_json::json!({})).await.json();
    assert_eq!(
        (&attempts["attempts"][0]["acknowledged"], &attempts["attempts"][0]["record_ids"][0]),
        (&true.into(), record)
    );
    let waiting = format!("{}/fake/outbound-messages", app.org.login_url());
    let waiting = Client::new().send(Method::GET, &waiting, &[], None).await.json();
    assert_eq!(waiting["notification_ids"], serde_json::json!([]));
}
