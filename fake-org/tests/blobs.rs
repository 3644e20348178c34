//! Files in records: sent in parts or as base64, read as bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use salesforce_fake_org::FakeOrg;
use serde_json::json;
use support::{Api, send};

/// The form of the REST guide's "Insert or Update Blob Data".
#[tokio::test]
async fn a_file_is_sent_in_parts_and_read_as_it_was() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let body = concat!(
        "--boundary_string\r\nContent-Disposition: form-data; name=\"entity_document\";\r\n",
        "Content-Type: application/json\r\n\r\n{ \"Name\": \"Brochure\", \"ContentType\": \"application/pdf\" }\r\n",
        "--boundary_string\r\nContent-Type: application/pdf\r\n",
        "Content-Disposition: form-data; name=\"Body\"; filename=\"q1.pdf\"\r\n\r\n%PDF\r\n--not the end\r\n",
        "--boundary_string--"
    );
    let request = |body: &'static str| {
        api.http
            .post(api.url("/sobjects/Document/"))
            .bearer_auth(&api.token)
            .header("content-type", "multipart/form-data; boundary=\"boundary_string\"")
            .body(body)
    };
    let made = send(request(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/sobjects/Document/{id}");
    let record = api.get(&path).await.json();
    assert_eq!(record["BodyLength"], "%PDF\r\n--not the end".len());
    assert_eq!(record["Body"], format!("/services/data/v66.0{path}/Body"), "a path, not the bytes");
    assert_eq!(api.records("SELECT Body FROM Document").await[0]["Body"], record["Body"]);
    let file = api.get(&format!("{path}/Body")).await;
    assert_eq!(
        (file.body.as_str(), file.header("content-type")),
        ("%PDF\r\n--not the end", "application/pdf")
    );

    let refused = send(request("no parts at all")).await;
    assert_eq!((refused.status, refused.error().0.as_str()), (400, "INVALID_MULTIPART_REQUEST"));
}

#[tokio::test]
async fn a_small_file_can_be_base64_in_json() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let file = json!({ "PathOnClient": "a.txt", "VersionData": "aGVsbG8=" });
    let made = api.post("/sobjects/ContentVersion", file).await.json();
    let path = format!("/sobjects/ContentVersion/{}/VersionData", made["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await.body, "hello");
    let without = api.post("/sobjects/ContentVersion", json!({ "PathOnClient": "a.txt" })).await;
    assert_eq!(without.error().0, "REQUIRED_FIELD_MISSING");
}
