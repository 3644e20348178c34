//! Headless identity at a site: one-time passwords, registration, forgotten passwords, guests.
use std::time::Duration;

use crate::support::{ADA, Api, CALLBACK, Response, VERIFIER, challenge, http, send, userinfo};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::RequestBuilder;
use salesforce_fake_org::{AccessTokens, FakeOrg};
use serde_json::{Value, json};

const VISITOR: &str = "7b9f3c2e-5d41-4a6b-9c8d-0123456789ab";

async fn org() -> (FakeOrg, String) {
    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    let site = org.site_url().unwrap();
    (org, site)
}

/// An authorize request of the flow; the headers say whose.
fn authorize(org: &FakeOrg, site: &str, kind: &str, more: &[(&str, &str)]) -> RequestBuilder {
    let (client_id, challenge) = (org.client_id(), challenge(VERIFIER));
    let mut form = vec![
        ("response_type", "code_credentials"),
        ("client_id", client_id.as_str()),
        ("redirect_uri", CALLBACK),
        ("scope", "api id"),
        ("code_challenge", challenge.as_str()),
    ];
    form.extend(more);
    http().post(format!("{site}/services/oauth2/authorize")).form(&form).header("auth-request-type", kind)
}

fn exchange(org: &FakeOrg, site: &str, code: &str) -> RequestBuilder {
    let (id, secret) = (org.client_id(), org.client_secret());
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &id),
        ("client_secret", &secret),
    ];
    http().post(format!("{site}/services/oauth2/token")).form(&form)
}

/// Who the code of a redirect stands for.
async fn username(org: &FakeOrg, site: &str, back: &Response) -> String {
    let code = back.location_param("code").unwrap_or_else(|| panic!("{back:?}"));
    let response = send(exchange(org, site, &code)).await.json();
    let info = userinfo(org, response["access_token"].as_str().unwrap()).await.json();
    info["preferred_username"].as_str().unwrap().to_owned()
}

async fn init(site: &str, path: &str, body: Value) -> Response {
    send(http().post(format!("{site}/services/auth/headless/{path}")).json(&body)).await
}

#[track_caller]
fn refused(back: &Response, error: &str) {
    assert_eq!(back.location_param("error").as_deref(), Some(error), "{back:?}");
    assert_eq!(back.location_param("code"), None);
}

/// Section 5.6: an identifier and the one-time password that was sent, in place of username and password.
#[tokio::test]
async fn people_log_in_by_one_time_password() {
    let (org, site) = org().await;
    let asked = json!({ "username": ADA, "verificationmethod": "email" });
    let response = init(&site, "init/passwordless/login", asked).await;
    assert_eq!(response.status, 200, "{response:?}");
    let identifier = response.json()["identifier"].as_str().unwrap().to_owned();
    let otp = org.one_time_passwords(ADA).pop().unwrap();
    let come = async |otp: &str, via: &str| {
        let request = authorize(&org, &site, "passwordless-login", &[]).basic_auth(&identifier, Some(otp));
        send(request.header("auth-verification-type", via)).await
    };
    refused(&come("000000x", "email").await, "invalid_otp");
    refused(&come(&otp, "sms").await, "invalid_otp");
    refused(&come(&otp, "").await, "invalid_request");
    assert_eq!(username(&org, &site, &come(&otp, "email").await).await, ADA);
    refused(&come(&otp, "email").await, "invalid_otp");

    // A late password is wrong, and an unknown user gets the same response and no message.
    let asked = json!({ "username": ADA, "verificationmethod": "sms" });
    let late = init(&site, "init/passwordless/login", asked).await.json();
    let otp = org.one_time_passwords(ADA).pop().unwrap();
    org.advance(Duration::from_secs(11 * 60));
    let request = authorize(&org, &site, "passwordless-login", &[])
        .basic_auth(late["identifier"].as_str().unwrap(), Some(&otp));
    refused(&send(request.header("auth-verification-type", "sms")).await, "invalid_otp");
    let unknown = json!({ "username": "unknown@example.com", "verificationmethod": "email" });
    assert_eq!(init(&site, "init/passwordless/login", unknown).await.status, 200);
    assert_eq!(org.one_time_passwords("unknown@example.com"), Vec::<String>::new());
}

