//! Token responses of every grant and in every format, against the sample that its source shows: the same members, each of
//! the same type. Those of the web server flow as JSON: `shapes.rs`.
use crate::support::shape::same_shape;
use crate::support::{
    ADA, ALL, Browser, CALLBACK, Response, VERIFIER, authorize_url, code, http, refresh, send, token,
    token_at,
};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, SigningKey as _};
use salesforce_fake_org::FakeOrg;
use serde_json::{Map, Value, json};

/// What every one of them has.
fn sample() -> Value {
    json!({
        "access_token": "", "signature": "", "scope": "", "instance_url": "", "id": "", "token_type": "",
        "issued_at": "",
    })
}

fn with(mut sample: Value, names: &[&str]) -> Value {
    for name in names {
        sample[*name] = json!("");
    }
    sample
}

/// A form, or the part of an address that is one, as an object.
fn form(text: &str) -> Value {
    let pairs = url::form_urlencoded::parse(text.as_bytes());
    pairs.map(|(name, value)| (name.into_owned(), json!(value))).collect::<Map<_, _>>().into()
}

/// The members of a flat XML response: `<OAuth …><name>text</name>…</OAuth>`.
fn xml(text: &str) -> Value {
    let inside = text.split_once('>').unwrap().1.split_once('>').unwrap().1;
    let mut members = Map::new();
    let mut rest = inside.strip_suffix("</OAuth>").unwrap();
    while !rest.is_empty() {
        let (name, after) = rest.strip_prefix('<').unwrap().split_once('>').unwrap();
        let (value, after) = after.split_once(&format!("</{name}>")).unwrap();
        members.insert(name.to_owned(), json!(value));
        rest = after;
    }
    members.into()
}

async fn exchange(org: &FakeOrg, more: &[(&str, &str)]) -> Response {
    let code = code(org, &[]).await;
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    fields.extend(more);
    token(org, &fields).await
}

/// Section 5.2: Help, "OAuth 2.0 JWT Bearer Flow", the sample response: no signature, no time.
#[tokio::test]
async fn jwt_bearer() {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let pem = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
    let org = FakeOrg::builder().certificate(&pem).unwrap().start().await.unwrap();
    let _ = org.issue_tokens(&org.user(ADA), "api id");
    use base64::Engine as _;
    let part = |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let exp = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 180;
    let claims = json!({ "iss": org.client_id(), "sub": ADA, "aud": org.login_url(), "exp": exp });
    let message = format!("{}.{}", part(json!({ "alg": "RS256" })), part(claims));
    let signature =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap());
    let assertion = format!("{message}.{signature}");
    let fields = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion)];
    let response = token(&org, &fields).await;
    let sample = json!({ "access_token": "", "scope": "", "instance_url": "", "id": "", "token_type": "" });
    same_shape(&response.json(), &sample);
}

/// Section 5.5: Help, "Set Up the Token Exchange Flow": as every token response, without `issued_token_type`.
#[tokio::test]
async fn token_exchange() {
    let org = FakeOrg::builder().exchange_token("theirs", ADA).token_handler("Portal");
    let org = org.scopes("api id").start().await.unwrap();
    let fields = |subject: &'static str, handler: &'static str, scope: &'static str| {
        [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", subject),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("token_handler", handler),
            ("scope", scope),
        ]
    };
    let instance = org.instance_url();
    let response = token_at(&instance, &org, &fields("theirs", "Portal", "api id")).await.json();
    same_shape(&response, &sample());
    for (fields, error, text) in [
        (fields("theirs", "Other", "api"), "invalid_request", "token handler not found"),
        (fields("unknown", "Portal", "api"), "invalid_request", "token handler validation failed"),
        (
            fields("theirs", "Portal", "web"),
            "invalid_scope",
            "the requested scope is invalid, unknown, or malformed",
        ),
    ] {
        let response = token_at(&instance, &org, &fields).await;
        assert_eq!(response.status, 400, "{text}");
        assert_eq!(response.json(), json!({ "error": error, "error_description": text }));
    }
    let shared = token(&org, &fields("theirs", "Portal", "api")).await;
    assert_eq!(shared.json()["error"], "invalid_grant", "a shared login host has no handler");
}

