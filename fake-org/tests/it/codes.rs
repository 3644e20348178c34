//! Authorization codes: PKCE, redirect URI, single use, life, client authentication.
use std::time::Duration;

use crate::support::{
    ADA, Browser, CALLBACK, VERIFIER, authorize_url, code, exchange, http, send, token, userinfo,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use salesforce_fake_org::FakeOrg;

const WEB: (&str, &str) = ("grant_type", "authorization_code");

fn error(error: &str, description: &str) -> (String, String) {
    (error.to_owned(), description.to_owned())
}

/// Section 2.2.
#[tokio::test]
async fn a_challenge_is_required() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let back = Browser::default().get(&authorize_url(&org, &[("code_challenge", "")])).await;
    assert_eq!(back.location_param("error").as_deref(), Some("invalid_request"));
    assert_eq!(back.location_param("error_description").as_deref(), Some("missing required code challenge"));

    let org = FakeOrg::builder().pkce_required(false).start().await.unwrap();
    let code = code(&org, &[("code_challenge", "")]).await;
    let response = token(&org, &[WEB, ("code", &code), ("redirect_uri", CALLBACK)]).await;
    assert_eq!(response.status, 200, "not required, not sent");
}

/// Section 2.2: `invalid_grant` and `invalid code verifier`, for a wrong and for a missing one.
#[tokio::test]
async fn the_verifier_must_match() {
    let org = FakeOrg::start().await.unwrap();
    let code = code(&org, &[]).await;
    let wrong = VERIFIER.to_uppercase();
    for verifier in ["", "short", &wrong] {
        let fields = [WEB, ("code", &code), ("redirect_uri", CALLBACK), ("code_verifier", verifier)];
        let response = token(&org, &fields).await;
        assert_eq!(response.status, 400);
        assert_eq!(response.error(), error("invalid_grant", "invalid code verifier"), "{verifier}");
    }
    assert_eq!(exchange(&org, &code).await.status, 200);
}

/// Section 2.2: no `code_challenge_method` means S256; 171 characters of verifier are accepted.
#[tokio::test]
async fn the_method_is_s256_whether_named_or_not() {
    let org = FakeOrg::start().await.unwrap();
    let long = "v".repeat(171);
    for (verifier, method) in [(VERIFIER, ""), (VERIFIER, "S256"), (long.as_str(), "")] {
        let challenge = crate::support::challenge(verifier);
        let code = code(&org, &[("code_challenge", &challenge), ("code_challenge_method", method)]).await;
        let fields = [WEB, ("code", &code), ("redirect_uri", CALLBACK), ("code_verifier", verifier)];
        assert_eq!(token(&org, &fields).await.status, 200, "{method}");
    }
    org.sign_in(&org.user(ADA));
    for over in [("code_challenge_method", "plain"), ("code_challenge", VERIFIER)] {
        let back = Browser::default().get(&authorize_url(&org, &[over])).await;
        assert_eq!(back.location_param("error").as_deref(), Some("invalid_request"), "{over:?}");
    }
}

/// Section 2.7: `redirect_uri_mismatch`.
#[tokio::test]
async fn the_redirect_uri_is_the_same_at_both_ends() {
    let org = FakeOrg::start().await.unwrap();
    let code = code(&org, &[]).await;
    for uri in ["", "http://127.0.0.1:9/callback/", "http://localhost:9/callback"] {
        let fields = [WEB, ("code", &code), ("redirect_uri", uri), ("code_verifier", VERIFIER)];
        let response = token(&org, &fields).await;
        assert_eq!(response.error(), error("redirect_uri_mismatch", "redirect_uri must match configuration"));
    }
}

