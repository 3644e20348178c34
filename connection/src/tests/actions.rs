//! Invocable actions, quick actions, named queries and approvals.

use crate::tests::*;
use crate::{
    actions::{ActionKind, ApprovalRequest, InvalidActionInput},
    error::{Error, InvalidRequest, InvalidResponse},
    request::Retry,
    test_log::logged,
};

const RECORD: &str = "001D000000IqhSLIAZ";
const OTHER: &str = "003D000000QV9n2IAD";
const ITEM: &str = "04iD0000000Cw6SIAS";

fn succeeded(values: Value) -> Value {
    json!({ "actionName": "A", "errors": null, "isSuccess": true, "outputValues": values, "version": 1, "new": {} })
}

fn failed() -> Value {
    let error = json!({ "statusCode": "INVALID_INPUT", "message": "canary", "fields": ["amount"] });
    json!({ "actionName": "A", "errors": [error], "isSuccess": false, "outputValues": null })
}

#[tokio::test]
async fn an_action_has_one_result_for_each_input_also_with_status_400() {
    let server = Server::start(|request| match request.nth {
        0 => Reply::Body(
            400,
            json!([succeeded(json!({ "n": 1 })), failed(), succeeded(Value::Null)]).to_string(),
        ),
        _ => json!([succeeded(json!({ "n": 1 })), succeeded(Value::Null), failed()]).into(),
    })
    .await;
    let sf = connect(&server);
    let inputs = [json!({ "amount": "canary" }), json!({ "amount": 13 }), json!({})];
    let (results, log) = logged(sf.flow("Discount").run_many(&inputs)).await;
    let results = results.unwrap();
    assert_eq!(results[0].as_ref().unwrap().values::<Value>().unwrap(), json!({ "n": 1 }));
    let error = results[1].as_ref().unwrap_err();
    assert_eq!(error.to_string(), "the action failed (INVALID_INPUT on amount)");
    assert_eq!(error.errors[0].message, "canary");
    assert_eq!(results[2].as_ref().unwrap().values::<Option<Value>>().unwrap(), None);
    assert!(!format!("{log} {results:?}").contains("canary"), "{log}");
    // A failure is one in a success, too.
    let results = sf.flow("Discount").run_many(&inputs).await.unwrap();
    assert!(results[0].is_ok() && results[1].is_ok() && results[2].is_err());
    let request = &server.requests()[0];
    assert_eq!(request.body, json!({ "inputs": inputs }).to_string());
}

#[tokio::test]
async fn a_failed_action_is_an_error_with_its_reasons() {
    let server = Server::start(|_| Reply::Body(400, json!([failed()]).to_string())).await;
    let error = connect(&server).apex_action("acme__Ship").run(&json!({})).await.unwrap_err();
    let Error::Api { status: 400, errors, .. } = &error else { panic!("{error}") };
    assert_eq!(
        (errors[0].code.as_str(), errors[0].fields.as_slice()),
        ("INVALID_INPUT", ["amount".into()].as_slice())
    );
    assert_eq!(server.lines(), ["POST /services/data/v66.0/actions/custom/apex/acme__Ship"]);
    // The guide shows a single object for a single input.
    let server = Server::start(|_| succeeded(Value::Null).into()).await;
    let output = connect(&server).standard_action("emailSimple").run(&json!({})).await.unwrap();
    output.values::<()>().unwrap();
    assert_eq!(server.lines(), ["POST /services/data/v66.0/actions/standard/emailSimple"]);
    // And so it may fail.
    let server = Server::start(|_| Reply::Body(400, failed().to_string())).await;
    let error =
        connect(&server).flow("Discount").run_many(&[json!({})]).await.unwrap().remove(0).unwrap_err();
    assert_eq!(error.errors[0].code, "INVALID_INPUT");
}

#[tokio::test]
async fn results_that_do_not_say_how_an_action_ended_are_an_error() {
    for body in [
        json!([]),
        json!([succeeded(Value::Null), succeeded(Value::Null)]),
        json!([{ "errors": null, "outputValues": {} }]),
        json!([{ "isSuccess": true }]),
        json!([{ "isSuccess": "yes", "outputValues": null }]),
        json!("done"),
    ] {
        let text = body.to_string();
        let server = Server::start(move |_| body.clone().into()).await;
        let error = connect(&server).flow("A").run(&json!({})).await.unwrap_err();
        assert!(matches!(error, Error::InvalidResponse(_)), "{text}: {error}");
    }
    // Errors of the request are those of every request.
    let server = Server::start(|_| api_error(400, "JSON_PARSER_ERROR", "m")).await;
    let error = connect(&server).flow("A").run(&json!({})).await.unwrap_err();
    assert_eq!(error.api_errors()[0].code, "JSON_PARSER_ERROR");
}

