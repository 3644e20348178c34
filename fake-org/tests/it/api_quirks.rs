//! What the data APIs of real orgs do now and then, as settings that stay.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use salesforce_fake_org::{FakeOrg, Fault, Rule};
use serde_json::{Value, json};

use crate::support::{Api, Response, http, send};

async fn start(policy: Value) -> (FakeOrg, Api) {
    let org = FakeOrg::builder().policy(&policy).unwrap().start().await.unwrap();
    let api = Api::of(&org);
    (org, api)
}

fn next(page: &Response) -> String {
    page.json()["nextRecordsUrl"].as_str().unwrap_or_else(|| panic!("{}", page.body)).to_owned()
}

fn accounts_with_contacts(count: usize) -> Vec<Value> {
    (0..count)
        .map(|n| json!({ "LastName": format!("Contact {n}"), "Account": { "ExternalKey__c": "ACC-000001" } }))
        .collect()
}

#[tokio::test]
async fn the_next_page_closes_the_cursors_of_children() {
    for ends in [false, true] {
        let org = FakeOrg::builder()
            .policy(&json!({ "page_size": 2, "child_cursors_end": ends }))
            .unwrap()
            .records("Contact", &accounts_with_contacts(5))
            .start()
            .await
            .unwrap();
        let api = Api::of(&org);
        let soql = "SELECT Id, (SELECT Id FROM Contacts) FROM Account ORDER BY ExternalKey__c";
        let page = api.query(soql).await;
        let children = page.json()["records"][0]["Contacts"]["nextRecordsUrl"].as_str().unwrap().to_owned();
        assert_eq!(api.get(&children).await.status, 200);
        let second = api.get(&next(&page)).await;
        assert_eq!(second.status, 200);
        let late = api.get(&children).await;
        assert_eq!(late.status, if ends { 400 } else { 200 }, "{ends}: {}", late.body);
        if ends {
            assert_eq!(late.error().0, "INVALID_QUERY_LOCATOR");
        }
        // Children of this page are open.
        assert_eq!(api.get(&next(&second)).await.status, 200);
    }
}

#[tokio::test]
async fn one_cursor_too_many_closes_the_oldest_of_the_user() {
    let (org, api) = start(json!({ "page_size": 2, "cursor_limit": 10 })).await;
    let ben =
        Api { token: org.issue_tokens(&org.user("ben@example.com"), "api").access_token, ..Api::of(&org) };
    let of_ben = next(&ben.query("SELECT Id FROM Account").await);
    let mut cursors = Vec::new();
    for _ in 0..10 {
        cursors.push(next(&api.query("SELECT Id FROM Account").await));
    }
    assert_eq!(api.get(&cursors[0]).await.status, 200, "ten are open");
    cursors.push(next(&api.query("SELECT Id FROM Account").await));
    assert_eq!(api.get(&cursors[0]).await.error().0, "INVALID_QUERY_LOCATOR");
    for open in &cursors[1..] {
        assert_eq!(api.get(open).await.status, 200);
    }
    assert_eq!(ben.get(&of_ben).await.status, 200, "another user's stays open");
}

#[tokio::test]
async fn rows_vanish_and_totals_move_during_a_read() {
    let (org, api) = start(json!({ "page_size": 15, "vanishing_rows": 1 })).await;
    let read = async || {
        let mut page = api.query("SELECT Id FROM Account").await.json();
        let (mut sizes, mut totals) = (Vec::new(), Vec::new());
        loop {
            sizes.push(page["records"].as_array().unwrap().len());
            totals.push(page["totalSize"].as_i64().unwrap());
            let Some(next) = page["nextRecordsUrl"].as_str().map(str::to_owned) else { break };
            page = api.get(&next).await.json();
        }
        assert_eq!(page["done"], true);
        (sizes, totals)
    };
    assert_eq!(read().await, (vec![15, 15, 9], vec![40, 40, 40]));
    org.set_policy(&json!({ "vanishing_rows": 0, "total_size_drift": -2 })).unwrap();
    assert_eq!(read().await, (vec![15, 15, 10], vec![40, 38, 38]));
}