/// Section 5.1: Help, "OAuth 2.0 Client Credentials Flow", with `openid` and `sfap_api` on the app (section 2.6).
#[tokio::test]
async fn client_credentials_with_more_scopes() {
    let org = FakeOrg::builder().execution_user(ADA).scopes("api openid sfap_api").start().await.unwrap();
    let response = token_at(&org.instance_url(), &org, &[("grant_type", "client_credentials")]).await;
    same_shape(&response.json(), &with(sample(), &["id_token", "api_instance_url"]));
}

/// Sections 2.6 and 3.1: the Mobile SDK's reader, and Help, "OAuth 2.0 Hybrid App Flow Cookie Management".
#[tokio::test]
async fn hybrid_flows() {
    let scopes = "api web lightning content visualforce refresh_token";
    let org = FakeOrg::builder().scopes(scopes).start().await.unwrap();
    let code = code(&org, &[("scope", scopes)]).await;
    let fields = [
        ("grant_type", "hybrid_auth_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let children = [
        "refresh_token",
        "sidCookieName",
        "cookie-clientSrc",
        "cookie-sid_Client",
        "content_domain",
        "content_sid",
        "lightning_domain",
        "lightning_sid",
        "csrf_token",
        "visualforce_domain",
        "visualforce_sid",
    ];
    let response = token(&org, &fields).await.json();
    same_shape(&response, &with(sample(), &children));
    let fields =
        [("grant_type", "hybrid_refresh"), ("refresh_token", response["refresh_token"].as_str().unwrap())];
    same_shape(&token(&org, &fields).await.json(), &with(sample(), &children));
}

/// Section 1.3 and Help, "OAuth 2.0 User-Agent Flow": the fragment, as several repositories captured it
/// (`access_token, instance_url, id, issued_at, signature, state, scope, token_type`; `refresh_token` with an own scheme).
#[tokio::test]
async fn user_agent_flow() {
    let app = "exampleapp://done";
    let org = FakeOrg::builder().redirect_uri(app).redirect_uri(CALLBACK).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let send_request = async |over: &[(&str, &str)]| {
        let response = Browser::default().get(&authorize_url(&org, over)).await;
        form(response.header("location").split_once('#').unwrap().1)
    };
    let token = ("response_type", "token");
    let web = send_request(&[token, ("scope", "api id")]).await;
    same_shape(&web, &with(sample(), &["state"]));
    let own = send_request(&[token, ("scope", "api refresh_token"), ("redirect_uri", app)]).await;
    same_shape(&own, &with(sample(), &["state", "refresh_token"]));
    let both =
        send_request(&[("response_type", "token id_token"), ("scope", "openid"), ("nonce", "n")]).await;
    same_shape(&both, &with(sample(), &["state", "id_token"]));
    let refused = send_request(&[token, ("scope", "nonsense")]).await;
    same_shape(&refused, &json!({ "error": "", "error_description": "", "state": "" }));
}

/// Section 2.5: `format=urlencoded`, and the `Accept` that means the same.
#[tokio::test]
async fn as_a_form() {
    let org = FakeOrg::start().await.unwrap();
    let sample = with(sample(), &["refresh_token", "id_token"]);
    let response = exchange(&org, &[("format", "urlencoded")]).await;
    same_shape(&form(&response.body), &sample);
    assert_eq!(response.header("content-type"), "application/x-www-form-urlencoded;charset=UTF-8");
    let token = form(&response.body)["refresh_token"].as_str().unwrap().to_owned();
    let (id, secret) = (org.client_id(), org.client_secret());
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token.as_str()),
        ("client_id", &id),
        ("client_secret", &secret),
    ];
    let request = http().post(format!("{}/services/oauth2/token", org.login_url())).form(&fields);
    let response = send(request.header("accept", "application/x-www-form-urlencoded")).await;
    same_shape(&form(&response.body), &sample);
    let refused = exchange(&org, &[("format", "urlencoded"), ("code", "")]).await;
    assert_eq!(refused.status, 400);
    same_shape(&form(&refused.body), &json!({ "error": "", "error_description": "" }));
}

