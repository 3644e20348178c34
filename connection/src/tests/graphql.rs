//! GraphQL operations: errors inside of a 200, retries, and what is checked before sending.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use crate::tests::*;
use crate::{
    error::{Error, InvalidRequest, InvalidResponse},
    graphql::{Edges, FieldValue, GraphQlError, InvalidGraphQl},
    request::Retry,
    test_log::logged,
};

const QUERY: &str =
    "query named($name: String!, $first: Int = 2, $ids: [ID!], $flag: Boolean, $rate: Float, $w: Any) {
    uiapi { query { Account(where: { Name: { eq: $name } }) { edges { node { Id } } } } } }";
const MUTATION: &str = "mutation make($input: AccountCreateInput!) {
    uiapi(input: { allOrNone: false }) { first: AccountCreate(input: $input) { Record { Id } } } }";

fn failed() -> Value {
    json!({
        "message": "canary: Required fields are missing: [Name]", "paths": ["uiapi", "first"],
        "locations": [{ "line": 2, "column": 5, "sourceName": null }], "extensions": { "ErrorType": "DataFetchingException" },
    })
}

#[tokio::test]
async fn graphql_errors_inside_a_200_are_never_a_success() {
    let data = json!({ "uiapi": { "first": null, "second": { "Record": { "Id": "001D000000IqhSLIAZ" } } } });
    for errors in [
        json!([failed()]),
        json!([{}]),
        json!([null]),
        json!(["text"]),
        json!([["text"]]),
        json!([{ "extensions": [1] }]),
    ] {
        for data in [data.clone(), json!({}), Value::Null] {
            let body = json!({ "data": data, "errors": errors, "extensions": {} });
            let server = Server::start(move |_| body.clone().into()).await;
            let sf = connect(&server);
            let sent = || sf.graphql(MUTATION).variable("input", json!({ "Account": { "Name": "canary" } }));
            let (result, log) = logged(sent().fetch::<Value>()).await;
            let Err(Error::GraphQl(failure)) = result else { panic!("{errors}: {result:?}") };
            assert_eq!(failure.errors().len(), 1);
            let has_data = data.get("uiapi").is_some();
            assert_eq!(failure.data::<Value>().unwrap(), has_data.then(|| data.clone()));
            let partial = sent().fetch_partial::<Value>().await.unwrap();
            assert_eq!((partial.data, partial.errors.len()), (has_data.then(|| data.clone()), 1));
            assert!(!format!("{failure} {failure:?} {:?} {log}", partial.errors).contains("canary"));
        }
    }
    for body in [
        json!({ "data": null, "errors": [] }),
        json!({ "data": {}, "errors": [] }),
        json!({}),
        json!({ "data": { "uiapi": {} }, "errors": { "message": "x" } }),
        json!({ "data": { "uiapi": {} }, "errors": "x" }),
        json!([{ "uiapi": {} }, []]),
    ] {
        let server = Server::start(move |_| body.clone().into()).await;
        let error = connect(&server).graphql("{ a }").fetch::<Value>().await.unwrap_err();
        assert!(matches!(error, Error::InvalidResponse(_)), "{error}");
        let partial = connect(&server).graphql("{ a }").fetch_partial::<Value>().await.unwrap_err();
        assert!(matches!(partial, Error::InvalidResponse(_)), "{partial}");
    }
}

#[tokio::test]
async fn a_graphql_error_names_its_kind_and_place() {
    let invalid = json!({
        "message": "canary", "paths": [], "locations": [{ "line": 4, "column": 7 }], "extensions": { "ErrorType": "ValidationError" },
    });
    let specification = json!({ "message": "m", "path": ["uiapi", 0, "x"] });
    let body = json!({ "data": {}, "errors": [failed(), invalid, specification], "unknown": 1 });
    let server = Server::start(move |_| body.clone().into()).await;
    let error = connect(&server).graphql("{ a }").fetch::<Value>().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Salesforce reports errors in the GraphQL response (DataFetchingException at uiapi.first, ValidationError at \
         line 4, column 7, no kind at uiapi.0.x)"
    );
    assert!(error.is_program_mistake() && !error.is_transient());
    let Error::GraphQl(failure) = error else { panic!() };
    let [GraphQlError { message, locations, .. }, _, _] = failure.errors() else { panic!() };
    assert!(message.contains("Required fields are missing"));
    assert_eq!((locations[0].line, locations[0].column), (2, 5));
}

#[tokio::test]
async fn a_graphql_query_is_retried_and_a_mutation_is_not() {
    for (document, is_retried) in [(QUERY, true), (MUTATION, false)] {
        for lost in [true, false] {
            let attempts = AtomicUsize::new(0);
            let server = Server::start(move |_| match attempts.fetch_add(1, Ordering::SeqCst) {
                0 if lost => Reply::Disconnect,
                0 => Reply::Body(503, String::new()),
                _ => json!({ "data": { "uiapi": {} }, "errors": [] }).into(),
            })
            .await;
            // Also if the connection says that its requests are idempotent.
            let sf = connect(&server);
            let sf = if is_retried { sf } else { sf.with_retry(Retry::default().idempotent(true)) };
            let variable = if is_retried { "name" } else { "input" };
            let result = sf.graphql(document).variable(variable, "x").fetch::<Value>().await;
            assert_eq!((result.is_ok(), server.count("POST")), (is_retried, if is_retried { 2 } else { 1 }));
        }
    }
}

