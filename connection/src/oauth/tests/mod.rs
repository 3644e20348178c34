//! The OAuth endpoints over real sockets: parameters, responses and errors.

mod authorization_request;
mod id_token;
mod limits;

use std::{collections::HashMap, sync::Arc};

use url::Url;

use crate::oauth::*;
use crate::{
    http::{
        allowed_hosts::AllowedHosts,
        client::HttpClient,
        error::HttpError,
        proxy::Proxies,
        scripted::{Reply, Scripted, Then},
    },
    secret::Secret,
};

const CANARY: &str = "canary-5f2b";

fn client(origins: &[&Url]) -> OAuthClient {
    let allowed_hosts = AllowedHosts::new(origins.iter().copied().cloned());
    let app = OAuthApp::new("3MVG9.id", Some("test-consumer-secret".into()));
    OAuthClient::with_http(app, HttpClient::new(Arc::new(allowed_hosts), Proxies::default()).unwrap())
}

fn host(server: &Scripted) -> LoginHost {
    server.origin.as_str().parse().unwrap()
}

fn token_body(origin: &Url) -> serde_json::Value {
    serde_json::json!({
        "access_token": "00Dx0000000BV7z!AR8AQ._", "refresh_token": "5Aep861", "token_type": "Bearer",
        "scope": "refresh_token api", "instance_url": origin.as_str().trim_end_matches('/'),
        "id": format!("{origin}id/00Dx0000000BV7zEAG/005x00000012Q9PAAU"), "issued_at": "1278448384422",
    })
}

/// Returns the outcome of a refresh whose token endpoint sends `reply`.
async fn refresh(reply: impl Fn(&Url) -> Reply + Send + Sync + 'static) -> Result<TokenResponse, OAuthError> {
    let server = Scripted::start(move |seen| {
        let host = seen.head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        reply(&Url::parse(&format!("http://{host}")).unwrap())
    })
    .await;
    let result = client(&[&server.origin]).refresh(&host(&server), &CANARY.into()).await;
    assert_eq!(server.seen().len(), 1, "no request is repeated");
    if let Err(error) = &result {
        let mut text = format!("{error} {error:?}");
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            text += &format!(" {inner} {inner:?}");
            source = inner.source();
        }
        assert!(!text.contains("canary"), "{text}");
    }
    result
}