#[tokio::test]
async fn the_edge_declines_queries_by_their_text() {
    let (org, api) = start(json!({ "declined_queries": ["LIKE '%union%'"] })).await;
    for _ in 0..2 {
        let declined = api.query("SELECT Id FROM Account WHERE Name LIKE '%union%'").await;
        assert_eq!((declined.status, declined.body.as_str()), (400, "Access Declined"));
        assert_eq!(declined.header("content-type"), "text/html");
        assert_eq!(api.query("SELECT Id FROM Account WHERE Name LIKE '%onion%'").await.status, 200);
    }
    org.set_policy(&json!({ "declined_queries": [] })).unwrap();
    assert_eq!(api.query("SELECT Id FROM Account WHERE Name LIKE '%union%'").await.status, 200);
}

/// A batch size is a page's; groups have one page.
#[tokio::test]
async fn groups_beyond_the_batch_size_are_an_error() {
    let rows: Vec<Value> = (0..300).map(|n| json!({ "Name": format!("Group {n}") })).collect();
    let org = FakeOrg::builder().rows(0).records("Account", &rows).start().await.unwrap();
    let api = Api::of(&org);
    let query = async |options: Option<&str>, soql: &str| {
        let mut request = api.http.get(api.url("/query")).query(&[("q", soql)]).bearer_auth(&api.token);
        if let Some(options) = options {
            request = request.header("Sforce-Query-Options", options);
        }
        send(request).await
    };
    let grouped = "SELECT Name, COUNT(Id) FROM Account GROUP BY Name";
    assert_eq!(query(None, grouped).await.status, 200);
    assert_eq!(query(Some("batchSize=500"), grouped).await.status, 200);
    assert_eq!(query(Some("batchSize=200"), &format!("{grouped} LIMIT 1")).await.status, 200);
    let refused = query(Some("batchSize=200"), grouped).await;
    assert_eq!((refused.status, refused.error().0.as_str()), (400, "EXCEEDED_ID_LIMIT"));
}

#[tokio::test]
async fn apex_classes_send_texts_headers_and_redirects() {
    let org = FakeOrg::builder()
        .apex("POST", "/stock", 422, json!({ "reason": "no stock" }))
        .apex_text("GET", "/busy", 409, &[("Retry-After", "5"), ("X-Reason", "busy")], "try later")
        .apex_text(
            "GET",
            "/moved",
            302,
            &[("Location", "/elsewhere"), ("Content-Type", "text/html")],
            "<p>moved</p>",
        )
        .declare_json(
            r#"{"apex":[{"path":"/gone","status":410,"text":"gone","headers":{"X-Since":"2020"}}]}"#,
        )
        .unwrap()
        .start()
        .await
        .unwrap();
    let api = Api::of(&org);
    let stock = api.post("/services/apexrest/stock", json!({})).await;
    assert_eq!((stock.status, stock.json()), (422, json!({ "reason": "no stock" })));
    let busy = api.get("/services/apexrest/busy").await;
    assert_eq!((busy.status, busy.body.as_str()), (409, "try later"));
    assert_eq!((busy.header("retry-after"), busy.header("x-reason")), ("5", "busy"));
    assert_eq!(busy.header("content-type"), "text/plain;charset=UTF-8");
    let moved = api.get("/services/apexrest/moved").await;
    assert_eq!(
        (moved.status, moved.header("location"), moved.header("content-type")),
        (302, "/elsewhere", "text/html")
    );
    let gone = api.get("/services/apexrest/gone").await;
    assert_eq!((gone.status, gone.body.as_str(), gone.header("x-since")), (410, "gone", "2020"));
}

