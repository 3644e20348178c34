//! Collections, composites, trees, search and jobs (protocol page, sections 7.3, 7.5, 7.6 and 7.8).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};
use support::Api;

#[tokio::test]
async fn collections_answer_for_each_record_in_order() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let record = |name: Value| json!({ "attributes": { "type": "Account" }, "Name": name });
    let body = json!({ "allOrNone": false, "records": [record(json!("One")), record(Value::Null)] });
    let answer = api.post("/composite/sobjects", body.clone()).await;
    assert_eq!(answer.status, 200);
    let items = answer.json();
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
    let answers = api.post("/composite", whole).await.json();
    assert_eq!(answers["compositeResponse"][1]["httpStatusCode"], 201);
    let found = api.records("SELECT Account.Name FROM Contact WHERE LastName = 'x'").await;
    assert_eq!(found[0]["Account"]["Name"], "Composite");
    let whole = json!({ "allOrNone": true, "compositeRequest": [
        call("a", "Account", json!({ "Name": "Gone" })), call("b", "Account", json!({}))] });
    let answers = api.post("/composite", whole).await.json();
    assert_eq!(answers["compositeResponse"][0]["body"][0]["errorCode"], "PROCESSING_HALTED");
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
    let http = support::http();
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
        support::send(request.header("content-type", "multipart/form-data; boundary=b")).await
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

#[tokio::test]
async fn search_finds_words_and_wants_braces() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let name =
        api.records("SELECT Name FROM Account ORDER BY Name LIMIT 1 OFFSET 2").await[0]["Name"].clone();
    let word = name.as_str().unwrap().split(' ').next().unwrap().to_owned();
    let sosl = format!("FIND {{{word}}} IN NAME FIELDS RETURNING Account(Id, Name)");
    let found = http_get(&api, "/search", &sosl).await;
    assert!(found["searchRecords"].as_array().unwrap().iter().any(|hit| hit["Name"] == name), "{found}");
    let refused = http_get(&api, "/search", "FIND x RETURNING Account(Id)").await;
    assert_eq!(refused[0]["errorCode"], "MALFORMED_SEARCH");
}

/// Whatever is looked for: an answer or a 400.
#[tokio::test]
async fn no_search_is_a_server_error() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let many = "word ".repeat(1_900);
    let deep = "(".repeat(4_000);
    for term in
        [many.as_str(), &deep, "a AND", "x} RETURNING User(Id", "AND OR NOT", "\\", "\"", "%_%", "***"]
    {
        for tail in [
            "",
            "RETURNING Account(Id, Name WHERE Name != 'it\\'s, (ORDER' ORDER BY Name LIMIT 2 OFFSET 1), Contact LIMIT 5",
            "IN NOTHING FIELDS",
            "RETURNING Account(Id",
            "RETURNING Nope(Id)",
            "RETURNING Account(COUNT(Id))",
        ] {
            let request = support::http().get(api.url("/search")).bearer_auth(&api.token);
            let answer = support::send(request.query(&[("q", format!("FIND {{{term}}} {tail}"))])).await;
            assert!(matches!(answer.status, 200 | 400), "{tail}: {}", answer.body);
            let body = json!({ "q": term, "sobjects": [{ "name": "Account", "where": "Name != ')'" }] });
            assert!(matches!(api.post("/parameterizedSearch", body).await.status, 200 | 400));
        }
    }
    let soql = "FIND {Kestrel OR (Lumen AND NOT Aurora)} RETURNING Account(Name WHERE Name != 'a, (b\\'' ORDER BY Name)";
    let found = http_get(&api, "/search", soql).await;
    let names: Vec<_> = found["searchRecords"].as_array().unwrap().iter().map(|hit| &hit["Name"]).collect();
    assert_eq!(names, ["Kestrel Aerospace", "Lumen Optics"]);
    assert_eq!(
        http_get(&api, "/search", "FIND {Kestr} RETURNING Account(Id)").await["searchRecords"],
        json!([])
    );
}

/// SOQL and SOSL Reference, "SOSL Syntax": nothing is read over.
#[tokio::test]
async fn a_search_with_anything_stray_in_it_is_malformed() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    for right in [
        "",
        " LIMIT 1",
        " IN NAME FIELDS LIMIT 1",
        " IN ALL FIELDS RETURNING Account",
        " RETURNING Account LIMIT 1",
        " RETURNING Account (Id, Name)",
        " RETURNING Account(Id), Contact(Id) LIMIT 1 UPDATE VIEWSTAT",
        "RETURNING Account(Name WHERE Name != ', x) y' LIMIT 3), Contact limit 1",
    ] {
        let found = http_get(&api, "/search", &format!("FIND {{Aurora}}{right}")).await;
        assert!(found["searchRecords"].is_array(), "{right}: {found}");
    }
    for stray in [
        " RETURNING",
        " RETURNING ",
        " RETURNING Account(Id),",
        " RETURNING Account(Id) Contact(Id)",
        " RETURNING Account(Id) nonsense",
        " RETURNING Account nonsense",
        " RETURNING Account(Id) LIMIT",
        " RETURNING Account(Id) LIMIT x",
        " RETURNING Account(Id) LIMIT 1 LIMIT 2",
        " RETURNING Account(Id) LIMIT 1, Contact",
        " RETURNING (Id)",
        " LIMIT x",
        " nonsense",
        " IN NAME",
        " IN NAME FIELDS nonsense",
        " IN RETURNING Account",
        " RETURNING Account(Id) WITH NETWORK = 'x'",
    ] {
        let refused = http_get(&api, "/search", &format!("FIND {{Aurora}}{stray}")).await;
        assert_eq!(refused[0]["errorCode"], "MALFORMED_SEARCH", "{stray}: {refused}");
    }
    for short in ["a", "*", "a*", "\\?"] {
        let refused = http_get(&api, "/search", &format!("FIND {{{short}}}")).await;
        assert_eq!(refused[0]["errorCode"], "INVALID_SEARCH", "{short}");
        assert_eq!(refused[0]["message"], format!("search term must be longer than one character: {short}"));
    }
    assert!(http_get(&api, "/search", "FIND {社}").await["searchRecords"].is_array());
}

async fn http_get(api: &Api, path: &str, q: &str) -> Value {
    let request = support::http().get(api.url(path)).query(&[("q", q)]).bearer_auth(&api.token);
    support::send(request).await.json()
}
