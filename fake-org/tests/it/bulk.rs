//! Bulk API 2.0: jobs take their time, load what is right and say what is wrong with the rest.
use std::time::Duration;

use crate::support::{Api, Response, send};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

const DELAY: Duration = Duration::from_secs(60);

async fn org() -> (FakeOrg, Api) {
    let org = FakeOrg::builder().bulk_delay(DELAY).start().await.unwrap();
    let api = Api::of(&org);
    (org, api)
}

/// A job with its data, still open.
async fn uploaded(api: &Api, job: Value, data: &str) -> String {
    let made = api.post("/jobs/ingest", job).await;
    let path = format!("/jobs/ingest/{}", made.json()["id"].as_str().unwrap_or_else(|| panic!("{made:?}")));
    assert_eq!(upload(api, &path, data).await.status, 201);
    path
}

async fn upload(api: &Api, path: &str, data: &str) -> Response {
    let put = api.http.put(api.url(&format!("{path}/batches"))).bearer_auth(&api.token);
    send(put.header("content-type", "text/csv").body(data.to_owned())).await
}

/// The same, worked off.
async fn loaded(org: &FakeOrg, api: &Api, job: Value, data: &str) -> (String, Value) {
    let path = uploaded(api, job, data).await;
    api.patch(&path, json!({ "state": "UploadComplete" })).await;
    org.advance(DELAY);
    let info = api.get(&path).await.json();
    (path, info)
}

/// Section 7.8: the states in their order, and what is allowed in each.
#[tokio::test]
async fn a_job_goes_from_state_to_state() {
    let (org, api) = org().await;
    let path = uploaded(&api, json!({ "object": "Account", "operation": "insert" }), "Name\nStates\n").await;
    let state = async || api.get(&path).await.json()["state"].as_str().unwrap().to_owned();
    assert_eq!(state().await, "Open");
    assert_eq!(upload(&api, &path, "Name\nmore\n").await.status, 400, "one upload per job");
    assert_eq!(api.delete(&path).await.status, 400, "not while it is open");
    api.patch(&path, json!({ "state": "UploadComplete" })).await;
    assert_eq!(state().await, "UploadComplete");
    org.advance(DELAY / 2);
    assert_eq!(state().await, "InProgress");
    assert!(api.records("SELECT Id FROM Account WHERE Name = 'States'").await.is_empty());
    org.advance(DELAY / 2);
    assert_eq!(state().await, "JobComplete");
    assert_eq!(api.records("SELECT Id FROM Account WHERE Name = 'States'").await.len(), 1);
    assert_eq!(api.patch(&path, json!({ "state": "Aborted" })).await.status, 400);
    assert_eq!(api.delete(&path).await.status, 204);
    assert_eq!(api.get(&path).await.error().0, "NOT_FOUND");

    let path = uploaded(&api, json!({ "object": "Account", "operation": "insert" }), "Name\nAborted\n").await;
    assert_eq!(api.patch(&path, json!({ "state": "Aborted" })).await.json()["state"], "Aborted");
    org.advance(DELAY * 2);
    assert!(api.records("SELECT Id FROM Account WHERE Name = 'Aborted'").await.is_empty());
    assert_eq!(api.get(&format!("{path}/unprocessedrecords")).await.body, "\"Name\"\n\"Aborted\"\n");
}

