//! The keys of a login host: which of them are used, and when they are fetched.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::{Org, jwk, key, other_key, set, token};
use crate::{
    http::scripted::{Reply, Then},
    oauth::{
        id_token::IdTokenError,
        tests::{client, host},
    },
};

#[tokio::test]
async fn weak_keys_and_keys_for_other_purposes_are_ignored() {
    let weak = |kid: &str, bytes: usize| {
        let mut key = jwk(kid, key());
        set(&mut key, "n", URL_SAFE_NO_PAD.encode(vec![0xff; bytes]).into());
        key
    };
    let mut padded = weak("210", 128);
    let zeros = [vec![0; 128], vec![0xff; 128]].concat();
    set(&mut padded, "n", URL_SAFE_NO_PAD.encode(zeros).into());
    let mut for_encryption = jwk("210", key());
    set(&mut for_encryption, "use", "enc".into());
    for unusable in [
        json!({ "kty": "oct", "kid": "210", "k": "c2VjcmV0" }),
        json!({ "kty": "EC", "kid": "210", "crv": "P-256", "x": "AA", "y": "AA" }),
        json!({ "kty": "RSA", "kid": "210" }),
        json!({ "kty": "RSA", "kid": "210", "n": "!", "e": "AQAB" }),
        json!({ "kty": "new" }),
        json!(5),
        weak("210", 128),
        weak("210", 255),
        padded,
        for_encryption,
    ] {
        let org = Org::with_keys(json!([unusable])).await;
        let result = org.verify_claims(|_| ()).await;
        assert!(matches!(result, Err(IdTokenError::UnknownKey)), "{unusable}: {result:?}");
        // It does not hide the valid key.
        let org = Org::with_keys(json!([unusable, jwk("210", key())])).await;
        let result = org.verify_claims(|_| ()).await;
        assert!(result.is_ok(), "{unusable}: {result:?}");
    }
    // Of two keys with the same id the first counts.
    let org = Org::with_keys(json!([jwk("210", other_key()), jwk("210", key())])).await;
    assert!(matches!(org.verify_claims(|_| ()).await, Err(IdTokenError::Signature(_))));
}

#[tokio::test]
async fn a_hundred_unknown_keys_cause_four_fetches() {
    let org = Org::start().await;
    let tokens = (0..100).map(|n| {
        let header = json!({ "alg": "RS256", "kid": format!("../{n}?x=%2f") });
        token(&header, &org.claims(), |_| vec![1])
    });
    let results = futures_util::future::join_all(tokens.map(|token| org.verify(token))).await;
    assert!(results.iter().all(|result| matches!(result, Err(IdTokenError::UnknownKey))));
    assert_eq!(org.fetches(), 4);
    assert_eq!(org.server.seen()[0].line, "GET /id/keys");
}

/// A failed fetch is retried once, keeps the old keys, and is an error for two seconds. A key counts as unknown only after
/// a successful fetch.
#[tokio::test]
async fn a_failed_fetch_says_nothing_about_a_key() {
    let failures: [fn() -> Reply; 5] = [
        || Reply::json(503, "{}"),
        || Reply::json(200, "<html>"),
        || Reply::json(200, r#"{"keys":[]}"#),
        || Reply(Vec::new(), Then::Reset),
        || Reply::new(302, "Location: /other\r\n", ""),
    ];
    for failure in failures {
        let is_up = Arc::new(Mutex::new(true));
        let org = Org::with({
            let is_up = Arc::clone(&is_up);
            move || {
                let keys = json!({ "keys": [jwk("210", key())] });
                if *is_up.lock().unwrap() { Reply::json(200, keys.to_string()) } else { failure() }
            }
        })
        .await;
        let (host, start) = (host(&org.server), Instant::now());
        let find = async |kid: &'static str, after: u64| {
            let now = start + Duration::from_secs(after);
            org.client.keys().find(org.client.http(), &host, kid, now).await.map(|key| key.is_some())
        };
        assert!(find("210", 0).await.unwrap());
        *is_up.lock().unwrap() = false;
        assert!(find("211", 60).await.is_err());
        assert_eq!(org.fetches(), 3, "a failed fetch is retried once");
        assert!(find("211", 61).await.unwrap_err().is_transient());
        assert_eq!(org.fetches(), 3, "a failed fetch starts the short cool-down");
        assert!(find("210", 61).await.unwrap(), "the old keys stay");
        *is_up.lock().unwrap() = true;
        for (after, fetches) in [(70, 4), (71, 5), (72, 6), (73, 7), (74, 7), (129, 7), (130, 8)] {
            assert!(!find("211", after).await.unwrap());
            assert_eq!(org.fetches(), fetches, "four fetches for unknown keys a minute");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_rotated_right_after_a_fetch_is_found() {
    let kid = Arc::new(Mutex::new("210"));
    let org = Org::with({
        let kid = Arc::clone(&kid);
        move || Reply::json(200, json!({ "keys": [jwk(*kid.lock().unwrap(), key())] }).to_string())
    })
    .await;
    let (host, start) = (host(&org.server), Instant::now());
    let find = async |kid: &'static str, after: u64| {
        let now = start + Duration::from_secs(after);
        org.client.keys().find(org.client.http(), &host, kid, now).await.unwrap().is_some()
    };
    assert!(find("210", 0).await);
    *kid.lock().unwrap() = "211";
    assert!(find("211", 1).await);
    assert_eq!(org.fetches(), 2);
}

#[tokio::test]
async fn a_dropped_caller_does_not_block_the_others() {
    let slow = Arc::new(Mutex::new(true));
    let org = Org::with({
        let slow = Arc::clone(&slow);
        move || match *slow.lock().unwrap() {
            true => Reply(Vec::new(), Then::Hang),
            false => Reply::json(200, json!({ "keys": [jwk("210", key())] }).to_string()),
        }
    })
    .await;
    assert!(tokio::time::timeout(Duration::from_millis(200), org.verify_claims(|_| ())).await.is_err());
    *slow.lock().unwrap() = false;
    org.verify_claims(|_| ()).await.unwrap();
}

#[tokio::test]
async fn a_login_host_that_hangs_does_not_block_another() {
    let (healthy, hanging) = (Org::start().await, Org::with(|| Reply(Vec::new(), Then::Hang)).await);
    let client = client(&[&healthy.server.origin, &hanging.server.origin]);
    let (first, second) = (host(&hanging.server), host(&healthy.server));
    let wait = client.keys().find(client.http(), &first, "210", Instant::now());
    let key = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.keys().find(client.http(), &second, "210", Instant::now()).await
    };
    tokio::select! {
        _ = wait => panic!("the hanging host responded"),
        key = tokio::time::timeout(Duration::from_secs(2), key) => assert!(key.unwrap().unwrap().is_some()),
    }
}
