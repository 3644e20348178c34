//! ID tokens: signature, form and claims.

mod keys;

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{
    http::scripted::{Reply, Scripted},
    oauth::{
        client::OAuthClient,
        id_token::{IdTokenClaims, IdTokenError},
        tests::{client, host, token_body},
        token_response::{IdentityUrl, TokenResponse},
    },
    secret::Secret,
};

const NOW: u64 = 1_800_000_000;
const NONCE: &str = "the-nonce-of-this-login";
const ID: &str = "https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU";

fn key() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

fn other_key() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

fn jwk(kid: &str, key: &RsaKeyPair) -> Value {
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
    json!({
        "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid,
        "n": URL_SAFE_NO_PAD.encode(public.n), "e": URL_SAFE_NO_PAD.encode(public.e),
    })
}

fn rs256(message: &str, key: &RsaKeyPair) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    signature
}

fn token(header: &Value, claims: &Value, sign: impl FnOnce(&str) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(&message));
    format!("{message}.{signature}")
}

fn header() -> Value {
    json!({ "alg": "RS256", "typ": "JWT", "kid": "210" })
}

/// A login host with keys, and the claims of a valid token of it.
struct Org {
    server: Scripted,
    client: OAuthClient,
    tokens: TokenResponse,
}

impl Org {
    async fn start() -> Self {
        Self::with_keys(json!([jwk("188", other_key()), jwk("210", key())])).await
    }

    async fn with_keys(keys: Value) -> Self {
        Self::with(move || Reply::json(200, json!({ "keys": keys }).to_string())).await
    }

    async fn with(keys: impl Fn() -> Reply + Send + Sync + 'static) -> Self {
        let server = Scripted::start(move |seen| match seen.line.as_str() {
            "GET /id/keys" => keys(),
            _ => Reply::json(404, "[]"),
        })
        .await;
        let client = client(&[&server.origin]);
        let tokens = TokenResponse {
            access_token: "00D!AR8AQ".into(),
            refresh_token: None,
            instance_url: Url::parse("https://acme.my.salesforce.com").unwrap(),
            identity: IdentityUrl::parse(token_body(&server.origin)["id"].as_str().unwrap()).unwrap(),
            scopes: "api openid".parse().unwrap(),
            issued_at: None,
            id_token: None,
            community_url: None,
        };
        Self { server, client, tokens }
    }

    fn claims(&self) -> Value {
        let at_hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(self.tokens.access_token.expose())[..16]);
        json!({
            "iss": self.server.origin.as_str().trim_end_matches('/'), "sub": ID, "aud": "3MVG9.id",
            "exp": NOW + 120, "iat": NOW, "nonce": NONCE, "at_hash": at_hash,
        })
    }

    async fn verify(&self, token: impl Into<Secret>) -> Result<IdTokenClaims, IdTokenError> {
        let tokens = TokenResponse { id_token: Some(token.into()), ..self.tokens.clone() };
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let result =
            self.client.verify_id_token(&host(&self.server), &tokens, Some(&NONCE.into()), now).await;
        if let Err(error) = &result {
            assert!(!format!("{error} {error:?}").contains("the-nonce"), "{error:?}");
        }
        result
    }

    async fn verify_claims(&self, change: impl FnOnce(&mut Value)) -> Result<IdTokenClaims, IdTokenError> {
        let mut claims = self.claims();
        change(&mut claims);
        self.verify(token(&header(), &claims, |message| rs256(message, key()))).await
    }

    fn fetches(&self) -> usize {
        self.server.seen().len()
    }
}

fn set(claims: &mut Value, name: &str, value: Value) {
    claims.as_object_mut().unwrap().insert(name.into(), value);
}

#[tokio::test]
async fn a_valid_token_is_accepted() {
    let org = Org::start().await;
    let claims = org.verify_claims(|_| ()).await.unwrap();
    assert_eq!((claims.sub.as_str(), claims.exp), (ID, NOW + 120));
    // The org's instance may be the issuer, and the ids of `sub` may have 15 characters.
    org.verify_claims(|claims| set(claims, "iss", "https://acme.my.salesforce.com".into())).await.unwrap();
    let short = "https://acme.my.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P";
    org.verify_claims(|claims| set(claims, "sub", short.into())).await.unwrap();
    org.verify_claims(|claims| drop(claims.as_object_mut().unwrap().remove("at_hash"))).await.unwrap();
    assert_eq!(org.fetches(), 1, "the keys are fetched once");
}

