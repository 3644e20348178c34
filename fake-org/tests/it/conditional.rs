//! Conditions in headers: entity tags of accounts, dates of every record.
use std::time::{Duration, UNIX_EPOCH};

use crate::support::{Api, Response, send};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

/// An org with a new record of an object, and its path.
async fn with(object: &str, record: Value) -> (FakeOrg, Api, String) {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let made = api.post(&format!("/sobjects/{object}"), record).await.json();
    let path = format!("/sobjects/{object}/{}", made["id"].as_str().unwrap());
    (org, api, path)
}

async fn get(api: &Api, path: &str, name: &str, value: &str) -> Response {
    send(api.http.get(api.url(path)).bearer_auth(&api.token).header(name, value)).await
}

async fn patch(api: &Api, path: &str, name: &str, value: &str) -> Response {
    let request = api.http.patch(api.url(path)).bearer_auth(&api.token).header(name, value);
    send(request.json(&json!({ "Phone": "1" }))).await
}

/// Sections 7.4 and 7.10: 304 and 412, and 400 for what is no tag.
#[tokio::test]
async fn accounts_have_entity_tags() {
    let (org, api, path) = with("Account", json!({ "Name": "x" })).await;
    let tag = api.get(&path).await.header("etag").to_owned();
    let unchanged = get(&api, &path, "if-none-match", &tag).await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    assert_eq!(get(&api, &path, "if-none-match", "\"other\"").await.status, 200);
    assert_eq!(get(&api, &path, "if-match", "\"other\"").await.status, 412);
    assert_eq!(patch(&api, &path, "if-match", "\"other\"").await.status, 412);
    org.advance(Duration::from_secs(2));
    assert_eq!(patch(&api, &path, "if-match", &tag).await.status, 204);
    assert_eq!(patch(&api, &path, "if-match", &tag).await.status, 412, "the write gave it a new one");
    assert_ne!(api.get(&path).await.header("etag"), tag);
    let malformed = patch(&api, &path, "if-match", "no-quotes").await;
    assert_eq!(malformed.status, 400, "{malformed:?}");
    // Accounts only.
    let (_org, api, path) = with("Lead", json!({ "LastName": "x", "Company": "y" })).await;
    assert_eq!(api.get(&path).await.header("etag"), "");
    assert_eq!(patch(&api, &path, "if-match", "\"other\"").await.status, 204);
}

/// Section 7.10: dates, for rows and describes.
#[tokio::test]
async fn every_record_has_a_date() {
    let (_org, api, path) = with("Lead", json!({ "LastName": "x", "Company": "y" })).await;
    let modified = api.get(&path).await.header("last-modified").to_owned();
    let before =
        httpdate::fmt_http_date(httpdate::parse_http_date(&modified).unwrap() - Duration::from_secs(60));
    assert_eq!(get(&api, &path, "if-modified-since", &modified).await.status, 304);
    assert_eq!(get(&api, &path, "if-modified-since", &before).await.status, 200);
    assert_eq!(patch(&api, &path, "if-unmodified-since", &before).await.status, 412);
    assert_eq!(patch(&api, &path, "if-unmodified-since", &modified).await.status, 204);
    let long_ago = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(1));
    for path in ["/sobjects", "/sobjects/Lead/describe"] {
        let modified = api.get(path).await.header("last-modified").to_owned();
        assert_eq!(get(&api, path, "if-modified-since", &modified).await.status, 304, "{path}");
        assert_eq!(get(&api, path, "if-modified-since", &long_ago).await.status, 200, "{path}");
    }
}