#[tokio::test]
async fn actions_and_approvals_are_never_sent_twice() {
    for lost in [true, false] {
        let server =
            Server::start(move |_| if lost { Reply::Disconnect } else { Reply::Body(503, String::new()) })
                .await;
        let sf = connect(&server).with_retry(Retry::default().idempotent(true));
        sf.flow("A").run(&json!({})).await.unwrap_err();
        sf.quick_action("A").run(None, &json!({})).await.unwrap_err();
        sf.approvals().send_one(ApprovalRequest::approve(ITEM).unwrap()).await.unwrap_err();
        assert_eq!(server.count("POST"), 3);
    }
}

#[tokio::test]
async fn inputs_that_do_not_fit_the_description_are_named_before_sending() {
    let described = json!({
        "name": "A", "label": "L", "type": "FLOW", "new": 1,
        "inputs": [
            { "name": "amount", "type": "NUMBER", "required": true, "maxOccurs": 1, "new": 1 },
            { "name": "note", "type": "STRING", "required": false },
        ],
        "outputs": [{ "name": "n", "type": "NUMBER", "maxOccurs": 1 }],
    });
    let server = Server::start(move |request| match &*request.method {
        "GET" => described.clone().into(),
        _ => json!([succeeded(Value::Null)]).into(),
    })
    .await;
    let sf = connect(&server);
    let flow = sf.flow("A").described(sf.flow("A").describe().await.unwrap());
    for (inputs, expected) in [
        (
            vec![json!({ "amount": 1 }), json!({ "note": "x" })],
            InvalidActionInput::Missing { index: 1, name: "amount".into() },
        ),
        (vec![json!({ "amount": null })], InvalidActionInput::Missing { index: 0, name: "amount".into() }),
        (
            vec![json!({ "amount": 1, "nte": "x" })],
            InvalidActionInput::Unknown { index: 0, name: "nte".into() },
        ),
        (vec![json!([1])], InvalidActionInput::NotAnObject { index: 0 }),
        (vec![], InvalidActionInput::Empty),
    ] {
        let error = flow.run_many(&inputs).await.unwrap_err();
        let Error::InvalidRequest(InvalidRequest::ActionInput(error)) = error else { panic!("{error}") };
        assert_eq!(error, expected);
    }
    for name in ["", "a/b", "../x", "a b", "a..b"] {
        let error = sf.flow(name).run(&json!({})).await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest(InvalidRequest::Name(_))), "{name}: {error}");
        let error = sf.action(ActionKind::Custom(name.into()), "A").describe().await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest(InvalidRequest::Name(_))), "{name}: {error}");
        let error = sf.named_query(name).page::<Value>().await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest(InvalidRequest::Name(_))), "{name}: {error}");
        let error = sf.sobject(name).quick_action("A").run(None, &json!({})).await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest(InvalidRequest::Name(_))), "{name}: {error}");
    }
    assert_eq!(server.count("POST"), 0);
    flow.run(&json!({ "amount": 1 })).await.unwrap();
    // A description without `required` must not read as "not required".
    let server = Server::start(|_| {
        json!({ "name": "A", "inputs": [{ "name": "amount", "type": "NUMBER" }], "outputs": [] }).into()
    })
    .await;
    let error = connect(&server).flow("A").describe().await.unwrap_err();
    assert!(matches!(error, Error::InvalidResponse(InvalidResponse::Json(_))), "{error}");
}

