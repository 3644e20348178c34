//! Tokens that prove no sender: one response for all of them, no secret in the log, no handler runs.

use super::*;
use crate::support::{ADA, raw};
use serde_json::{Value, json};
use std::time::Duration;

#[actix_web::test]
async fn thirty_bad_tokens_get_the_same_plain_response_and_do_nothing() {
    let app = Inbound::start().await;
    let other = FakeOrg::builder().organization_id("00D000000000009EAA").start().await.unwrap();
    let ada = app.org.user(ADA);
    let now = app.org.now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let signed = || app.org.call(&ada).certificate("orders_2026").audience(AUDIENCE);
    let good = signed().token();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let jwk = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" });
    let tokens = [
        // Form.
        String::new(),
        "x".to_owned(),
        "a.b.c".to_owned(),
        message.to_owned(),
        format!("{good}.{signature}"),
        format!("{good}{}", "A".repeat(9 * 1024)),
        signed().claim("filler", "x".repeat(9 * 1024)).token(),
        // Algorithm.
        signed().algorithm("none").token(),
        signed().algorithm("HS256").token(),
        signed().header("alg", "RS384").token(),
        // Key.
        signed().header("kid", "unlisted_name").signed_by("orders_2026").token(),
        signed().header("kid", "unlisted.secret/../x").token(),
        signed().header("kid", Value::Null).token(),
        signed().header("jwk", jwk).token(),
        signed().header("jku", "https://evil.example/keys").token(),
        signed().header("x5u", "https://evil.example/x.crt").token(),
        signed().header("x5c", json!(["AQAB"])).token(),
        signed().header("crit", json!(["exp"])).token(),
        // Signature.
        signed().signed_by("another").token(),
        other
            .call(&ada)
            .certificate("orders_2026")
            .audience(AUDIENCE)
            .issuer(&app.org.instance_url())
            .token(),
        format!("{message}.{}", signature.chars().rev().collect::<String>()),
        format!(
            "{}.{signature}",
            signed().claim("sub", "005000000000009AAA").token().rsplit_once('.').unwrap().0
        ),
        // Claims.
        signed().claim("aud", Value::Null).token(),
        signed().audience("https://orders.example.com/other").token(),
        signed().claim("aud", json!(["https://orders.example.com/other"])).token(),
        signed().claim("aud", json!({ "0": AUDIENCE })).token(),
        signed().issuer("https://evil.example").token(),
        signed().claim("iss", Value::Null).token(),
        signed().claim("exp", now - 61).claim("iat", now - 181).claim("nbf", now - 181).token(),
        signed().lifetime(Duration::from_secs(3600)).token(),
        signed().claim("exp", Value::Null).token(),
        signed().claim("iat", Value::Null).token(),
        signed().claim("iat", now + 300).claim("exp", now + 400).token(),
        signed().claim("nbf", Value::Null).token(),
        signed().claim("nbf", now + 120).token(),
        // The org of a sandbox, no org, and none that is one.
        signed().claim("org", "00D000000000009EAA").token(),
        signed().claim("org", Value::Null).token(),
        signed().claim("org", 7).token(),
        // No user.
        signed().claim("sub", "orders-app").token(),
        signed().claim("sub", app.org.organization_id()).token(),
        signed().claim("sub", "005000000000001AAB").token(),
        signed().claim("sub", Value::Null).token(),
    ];
    assert!(tokens.len() >= 30);
    let first = app.call("/call", "x").await;
    assert_eq!((first.status, first.header("www-authenticate")), (401, "Bearer"), "{first:?}");
    let seen = support::logs::text().len();
    let mut plain = first.headers.clone();
    plain.remove("date");
    for (place, token) in tokens.iter().enumerate() {
        for path in ["/call", "/call/as-user"] {
            let page = app.call(path, token).await;
            assert_eq!((page.status, &page.body), (401, &first.body), "{place}: {page:?}");
            let mut headers = page.headers.clone();
            headers.remove("date");
            assert_eq!(headers, plain, "{place}");
        }
    }
    for headers in [
        vec![],
        vec![("authorization", format!("Basic {good}"))],
        vec![("authorization", good.clone())],
        vec![("authorization", format!("Bearer {good}")), ("authorization", format!("Bearer {good}"))],
        vec![("authorization", format!("Bearer {good}")), ("authorization", "Basic eDp5".to_owned())],
        vec![("x-authorization", format!("Bearer {good}"))],
    ] {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (url, request) = (app.server.url.clone(), request("/call", &lines));
        let response = web::block(move || raw::exchange(&url, &request)).await.unwrap();
        assert_eq!(raw::status(&response), 401, "{headers:?}: {response}");
        assert!(response.ends_with(&first.body), "{response}");
    }
    assert_eq!(app.handled(), 0);
    assert!(app.org.requests().is_empty(), "neither a key is fetched nor a user looked up");

    let log = support::logs::text().split_off(seen);
    for part in tokens.iter().chain([&good]).flat_map(|token| token.split('.')) {
        assert!(part.len() < 20 || !log.contains(part), "a part of a token is logged: {part}");
    }
    assert!(log.contains("unlisted_name") && log.contains("known=\"orders_2026\""), "the key id helps");
    assert!(!log.contains("unlisted.secret"), "what is no name of a certificate is not repeated");
    for reason in
        ["algorithm is neither", "brings a key", "no key id", "signature is not made", "`aud`", "`sub`"]
    {
        assert!(log.contains(reason), "{reason}");
    }
    // All of that has not used the good one up.
    assert_eq!(app.call("/call", &good).await.status, 200);
}

fn request(path: &str, headers: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n{headers}\r\n")
        .into_bytes()
}

/// A flood of unknown keys costs neither a request nor a verification.
#[actix_web::test]
async fn an_app_without_callers_refuses_each_call() {
    let app = Inbound::with(|_, builder| builder).await;
    let token = app.org.call(&app.org.user(ADA)).certificate("orders_2026").audience(AUDIENCE).token();
    assert_eq!(app.call("/call", &token).await.status, 401);
    assert_eq!(app.handled(), 0);
}
