//! The Agent API and Data 360 queries, as their guides show them.

use std::time::Duration;

use salesforce_fake_org::{AccessTokens, FakeOrg};
use serde_json::{Value, json};

use crate::support::{ADA, Response, http, send};

const AGENT: &str = "0XxKa0000000001KAA";

async fn start() -> (FakeOrg, String) {
    let query = |sql: &str, dataspace: &str, rows: Value| {
        json!({ "sql": sql, "dataspace": dataspace, "rows": rows, "page": 2,
                "columns": [{ "name": "n", "type": "Numeric" }] })
    };
    let declared = json!({
        "agents": [{ "id": AGENT, "greeting": "Hello", "replies": { "cases?": "Two cases." } }],
        "data360_queries": [
            query("SELECT n", "", json!([[1], [2], [3]])),
            query("SELECT here", "sales", json!([[7]])),
        ],
    });
    let org = FakeOrg::builder().rows(0).declare_json(&declared.to_string()).unwrap();
    let org = org.access_tokens(AccessTokens::Jwt(Duration::from_secs(900))).start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), "api sfap_api").access_token;
    (org, token)
}

async fn post(url: String, token: &str, body: &Value) -> Response {
    send(http().post(url).bearer_auth(token).json(body)).await
}

#[tokio::test]
async fn an_agent_starts_talks_and_ends_for_tokens_with_its_scope_only() {
    let (org, token) = start().await;
    let base = format!("{}/einstein/ai-agent/v1", org.api_url());
    let begin = json!({ "externalSessionKey": "k", "instanceConfig": { "endpoint": org.instance_url() }, "bypassUser": false });
    let start = |token: String, agent: &'static str, body: Value| {
        let url = format!("{base}/agents/{agent}/sessions");
        async move { post(url, &token, &body).await }
    };
    let without = org.issue_tokens(&org.user(ADA), "api").access_token;
    assert_eq!(start(without, AGENT, begin.clone()).await.status, 401);
    assert_eq!(start(token.clone(), "0XxKa0000000009KAA", begin.clone()).await.status, 400);
    let elsewhere = json!({ "externalSessionKey": "k", "instanceConfig": { "endpoint": "https://x" }, "bypassUser": false });
    assert_eq!(start(token.clone(), AGENT, elsewhere).await.status, 500);
    let started = start(token.clone(), AGENT, begin).await.json();
    assert_eq!(started["messages"][0]["message"], "Hello");

    let session = format!("{base}/sessions/{}", started["sessionId"].as_str().unwrap());
    let message =
        |number: u64| json!({ "message": { "sequenceId": number, "type": "Text", "text": "cases?" } });
    let said = post(format!("{session}/messages"), &token, &message(1)).await.json();
    assert_eq!(said["messages"][0]["message"], "Two cases.");
    assert_eq!(
        post(format!("{session}/messages"), &token, &message(1)).await.status,
        400,
        "a number that was used"
    );
    let stream = post(format!("{session}/messages/stream"), &token, &message(2)).await;
    assert!(stream.header("content-type").starts_with("text/event-stream"));
    let kinds: Vec<String> = stream
        .body
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .map(|event| event["message"]["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["ProgressIndicator", "TextChunk", "TextChunk", "Inform", "EndOfTurn"]);
    let end = || send(http().delete(session.clone()).bearer_auth(&token));
    assert_eq!(end().await.json()["messages"][0]["type"], "SessionEnded");
    assert_eq!(end().await.status, 404);
}

#[tokio::test]
async fn data_360_has_the_rows_of_a_data_space_page_by_page() {
    let (org, token) = start().await;
    let base = format!("{}/services/data/v66.0/ssot/query-sql", org.instance_url());
    let query = async |sql: &str, dataspace: &str| {
        let request = http().post(&base).bearer_auth(&token).header("dataspace", dataspace);
        send(request.json(&json!({ "sql": sql }))).await
    };
    let first = query("SELECT n", "default").await.json();
    assert_eq!((&first["data"], &first["status"]["rowCount"]), (&json!([[1], [2]]), &json!(3)));
    let rows = format!("{base}/{}/rows?offset=2", first["status"]["queryId"].as_str().unwrap());
    assert_eq!(send(http().get(rows).bearer_auth(&token)).await.json()["data"], json!([[3]]));
    assert_eq!(query("SELECT here", "sales").await.json()["data"], json!([[7]]));
    assert_eq!(query("SELECT here", "service").await.status, 400);

    let exchange = [
        ("grant_type", "urn:salesforce:grant-type:external:cdp"),
        ("subject_token", token.as_str()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ];
    let url = format!("{}/services/a360/token", org.instance_url());
    assert_eq!(send(http().post(&url).form(&exchange[..2])).await.status, 400);
    let exchanged = send(http().post(&url).form(&exchange)).await.json();
    let host = exchanged["instance_url"].as_str().unwrap().to_owned();
    let token = exchanged["access_token"].as_str().unwrap();
    let first = post(format!("{host}/api/v2/query"), token, &json!({ "sql": "SELECT n" })).await.json();
    assert_eq!((&first["data"], &first["done"]), (&json!([[1], [2]]), &json!(false)));
    let next = format!("{host}/api/v2/query/{}", first["nextBatchId"].as_str().unwrap());
    assert_eq!(send(http().get(&next).bearer_auth(token)).await.json()["done"], true);
    assert_eq!(send(http().get(&next).bearer_auth("other")).await.status, 401);
}
