//! Declared actions, quick actions, named queries and approvals, as the guides show them.
use crate::support::Api;
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

async fn start() -> (FakeOrg, Api) {
    let declared = json!({
        "actions": [{
            "kind": "flow", "name": "Discount",
            "inputs": [{ "name": "amount", "type": "NUMBER", "required": true }],
            "outputs": [{ "name": "discount", "type": "NUMBER" }],
            "results": [
                { "when": { "amount": 13 }, "error": { "code": "FLOW_EXCEPTION", "message": "no" } },
                { "outputs": { "discount": 10 } },
            ],
        }, { "kind": "standard", "name": "emailSimple" }],
        "quick_actions": [
            { "object": "Account", "name": "NewContact", "creates": "Contact", "lookup": "AccountId", "message": "Made." },
            { "name": "NewLead", "creates": "Lead" },
        ],
        "named_queries": [{ "name": "Named", "soql": "SELECT Name FROM Account WHERE Name = :name AND NumberOfEmployees >= :size" }],
        "approval_processes": [{ "object": "Account", "name": "Big_accounts" }],
    });
    let org = FakeOrg::builder().rows(0).declare_json(&declared.to_string()).unwrap().start().await.unwrap();
    let api = Api::of(&org);
    (org, api)
}

#[tokio::test]
async fn an_action_runs_for_each_input_and_one_failure_makes_the_status_400() {
    let (_org, api) = start().await;
    let path = "/actions/custom/flow/Discount";
    let run = async |inputs: Value| api.post(path, json!({ "inputs": inputs })).await;
    let done = run(json!([{ "amount": 5 }])).await;
    assert_eq!(done.status, 200);
    let first = &done.json()[0];
    assert_eq!(first["outputValues"], json!({ "discount": 10, "Flow__InterviewStatus": "Finished" }));
    assert_eq!((&first["isSuccess"], &first["errors"]), (&json!(true), &Value::Null));
    let mixed = run(json!([{ "amount": 5 }, { "amount": 13 }, {}, { "amount": 1, "nope": 1 }])).await;
    assert_eq!(mixed.status, 400);
    let body = mixed.json();
    let codes: Vec<_> =
        body.as_array().unwrap().iter().map(|result| &result["errors"][0]["statusCode"]).collect();
    assert_eq!(
        codes,
        [&Value::Null, &json!("FLOW_EXCEPTION"), &json!("REQUIRED_FIELD_MISSING"), &json!("INVALID_INPUT")]
    );
    assert_eq!(api.post("/actions/custom/flow/Nope", json!({ "inputs": [{}] })).await.status, 404);
    let described = api.get(path).await.json();
    assert_eq!(described["inputs"][0]["required"], true);
    assert_eq!(described["outputs"][1]["name"], "Flow__InterviewStatus");
    let list = api.get("/actions/custom/flow").await.json();
    assert_eq!(list["actions"][0]["url"], "/services/data/v66.0/actions/custom/flow/Discount");
    assert_eq!(api.get("/actions/standard").await.json()["actions"][0]["name"], "emailSimple");
    let email = api.post("/actions/standard/emailSimple", json!({ "inputs": [{}] })).await.json();
    assert_eq!(email[0]["outputValues"], Value::Null);
}

#[tokio::test]
async fn a_quick_action_creates_its_record_in_the_context() {
    let (_org, api) = start().await;
    let account = api.post("/sobjects/Account", json!({ "Name": "A" })).await.json()["id"].clone();
    let id = account.as_str().unwrap();
    let path = "/sobjects/Account/quickActions";
    assert_eq!(api.get(path).await.json().as_array().unwrap().len(), 2, "global ones come along");
    assert_eq!(api.get("/quickActions").await.json()[0]["name"], "NewLead");
    let defaults = api.get(&format!("{path}/NewContact/defaultValues/{id}")).await.json();
    assert_eq!(defaults["AccountId"], account);
    let run = async |record: Value| {
        api.post(&format!("{path}/NewContact"), json!({ "contextId": account, "record": record })).await
    };
    let done = run(json!({ "LastName": "Smith" })).await;
    assert_eq!((done.status, &done.json()["successMessage"]), (201, &json!("Made.")));
    let made = api.records("SELECT AccountId, LastName FROM Contact").await;
    assert_eq!((&made[0]["AccountId"], &made[0]["LastName"]), (&account, &json!("Smith")));
    assert_eq!(run(json!({})).await.error().0, "REQUIRED_FIELD_MISSING");
    assert_eq!(api.post("/quickActions/NewContact", json!({ "record": {} })).await.status, 404);
}

#[tokio::test]
async fn a_named_query_requires_its_parameters() {
    let (_org, api) = start().await;
    for (name, size) in [("It's", 5), ("B", 5), ("It's", 1)] {
        api.post("/sobjects/Account", json!({ "Name": name, "NumberOfEmployees": size })).await;
    }
    let found = api.get("/named/query/Named?name=It%27s&size=2").await.json();
    assert_eq!((&found["totalSize"], &found["done"]), (&json!(1), &json!(true)));
    assert_eq!(found["records"][0]["attributes"]["type"], "Account");
    assert_eq!(
        api.get("/named/query/Named?name=B").await.error(),
        ("INVALID_INPUT".into(), "Missing parameter: size".into())
    );
    assert_eq!(api.get("/named/query/Nope").await.status, 404);
    assert_eq!(api.get("/services/data/v64.0/named/query/Named?name=B&size=1").await.status, 404);
}

#[tokio::test]
async fn an_approval_is_submitted_once_and_decided() {
    let (org, api) = start().await;
    let id = api.post("/sobjects/Account", json!({ "Name": "A" })).await.json()["id"].clone();
    let other = api.post("/sobjects/Account", json!({ "Name": "B" })).await.json()["id"].clone();
    let send = async |requests: Value| api.post("/process/approvals/", json!({ "requests": requests })).await;
    assert_eq!(api.get("/process/approvals").await.json()["approvals"]["Account"][0]["name"], "Big_accounts");
    let submit = |id: &Value| json!({ "actionType": "Submit", "contextId": id });
    let submitted = send(json!([submit(&id)])).await;
    assert_eq!(submitted.status, 200);
    let first = submitted.json()[0].clone();
    assert_eq!((&first["entityId"], &first["instanceStatus"]), (&id, &json!("Pending")));
    assert_eq!(first["actorIds"], json!([org.user(crate::support::ADA).id()]));
    let item = first["newWorkitemIds"][0].clone();
    // Results come in another order than requests, and a failure leaves the others alone.
    let mixed =
        send(json!([submit(&other), submit(&id), { "actionType": "Approve", "contextId": item }])).await;
    assert_eq!(mixed.status, 400);
    let body = mixed.json();
    assert_eq!(body[0]["errors"][0]["statusCode"], "ALREADY_IN_PROCESS");
    assert_eq!((&body[1]["entityId"], &body[1]["instanceStatus"]), (&id, &json!("Approved")));
    assert_eq!((&body[2]["entityId"], &body[2]["instanceStatus"]), (&other, &json!("Pending")));
    for (request, code) in [
        (json!({ "actionType": "Reject", "contextId": item }), "INVALID_CROSS_REFERENCE_KEY"),
        (json!({ "actionType": "Submit", "contextId": "003000000000001AAA" }), "NO_APPLICABLE_PROCESS"),
        (json!({ "actionType": "Submit", "contextId": "x" }), "MALFORMED_ID"),
    ] {
        assert_eq!(send(json!([request])).await.json()[0]["errors"][0]["statusCode"], code);
    }
}