/// Section 5.6: `{status,email,identifier}`, then the one-time password, then a user like any other.
#[tokio::test]
async fn people_register() {
    let (org, site) = org().await;
    let person = json!({
        "userdata": {
            "firstName": "Zoe", "lastName": "Quist", "email": "zoe@example.com", "username": "zoe@example.com.portal",
        },
        "password": "a-Password-of-her-own-1", "verificationmethod": "email",
    });
    let response = init(&site, "init/registration", person.clone()).await.json();
    assert_eq!(response["email"], "zoe@example.com");
    assert!(
        !org.users().iter().any(|user| user.username().starts_with("zoe")),
        "not before she confirmed it"
    );
    let otp = org.one_time_passwords("zoe@example.com").pop().unwrap();
    let identifier = response["identifier"].as_str().unwrap();
    let confirm = |kind: &str| {
        let request = authorize(&org, &site, kind, &[]).basic_auth(identifier, Some(&otp));
        request.header("auth-verification-type", "email")
    };
    let back = send(confirm("user-registration")).await;
    assert_eq!(username(&org, &site, &back).await, "zoe@example.com.portal");
    refused(&send(confirm("user-registration")).await, "invalid_otp");

    // Her password is hers, and she is a record.
    let login = |password: &'static str| {
        let request = authorize(&org, &site, "Named-User", &[]);
        send(request.basic_auth("zoe@example.com.portal", Some(password)))
    };
    refused(&login("fake-org-1").await, "invalid_grant");
    assert!(login("a-Password-of-her-own-1").await.location_param("code").is_some());
    let api = Api::of(&org);
    let rows = api.records("SELECT LastName FROM User WHERE Email = 'zoe@example.com'").await;
    assert_eq!(rows[0]["LastName"], "Quist");

    // A name is taken once; what is no registration is refused.
    assert_eq!(init(&site, "init/registration", person).await.error().0, "registration_error");
    for wrong in [
        json!({}),
        json!({ "userdata": { "username": "y@example.com" }, "verificationmethod": "email" }),
        json!({ "userdata": { "username": "y@example.com", "email": "y@example.com" } }),
    ] {
        let response = init(&site, "init/registration", wrong).await;
        assert_eq!((response.status, response.error().0), (400, "invalid_request".into()));
    }
}

/// Section 5.6: `{"status_code":"otp_sent"}`, then the new password.
#[tokio::test]
async fn people_reset_their_passwords() {
    let (org, site) = org().await;
    let response = init(&site, "forgot_password", json!({ "username": ADA })).await;
    assert_eq!(response.json(), json!({ "status_code": "otp_sent" }));
    let otp = org.one_time_passwords(ADA).pop().unwrap();
    let reset = |username: &str, otp: &str| {
        let body = json!({ "username": username, "otp": otp, "newpassword": "another-Password-2" });
        let site = site.clone();
        async move { init(&site, "forgot_password", body).await }
    };
    for (username, otp) in [(ADA, "0"), ("ben@example.com", otp.as_str())] {
        let response = reset(username, otp).await;
        assert_eq!((response.status, response.error().0.as_str()), (400, "invalid_otp"), "{username}");
    }
    assert_eq!(reset(ADA, &otp).await.status, 200);
    assert_eq!(reset(ADA, &otp).await.status, 400, "once");
    let login = |password: &'static str| {
        send(authorize(&org, &site, "Named-User", &[]).basic_auth(ADA, Some(password)))
    };
    refused(&login("fake-org-1").await, "invalid_grant");
    assert!(login("another-Password-2").await.location_param("code").is_some());
    // The same at the login form.
    let browser = crate::support::Browser::default();
    let page = browser.get(&crate::support::authorize_url(&org, &[])).await;
    let again = browser.log_in(&org, &page, ADA, "fake-org-1").await;
    assert!(again.body.contains("id=\"username\""));
    assert!(browser.log_in(&org, &again, ADA, "another-Password-2").await.body.contains("oaapprove"));
}

/// Section 5.6 and live-checked notes of a storefront: the visitor's id is a header, `UVID <uuid>` here and bare at the
/// token endpoint; every wrong one reads the same.
#[tokio::test]
async fn guests_stand_for_a_visitor() {
    let (org, site) = org().await;
    let hint = format!("UVID {VISITOR}");
    for wrong in ["", VISITOR, "UVID 7b9f3c2e-5d41-1a6b-9c8d-0123456789ab", "JWT unknown"] {
        let back = send(authorize(&org, &site, "guest", &[]).header("uvid-hint", wrong)).await;
        refused(&back, "invalid_request");
        assert_eq!(back.location_param("error_description").as_deref(), Some("uvid invalid"), "{wrong}");
    }
    let back = send(authorize(&org, &site, "Guest-User", &[]).header("uvid-hint", &hint)).await;
    assert_eq!(back.location_param("error_description").as_deref(), Some("invalid headers"));

    let back = send(authorize(&org, &site, "guest", &[]).header("uvid-hint", &hint)).await;
    let code = back.location_param("code").unwrap();
    let response = send(exchange(&org, &site, &code)).await;
    assert_eq!(
        response.error(),
        ("invalid_request".into(), "uvid invalid".into()),
        "the token call needs it too"
    );
    let response = send(exchange(&org, &site, &code).header("uvid-hint", VISITOR)).await.json();
    let identity = userinfo(&org, response["access_token"].as_str().unwrap()).await.json();
    assert_eq!(identity["user_type"], "GUEST");

    // Only internal users have an identity to show to others.
    let ada = org.issue_tokens(&org.user(ADA), "api id").access_token;
    let other =
        send(http().get(response["id"].as_str().unwrap().replace(&site, &org.login_url())).bearer_auth(ada))
            .await;
    assert_eq!((other.status, other.body.as_str()), (404, "No_Access"));

    // In a JWT the visitor shows, and the JWT names the visitor the next time. In the body it is a hint as well.
    org.set_access_tokens(AccessTokens::Jwt(Duration::from_secs(600)));
    let back = send(authorize(&org, &site, "guest", &[("uvid_hint", &hint)])).await;
    let code = back.location_param("code").unwrap();
    let response = send(exchange(&org, &site, &code).header("uvid-hint", VISITOR)).await.json();
    let jwt = response["access_token"].as_str().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["sub"], format!("uvid:{VISITOR}"));
    let back = send(authorize(&org, &site, "guest", &[]).header("uvid-hint", format!("JWT {jwt}"))).await;
    assert!(back.location_param("code").is_some(), "{back:?}");

    // The guest user cannot log in.
    let guest = identity["preferred_username"].as_str().unwrap();
    refused(
        &send(authorize(&org, &site, "Named-User", &[]).basic_auth(guest, Some("fake-org-1"))).await,
        "invalid_grant",
    );
}