#[tokio::test]
async fn a_client_contacts_salesforce_and_added_hosts_only() {
    let other = Scripted::untrusted().await;
    let server = Scripted::start(|_| Reply::json(400, r#"{"error":"invalid_grant"}"#)).await;
    let app = OAuthApp::new("3MVG9.id", Some("test-consumer-secret".into()));
    let client = OAuthClient::new(app, [host(&server)]).unwrap();
    assert!(client.refresh(&host(&server), &"r".into()).await.unwrap_err().is_invalid_grant());
    let rejected = client.refresh(&host(&other), &"r".into()).await;
    assert!(matches!(rejected, Err(OAuthError::Http(HttpError::HostNotAllowed(_)))), "{rejected:?}");
    assert_eq!((server.seen().len(), other.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_code_is_sent_once_to_its_host_with_all_parameters() {
    let other = Scripted::untrusted().await;
    let server = Scripted::start(|_| Reply::json(400, r#"{"error":"invalid_grant"}"#)).await;
    let redirect_uri = Url::parse("http://127.0.0.1:8080/callback").unwrap();
    let code = Secret::new("aPrx/+a==");
    let client = client(&[&server.origin, &other.origin]);
    let error = client.exchange(&host(&server), &redirect_uri, &code, &"v".repeat(43).as_str().into()).await;
    assert!(error.unwrap_err().is_invalid_grant());
    let seen = server.seen();
    assert_eq!((seen.len(), other.seen().len()), (1, 0));
    assert_eq!(seen[0].line, "POST /services/oauth2/token");
    let form: HashMap<_, _> = url::form_urlencoded::parse(seen[0].body.as_bytes()).into_owned().collect();
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["code"], "aPrx/+a==");
    assert_eq!(form["redirect_uri"], redirect_uri.as_str());
    assert_eq!(form["code_verifier"].len(), 43);
    assert_eq!(form["client_id"], "3MVG9.id");
    assert_eq!(form["client_secret"], "test-consumer-secret");
    assert_eq!(form.len(), 6);
    assert!(!seen[0].head.to_ascii_lowercase().contains("authorization:"));
}

#[tokio::test]
async fn a_valid_response_is_accepted() {
    let tokens = refresh(|origin| Reply::json(200, token_body(origin).to_string())).await.unwrap();
    assert_eq!(tokens.refresh_token, Some("5Aep861".into()));
}

/// As recorded responses have it.
#[tokio::test]
async fn a_token_without_a_type_is_a_bearer_token() {
    for is_null in [false, true] {
        let without_type = move |origin: &Url| {
            let mut body = token_body(origin);
            match is_null {
                false => drop(body.as_object_mut().unwrap().remove("token_type")),
                true => body["token_type"] = serde_json::Value::Null,
            }
            body
        };
        let tokens =
            refresh(move |origin| Reply::json(200, format!("\n{}", without_type(origin)))).await.unwrap();
        assert_eq!(tokens.refresh_token, Some("5Aep861".into()));
    }
    for reply in ["{}", "{ }", "{\"token_type\":null}"] {
        let error = refresh(move |_| Reply::json(200, reply)).await.unwrap_err();
        assert!(matches!(error, OAuthError::InvalidResponse(InvalidTokenResponse::Malformed)), "{error:?}");
    }
}

#[tokio::test]
async fn malformed_content_is_a_lost_response() {
    let html = "Content-Type: text/html\r\n";
    let json = "Content-Type: application/json\r\n";
    type Make = fn(String) -> Vec<u8>;
    let cases: [(&str, &'static str, Make); 12] = [
        ("HTML", html, |_| format!("<html>{CANARY}</html>").into()),
        ("JSON as text", "Content-Type: text/plain\r\n", String::into_bytes),
        ("HTML as JSON", json, |_| format!("<html>{CANARY}</html>").into()),
        ("truncated", json, |text| text.as_bytes()[..text.len() - 1].to_vec()),
        ("with something after it", json, |text| format!("{text}{CANARY}").into()),
        ("BOM", json, |text| format!("\u{feff}{text}").into()),
        ("UTF-16", json, |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("empty", json, |_| Vec::new()),
        ("array", json, |text| format!("[{text}]").into()),
        ("deep", json, |text| {
            text.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(200), "]".repeat(200)), 1).into()
        }),
        ("a member twice", json, |text| text.replacen('{', "{\"access_token\":\"canary\",", 1).into()),
        ("another twice", json, |text| {
            text.replacen('{', "{\"instance_url\":\"https://a.my.salesforce.com\",", 1).into()
        }),
    ];
    for (name, headers, make) in cases {
        let result = refresh(move |origin| Reply::new(200, headers, make(token_body(origin).to_string())));
        let error = result.await.expect_err(name);
        assert!(
            matches!(error, OAuthError::InvalidResponse(InvalidTokenResponse::Malformed)),
            "{name}: {error:?}"
        );
        assert!(error.is_response_lost() && !error.is_invalid_grant(), "{name}");
    }
    let no_content = refresh(|_| Reply(b"HTTP/1.1 204 X\r\n\r\n".to_vec(), Then::Close)).await.unwrap_err();
    assert!(
        matches!(no_content, OAuthError::InvalidResponse(InvalidTokenResponse::Malformed)),
        "{no_content:?}"
    );
}

#[tokio::test]
async fn hostile_urls_in_a_response_are_rejected_and_never_contacted() {
    let untrusted = Scripted::untrusted().await;
    let untrusted_origin = untrusted.origin.as_str().trim_end_matches('/').to_owned();
    let cases = [
        ("instance_url", untrusted_origin.clone(), InvalidTokenResponse::InstanceNotAllowed),
        (
            "instance_url",
            "https://login.salesforce.com.evil.example".into(),
            InvalidTokenResponse::InstanceNotAllowed,
        ),
        (
            "id",
            format!("{untrusted_origin}/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU"),
            InvalidTokenResponse::Identity,
        ),
    ];
    for (member, value, expected) in cases {
        let result = refresh(move |origin| {
            let mut body = token_body(origin);
            body[member] = value.clone().into();
            Reply::json(200, body.to_string())
        })
        .await;
        assert!(
            matches!(result, Err(OAuthError::InvalidResponse(named)) if named == expected),
            "{member}: {result:?}"
        );
    }
    for site in [format!("{}site", untrusted.origin), "javascript:alert(1)".into()] {
        let tokens = refresh(move |origin| {
            let mut body = token_body(origin);
            body["sfdc_community_url"] = site.clone().into();
            Reply::json(200, body.to_string())
        })
        .await;
        assert_eq!(tokens.unwrap().community_url, None);
    }
    let user_info = refresh(|origin| {
        let mut body = token_body(origin);
        body["id"] = body["id"].as_str().unwrap().replace("http://", "http://canary@").into();
        Reply::json(200, body.to_string())
    })
    .await;
    assert!(
        matches!(user_info, Err(OAuthError::InvalidResponse(InvalidTokenResponse::Identity))),
        "{user_info:?}"
    );
    assert!(untrusted.seen().is_empty());
}

#[tokio::test]
async fn only_invalid_grant_ends_a_login() {
    let rejected = |status, body: &'static str| refresh(move |_| Reply::json(status, body));
    let expired = r#"{"error":"invalid_grant","error_description":"expired access/refresh token canary"}"#;
    for status in [400, 401, 403] {
        assert!(rejected(status, expired).await.unwrap_err().is_invalid_grant());
    }
    assert!(rejected(400, r#"{"error":"INVALID-GRANT"}"#).await.unwrap_err().is_invalid_grant());

    // A server that is down or overloaded says nothing about the token.
    for status in [429, 500, 502, 503, 504] {
        let error = rejected(status, expired).await.unwrap_err();
        assert!(error.is_transient() && !error.is_invalid_grant(), "{status}: {error:?}");
    }
    let in_progress =
        r#"{"error":"invalid_grant","error_description":"Token request is already being processed"}"#;
    let error = rejected(400, in_progress).await.unwrap_err();
    assert!(error.is_in_progress() && error.is_transient() && !error.is_invalid_grant());
    assert!(!error.is_response_lost());

    for page in [
        "<html><a href=\"/x?a=b&error=invalid_grant&c=d\">maintenance</a></html>",
        "invalid_grant and some more text",
        "[]",
        r#"{"error":{"error":"invalid_grant"}}"#,
        "error=invalid_grant&error=other",
    ] {
        let error = refresh(move |_| Reply::new(400, "", page)).await.unwrap_err();
        assert!(!error.is_invalid_grant(), "{page}: {error:?}");
    }
    for (body, code) in [
        (r#"{"error":"invalid_client","error_description":"canary"}"#, "invalid_client"),
        (r#"{"error":"Bad\r\n<Code>_É"}"#, "badcode_"),
    ] {
        let error = rejected(400, body).await.unwrap_err();
        assert_eq!(error.error_code(), Some(code));
        assert!(!error.is_transient() && !error.is_invalid_grant());
    }
}

#[tokio::test]
async fn retry_after_of_a_token_endpoint_is_reported() {
    for body in ["<html>", r#"{"error":"service_unavailable"}"#] {
        let error = refresh(move |_| Reply::new(503, "Retry-After: 17\r\n", body)).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(17)), "{error:?}");
    }
}

#[tokio::test]
async fn is_response_lost_is_true_only_after_the_request_was_sent() {
    let reset = refresh(|_| Reply(Vec::new(), Then::Reset)).await.unwrap_err();
    assert!(reset.is_response_lost() && reset.is_transient(), "{reset:?}");
    let start = r#"{"access_token":"#;
    let cut = refresh(move |_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n";
        Reply([head, start].concat().into(), Then::Reset)
    })
    .await
    .unwrap_err();
    assert!(cut.is_response_lost() && cut.is_transient(), "{cut:?}");

    let gone = Scripted::untrusted().await;
    let (origin, host) = (gone.origin.clone(), host(&gone));
    drop(gone);
    tokio::task::yield_now().await;
    let error = client(&[&origin]).refresh(&host, &CANARY.into()).await.unwrap_err();
    assert!(matches!(error, OAuthError::Http(HttpError::Connect(_))), "{error:?}");
    assert!(!error.is_response_lost() && error.is_transient());
}

#[tokio::test]
async fn no_endpoint_follows_a_redirect() {
    let untrusted = Scripted::untrusted().await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}?{CANARY}\r\n", untrusted.origin);
        let server = Scripted::start(move |_| Reply::new(status, &location, "")).await;
        let (client, host) = (client(&[&server.origin, &untrusted.origin]), host(&server));
        let token = Secret::new("canary");
        let identity = IdentityUrl::parse(token_body(&server.origin)["id"].as_str().unwrap()).unwrap();
        let callback = Url::parse("http://127.0.0.1/callback").unwrap();
        for result in [
            client.exchange(&host, &callback, &token, &token).await.map(drop),
            client.refresh(&host, &token).await.map(drop),
            client.revoke(&server.origin, &token).await,
            client.introspect(&host, &token, TokenTypeHint::Refresh).await.map(drop),
            client.userinfo(&server.origin, &token).await.map(drop),
            client.identity(&server.origin, &identity, &token).await.map(drop),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(&error, OAuthError::Http(HttpError::Redirect(named)) if *named == status));
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
    assert!(untrusted.seen().is_empty());
}

#[tokio::test]
async fn an_unknown_token_counts_as_revoked() {
    for (status, body, done) in [
        (200, "", true),
        (400, "error=unsupported_token_type&error_description=this+token+type+is+not+supported", true),
        (400, r#"{"error":"invalid_token"}"#, true),
        (400, "Access Declined", false),
        (503, "", false),
        (503, r#"{"error":"invalid_token"}"#, false),
    ] {
        let server = Scripted::start(move |_| Reply::new(status, "", body)).await;
        let result = client(&[&server.origin]).revoke(&server.origin, &"a+/=b".into()).await;
        assert_eq!(result.is_ok(), done, "{status} {body}: {result:?}");
        let seen = server.seen();
        assert_eq!(seen[0].line, "POST /services/oauth2/revoke");
        assert_eq!(seen[0].body, "token=a%2B%2F%3Db");
    }
}

#[tokio::test]
async fn an_invalid_token_differs_from_an_outage() {
    for (status, body, is_invalid) in [
        (403, "Bad_OAuth_Token", true),
        (403, "Bad_OAuth_Token\r\n", true),
        (401, "", true),
        (403, "Missing_OAuth_Token", false),
        (403, "<html>maintenance</html>", false),
        (503, "Bad_OAuth_Token", false),
    ] {
        let server = Scripted::start(move |_| Reply::new(status, "Content-Type: text/html\r\n", body)).await;
        let client = client(&[&server.origin]);
        let identity = IdentityUrl::parse(token_body(&server.origin)["id"].as_str().unwrap()).unwrap();
        let token = Secret::new("00D!canary");
        let error = client.identity(&server.origin, &identity, &token).await.unwrap_err();
        assert_eq!(error.is_invalid_token(), is_invalid, "{status} {body}: {error:?}");
        let error = client.userinfo(&server.origin, &token).await.unwrap_err();
        assert_eq!(error.is_invalid_token(), is_invalid, "{status} {body}: {error:?}");
        for seen in server.seen() {
            assert!(!seen.line.contains("canary") && seen.head.contains("authorization: Bearer 00D!canary"));
        }
    }
}

#[tokio::test]
async fn the_identity_of_another_user_is_rejected() {
    let server = Scripted::start(|_| {
        Reply::json(
            200,
            r#"{"id":"x","user_id":"005x00000012Q9QAAU","organization_id":"00Dx0000000BV7zEAG","username":"eve"}"#,
        )
    })
    .await;
    let identity = IdentityUrl::parse(token_body(&server.origin)["id"].as_str().unwrap()).unwrap();
    let result = client(&[&server.origin]).identity(&server.origin, &identity, &CANARY.into()).await;
    assert!(matches!(result, Err(OAuthError::InvalidResponse(InvalidTokenResponse::Identity))), "{result:?}");
}

/// The meanings of `invalid_grant` are told apart by the description. Only known ones, which contain nothing secret, are
/// part of the error.
#[tokio::test]
async fn a_known_description_is_part_of_the_error_and_an_unknown_one_is_not() {
    for (code, sent, known) in [
        ("invalid_grant", "expired access/refresh token", Some("expired access/refresh token")),
        ("invalid_grant", "Audience validation failed", Some("audience validation failed")),
        ("invalid_grant", " user hasn't approved this consumer ", Some("user hasn't approved this consumer")),
        ("invalid_grant", "ip restricted", Some("ip restricted")),
        ("inactive_user", "user is inactive", Some("user is inactive")),
        // Salesforce's text is unverified, and the grant must not end for an address.
        ("invalid_grant", "IP restricted for canary@example.com", Some("ip restricted")),
        ("invalid_grant", "canary", None),
    ] {
        let body = serde_json::json!({ "error": code, "error_description": sent }).to_string();
        let error = refresh(move |_| Reply::json(400, &body)).await.unwrap_err();
        assert_eq!((error.error_code(), error.description()), (Some(code), known));
        let is_restricted = known == Some("ip restricted");
        assert_eq!((error.is_ip_restricted(), error.is_grant_refused()), (is_restricted, !is_restricted));
        let text = error.to_string();
        assert!(known.is_none_or(|known| text.ends_with(known)) && !text.contains("canary"), "{text}");
    }
}

/// Without knowledge about the grant a thin response is an error. With it, what is missing stays as it was.
#[tokio::test]
async fn a_refresh_response_is_partial_if_the_grant_is_known() {
    for missing in [vec!["instance_url"], vec!["id"], vec!["instance_url", "id", "scope"]] {
        let server = Scripted::start(move |seen| {
            let host = seen.head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
            let mut body = token_body(&Url::parse(&format!("http://{host}")).unwrap());
            body.as_object_mut().unwrap().retain(|name, _| !missing.contains(&name.as_str()));
            Reply::json(200, body.to_string())
        })
        .await;
        let client = client(&[&server.origin]);
        assert!(client.refresh(&host(&server), &"r".into()).await.is_err());
        let identity = IdentityUrl::parse(token_body(&server.origin)["id"].as_str().unwrap()).unwrap();
        let scopes: Scopes = "refresh_token api".parse().unwrap();
        let known =
            KnownGrant::new(identity.user, identity.url.clone(), server.origin.clone(), scopes.clone());
        let refreshed = client.refresh_grant(&host(&server), &"r".into(), &known).await.unwrap();
        assert_eq!(refreshed.tokens.identity, identity);
        assert_eq!((refreshed.tokens.instance_url, refreshed.tokens.scopes), (server.origin.clone(), scopes));
        assert_eq!(refreshed.token_host, None);
    }
}

proptest::proptest! {
    #[test]
    fn any_error_response_is_read_and_its_code_is_clean(
        status in 200_u16..600,
        body in proptest::prelude::any::<Vec<u8>>(),
        code in ".*",
    ) {
        use crate::http::response::Response;
        let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("error", &code).finish();
        let json = serde_json::json!({ "error": code }).to_string();
        for body in [body, code.into_bytes(), form.into(), json.into()] {
            let status = reqwest::StatusCode::from_u16(status).unwrap();
            let error = OAuthError::from_response(&Response { status, headers: Default::default(), body: body.into(), unread: None });
            if let Some(code) = error.error_code() {
                let clean = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
                proptest::prop_assert!(!code.is_empty() && code.len() <= 64 && code.bytes().all(clean));
            }
        }
    }
}
