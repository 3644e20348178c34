//! SOQL over HTTP: paging, queryAll, counts, errors. What the language can do is tested in `src/soql`.
use std::collections::HashSet;
use std::io::Read as _;
use std::time::Duration;

use crate::support::{ADA, ALL, Api, send};
use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde_json::{Value, json};

/// Section 7.2: `nextRecordsUrl` is a path, `01g…-<offset>`, and absent on the last page.
#[tokio::test]
async fn pages_follow_one_another() {
    let org = FakeOrg::builder().rows(5_000).start().await.unwrap();
    let api = Api::of(&org);
    let mut response = api.query("SELECT Id, Name FROM Account ORDER BY Name").await.json();
    let mut ids = HashSet::new();
    let mut pages = Vec::new();
    loop {
        assert_eq!(response["totalSize"], 5_000);
        let records = response["records"].as_array().unwrap();
        pages.push(records.len());
        ids.extend(records.iter().map(|record| record["Id"].as_str().unwrap().to_owned()));
        let next = response.get("nextRecordsUrl").map(|next| next.as_str().unwrap().to_owned());
        assert_eq!(response["done"], next.is_none());
        let Some(next) = next else { break };
        assert!(next.starts_with("/services/data/v66.0/query/01g"), "{next}");
        assert!(next.ends_with(&format!("-{}", pages.len() * 2_000)), "{next}");
        response = api.get(&next).await.json();
    }
    assert_eq!(pages, [2_000, 2_000, 1_000]);
    assert_eq!(ids.len(), 5_000, "no row twice, none left out");
}

/// Section 7.2: `Sforce-Query-Options: batchSize=200..2000`.
#[tokio::test]
async fn the_batch_size_can_be_asked_for() {
    let org = FakeOrg::builder().rows(500).start().await.unwrap();
    let api = Api::of(&org);
    let page = async |header: &str| {
        let request = api.http.get(api.url("/query")).query(&[("q", "SELECT Id FROM Account")]);
        let request = request.bearer_auth(&api.token).header("sforce-query-options", header);
        send(request).await.json()["records"].as_array().unwrap().len()
    };
    assert_eq!(page("batchSize=200").await, 200);
    assert_eq!(page("batchSize=1").await, 200, "no fewer than 200");
    assert_eq!(page("batchSize=300").await, 300);
    assert_eq!(page("other=1").await, 500);
    org.set_page_size(7);
    assert_eq!(page("batchSize=2000").await, 7, "the org was set to less");
}

#[tokio::test]
async fn cursors_end() {
    let org = FakeOrg::builder().page_size(10).start().await.unwrap();
    let api = Api::of(&org);
    let next = async || {
        api.query("SELECT Id FROM Account").await.json()["nextRecordsUrl"].as_str().unwrap().to_owned()
    };
    let first = next().await;
    assert_eq!(api.get(&first).await.status, 200);
    // Another user's token does not open it.
    let ben = org.issue_tokens(&org.user("ben@example.com"), ALL).access_token;
    let response = send(api.http.get(api.url(&first)).bearer_auth(ben)).await;
    assert_eq!(response.error().0, "INVALID_QUERY_LOCATOR");
    org.close_cursors();
    let response = api.get(&first).await;
    assert_eq!((response.status, response.error().0.as_str()), (400, "INVALID_QUERY_LOCATOR"));
    let second = next().await;
    org.set_session_ttl(Duration::from_secs(3_600 * 24 * 10));
    let api = Api { token: org.issue_tokens(&org.user(ADA), ALL).access_token, ..api };
    org.advance(Duration::from_secs(3_600 * 48));
    assert_eq!(api.get(&second).await.error().0, "INVALID_QUERY_LOCATOR", "cursors live two days");
    assert_eq!(api.get("/query/garbage").await.error().0, "INVALID_QUERY_LOCATOR");
}

/// Section 7.2: records without a parent have null for it; COUNT() has no records.
#[tokio::test]
async fn shapes_of_results() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let response = api.query("SELECT COUNT() FROM Account").await.json();
    assert_eq!(response, json!({ "totalSize": 40, "done": true, "records": [] }));
    let response = api.query("SELECT Name, Parent.Name, Owner.Name FROM Account LIMIT 1").await.json();
    let record = &response["records"][0];
    assert!(record["Parent"].is_null());
    assert_eq!(record["Owner"]["attributes"]["type"], "User");
    let url = record["attributes"]["url"].as_str().unwrap();
    assert_eq!(api.get(url).await.json()["Name"], record["Name"]);
    // With or without the slash.
    assert_eq!(api.get("/query/?q=SELECT+Id+FROM+User").await.status, 200);
}

