//! GraphQL, as the GraphQL API Developer Guide shows it.
use crate::support::{Api, Response};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

async fn graphql(api: &Api, query: &str, variables: Value) -> Response {
    api.post("/graphql", json!({ "query": query, "variables": variables })).await
}

/// The kind and the message of each error.
fn errors(response: &Response) -> Vec<(String, String)> {
    assert_eq!(response.status, 200);
    let body = response.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let errors = body["errors"].as_array().unwrap().iter();
    errors.map(|error| (text(&error["extensions"]["ErrorType"]), text(&error["message"]))).collect()
}

#[tokio::test]
async fn a_graphql_query_returns_records_with_parents_children_and_pages() {
    let org = FakeOrg::builder().rows(12).start().await.unwrap();
    let api = Api::of(&org);
    let query = "query pages($after: String, $like: String = \"%\", $all: Boolean = true) {
        uiapi { query { accounts: Account(
            first: 5, after: $after, where: { Name: { like: $like } }, orderBy: { Name: { order: DESC } }
        ) {
            totalCount
            edges { cursor node { ...Shown Contacts(first: 1) @include(if: $all) {
                edges { node { LastName { value } } } pageInfo { hasNextPage }
            } } }
            pageInfo { hasNextPage endCursor }
        } } }
    }
    fragment Shown on Account { Id Name { value displayValue } Owner { ... on User { Id Username { value } } } }";
    let mut names = Vec::new();
    let mut after = Value::Null;
    loop {
        let response = graphql(&api, query, json!({ "after": after })).await;
        assert_eq!(errors(&response), []);
        let found = response.json()["data"]["uiapi"]["query"]["accounts"].clone();
        assert_eq!(found["totalCount"], 12);
        for edge in found["edges"].as_array().unwrap() {
            let node = &edge["node"];
            assert_eq!(node["Name"]["displayValue"], Value::Null);
            assert!(node["Owner"]["Username"]["value"].as_str().unwrap().contains('@'), "{node}");
            assert_eq!(node["Contacts"]["edges"].as_array().unwrap().len(), 1, "{node}");
            assert_eq!(node["Contacts"]["pageInfo"], json!({ "hasNextPage": true }));
            names.push(node["Name"]["value"].as_str().unwrap().to_owned());
        }
        if found["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = found["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(names.len(), 12);
    assert!(names.windows(2).all(|pair| pair[0] > pair[1]), "{names:?}");
    // The end of the first page, as in the guide's example.
    let first = graphql(&api, "{ uiapi { query { Account { pageInfo { endCursor } } } } }", json!({})).await;
    assert_eq!(first.json()["data"]["uiapi"]["query"]["Account"]["pageInfo"]["endCursor"], "djE6OQ==");
}

#[tokio::test]
async fn a_graphql_filter_compares_by_the_type_of_the_field() {
    let org = FakeOrg::builder().rows(0).start().await.unwrap();
    let api = Api::of(&org);
    for (name, employees) in [("It's \\ 1", 1), ("Two", 2), ("Three", 3)] {
        let body = json!({ "Name": name, "NumberOfEmployees": employees });
        assert_eq!(api.post("/sobjects/Account", body).await.status, 201);
    }
    for (filter, expected) in [
        ("{ Name: { eq: \"It's \\\\ 1\" } }", vec!["It's \\ 1"]),
        ("{ NumberOfEmployees: { gte: 2 } }", vec!["Three", "Two"]),
        ("{ or: [{ Name: { in: [\"Two\"] } }, { NumberOfEmployees: { lt: 2 } }] }", vec!["It's \\ 1", "Two"]),
        ("{ not: { Name: { like: \"T%\" } } }", vec!["It's \\ 1"]),
        ("{ CreatedDate: { lt: { literal: TODAY } } }", vec![]),
        (
            "{ Owner: { Username: { eq: \"ada@example.com\" } }, Name: { ne: \"Two\" } }",
            vec!["It's \\ 1", "Three"],
        ),
    ] {
        let query = format!(
            "{{ uiapi {{ query {{ Account(where: {filter}, orderBy: {{ Name: {{ order: ASC }} }}) \
             {{ edges {{ node {{ Name {{ value }} }} }} }} }} }} }}"
        );
        let response = graphql(&api, &query, json!({})).await;
        assert_eq!(errors(&response), [], "{filter}");
        let body = response.json();
        let edges = body["data"]["uiapi"]["query"]["Account"]["edges"].as_array().unwrap();
        let names: Vec<_> =
            edges.iter().map(|edge| edge["node"]["Name"]["value"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_wrong_graphql_request_has_status_200_and_an_error_of_its_kind() {
    let org = FakeOrg::builder().rows(1).start().await.unwrap();
    let api = Api::of(&org);
    for (query, variables, kind, message) in [
        ("{ uiapi { query {", json!({}), "InvalidSyntax", "offending token '<EOF>' at line 1 column 18"),
        (
            "{ uiapi { query { Accounts { edges { node { Id } } } } } }",
            json!({}),
            "ValidationError",
            "Validation error of type FieldUndefined: Field 'Accounts' in type 'RecordQuery' is undefined @ 'uiapi/query/Accounts'",
        ),
        (
            "{ uiapi { query { Account { edges { node { Nope { value } } } } } } }",
            json!({}),
            "ValidationError",
            "Field 'Nope' in type 'Account' is undefined @ 'uiapi/query/Account/edges/node/Nope'",
        ),
        (
            "{ uiapi { query { Account { edges { node { Name } } } } } }",
            json!({}),
            "ValidationError",
            "SubSelectionRequired",
        ),
        (
            "{ uiapi { query { Account(where: { Nope: { eq: 1 } }) { totalCount } } } }",
            json!({}),
            "ValidationError",
            "contains a field not in 'Account_Filter': 'Nope'",
        ),
        (
            "{ uiapi { query { Account(where: { Name: { eq: 1 } }) { totalCount } } } }",
            json!({}),
            "ValidationError",
            "is not a valid 'string'",
        ),
        (
            "query ($n: String!) { uiapi { query { Account(where: { Name: { eq: $n } }) { totalCount } } } }",
            json!({ "n": null }),
            "ValidationError",
            "Variable 'n' has coerced Null value for NonNull type 'String!'",
        ),
        ("{ ...F }", json!({}), "ValidationError", "Undefined fragment F"),
        ("{ ...F } fragment F on Query { ...F }", json!({}), "ValidationError", "Undefined fragment F"),
        (
            "query a { uiapi { query { __typename } } } query b { x }",
            json!({}),
            "OperationNotSupported",
            "multiple",
        ),
    ] {
        let response = graphql(&api, query, variables).await;
        let found = errors(&response);
        assert!(found.iter().any(|(k, m)| k == kind && m.contains(message)), "{query}: {found:?}");
        assert_eq!(response.json()["data"], json!({}), "{query}");
    }
    // Below its first version there is no such resource, and no other method.
    let old = api.post("/services/data/v55.0/graphql", json!({ "query": "{ uiapi }" })).await;
    assert_eq!(old.error().0, "NOT_FOUND");
    assert_eq!(api.get("/graphql").await.status, 405);
    let mutation = "mutation { uiapi { AccountDelete(input: { Id: \"x\" }) { Id } } }";
    let old = api.post("/services/data/v58.0/graphql", json!({ "query": mutation })).await;
    assert_eq!(errors(&old)[0].1, "Schema is not configured for mutations.");
}

const TWO: &str = "mutation two($all: Boolean) { uiapi(input: { allOrNone: $all }) {
    first: AccountCreate(input: { Account: { Phone: \"1\" } }) { Record { Id } }
    second: AccountCreate(input: { Account: { Name: \"Kept\" } }) { Record { Id Name { value } } }
    third: AccountUpdate(input: { Id: \"@{second}\", Account: { Phone: \"2\" } }) { Record { Phone { value } } }
} }";

#[tokio::test]
async fn a_graphql_mutation_keeps_what_succeeded_unless_all_or_none() {
    let org = FakeOrg::builder().rows(0).start().await.unwrap();
    let api = Api::of(&org);
    let count = async || {
        let rows = api.get("/query?q=SELECT+Id+FROM+Account").await.json();
        rows["totalSize"].as_u64().unwrap()
    };
    for variables in [json!({}), json!({ "all": true })] {
        let response = graphql(&api, TWO, variables).await;
        let data = &response.json()["data"]["uiapi"];
        assert_eq!(data, &json!({ "first": null, "second": null, "third": null }));
        let found = errors(&response);
        assert_eq!(found.len(), 3);
        assert!(found[0].1.contains("Required fields are missing: [Name]"), "{found:?}");
        assert!(found[1].1.contains("rolled back"), "{found:?}");
        assert_eq!(count().await, 0);
    }
    let response = graphql(&api, TWO, json!({ "all": false })).await;
    let body = response.json();
    let data = &body["data"]["uiapi"];
    assert_eq!((&data["first"], &data["second"]["Record"]["Name"]["value"]), (&Value::Null, &json!("Kept")));
    assert_eq!(data["third"]["Record"]["Phone"]["value"], "2");
    assert_eq!(body["errors"][0]["paths"], json!(["uiapi", "first"]));
    assert_eq!((errors(&response).len(), count().await), (1, 1));
    // A delete returns the id alone, and one of a deleted record is an error.
    let delete = "mutation ($id: IdOrRef!) { uiapi { AccountDelete(input: { Id: $id }) { Id } } }";
    let id = data["second"]["Record"]["Id"].clone();
    let deleted = graphql(&api, delete, json!({ "id": id })).await;
    assert_eq!((errors(&deleted), &deleted.json()["data"]["uiapi"]["AccountDelete"]["Id"]), (vec![], &id));
    let again = graphql(&api, delete, json!({ "id": id })).await;
    assert_eq!(errors(&again)[0].0, "DataFetchingException");
    assert_eq!(count().await, 0);
}

/// In versions 59 to 65 an update returns `success` alone.
#[tokio::test]
async fn an_update_returns_its_record_from_version_66_on() {
    let org = FakeOrg::builder().rows(1).start().await.unwrap();
    let api = Api::of(&org);
    let id = api.get("/query?q=SELECT+Id+FROM+Account").await.json()["records"][0]["Id"].clone();
    let update = |part: &str| {
        format!(
            "mutation {{ uiapi {{ AccountUpdate(input: {{ Id: {id}, Account: {{ Name: \"N\" }} }}) {{ {part} }} }} }}"
        )
    };
    let body = json!({ "query": update("Record { Id }") });
    let old = api.post("/services/data/v65.0/graphql", body).await;
    assert!(errors(&old)[0].1.contains("Field 'Record' in type 'AccountUpdatePayload' is undefined"));
    let body = json!({ "query": update("success") });
    let old = api.post("/services/data/v65.0/graphql", body).await;
    assert_eq!(old.json()["data"]["uiapi"]["AccountUpdate"], json!({ "success": true }));
    let wrong = "mutation { uiapi { AccountCreate(input: { Account: { Nope: 1 } }) { Record { Id } } } }";
    let wrong = graphql(&api, wrong, json!({})).await;
    assert!(errors(&wrong)[0].1.contains("'AccountCreateRepresentation': 'Nope'"), "{wrong:?}");
    let unknown = graphql(&api, "mutation { uiapi { NopeCreate { Id } } }", json!({})).await;
    assert!(errors(&unknown)[0].1.contains("Field 'NopeCreate' in type 'UIAPIMutations' is undefined"));
}