/// Section 7.8: upsert by external id, parents by theirs, `#N/A` for null, delete.
#[tokio::test]
async fn jobs_change_and_delete() {
    let (org, api) = org().await;
    let job = json!({ "object": "Account", "operation": "upsert", "externalIdFieldName": "ExternalKey__c" });
    let (path, info) =
        loaded(&org, &api, job, "ExternalKey__c,Name,Phone\nACC-000001,First,#N/A\nBULK-1,New,1\n").await;
    assert_eq!((&info["state"], &info["numberRecordsFailed"]), (&json!("JobComplete"), &json!(0)));
    let results = api.get(&format!("{path}/successfulResults")).await.body;
    let made: Vec<&str> = results.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(made, ["\"false\"", "\"true\""]);
    let first = &api.records("SELECT Name, Phone FROM Account WHERE ExternalKey__c = 'ACC-000001'").await[0];
    assert_eq!((&first["Name"], &first["Phone"]), (&json!("First"), &Value::Null));

    let job = json!({ "object": "Contact", "operation": "insert" });
    loaded(&org, &api, job, "LastName,Account.ExternalKey__c\nBulky,BULK-1\n").await;
    let contact = &api.records("SELECT Id, Account.Name FROM Contact WHERE LastName = 'Bulky'").await[0];
    assert_eq!(contact["Account"]["Name"], "New");

    let data = format!("Id\n{}\n003Fk0000zzzzzz\n", contact["Id"].as_str().unwrap());
    let (path, info) = loaded(&org, &api, json!({ "object": "Contact", "operation": "delete" }), &data).await;
    assert_eq!((&info["numberRecordsProcessed"], &info["numberRecordsFailed"]), (&json!(2), &json!(1)));
    let failed = api.get(&format!("{path}/failedResults")).await.body;
    assert!(failed.lines().nth(1).unwrap().contains("003Fk0000zzzzzz"), "{failed}");
    assert!(api.records("SELECT Id FROM Contact WHERE LastName = 'Bulky'").await.is_empty());
    let all = "/queryAll?q=SELECT+Id+FROM+Contact+WHERE+LastName+=+'Bulky'";
    assert_eq!(api.get(all).await.json()["totalSize"], 1, "it is in the recycle bin");

    let contact = &api.records("SELECT Id FROM Contact LIMIT 1").await[0]["Id"];
    let data = format!("Id\n{}\n", contact.as_str().unwrap());
    loaded(&org, &api, json!({ "object": "Contact", "operation": "hardDelete" }), &data).await;
    let all = format!("/queryAll?q=SELECT+Id+FROM+Contact+WHERE+Id+=+'{}'", contact.as_str().unwrap());
    assert_eq!(api.get(&all).await.json()["totalSize"], 0, "it is nowhere");
}

/// Section 7.8: line endings and delimiters are what the job said.
#[tokio::test]
async fn the_form_of_the_data_is_the_jobs() {
    let (org, api) = org().await;
    let job = json!({ "object": "Account", "operation": "insert" });
    let (_, info) = loaded(&org, &api, job, "Name\r\nWrong\r\n").await;
    assert_eq!(info["state"], "Failed");
    assert!(info["errorMessage"].as_str().is_some_and(|text| !text.is_empty()), "{info}");
    let job = json!({ "object": "Account", "operation": "insert", "lineEnding": "CRLF", "columnDelimiter": "PIPE" });
    let (_, info) = loaded(&org, &api, job, "Name|Phone\r\nPiped|1\r\n").await;
    assert_eq!((&info["state"], &info["numberRecordsFailed"]), (&json!("JobComplete"), &json!(0)));
    assert_eq!(api.records("SELECT Phone FROM Account WHERE Name = 'Piped'").await[0]["Phone"], "1");
    for wrong in [
        json!({ "object": "Nope", "operation": "insert" }),
        json!({ "object": "Account", "operation": "merge" }),
        json!({ "object": "Account", "operation": "upsert" }),
        json!({ "object": "Account", "operation": "insert", "columnDelimiter": "DOT" }),
    ] {
        assert_eq!(api.post("/jobs/ingest", wrong.clone()).await.status, 400, "{wrong}");
    }
}

/// Section 7.8: results are read with the version that made the job, page by page; both kinds of jobs count.
#[tokio::test]
async fn query_jobs_have_pages_and_a_version() {
    let (org, api) = org().await;
    let new = json!({ "operation": "query", "query": "SELECT Name FROM Account" });
    let job = api.post("/jobs/query", new).await.json();
    let path = format!("/jobs/query/{}", job["id"].as_str().unwrap());
    assert_eq!(api.get(&format!("{path}/results")).await.status, 400, "not yet");
    org.advance(DELAY);
    let mut rows = 0;
    let mut locator = String::new();
    loop {
        let page = api.get(&format!("{path}/results?maxRecords=15{locator}")).await;
        assert!(page.body.starts_with("\"Name\"\n"), "each page has the header");
        rows += page.body.lines().count() - 1;
        match page.header("sforce-locator") {
            "null" => break,
            next => locator = format!("&locator={next}"),
        }
    }
    assert_eq!(rows, 40);
    let other = api.get(&format!("/services/data/v60.0{path}/results")).await;
    assert_eq!(other.status, 409, "{other:?}");
    for wrong in [
        "SELECT COUNT(Id) FROM Account",
        "SELECT Id FROM Account OFFSET 1",
        "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
    ] {
        let new = json!({ "operation": "query", "query": wrong });
        assert_eq!(api.post("/jobs/query", new).await.status, 400, "{wrong}");
    }
    let limits = api.get("/limits").await.json();
    assert_eq!(limits["DailyBulkV2QueryJobs"]["Remaining"], 9_999);
}
