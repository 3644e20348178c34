//! Collections, composites, trees and jobs (protocol page, sections 7.5, 7.6 and 7.8).
use std::time::Duration;

use crate::support::Api;
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

#[tokio::test]
async fn collections_return_a_result_for_each_record_in_order() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let record = |name: Value| json!({ "attributes": { "type": "Account" }, "Name": name });
    let body = json!({ "allOrNone": false, "records": [record(json!("One")), record(Value::Null)] });
    let response = api.post("/composite/sobjects", body.clone()).await;
    assert_eq!(response.status, 200);
    let items = response.json();
    assert_eq!((&items[0]["success"], &items[0]["errors"]), (&json!(true), &json!([])));
    assert_eq!(items[1]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING");
    let mut all = body;
    all["allOrNone"] = json!(true);
    let items = api.post("/composite/sobjects", all).await.json();
    assert_eq!(items[0]["errors"][0]["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    let too_many: Vec<_> = (0..201).map(|n| record(json!(n.to_string()))).collect();
    let refused = api.post("/composite/sobjects", json!({ "records": too_many })).await;
    assert_eq!(refused.status, 400, "{refused:?}");
}

#[tokio::test]
async fn a_composite_refers_back_and_is_taken_back_as_a_whole() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let call = |reference: &str, object: &str, body: Value| json!({ "method": "POST", "url": format!("/services/data/v66.0/sobjects/{object}"), "referenceId": reference, "body": body });
    let contact = json!({ "LastName": "x", "AccountId": "@{a.id}" });
    let whole = json!({ "allOrNone": true, "compositeRequest": [
        call("a", "Account", json!({ "Name": "Composite" })), call("c", "Contact", contact)] });
    let responses = api.post("/composite", whole).await.json();
    assert_eq!(responses["compositeResponse"][1]["httpStatusCode"], 201);
    let found = api.records("SELECT Account.Name FROM Contact WHERE LastName = 'x'").await;
    assert_eq!(found[0]["Account"]["Name"], "Composite");
    let whole = json!({ "allOrNone": true, "compositeRequest": [
        call("a", "Account", json!({ "Name": "Gone" })), call("b", "Account", json!({}))] });
    let responses = api.post("/composite", whole).await.json();
    assert_eq!(responses["compositeResponse"][0]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert!(api.records("SELECT Id FROM Account WHERE Name = 'Gone'").await.is_empty());
}

#[tokio::test]
async fn a_job_takes_its_time_and_keeps_its_results() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let new = json!({ "object": "Account", "operation": "insert", "contentType": "CSV", "lineEnding": "LF" });
    let job = api.post("/jobs/ingest", new).await;
    assert_eq!((job.status, &job.json()["state"]), (200, &json!("Open")));
    let id = job.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/jobs/ingest/{id}");
    assert!(!job.json()["contentUrl"].as_str().unwrap().starts_with('/'), "no leading slash");
    let http = crate::support::http();
    let put = http
        .put(api.url(&format!("{path}/batches")))
        .bearer_auth(&api.token)
        .header("content-type", "text/csv");
    let put = put.body("Name,Phone\nLoaded,1\n,2\n").send().await.unwrap();
    assert_eq!(put.status(), 201);
    assert_eq!(
        api.patch(&path, json!({ "state": "UploadComplete" })).await.json()["state"],
        "UploadComplete"
    );
    for _ in 0..100 {
        if api.get(&path).await.json()["state"] == "JobComplete" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let done = api.get(&path).await.json();
    assert_eq!((&done["numberRecordsProcessed"], &done["numberRecordsFailed"]), (&json!(2), &json!(1)));
    let loaded = api.get(&format!("{path}/successfulResults")).await.body;
    assert!(loaded.starts_with("\"sf__Id\",\"sf__Created\"") && loaded.contains("Loaded"), "{loaded}");
    assert!(api.get(&format!("{path}/failedResults")).await.body.contains("REQUIRED_FIELD_MISSING"));
}

/// Section 7.8: job and data in one request, which starts it.
#[tokio::test]
async fn a_small_job_is_one_request() {
    let org = FakeOrg::builder().bulk_delay(Duration::from_secs(60)).start().await.unwrap();
    let api = Api::of(&org);
    let make = async |data: &str| {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"job\"\r\nContent-Type: application/json\r\n\r\n\
             {{\"object\":\"Account\",\"operation\":\"insert\"}}\r\n--b\r\nContent-Disposition: form-data; \
             name=\"content\"; filename=\"content\"\r\nContent-Type: text/csv\r\n\r\n{data}\r\n--b--\r\n"
        );
        let request = api.http.post(api.url("/jobs/ingest")).bearer_auth(&api.token).body(body);
        crate::support::send(request.header("content-type", "multipart/form-data; boundary=b")).await
    };
    let job = make("Name\nAt once\n").await;
    assert_eq!((job.status, &job.json()["state"]), (200, &json!("UploadComplete")));
    let path = format!("/jobs/ingest/{}", job.json()["id"].as_str().unwrap());
    org.advance(Duration::from_secs(60));
    assert_eq!(api.get(&path).await.json()["numberRecordsProcessed"], 1);
    assert_eq!(api.records("SELECT Id FROM Account WHERE Name = 'At once'").await.len(), 1);
    let large = format!("Name\n{}\n", "x".repeat(100_000));
    assert_eq!(make(&large).await.error().0, "INVALIDJOB");
}