/// Section 7.2: queryAll sees deleted rows; its further pages say `query`.
#[tokio::test]
async fn query_all_sees_the_recycle_bin() {
    let org = FakeOrg::builder().page_size(30).start().await.unwrap();
    let api = Api::of(&org);
    let id = api.records("SELECT Id FROM Account LIMIT 1").await[0]["Id"].as_str().unwrap().to_owned();
    assert_eq!(api.delete(&format!("/sobjects/Account/{id}")).await.status, 204);
    assert_eq!(api.query("SELECT COUNT() FROM Account").await.json()["totalSize"], 39);
    let all = api.get("/queryAll?q=SELECT+Id,IsDeleted+FROM+Account+ORDER+BY+IsDeleted+DESC").await.json();
    assert_eq!(all["totalSize"], 40);
    assert_eq!(all["records"][0]["Id"], id.as_str());
    assert!(all["nextRecordsUrl"].as_str().unwrap().contains("/query/01g"));
}

#[tokio::test]
async fn mistakes_are_arrays_with_codes() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    for (soql, code) in [
        ("SELECT Nope FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ] {
        let response = api.query(soql).await;
        assert_eq!((response.status, response.error().0.as_str()), (400, code), "{soql}");
        assert_eq!(response.json().as_array().unwrap().len(), 1);
    }
    assert_eq!(api.get("/query").await.status, 400);
    // A double slash is another, missing resource.
    let response = api.get("//query?q=SELECT+Id+FROM+Account").await;
    assert_eq!((response.status, response.error().0.as_str()), (404, "NOT_FOUND"));
}

/// What Salesforce's CLI asks for to lay out a table.
#[tokio::test]
async fn a_query_tells_its_columns() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let columns = async |soql: &str| {
        let url = api.url("/query");
        let request = api.http.get(url).query(&[("q", soql), ("columns", "true")]);
        send(request.bearer_auth(&api.token)).await
    };
    let response =
        columns("SELECT Id, a.Owner.Name, Owner.Email, (SELECT LastName FROM Contacts) FROM Account a").await;
    let body = response.json();
    let list = body["columnMetadata"].as_array().unwrap();
    let names = |list: &[Value]| -> Vec<String> {
        list.iter().map(|column| column["columnName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(list), ["Id", "Owner", "Contacts"]);
    assert_eq!(names(list[1]["joinColumns"].as_array().unwrap()), ["Name", "Email"]);
    assert_eq!(names(list[2]["joinColumns"].as_array().unwrap()), ["LastName"]);
    assert_eq!((&list[1]["aggregate"], &list[2]["aggregate"]), (&json!(false), &json!(true)));
    assert_eq!((&body["entityName"], &body["idSelected"]), (&json!("Account"), &json!(true)));
    let body =
        columns("SELECT Industry, COUNT(Id), MAX(Name) last FROM Account GROUP BY Industry").await.json();
    let list = body["columnMetadata"].as_array().unwrap();
    assert_eq!(names(list), ["Industry", "expr0", "last"]);
    assert_eq!(list[1]["displayName"], "count(Id)");
    assert_eq!(columns("SELECT Nope FROM Account").await.error().0, "INVALID_FIELD");
}

/// Section 7.10: compressed for those who ask, and the entity tag says so.
#[tokio::test]
async fn responses_are_compressed_where_asked_for() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let id = api.records("SELECT Id FROM Account LIMIT 1").await[0]["Id"].as_str().unwrap().to_owned();
    let send_request = async |path: &str, accept: &str| {
        let request = api.http.get(api.url(path)).bearer_auth(&api.token);
        request.header("accept-encoding", accept).send().await.unwrap()
    };
    let path = format!("/sobjects/Account/{id}");
    let plain = send_request(&path, "deflate, gzip;q=0").await;
    assert_eq!(plain.headers().get("content-encoding"), None);
    let tag = plain.headers()["etag"].to_str().unwrap().to_owned();
    let plain: Value = plain.json().await.unwrap();
    let packed = send_request(&path, "deflate, gzip").await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed_tag = packed.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(packed_tag, format!("{}--gzip\"", tag.strip_suffix('"').unwrap()));
    let mut text = String::new();
    let bytes = packed.bytes().await.unwrap();
    flate2::read::GzDecoder::new(bytes.as_ref()).read_to_string(&mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), plain);
    // The tag of the compressed response is good for a condition.
    let unchanged = api.http.get(api.url(&path)).bearer_auth(&api.token).header("if-none-match", packed_tag);
    assert_eq!(send(unchanged).await.status, 304);
    let is_packed =
        async |path: &str| send_request(path, "gzip").await.headers().contains_key("content-encoding");
    assert!(!is_packed("/query?q=SELECT+COUNT()+FROM+Account").await, "too short");
    // What a fault spoils can be read.
    assert!(is_packed("/limits").await);
    org.faults().at(Route::Api, Fault::Truncated.times(1));
    assert!(!is_packed("/limits").await);
    let plain = FakeOrg::builder().compress(false).start().await.unwrap();
    let request = api.http.get(format!("{}/services/oauth2/authorize", plain.login_url()));
    let page = request.header("accept-encoding", "gzip").send().await.unwrap();
    assert!(!page.headers().contains_key("content-encoding"));
}