/// Section 2.5: `format=xml`. The element around the members is unverified.
#[tokio::test]
async fn as_xml() {
    let org = FakeOrg::start().await.unwrap();
    let sample = with(sample(), &["refresh_token", "id_token"]);
    let response = exchange(&org, &[("format", "xml")]).await;
    same_shape(&xml(&response.body), &sample);
    assert_eq!(response.header("content-type"), "application/xml;charset=UTF-8");
    assert!(
        response.body.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?><OAuth xmlns:xsi="),
        "{response:?}"
    );
    let refused =
        token(&org, &[("grant_type", "refresh_token"), ("refresh_token", "x"), ("format", "xml")]).await;
    assert_eq!(refused.status, 400);
    same_shape(&xml(&refused.body), &json!({ "error": "", "error_description": "" }));
}

/// Sections 1.5 and 4.1: with `callback`, JSON is a script: the token response's, the identity's, revoke's (`fn({})`).
#[tokio::test]
async fn as_a_script() {
    let org = FakeOrg::start().await.unwrap();
    let script = |response: &Response| -> Value {
        assert_eq!(response.header("content-type"), "text/javascript;charset=UTF-8", "{response:?}");
        let inside = response.body.strip_prefix("done(").and_then(|rest| rest.strip_suffix(");"));
        serde_json::from_str(inside.unwrap_or_else(|| panic!("{response:?}"))).unwrap()
    };
    let response = script(&exchange(&org, &[("callback", "done")]).await);
    same_shape(&response, &with(sample(), &["refresh_token", "id_token"]));
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    let identity = http().get(&tokens.id).query(&[("callback", "done")]).bearer_auth(&tokens.access_token);
    let plain = send(http().get(&tokens.id).bearer_auth(&tokens.access_token)).await.json();
    same_shape(&script(&send(identity).await), &plain);
    let url = format!("{}/services/oauth2/revoke", org.login_url());
    let form = [("token", tokens.access_token.as_str()), ("callback", "done")];
    same_shape(&script(&send(http().post(&url).form(&form)).await), &json!({}));
    let refused = send(http().post(&url).form(&form)).await;
    assert_eq!(refused.status, 400);
    same_shape(&script(&refused), &json!({ "error": "", "error_description": "" }));
}

/// Sections 2.3 and 2.6: Help, "OAuth 2.0 Web Server Flow", and HEADLESS: a site's callback and its token responses, at the
/// login and at the refresh.
#[tokio::test]
async fn at_a_site() {
    let org = FakeOrg::builder().site("portal").scopes("api id refresh_token").start().await.unwrap();
    let site = org.site_url().unwrap();
    org.sign_in(&org.user(ADA));
    let url = authorize_url(&org, &[("scope", "")]).replace(&org.login_url(), &site);
    let back = Browser::default().get(&url).await;
    let query = back.header("location").split_once('?').unwrap().1;
    same_shape(
        &form(query),
        &json!({ "code": "", "state": "", "sfdc_community_url": "", "sfdc_community_id": "" }),
    );
    let code = back.location_param("code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let response = token_at(&site, &org, &fields).await.json();
    let sample = with(sample(), &["refresh_token", "sfdc_community_url", "sfdc_community_id"]);
    same_shape(&response, &sample);
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", response["refresh_token"].as_str().unwrap())];
    let refreshed = token_at(&site, &org, &fields).await.json();
    same_shape(&refreshed, &sample);
    // At the login host the response has the same tokens without.
    let plain = refresh(&org, refreshed["refresh_token"].as_str().unwrap()).await.json();
    same_shape(&plain, &with(self::sample(), &["refresh_token"]));
}