#[tokio::test]
async fn an_invalid_signature_is_rejected() {
    let org = Org::start().await;
    let claims = org.claims();
    let public = jwk("210", key());
    let modulus = URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap();
    let hs256 = |secret: Vec<u8>| {
        move |message: &str| {
            Hmac::<Sha256>::new_from_slice(&secret)
                .unwrap()
                .chain_update(message)
                .finalize()
                .into_bytes()
                .to_vec()
        }
    };
    for alg in ["none", "None", "nOnE", "", "RS384", "PS256", "ES256", "rs256"] {
        let header = json!({ "alg": alg, "kid": "210" });
        for sign in
            [Box::new(|_: &str| Vec::new()) as Box<dyn Fn(&str) -> Vec<u8>>, Box::new(|m| rs256(m, key()))]
        {
            let result = org.verify(token(&header, &claims, sign)).await;
            assert!(matches!(result, Err(IdTokenError::Form)), "{alg}: {result:?}");
        }
    }
    for secret in [modulus, public.to_string().into_bytes(), b"test-consumer-secret".to_vec()] {
        let header = json!({ "alg": "HS256", "kid": "210" });
        let result = org.verify(token(&header, &claims, hs256(secret.clone()))).await;
        assert!(matches!(result, Err(IdTokenError::Form)), "{result:?}");
        let header = json!({ "alg": "RS256", "kid": "210" });
        let result = org.verify(token(&header, &claims, hs256(secret))).await;
        assert!(matches!(result, Err(IdTokenError::Signature(_))), "{result:?}");
    }
    let other_key = org.verify(token(&header(), &claims, |message| rs256(message, other_key()))).await;
    assert!(matches!(other_key, Err(IdTokenError::Signature(_))), "{other_key:?}");
    let unsigned = org.verify(token(&header(), &claims, |_| Vec::new())).await;
    assert!(matches!(unsigned, Err(IdTokenError::Signature(_))), "{unsigned:?}");

    let valid = token(&header(), &claims, |message| rs256(message, key()));
    let mut parts = valid.split('.');
    let (head, _, signature) = (parts.next().unwrap(), parts.next(), parts.next().unwrap());
    let other = URL_SAFE_NO_PAD.encode(claims.to_string().replace("005x", "005y"));
    let swapped = org.verify(format!("{head}.{other}.{signature}")).await;
    assert!(matches!(swapped, Err(IdTokenError::Signature(_))), "{swapped:?}");
}

#[tokio::test]
async fn a_key_inside_the_token_is_never_used() {
    let org = Org::start().await;
    let untrusted = Scripted::untrusted().await;
    for (name, value) in [
        ("jwk", jwk("210", other_key())),
        ("jku", untrusted.origin.as_str().into()),
        ("x5u", untrusted.origin.as_str().into()),
        ("x5c", json!(["AAAA"])),
    ] {
        let mut header = header();
        set(&mut header, name, value);
        let result = org.verify(token(&header, &org.claims(), |message| rs256(message, other_key()))).await;
        assert!(matches!(result, Err(IdTokenError::Signature(_))), "{name}: {result:?}");
    }
    assert!(untrusted.seen().is_empty());
}

#[tokio::test]
async fn other_forms_of_token_are_rejected() {
    let org = Org::start().await;
    let signed = |header: Value| token(&header, &org.claims(), |message| rs256(message, key()));
    let valid = signed(header());
    for text in [
        String::new(),
        "..".into(),
        "a.b".into(),
        format!("{valid}.{}", valid.rsplit('.').next().unwrap()),
        format!("{valid}="),
        format!(" {valid}"),
        "x".repeat(1 << 20),
        format!("{valid}{}", "A".repeat(1 << 20)),
        json!({ "payload": "x", "signatures": [{ "signature": "a" }, { "signature": "b" }] }).to_string(),
        signed(json!({ "alg": "RS256" })),
        signed(json!({ "alg": "RS256", "kid": 210 })),
        signed(json!({ "alg": ["RS256"], "kid": "210" })),
        signed(json!({ "alg": "RS256", "kid": "210", "crit": ["exp"] })),
        signed(json!({ "alg": "RS256", "kid": "210", "crit": [] })),
        signed(json!({ "alg": "RS256", "kid": "2".repeat(1000) })),
        signed(json!([])),
    ] {
        let result = org.verify(text.clone()).await;
        let is_rejected = matches!(result, Err(IdTokenError::Form | IdTokenError::Signature(_)));
        assert!(is_rejected, "{}: {result:?}", &text[..text.len().min(80)]);
    }
    let missing = org.client.verify_id_token(&host(&org.server), &org.tokens, None, SystemTime::now()).await;
    assert!(matches!(missing, Err(IdTokenError::Missing)));
}

#[tokio::test]
async fn a_claim_of_the_wrong_type_is_rejected() {
    let org = Org::start().await;
    let late = (NOW + 120).to_string();
    for (name, value) in [
        ("exp", late.as_str().into()),
        ("exp", Value::Null),
        ("exp", json!(-1)),
        ("exp", json!([NOW + 120])),
        ("iat", late.as_str().into()),
        ("iat", json!({ "a": 1 })),
        ("nbf", late.as_str().into()),
        ("iss", json!(["x"])),
        ("aud", json!({ "3MVG9.id": 1 })),
        ("aud", json!([["3MVG9.id"]])),
        ("sub", json!(5)),
        ("nonce", json!([NONCE])),
        ("at_hash", json!(1)),
        ("azp", json!(["3MVG9.id"])),
    ] {
        let result = org.verify_claims(|claims| set(claims, name, value.clone())).await;
        assert!(matches!(result, Err(IdTokenError::Signature(_))), "{name} = {value}: {result:?}");
    }
    for name in ["exp", "iat", "iss", "aud", "sub"] {
        let result = org.verify_claims(|claims| drop(claims.as_object_mut().unwrap().remove(name))).await;
        assert!(matches!(result, Err(IdTokenError::Signature(_))), "{name}: {result:?}");
    }
    let mut twice = org.claims().to_string();
    twice.insert_str(1, "\"nonce\":\"other\",");
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", part(&header().to_string()), part(&twice));
    let result = org.verify(format!("{message}.{}", part_of(&rs256(&message, key())))).await;
    assert!(matches!(result, Err(IdTokenError::Signature(_))), "a duplicate claim: {result:?}");
}