/// Section 7.2, and simple-salesforce issue 311: children that are more than a page have their own `nextRecordsUrl`.
#[tokio::test]
async fn children_come_in_pages_too() {
    let org = FakeOrg::builder().page_size(3).start().await.unwrap();
    let api = Api::of(&org);
    let parent =
        api.records("SELECT Id FROM Account WHERE ExternalKey__c = 'ACC-000001'").await[0]["Id"].clone();
    for n in 0..5 {
        let body = json!({ "LastName": format!("Extra {n}"), "AccountId": parent });
        assert_eq!(api.post("/sobjects/Contact", body).await.status, 201);
    }
    let soql = format!(
        "SELECT Name, (SELECT LastName, Id FROM Contacts ORDER BY Id) FROM Account WHERE Id = '{}'",
        parent.as_str().unwrap()
    );
    let response = api.query(&soql).await.json();
    assert_eq!(response["done"], true, "of parents there is only one page");
    let mut page = response["records"][0]["Contacts"].clone();
    let mut ids = Vec::new();
    let mut sizes = Vec::new();
    loop {
        assert_eq!(page["totalSize"], 7);
        let records = page["records"].as_array().unwrap();
        sizes.push(records.len());
        ids.extend(records.iter().map(|record| record["Id"].as_str().unwrap().to_owned()));
        assert_eq!(records[0]["attributes"]["type"], "Contact");
        let next = page.get("nextRecordsUrl").map(|next| next.as_str().unwrap().to_owned());
        assert_eq!(page["done"], next.is_none());
        let Some(next) = next else { break };
        page = api.get(&next).await.json();
    }
    assert_eq!(sizes, [3, 3, 1]);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 7, "{ids:?}");
    // A page of many parents does not close what it has just opened.
    let wide = FakeOrg::builder().rows(300).page_size(300).start().await.unwrap();
    let api = Api::of(&wide);
    wide.set_page_size(1);
    let first = api.query("SELECT Id, (SELECT Id FROM Contacts) FROM Account LIMIT 250").await.json();
    let child = first["records"][0]["Contacts"]["nextRecordsUrl"].as_str().unwrap().to_owned();
    let mut next = first["nextRecordsUrl"].as_str().unwrap().to_owned();
    for _ in 0..150 {
        next = api.get(&next).await.json()["nextRecordsUrl"].as_str().unwrap().to_owned();
    }
    assert_eq!(api.get(&child).await.json()["records"].as_array().unwrap().len(), 1);
}

/// REST API guide, "Query Performance Feedback" and its example; the counts are those of the data.
#[tokio::test]
async fn explain_shows_plans_cheapest_first() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let explain = async |path: &str, soql: &str| {
        send(api.http.get(api.url(path)).query(&[("explain", soql)]).bearer_auth(&api.token)).await
    };
    let soql = "SELECT Name FROM Account WHERE ExternalKey__c = 'ACC-000003' AND Type = 'Partner'";
    let plans = explain("/query", soql).await.json()["plans"].clone();
    let note = |field: &str| {
        json!({
            "description": "Not considering filter for optimization because unindexed", "fields": [field],
            "tableEnumOrId": "Account",
        })
    };
    let notes = [note("IsDeleted"), note("Type")];
    assert_eq!(
        plans,
        json!([
            {
                "cardinality": 1, "fields": ["ExternalKey__c"], "leadingOperationType": "Index", "notes": notes,
                "relativeCost": 0.25, "sobjectCardinality": 40, "sobjectType": "Account",
            },
            {
                "cardinality": 1, "fields": [], "leadingOperationType": "TableScan", "notes": notes,
                "relativeCost": 3.333, "sobjectCardinality": 40, "sobjectType": "Account",
            },
        ])
    );
    assert_eq!(explain("/tooling/query", soql).await.json()["plans"], plans);
    let all = explain("/query", "SELECT COUNT(Id) FROM Contact c WHERE c.Account.Name != 'x' OR Name = 'y'")
        .await
        .json();
    assert_eq!(all["plans"].as_array().unwrap().len(), 1);
    assert_eq!(all["plans"][0]["leadingOperationType"], "TableScan");
    assert_eq!(all["plans"][0]["cardinality"], 80);
    for (wrong, code) in [
        ("SELECT", "MALFORMED_QUERY"),
        ("SELECT No FROM Account", "INVALID_FIELD"),
        ("00O000000000001", "INVALID_ID"),
    ] {
        let response = explain("/query", wrong).await;
        assert_eq!((response.status, response.error().0.as_str()), (400, code), "{wrong}");
    }
}