/// A refresh of a guest's token stands for the same visitor.
#[tokio::test]
async fn a_guest_stays_the_same_visitor() {
    let (org, site) = org().await;
    org.set_access_tokens(AccessTokens::Jwt(Duration::from_secs(600)));
    let hint = format!("UVID {VISITOR}");
    let request = authorize(&org, &site, "guest", &[]).header("uvid-hint", &hint);
    let mut request = request.build().unwrap();
    let body = String::from_utf8(request.body().unwrap().as_bytes().unwrap().to_vec()).unwrap();
    *request.body_mut() = Some(body.replace("scope=api+id", "scope=api+refresh_token").into());
    request.headers_mut().remove("content-length");
    let back = Response::of(http().execute(request).await.unwrap()).await;
    let code = back.location_param("code").unwrap();
    let response = send(exchange(&org, &site, &code).header("uvid-hint", VISITOR)).await.json();
    let response = crate::support::refresh(&org, response["refresh_token"].as_str().unwrap()).await.json();
    let jwt = response["access_token"].as_str().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
    assert!(String::from_utf8(claims).unwrap().contains(&format!("uvid:{VISITOR}")));
}

/// Section 5.6: `isCodeCredPostOnly`, and username and password in the body.
#[tokio::test]
async fn credentials_may_have_to_come_in_the_body() {
    let (org, site) = org().await;
    let in_body = [("username", ADA), ("password", "fake-org-1")];
    let post = || send(authorize(&org, &site, "Named-User", &in_body));
    let basic = || send(authorize(&org, &site, "Named-User", &[]).basic_auth(ADA, Some("fake-org-1")));
    assert!(post().await.location_param("code").is_some());
    assert!(basic().await.location_param("code").is_some());
    let policy = http().post(format!("{}/fake/policy", org.login_url()));
    assert_eq!(send(policy.json(&json!({ "code_credentials_post_only": true }))).await.status, 200);
    assert!(post().await.location_param("code").is_some());
    refused(&basic().await, "invalid_basic_auth_header");
}

/// Section 1.1: headless flows are a site's.
#[tokio::test]
async fn other_hosts_have_no_headless_endpoints() {
    let (org, _) = org().await;
    for host in [org.login_url(), org.instance_url()] {
        for path in ["init/registration", "init/passwordless/login", "forgot_password"] {
            let response = init(&host, path, json!({ "username": ADA })).await;
            assert_eq!(response.status, 404, "{host} {path}");
            assert!(response.body.contains("URL No Longer Exists"));
        }
    }
    assert_eq!(org.one_time_passwords(ADA), Vec::<String>::new());
}

/// Messages are readable over HTTP, for clients in any language.
#[tokio::test]
async fn messages_are_told_over_http() {
    let (org, site) = org().await;
    init(&site, "forgot_password", json!({ "username": ADA })).await;
    init(&site, "init/passwordless/login", json!({ "username": ADA, "verificationmethod": "sms" })).await;
    let shown = send(http().get(format!("{}/fake/messages", org.login_url()))).await.json();
    assert_eq!(shown.as_array().unwrap().len(), 2);
    let (first, second) = (&shown[0], &shown[1]);
    assert_eq!(
        (&first["to"], &first["via"], &first["purpose"]),
        (&json!(ADA), &json!("email"), &json!("forgot_password"))
    );
    assert_eq!((&second["via"], &second["purpose"]), (&json!("sms"), &json!("passwordless_login")));
    assert_eq!(org.one_time_passwords(ADA)[1], second["otp"].as_str().unwrap());
}