#[tokio::test]
async fn a_graphql_request_has_document_operation_and_variables() {
    let server = Server::start(|_| json!({ "data": { "uiapi": {} } }).into()).await;
    let sf = connect(&server);
    let document = format!("{QUERY} {MUTATION}");
    let rate = json!({ "rate": 1.5, "ids": ["001D000000IqhSLIAZ", 7] });
    let query = sf.graphql(&document).operation("named").variable("name", "canary").variables(&rate);
    let (result, log) = logged(query.fetch::<Value>()).await;
    result.unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.target, "/services/data/v66.0/graphql");
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let variables = json!({ "name": "canary", "rate": 1.5, "ids": ["001D000000IqhSLIAZ", 7] });
    assert_eq!(body, json!({ "query": document, "operationName": "named", "variables": variables }));
    assert!(!log.contains("canary"), "{log}");
    sf.graphql("{ a }").fetch::<Value>().await.unwrap();
    assert_eq!(server.requests()[1].body, r#"{"query":"{ a }"}"#);
}

#[tokio::test]
async fn variables_that_do_not_fit_the_document_are_named_before_sending() {
    let server = Server::start(|_| json!({ "data": { "uiapi": {} } }).into()).await;
    let sf = connect(&server);
    let query = || sf.graphql(QUERY).variable("name", "x");
    for (request, expected) in [
        (sf.graphql(QUERY), "`$name` of type String! is missing or null"),
        (sf.graphql(QUERY).variable("name", None::<&str>), "`$name` of type String! is missing or null"),
        (sf.graphql(QUERY).variable("name", 5), "`$name` is an integer, and the document declares String!"),
        (query().variable("nme", "x"), "declares no variable `$nme`"),
        (query().variable("first", 1.5), "`$first` is a number with a fraction or an exponent"),
        (query().variable("first", 1_u64 << 40), "`$first` is an integer of more than 32 bits"),
        (query().variable("ids", ["a", "b"]).variable("flag", "true"), "`$flag` is a text"),
        (query().variable("ids", [Some("a"), None]), "`$ids` is null, and the document declares [ID!]"),
        (query().variable("ids", [[1]]), "`$ids` is a list, and the document declares [ID!]"),
        (query().variable("rate", true), "`$rate` is a boolean"),
        (query().variable("rate", f64::NAN), "`$rate` cannot be written as JSON"),
        (query().variables(&[1]), "the GraphQL variables are not a struct or a map"),
        (query().operation("other"), "no operation `other`"),
        (sf.graphql("query {"), "at line 1, column 8: expected `}`"),
        (sf.graphql(format!("{QUERY} {MUTATION}")), "several operations (named, make)"),
    ] {
        let error = request.fetch::<Value>().await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest(InvalidRequest::GraphQl(_))), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(server.requests().is_empty(), "{:?}", server.lines());
    // Other types, nulls of optional variables, and one value as a list are left to Salesforce.
    let valid =
        query().variable("w", 1).variable("first", None::<i32>).variable("ids", "a").variable("rate", 1);
    valid.fetch::<Value>().await.unwrap();
    let error = sf.graphql("query ($a: Int!) { a }").fetch::<Value>().await.unwrap_err();
    let Error::InvalidRequest(InvalidRequest::GraphQl(error)) = error else { panic!("{error}") };
    assert_eq!(error, InvalidGraphQl::MissingVariable { name: "a".into(), declared: "Int!".into() });
}

#[derive(Debug, Deserialize, PartialEq)]
struct Node {
    #[serde(rename = "Name")]
    name: FieldValue<String>,
}

#[tokio::test]
async fn a_value_that_was_not_selected_is_not_read_as_empty() {
    let read = async |data: Value| {
        let server = Server::start(move |_| json!({ "data": data, "errors": [] }).into()).await;
        connect(&server).graphql("{ a }").fetch::<Edges<Node>>().await
    };
    let node =
        |name: Value| json!({ "edges": [{ "node": { "Name": name, "Other": 1 }, "cursor": "x" }], "new": 1 });
    let found = read(node(json!({ "value": null, "displayValue": "Acme" }))).await.unwrap();
    assert_eq!(found.nodes[0].name.value, None);
    assert_eq!(found.nodes[0].name.display_value.as_deref(), Some("Acme"));
    assert_eq!((found.page_info, found.total_count), (None, None));
    for missing in [node(json!({ "displayValue": "Acme" })), json!({ "totalCount": 3 })] {
        let error = read(missing).await.unwrap_err();
        assert!(matches!(error, Error::InvalidResponse(InvalidResponse::Json(_))), "{error}");
    }
    let pages =
        json!({ "edges": [], "pageInfo": { "hasNextPage": true, "endCursor": "djE6OQ==" }, "totalCount": 3 });
    let found = read(pages).await.unwrap();
    assert_eq!(found.page_info.and_then(|info| info.end_cursor).as_deref(), Some("djE6OQ=="));
    assert!(read(json!({ "edges": [], "pageInfo": {} })).await.is_err(), "an unknown end is not the end");
}
