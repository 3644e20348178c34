//! The small endpoints around a login, against the sample that its source shows.
use crate::support::shape::same_shape;
use crate::support::{ADA, CALLBACK, VERIFIER, challenge, http, send};
use salesforce_fake_org::FakeOrg;
use serde_json::json;

/// Section 1.2: Help, "CORS for OAuth Endpoints"; the members' names are unverified.
#[tokio::test]
async fn pkce_pair() {
    let org = FakeOrg::start().await.unwrap();
    let url = format!("{}/services/oauth2/pkce/generator", org.login_url());
    let pair = send(http().get(&url)).await;
    same_shape(&pair.json(), &json!({ "code_challenge": "", "code_verifier": "" }));
    let verifier = pair.json()["code_verifier"].as_str().unwrap().to_owned();
    assert!((43..=128).contains(&verifier.len()), "RFC 7636 section 4.1");
    assert_eq!(pair.json()["code_challenge"], challenge(&verifier));
    assert_ne!(pair.json(), send(http().get(&url)).await.json(), "another one each time");
}

/// Section 5.6: HEADLESS, the redirect to the echo of a code: `{code, sfdc_community_url, sfdc_community_id}`.
#[tokio::test]
async fn echo() {
    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    let site = org.site_url().unwrap();
    let echo = format!("{site}/services/oauth2/echo");
    let form = [
        ("response_type", "code_credentials"),
        ("client_id", &org.client_id()),
        ("redirect_uri", &echo),
        ("code_challenge", &challenge(VERIFIER)),
    ];
    let request = http().post(format!("{site}/services/oauth2/authorize")).form(&form);
    let back =
        send(request.header("auth-request-type", "Named-User").basic_auth(ADA, Some("fake-org-1"))).await;
    let shown = send(http().get(back.header("location"))).await;
    same_shape(&shown.json(), &json!({ "code": "", "sfdc_community_url": "", "sfdc_community_id": "" }));
}

/// Section 1.2: what the Mobile SDK reads (`MobileSDK`); the rest is unverified. Readable from everywhere.
#[tokio::test]
async fn auth_configuration() {
    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    for origin in [org.login_url(), org.instance_url(), org.site_url().unwrap()] {
        let response = send(http().get(format!("{origin}/.well-known/auth-configuration"))).await;
        let sample = json!({
            "OrgId": "00D…", "MyDomainLoginPageUrl": "",
            "MobileSDK": { "UseiOSNativeBrowserForAuthentication": true, "UseAndroidNativeBrowserForAuthentication": true },
            "LoginPage": { "LoginPageUrl": "", "UsernamePasswordEnabled": true },
            "SamlProviders": [], "AuthProviders": [],
        });
        same_shape(&response.json(), &sample);
        assert_eq!(response.json()["MyDomainLoginPageUrl"], origin);
        assert_eq!(response.header("access-control-allow-origin"), "*");
    }
}

/// Section 1.2: dynamic client registration without an initial access token (Help, "Generate an Initial Access Token"): 401
/// and `invalid_client`, as a live host responded to a probe. No app here has one, so every registration is refused so.
#[tokio::test]
async fn registration() {
    let org = FakeOrg::start().await.unwrap();
    let client = json!({ "client_name": "mine", "redirect_uris": [CALLBACK] });
    let discovery =
        send(http().get(format!("{}/.well-known/openid-configuration", org.login_url()))).await.json();
    let url = discovery["registration_endpoint"].as_str().unwrap();
    for token in ["", "an-initial-access-token", &org.issue_tokens(&org.user(ADA), "api").access_token] {
        let response = send(http().post(url).bearer_auth(token).json(&client)).await;
        assert_eq!(response.status, 401, "{response:?}");
        same_shape(&response.json(), &json!({ "error": "", "error_description": "" }));
        assert_eq!(response.error().0, "invalid_client");
        assert_eq!(response.header("cache-control"), "no-store");
    }
}

/// Section 5.7: SOAP API guide, "login()" and "Core Data Types Used in API Calls" (`LoginFault`); the text is the one that
/// OpenFn/adaptors issue 1715 shows.
#[tokio::test]
async fn soap_login_fault() {
    let org = FakeOrg::start().await.unwrap();
    for path in ["u/64.0", "c/64.0"] {
        let url = format!("{}/services/Soap/{path}", org.login_url());
        let envelope = "<env:Envelope><env:Body><n1:login/></env:Body></env:Envelope>";
        let response = send(http().post(url).header("soapaction", "login").body(envelope)).await;
        assert_eq!(response.status, 500);
        assert_eq!(response.header("content-type"), "text/xml;charset=UTF-8");
        let text = "SOAP API login() is disabled by default in this org. Contact the org administrator to enable SOAP API \
                    login().";
        let expected = format!(
            "<soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_OPERATION</faultcode>\
             <faultstring>INVALID_OPERATION: {text}</faultstring><detail><sf:LoginFault xsi:type=\"sf:LoginFault\">\
             <sf:exceptionCode>INVALID_OPERATION</sf:exceptionCode><sf:exceptionMessage>{text}</sf:exceptionMessage>\
             </sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
        );
        assert!(
            response.body.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope "),
            "{response:?}"
        );
        assert!(response.body.ends_with(&expected), "{response:?}");
    }
}

/// Section 5.6: HEADLESS and field notes: `{status,email,identifier}`, `{"status_code":"otp_sent"}`; the Mobile SDK's
/// `identifier`.
#[tokio::test]
async fn headless_init() {
    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    let site = org.site_url().unwrap();
    let init = async |path: &str, body: serde_json::Value| {
        send(http().post(format!("{site}/services/auth/headless/{path}")).json(&body)).await
    };
    let person = json!({
        "userdata": { "firstName": "Zoe", "lastName": "Q", "email": "z@example.com", "username": "z@example.com" },
        "password": "x", "verificationmethod": "email",
    });
    let response = init("init/registration", person).await;
    same_shape(&response.json(), &json!({ "status": "", "email": "", "identifier": "" }));
    assert_eq!(response.header("cache-control"), "no-store");
    let login = json!({ "username": ADA, "verificationmethod": "sms" });
    same_shape(
        &init("init/passwordless/login", login).await.json(),
        &json!({ "status": "", "identifier": "" }),
    );
    let forgot = init("forgot_password", json!({ "username": ADA })).await;
    assert_eq!(forgot.json(), json!({ "status_code": "otp_sent" }));
    let wrong = init("forgot_password", json!({})).await;
    assert_eq!(wrong.status, 400);
    same_shape(&wrong.json(), &json!({ "error": "", "error_description": "" }));
}

/// Sections 1.5 and 4.3: identity and userinfo refuse with 403 and a bare word, no JSON.
#[tokio::test]
async fn words_of_refusal() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), "id");
    for url in [tokens.id.clone(), format!("{}/services/oauth2/userinfo", org.instance_url())] {
        for (token, word) in [("00Dx!old", "Bad_OAuth_Token"), ("", "Missing_OAuth_Token")] {
            let request = http().get(&url);
            let request = if token.is_empty() { request } else { request.bearer_auth(token) };
            let response = send(request).await;
            assert_eq!((response.status, response.body.as_str()), (403, word), "{url}");
            assert_eq!(response.header("content-type"), "text/html;charset=UTF-8");
        }
    }
}