#[tokio::test]
async fn a_fault_strikes_a_part_of_a_composite_request() {
    let (org, api) = start(json!({})).await;
    let composite = async || {
        let part = json!({ "method": "GET", "url": "/services/data/v66.0/query?q=SELECT+Id+FROM+Account+LIMIT+1", "referenceId": "a" });
        let response = api.post("/composite", json!({ "compositeRequest": [part] })).await;
        assert_eq!(response.status, 200);
        response.json()["compositeResponse"][0].clone()
    };
    let batch = async || {
        let part = json!({ "method": "GET", "url": "v66.0/query?q=SELECT+Id+FROM+Account+LIMIT+1" });
        let response = api.post("/composite/batch", json!({ "batchRequests": [part] })).await;
        assert_eq!(response.status, 200);
        response.json()["results"][0].clone()
    };
    assert_eq!(composite().await["httpStatusCode"], 200);
    org.faults().query(Fault::Status(503).once().inner());
    // A request that is no part passes.
    assert_eq!(api.query("SELECT Id FROM Account LIMIT 1").await.status, 200);
    let struck = composite().await;
    assert_eq!(
        (&struck["httpStatusCode"], &struck["body"][0]["errorCode"]),
        (&json!(503), &json!("SERVER_UNAVAILABLE"))
    );
    assert_eq!(composite().await["httpStatusCode"], 200);
    let limit = Fault::ApiError {
        status: 403,
        code: "REQUEST_LIMIT_EXCEEDED".into(),
        message: "TotalRequests Limit exceeded.".into(),
    };
    org.faults().api(Rule::from(limit).inner());
    for _ in 0..2 {
        let struck = batch().await;
        assert_eq!(
            (&struck["statusCode"], &struck["result"][0]["errorCode"]),
            (&json!(403), &json!("REQUEST_LIMIT_EXCEEDED"))
        );
    }
    org.faults().clear();
    let rule = json!({ "route": "query", "fault": { "status": 503 }, "inner": true, "times": 1 });
    assert_eq!(send(http().post(format!("{}/fake/faults", org.login_url())).json(&rule)).await.status, 200);
    assert_eq!(batch().await["statusCode"], 503);
    assert_eq!(batch().await["statusCode"], 200);
}

/// An Experience Cloud site's data is below its path.
#[tokio::test]
async fn the_instance_url_has_a_path() {
    let (org, api) = start(json!({ "instance_path": "/portal", "page_size": 15 })).await;
    assert!(org.instance_url().ends_with("/portal"), "{}", org.instance_url());
    assert!(api.base.contains("/portal/services/data/"));
    let page = api.query("SELECT Id FROM Account").await;
    assert_eq!(page.status, 200);
    let next = next(&page);
    assert!(next.starts_with("/portal/services/data/v66.0/query/"), "{next}");
    let origin = org.instance_url().trim_end_matches("/portal").to_owned();
    let get = async |path: &str| send(http().get(format!("{origin}{path}")).bearer_auth(&api.token)).await;
    assert_eq!(get(&next).await.json()["records"].as_array().unwrap().len(), 15);
    assert_eq!(get(next.trim_start_matches("/portal")).await.status, 404, "the path is not optional");
    assert_eq!(get("/services/oauth2/userinfo").await.status, 200);
    assert!(org.set_policy(&json!({ "instance_path": "portal/" })).is_err());
}

