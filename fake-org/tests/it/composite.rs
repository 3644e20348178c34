//! Collections, batches, graphs and trees: their limits, what fails alone and what fails together, and what counts.
use crate::support::{Api, Response};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

fn account(name: &str) -> Value {
    json!({ "attributes": { "type": "Account" }, "Name": name })
}

async fn named(api: &Api, name: &str) -> usize {
    api.records(&format!("SELECT Id FROM Account WHERE Name = '{name}'")).await.len()
}

#[track_caller]
fn refused(response: &Response) {
    assert_eq!(response.status, 400, "{response:?}");
    assert!(response.json()[0]["errorCode"].is_string());
}

/// Section 7.5: at most 200 records in at most ten runs of one type; each for itself, or all or none.
#[tokio::test]
async fn collections_have_limits() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let create = async |all_or_none: bool, records: Vec<Value>| {
        api.post("/composite/sobjects", json!({ "allOrNone": all_or_none, "records": records })).await
    };
    assert_eq!(create(false, vec![account("many"); 200]).await.json().as_array().unwrap().len(), 200);
    assert_eq!(named(&api, "many").await, 200);
    refused(&create(false, vec![account("many"); 201]).await);
    let lead = json!({ "attributes": { "type": "Lead" }, "LastName": "x", "Company": "y" });
    let mixed =
        |runs: usize| (0..runs).map(|n| if n % 2 == 0 { account("mixed") } else { lead.clone() }).collect();
    assert_eq!(create(false, mixed(10)).await.status, 200);
    refused(&create(false, mixed(11)).await);

    let codes = |response: &Response| -> Vec<String> {
        let code = |item: &Value| item["errors"][0]["statusCode"].as_str().unwrap_or_default().to_owned();
        response.json().as_array().unwrap().iter().map(code).collect()
    };
    let together = create(true, vec![account("all"), account(""), account("all")]).await;
    assert_eq!(together.status, 200, "always");
    let rolled_back = "ALL_OR_NONE_OPERATION_ROLLED_BACK";
    assert_eq!(codes(&together), [rolled_back, "REQUIRED_FIELD_MISSING", rolled_back]);
    assert_eq!(named(&api, "all").await, 0);
    let alone = create(false, vec![account("each"), account(""), account("each")]).await;
    assert_eq!(codes(&alone), ["", "REQUIRED_FIELD_MISSING", ""]);
    assert_eq!(named(&api, "each").await, 2);
}

/// Section 7.6: a batch is 25 requests that count one by one and stop at a failure only on request.
#[tokio::test]
async fn a_batch_counts_each_part() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let batch = async |halt: bool, urls: &[&str]| {
        let parts: Vec<Value> = urls.iter().map(|url| json!({ "method": "GET", "url": url })).collect();
        api.post("/composite/batch", json!({ "haltOnError": halt, "batchRequests": parts })).await
    };
    let before = org.api_calls();
    let response = batch(false, &["v66.0/limits", "v66.0/nope", "v66.0/limits"]).await.json();
    let statuses = |response: &Value| -> Vec<i64> {
        response["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["statusCode"].as_i64().unwrap())
            .collect()
    };
    assert_eq!((statuses(&response), &response["hasErrors"]), (vec![200, 404, 200], &json!(true)));
    assert_eq!(org.api_calls() - before, 3);
    let halted = batch(true, &["v66.0/limits", "v66.0/nope", "v66.0/limits"]).await.json();
    assert_eq!(statuses(&halted), [200, 404, 412]);
    assert_eq!(halted["results"][2]["result"][0]["errorCode"], "BATCH_PROCESSING_HALTED");
    refused(&batch(false, &["v66.0/limits"; 26]).await);
}

/// Section 7.6: a composite is one request of at most 25 parts, five of them queries or collections.
#[tokio::test]
async fn a_composite_counts_once() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let composite = async |url: &str, times: usize| {
        let part = |n: usize| json!({ "method": "GET", "url": format!("/services/data/v66.0{url}"), "referenceId": format!("r{n}") });
        let parts: Vec<Value> = (0..times).map(part).collect();
        api.post("/composite", json!({ "compositeRequest": parts })).await
    };
    let before = org.api_calls();
    assert_eq!(composite("/limits", 25).await.status, 200);
    assert_eq!(org.api_calls() - before, 1);
    refused(&composite("/limits", 26).await);
    assert_eq!(composite("/query?q=SELECT+COUNT()+FROM+Account", 5).await.status, 200);
    refused(&composite("/query?q=SELECT+COUNT()+FROM+Account", 6).await);
}

/// Section 7.6: each graph is all or none, beside the others.
#[tokio::test]
async fn graphs_fail_one_by_one() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let graph = |id: &str, names: &[&str]| {
        let part = |(n, name): (usize, &&str)| {
            json!({
                "method": "POST", "url": "/services/data/v66.0/sobjects/Account", "referenceId": format!("r{n}"),
                "body": { "Name": name },
            })
        };
        json!({ "graphId": id, "compositeRequest": names.iter().enumerate().map(part).collect::<Vec<_>>() })
    };
    let graphs = vec![graph("good", &["in good"]), graph("bad", &["in bad", ""])];
    let response = api.post("/composite/graph", json!({ "graphs": graphs })).await.json();
    assert_eq!(
        (&response["graphs"][0]["isSuccessful"], &response["graphs"][1]["isSuccessful"]),
        (&json!(true), &json!(false))
    );
    assert_eq!((named(&api, "in good").await, named(&api, "in bad").await), (1, 0));
    refused(&api.post("/composite/graph", json!({ "graphs": vec![graph("g", &["x"]); 76] })).await);
    // After fourteen failures the rest is not tried.
    let mut many = vec![graph("bad", &[""]); 14];
    many.push(graph("late", &["too late"]));
    let response = api.post("/composite/graph", json!({ "graphs": many })).await.json();
    assert_eq!(response["graphs"][14]["isSuccessful"], false);
    assert_eq!(named(&api, "too late").await, 0);
}

/// Section 7.6: parents with their children, all or none, at most 200.
#[tokio::test]
async fn a_tree_is_written_whole_or_not_at_all() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let tree = |name: &str, last_name: &str| {
        let contact =
            json!({ "attributes": { "type": "Contact", "referenceId": "c" }, "LastName": last_name });
        json!({ "records": [{
            "attributes": { "type": "Account", "referenceId": "a" }, "Name": name, "Contacts": { "records": [contact] },
        }] })
    };
    let written = api.post("/composite/tree/Account", tree("Tree", "Leaf")).await;
    assert_eq!((written.status, written.json()["results"].as_array().unwrap().len()), (201, 2));
    let leaf = api.records("SELECT Account.Name FROM Contact WHERE LastName = 'Leaf'").await;
    assert_eq!(leaf[0]["Account"]["Name"], "Tree");
    let failed = api.post("/composite/tree/Account", tree("Stump", "")).await;
    assert_eq!((failed.status, &failed.json()["results"][0]["referenceId"]), (400, &json!("c")));
    assert_eq!(named(&api, "Stump").await, 0);
    let one = |n: usize| json!({ "attributes": { "type": "Account", "referenceId": format!("r{n}") }, "Name": "x" });
    let records: Vec<Value> = (0..201).map(one).collect();
    assert_eq!(api.post("/composite/tree/Account", json!({ "records": records })).await.status, 400);
}
