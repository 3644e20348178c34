//! Events of Data 360: verified over the bytes that came, handled at least once, and not again after a 2xx.

use super::*;
use serde_json::{Value, json};

const KEY: &str = "our-own-signing-key-1";
const NEW_KEY: &str = "our-own-signing-key-2";

async fn start() -> Inbound {
    Inbound::with(|org, builder| builder.data_cloud(events_of(org).key(NEW_KEY))).await
}

fn events_of(org: &FakeOrg) -> DataCloud {
    DataCloud::organization(org.organization_id()).key(KEY)
}

fn event(id: &str) -> Value {
    json!({ "EventUuid": id, "PayloadCurrentValue": { "canary": "canary-value" } })
}

async fn post(app: &Inbound, signature: &str, body: &str) -> Page {
    app.post("/data-360", &[("content-type", "application/json"), ("x-signature", signature)], body).await
}

#[actix_web::test]
async fn signed_events_are_handled_once_under_either_key() {
    let app = start().await;
    let body = app.org.data_cloud_payload(&[event("a"), event("b"), event("a")]);
    for key in [KEY, NEW_KEY, KEY] {
        let page = post(&app, &app.org.data_cloud_signature(key, &body), &body).await;
        assert_eq!(page.status, 200, "{page:?}");
    }
    assert_eq!(*app.seen.records.lock().unwrap(), ["a", "b"]);
    // A handler that fails leaves its events to the repeat.
    app.seen.failures.store(1, Ordering::SeqCst);
    let body = app.org.data_cloud_payload(&[event("b"), event("c")]);
    let signature = app.org.data_cloud_signature(KEY, &body);
    let page = post(&app, &signature, &body).await;
    assert_eq!((page.status, page.json()["code"].as_str()), (503, Some("unavailable")), "{page:?}");
    assert_eq!(post(&app, &signature, &body).await.status, 200);
    assert_eq!(*app.seen.records.lock().unwrap(), ["a", "b", "c"]);
}

#[actix_web::test]
async fn twelve_bad_payloads_get_the_same_plain_response_and_do_nothing() {
    let app = start().await;
    let body = app.org.data_cloud_payload(&[event("a")]);
    let good = app.org.data_cloud_signature(KEY, &body);
    let signed = |body: &str| (app.org.data_cloud_signature(KEY, body), body.to_owned());
    let again = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).unwrap()).unwrap();
    let bad = [
        // The signature.
        (String::new(), body.clone()),
        ("canary".to_owned(), body.clone()),
        (good[..43].to_owned(), body.clone()),
        (format!("{good}="), body.clone()),
        (format!("B{}", &good[1..]), body.clone()),
        (app.org.data_cloud_signature("another-signing-key", &body), body.clone()),
        (app.org.data_cloud_signature("", &body), body.clone()),
        (app.org.data_cloud_signature(KEY, &KEY.to_uppercase()), body.clone()),
        // Other bytes: a changed one, white space, written again by a proxy, cut.
        (good.clone(), body.replace("canary-value", "canary-valuE")),
        (good.clone(), format!("{body}\n")),
        (good.clone(), again),
        (good.clone(), body[..body.len() - 1].to_owned()),
        (good.clone(), String::new()),
        // Signed, and no events.
        signed(""),
        signed("canary"),
        signed("[]"),
        signed("{}"),
        signed(r#"{"events":{}}"#),
        signed(r#"{"events":[{}]}"#),
        signed(r#"{"events":[{"EventUuid":""}]}"#),
        signed(r#"{"events":[{"EventUuid":7}]}"#),
        signed(r#"{"events":[{"EventUuid":"canary canary"}]}"#),
        signed(&app.org.data_cloud_payload(&[event(&"x".repeat(101))])),
        signed(&"[".repeat(100_000)),
    ];
    assert!(bad.len() >= 12);
    let first = app.post("/data-360", &[], &body).await;
    assert_eq!((first.status, first.json()["code"].as_str()), (401, Some("invalid_call")), "{first:?}");
    let seen = support::logs::text().len();
    for (place, (signature, body)) in bad.iter().enumerate() {
        let page = post(&app, signature, body).await;
        assert_eq!((page.status, &page.body), (401, &first.body), "{place}: {page:?}");
    }
    let twice = [("x-signature", &*good), ("x-signature", &*good)];
    let lines: String = twice.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "POST /data-360 HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{lines}\r\n{body}",
        body.len()
    );
    let url = app.server.url.clone();
    let response = web::block(move || support::raw::exchange(&url, request.as_bytes())).await.unwrap();
    assert_eq!(support::raw::status(&response), 401, "{response}");
    assert_eq!(
        app.post("/data-360", &[("x-signature", &good), ("content-encoding", "gzip")], &body).await.status,
        401
    );
    assert_eq!(app.handled(), 0);
    let log = support::logs::text().split_off(seen);
    for secret in ["canary", KEY, NEW_KEY, &good] {
        assert!(!log.contains(secret), "{secret} is logged");
    }
    for reason in ["missing or not 32 bytes", "none of the keys", "its JSON"] {
        assert!(log.contains(reason), "{reason}");
    }
    // All of that has not used the good one up.
    assert_eq!(post(&app, &good, &body).await.status, 200);
}

#[actix_web::test]
async fn signing_keys_that_are_missing_or_weak_do_not_start() {
    let org = FakeOrg::start().await.unwrap();
    let bare = || DataCloud::organization(org.organization_id());
    let many = (0..5).fold(bare(), |all, n| all.key(format!("our-own-signing-key-{n}")));
    for (settings, expected) in [
        (bare(), "SALESFORCE_DATA_CLOUD_KEYS"),
        (bare().key("canary"), "SALESFORCE_DATA_CLOUD_KEYS"),
        (many, "SALESFORCE_DATA_CLOUD_KEYS"),
        (DataCloud::organization("canary").key(KEY), "SALESFORCE_DATA_CLOUD_ORG"),
    ] {
        let error = settings_for(&org, "http://127.0.0.1:1").data_cloud(settings).build().await.unwrap_err();
        assert_eq!(error.problems().iter().map(|problem| problem.setting).collect::<Vec<_>>(), [expected]);
        assert!(!format!("{error:?}").contains("canary"), "{error}");
    }
}