fn part_of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test]
async fn a_claim_that_does_not_match_the_login_is_rejected() {
    let org = Org::start().await;
    let origin = org.server.origin.as_str().trim_end_matches('/').to_owned();
    let user = |text: &str| Value::from(ID.replace("005x00000012Q9PAAU", text));
    for (name, value, expected) in [
        ("iss", "https://evil.example".into(), "issuer"),
        ("iss", format!("{origin}/").into(), "issuer"),
        ("iss", "https://login.salesforce.com".into(), "issuer"),
        ("iss", "https://other.my.salesforce.com".into(), "issuer"),
        ("aud", "3MVG9.other".into(), "audience"),
        ("aud", "3mvg9.ID".into(), "audience"),
        ("aud", json!([]), "audience"),
        ("aud", json!(["3MVG9.id", "https://other.example"]), "audience"),
        ("azp", "3MVG9.other".into(), "authorized party"),
        ("nonce", "another".into(), "nonce"),
        ("nonce", "".into(), "nonce"),
        ("nonce", NONCE.to_uppercase().into(), "nonce"),
        ("nonce", Value::Null, "nonce"),
        ("at_hash", "AAAAAAAAAAAAAAAAAAAAAA".into(), "access token hash"),
        ("at_hash", "".into(), "access token hash"),
        ("sub", "https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9QAAU".into(), "subject"),
        ("sub", user("00Dx0000000BV7zEAG"), "subject"),
        ("sub", "005x00000012Q9PAAU".into(), "subject"),
    ] {
        let result = org.verify_claims(|claims| set(claims, name, value.clone())).await;
        assert!(
            matches!(result, Err(IdTokenError::Claim(named)) if named == expected),
            "{name} = {value}: {result:?}"
        );
    }
    org.verify_claims(|claims| {
        set(claims, "aud", json!(["https://other.example", "3MVG9.id"]));
        set(claims, "azp", "3MVG9.id".into());
    })
    .await
    .unwrap();
    org.verify_claims(|claims| set(claims, "aud", json!(["3MVG9.id"]))).await.unwrap();
}

#[tokio::test]
async fn clocks_may_differ_by_ninety_seconds() {
    let org = Org::start().await;
    for (name, at, expected) in [
        ("exp", NOW - 89, None),
        ("exp", NOW - 90, Some("expiry")),
        ("exp", NOW - 300, Some("expiry")),
        ("exp", NOW + 30 * 24 * 3600, Some("expiry")),
        ("exp", u64::MAX, Some("expiry")),
        ("iat", NOW + 90, None),
        ("iat", NOW + 91, Some("time of issue")),
        ("iat", u64::MAX, Some("time of issue")),
        ("nbf", NOW + 90, None),
        ("nbf", NOW + 91, Some("start")),
    ] {
        let result = org
            .verify_claims(|claims| {
                if name == "exp" {
                    set(claims, "iat", (NOW - 1000).into());
                }
                set(claims, name, at.into());
            })
            .await;
        match (result, expected) {
            (Ok(_), None) => {}
            (Err(IdTokenError::Claim(named)), Some(expected)) if named == expected => {}
            (result, _) => panic!("{name} = now{:+}: {result:?}", i128::from(at) - i128::from(NOW)),
        }
    }
}

/// A token that was issued with its response shows that the clock is wrong. Another one may be an old one.
#[tokio::test]
async fn a_wrong_clock_is_told_from_a_token_of_another_time() {
    for (iat, ahead) in [(NOW + 300, false), (NOW - 300, true)] {
        let mut org = Org::start().await;
        let change = |claims: &mut Value| {
            set(claims, "iat", iat.into());
            set(claims, "exp", (iat + 120).into());
        };
        assert!(matches!(org.verify_claims(change).await, Err(IdTokenError::Claim(_))));
        org.tokens.issued_at = Some(UNIX_EPOCH + Duration::from_secs(iat));
        let error = org.verify_claims(change).await.unwrap_err();
        assert!(
            matches!(error, IdTokenError::Clock { difference, is_ahead }
                if difference.as_secs() == 300 && is_ahead == ahead),
            "{error:?}"
        );
        let direction = if ahead { "300 seconds ahead of" } else { "300 seconds behind" };
        assert!(error.to_string().contains(direction), "{error}");
    }
}