#[tokio::test]
async fn a_value_of_another_type_than_its_parameter_is_named_before_it_is_sent() {
    let server = Server::start(|request| match request.method.as_str() {
        "GET" => {
            let input = |name: &str, kind: &str, most: u32| json!({ "name": name, "type": kind, "required": false, "maxOccurs": most });
            json!({ "name": "A", "outputs": [], "inputs": [
                input("text", "STRING", 1), input("amount", "NUMBER", 1), input("flag", "BOOLEAN", 1),
                input("record", "SOBJECT", 1), input("ids", "STRING", 2), input("other", "APEX", 1),
            ] })
            .into()
        }
        _ => json!([succeeded(Value::Null)]).into(),
    })
    .await;
    let flow = connect(&server).flow("A");
    let flow = flow.clone().described(flow.describe().await.unwrap());
    for (name, value) in [
        ("text", json!(["a"])),
        ("text", json!({ "a": 1 })),
        ("amount", json!("canary")),
        ("amount", json!(true)),
        ("flag", json!(1)),
        ("flag", json!("canary")),
        ("record", json!(7)),
        ("ids", json!(["a", "b", "c"])),
        ("ids", json!([["a"]])),
    ] {
        let error = flow.run(&json!({ name: value })).await.unwrap_err();
        let Error::InvalidRequest(InvalidRequest::ActionInput(found)) = &error else {
            panic!("{value}: {error}")
        };
        assert!(
            matches!(found, InvalidActionInput::Type { index: 0, name: found, .. } if found == name),
            "{value}: {error}"
        );
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    assert_eq!(server.count("POST"), 0);
    for (name, value) in [
        ("text", json!("a")),
        ("text", json!(1)),
        ("amount", json!(1.5)),
        ("amount", json!("1.5")),
        ("amount", Value::Null),
        ("flag", json!(true)),
        ("flag", json!("False")),
        ("record", json!({ "Name": "A" })),
        ("ids", json!(["a", "b"])),
        ("ids", json!("a")),
        ("other", json!({ "any": 1 })),
        ("other", json!([1, 2])),
    ] {
        flow.run(&json!({ name: value })).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_org_does_not_have_is_named() {
    let server =
        Server::start(|_| api_error(404, "NOT_FOUND", "The requested resource does not exist")).await;
    let sf = connect(&server);
    for (error, kind) in [
        (sf.flow("Nope").run(&json!({})).await.unwrap_err(), "action"),
        (sf.flow("Nope").describe().await.unwrap_err(), "action"),
        (sf.named_query("Nope").page::<Value>().await.unwrap_err(), "named query"),
        (sf.quick_action("Nope").run(None, &json!({})).await.unwrap_err(), "quick action"),
        (sf.quick_action("Nope").defaults::<Value>(None).await.unwrap_err(), "quick action"),
    ] {
        assert_eq!(error.to_string(), format!("the org has no {kind} `Nope`, or this user may not use it"));
        assert_eq!(error.status(), Some(404));
    }
    // With a context, the record may be what the org does not have.
    let (action, context) = (sf.sobject("Account").quick_action("Nope"), Some(RECORD.parse().unwrap()));
    for error in [
        action.run(context, &json!({})).await.unwrap_err(),
        action.defaults::<Value>(context).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Api { status: 404, .. }), "{error}");
    }
}

#[tokio::test]
async fn a_named_query_sends_its_parameters_and_reads_all_pages() {
    let server = Server::start(|request| match &*request.target {
        "/services/data/v66.0/query/01g-2" => {
            json!({ "totalSize": 3, "done": true, "records": [{ "Name": "c" }] }).into()
        }
        _ => json!({
            "totalSize": 3, "done": false, "nextRecordsUrl": "/services/data/v66.0/query/01g-2",
            "records": [{ "Name": "a" }, { "Name": "b" }],
        })
        .into(),
    })
    .await;
    let query = connect(&server).named_query("By_Name").parameter("name", "a&b=c").parameter("size", 5);
    let rows: Vec<Value> = query.fetch_all().await.unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(server.lines()[0], "GET /services/data/v66.0/named/query/By_Name?name=a%26b%3Dc&size=5");
}

#[tokio::test]
async fn a_quick_action_runs_in_its_context() {
    let server = Server::start(|request| match request.nth {
        0 => Reply::Body(201, json!({ "id": OTHER, "ids": [OTHER], "success": true, "errors": [], "created": true, "successMessage": "ok" }).to_string()),
        1 => json!({ "id": OTHER, "success": true }).into(),
        2 => json!({ "success": false, "errors": [{ "statusCode": "REQUIRED_FIELD_MISSING", "message": "canary", "fields": ["LastName"] }] }).into(),
        3 => json!({ "id": OTHER }).into(),
        // Salesforce says that there is no record.
        4 => json!({ "id": null, "ids": [], "success": true }).into(),
        _ => json!({ "success": true }).into(),
    })
    .await;
    let action = connect(&server).sobject("Account").quick_action("NewContact");
    let context = Some(RECORD.parse().unwrap());
    let record = json!({ "LastName": "Smith" });
    let run = || action.run(context, &record);
    let done = run().await.unwrap();
    assert_eq!((done.ids.len(), done.created, done.success_message.as_deref()), (1, Some(true), Some("ok")));
    let request = &server.requests()[0];
    assert_eq!(request.target, "/services/data/v66.0/sobjects/Account/quickActions/NewContact");
    assert_eq!(request.body, format!(r#"{{"contextId":"{RECORD}","record":{{"LastName":"Smith"}}}}"#));
    let done = run().await.unwrap();
    assert_eq!((done.ids.len(), done.created), (1, None));
    let error = run().await.unwrap_err();
    assert_eq!(error.api_errors()[0].fields, ["LastName"]);
    assert!(
        matches!(run().await.unwrap_err(), Error::InvalidResponse(_)),
        "it does not say that it succeeded"
    );
    assert!(run().await.unwrap().ids.is_empty());
    assert!(matches!(run().await.unwrap_err(), Error::InvalidResponse(_)), "nor what it did");
}

#[tokio::test]
async fn approvals_are_matched_by_their_record_and_fail_one_by_one() {
    let done = |record: &str, status: &str, items: Value| {
        json!({
            "actorIds": null, "entityId": record, "errors": null, "instanceId": "04gD0000000Cvm5IAC",
            "instanceStatus": status, "newWorkitemIds": items, "success": true, "new": 1,
        })
    };
    let refused = json!({
        "success": false, "errors": [{ "statusCode": "ALREADY_IN_PROCESS", "message": "canary" }], "entityId": null,
    });
    let body = json!([done(OTHER, "Approved", Value::Null), refused, done(RECORD, "Pending", json!([ITEM]))]);
    let server = Server::start(move |_| Reply::Body(400, body.to_string())).await;
    let submit = ApprovalRequest::submit(RECORD).unwrap().comments("c").process("P").skip_entry_criteria();
    let submit = submit.next_approvers([USER.parse().unwrap()]).submitter(USER.parse().unwrap());
    let requests = [submit, ApprovalRequest::reject(ITEM).unwrap(), ApprovalRequest::approve(ITEM).unwrap()];
    let results = connect(&server).approvals().send(&requests).await.unwrap();
    assert_eq!(results[0].as_ref().unwrap().record_id, OTHER.parse().unwrap());
    assert_eq!(results[1].as_ref().unwrap_err().errors[0].code, "ALREADY_IN_PROCESS");
    let pending = results[2].as_ref().unwrap();
    assert_eq!(
        (pending.status.as_str(), pending.new_work_items.as_slice()),
        ("Pending", [ITEM.parse().unwrap()].as_slice())
    );
    let body: Value = serde_json::from_str(&server.requests()[0].body).unwrap();
    assert_eq!(
        body["requests"][0],
        json!({
            "actionType": "Submit", "contextId": RECORD, "comments": "c", "nextApproverIds": [USER],
            "contextActorId": USER, "processDefinitionNameOrId": "P", "skipEntryCriteria": true,
        })
    );
    assert_eq!(body["requests"][2], json!({ "actionType": "Approve", "contextId": ITEM }));
    assert!(ApprovalRequest::submit("not an id").is_err());
    for missing in ["newWorkitemIds", "actorIds"] {
        let mut outcome = done(RECORD, "Pending", json!([ITEM]));
        outcome.as_object_mut().unwrap().remove(missing);
        let server = Server::start(move |_| json!([outcome]).into()).await;
        let error = connect(&server).approvals().send_one(requests[1].clone()).await.unwrap_err();
        assert!(matches!(error, Error::InvalidResponse(InvalidResponse::Json(_))), "{missing}: {error}");
    }
    let error = connect(&server).approvals().send_one(requests[1].clone()).await.unwrap_err();
    assert!(matches!(error, Error::InvalidResponse(_)), "three results of one: {error}");
}