/// Section 2.3: single use, the same text as expiry. That a second use ends what the first gave is RFC 6749's
/// wish, for Salesforce unverified.
#[tokio::test]
async fn a_code_works_once_and_a_second_use_ends_its_tokens() {
    let org = FakeOrg::start().await.unwrap();
    let code = code(&org, &[]).await;
    let first = exchange(&org, &code).await.json();
    let access = first["access_token"].as_str().unwrap();
    assert_eq!(userinfo(&org, access).await.status, 200);
    let second = exchange(&org, &code).await;
    assert_eq!(second.status, 400);
    assert_eq!(second.error(), error("invalid_grant", "expired authorization code"));
    assert_eq!(org.code_reuse_count(), 1);
    assert_eq!(userinfo(&org, access).await.status, 403);
    let refresh = crate::support::refresh(&org, first["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refresh.error(), error("invalid_grant", "expired access/refresh token"));
}

/// Section 2.3: 15 minutes; garbage reads the same.
#[tokio::test]
async fn a_code_lives_fifteen_minutes() {
    let org = FakeOrg::start().await.unwrap();
    let (young, old) = (code(&org, &[]).await, code(&org, &[]).await);
    org.advance(Duration::from_secs(14 * 60 + 50));
    assert_eq!(exchange(&org, &young).await.status, 200);
    org.advance(Duration::from_secs(11));
    for code in [old.as_str(), "aPrxgarbage==", "%3D"] {
        assert_eq!(exchange(&org, code).await.error(), error("invalid_grant", "expired authorization code"));
    }
}

/// Section 2.5 and 2.7.
#[tokio::test]
async fn the_client_is_authenticated_in_body_or_header() {
    let org = FakeOrg::start().await.unwrap();
    let code = code(&org, &[]).await;
    let fields = [WEB, ("code", &code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let with = |over: (&'static str, &'static str)| {
        let mut all = fields.to_vec();
        all.push(over);
        all
    };
    let response = token(&org, &with(("client_id", "3MVG9unknown"))).await;
    assert_eq!(
        (response.status, response.error()),
        (400, error("invalid_client_id", "client identifier invalid"))
    );
    for secret in ["", "wrong"] {
        let response = token(&org, &with(("client_secret", secret))).await;
        assert_eq!(response.error(), error("invalid_client", "invalid client credentials"), "{secret}");
    }
    let url = format!("{}/services/oauth2/token", org.login_url());
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let good = format!("{}:{}", org.client_id(), org.client_secret());
    for (header, status) in [(basic("no colon"), 400), ("Basic !".to_owned(), 400), (basic(&good), 200)] {
        let response = send(http().post(&url).header("authorization", &header).form(&fields)).await;
        assert_eq!(response.status, status, "{header}: {response:?}");
    }
}

#[tokio::test]
async fn a_public_client_sends_no_secret_but_no_wrong_one_either() {
    let org = FakeOrg::builder().public_client().start().await.unwrap();
    let code = code(&org, &[]).await;
    let fields = [WEB, ("code", &code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let wrong: Vec<_> = fields.iter().copied().chain([("client_secret", "wrong")]).collect();
    assert_eq!(token(&org, &wrong).await.error().0, "invalid_client");
    let none: Vec<_> = fields.iter().copied().chain([("client_secret", "")]).collect();
    assert_eq!(token(&org, &none).await.status, 200);
}

/// Section 2.7: the other errors of the token endpoint.
#[tokio::test]
async fn other_token_mistakes() {
    let org = FakeOrg::start().await.unwrap();
    for grant_type in ["", "implicit"] {
        let response = token(&org, &[("grant_type", grant_type)]).await;
        assert_eq!(
            response.error(),
            error("unsupported_grant_type", "grant type not supported"),
            "{grant_type}"
        );
    }
    assert_eq!(token(&org, &[WEB]).await.error().0, "invalid_request");
    assert_eq!(token(&org, &[("grant_type", "refresh_token")]).await.error().0, "invalid_request");
    let get = send(http().get(format!("{}/services/oauth2/token", org.login_url()))).await;
    assert_eq!(get.status, 400);
    // Section 2.6: errors are not stored.
    assert_eq!(get.header("cache-control"), "no-store");
}

/// Section 2.5: `format` overrides `Accept`.
#[tokio::test]
async fn the_response_comes_in_three_formats() {
    let org = FakeOrg::start().await.unwrap();
    for (format, start, content_type) in [
        ("json", "{", "application/json"),
        ("urlencoded", "access_token=00D", "application/x-www-form-urlencoded"),
        ("xml", "<?xml", "application/xml"),
    ] {
        let code = code(&org, &[]).await;
        let fields = [
            WEB,
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("format", format),
        ];
        let response = token(&org, &fields).await;
        assert!(response.header("content-type").starts_with(content_type), "{response:?}");
        assert!(response.body.starts_with(start), "{response:?}");
    }
}