#[tokio::test]
async fn currency_literals_name_their_currency() {
    let rows = [("small", -500.25), ("middle", 5_000.0), ("large", 7_500.5)]
        .map(|(name, revenue)| json!({ "Name": name, "AnnualRevenue": revenue }));
    let org = FakeOrg::builder().rows(0).records("Account", &rows).start().await.unwrap();
    let api = Api::of(&org);
    let names = async |condition: &str| {
        let soql = format!("SELECT Name FROM Account WHERE AnnualRevenue {condition} ORDER BY Name");
        let records = api.records(&soql).await;
        records.iter().map(|record| record["Name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("= USD5000").await, ["middle"]);
    assert_eq!(names("> USD-500.25").await, ["large", "middle"]);
    assert_eq!(names("= USD-500.25").await, ["small"]);
    assert_eq!(names("IN (USD5000, USD7500.50)").await, ["large", "middle"]);
    for wrong in ["AnnualRevenue > EUR5", "AnnualRevenue > USD5x", "Name = USD5", "AnnualRevenue > US5"] {
        let refused = api.query(&format!("SELECT Id FROM Account WHERE {wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}");
    }
    // An alias may look like one.
    assert_eq!(api.query("SELECT COUNT(Id) CNT1 FROM Account").await.json()["records"][0]["CNT1"], 3);
}

async fn finished_job(api: &Api) -> String {
    let job = api.post("/jobs/ingest", json!({ "object": "Account", "operation": "insert" })).await.json();
    let id = job["id"].as_str().unwrap().to_owned();
    let csv = "Name,ExternalKey__c\nfine,K1\n,K2\n,K3\n";
    let url = api.url(&format!("/jobs/ingest/{id}/batches"));
    let upload = api.http.put(url).bearer_auth(&api.token).header("content-type", "text/csv").body(csv);
    assert_eq!(send(upload).await.status, 201);
    api.patch(&format!("/jobs/ingest/{id}"), json!({ "state": "UploadComplete" })).await;
    for _ in 0..100 {
        let state = api.get(&format!("/jobs/ingest/{id}")).await.json();
        if state["state"] == "JobComplete" {
            assert_eq!(state["numberRecordsFailed"], 2);
            return id;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the job does not end");
}

/// The job announces two failed records.
#[tokio::test]
async fn failed_results_are_missing() {
    let (org, api) = start(json!({ "bulk_delay_ms": 0 })).await;
    let path = format!("/jobs/ingest/{}/failedResults", finished_job(&api).await);
    assert_eq!(api.get(&path).await.body.lines().count(), 3);
    for (policy, status) in [("no_content", 204), ("empty", 200)] {
        org.set_policy(&json!({ "failed_results": policy })).unwrap();
        for _ in 0..2 {
            let response = api.get(&path).await;
            assert_eq!((response.status, response.body.as_str()), (status, ""));
        }
    }
}

/// A reader that stops for too long loses the connection; one that reads does not.
#[tokio::test]
async fn results_that_are_not_read_are_reset() {
    let text = "x".repeat(30_000);
    let rows: Vec<Value> =
        (0..600).map(|n| json!({ "Name": format!("Row {n}"), "Description": text })).collect();
    let org = FakeOrg::builder()
        .rows(0)
        .compress(false)
        .policy(&json!({ "bulk_delay_ms": 0, "bulk_read_timeout_ms": 1_000 }))
        .unwrap()
        .records("Account", &rows)
        .start()
        .await
        .unwrap();
    let api = Api::of(&org);
    let job = json!({ "operation": "query", "query": "SELECT Name, Description FROM Account" });
    let id = api.post("/jobs/query", job).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/jobs/query/{id}/results");
    let whole = api.get(&path).await;
    assert_eq!((whole.status, whole.body.len() > 15_000_000), (200, true));

    let (url, token) = (url::Url::parse(&api.url(&path)).unwrap(), api.token.clone());
    let read = move |pause: Duration| {
        let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = format!(
            "GET {} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n",
            url.path()
        );
        stream.write_all(request.as_bytes()).unwrap();
        // The response has begun: the time to make it does not count.
        stream.read_exact(&mut [0; 64])?;
        std::thread::sleep(pause);
        stream.read_to_end(&mut Vec::new())
    };
    let stalled = tokio::task::spawn_blocking({
        let read = read.clone();
        move || read(Duration::from_secs(5))
    });
    assert!(stalled.await.unwrap().is_err(), "it is reset");
    let prompt = tokio::task::spawn_blocking(move || read(Duration::ZERO)).await.unwrap();
    assert!(prompt.unwrap() > 15_000_000);
}
