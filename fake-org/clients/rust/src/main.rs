//! `force`, `cirrus` and `salesforce_core`, unpatched, against the fake org: `foreign-clients CLIENT LINE`, where LINE is
//! what `fake-org` prints. Each at its own default version of the API.

mod pubsub;

use std::{pin::pin, sync::Arc};

use cirrus::{
    Cirrus,
    auth::{StaticTokenAuth, SubjectTokenType, TokenExchangeFlow},
};
use force::{
    api::{RestOperation as _, graphql::GraphqlRequest},
    auth::ClientCredentials,
};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (client, line) = (arguments.next().unwrap(), arguments.next().unwrap());
    let org: Value = serde_json::from_str(&line)?;
    match &*client {
        "force" => force(&org).await?,
        "cirrus" => cirrus(&org).await?,
        "salesforce_core" => pubsub::run(&org).await?,
        other => panic!("unknown client {other}"),
    }
    println!("{client}: all as at Salesforce");
    Ok(())
}

fn member<'a>(org: &'a Value, name: &str) -> &'a str {
    org[name].as_str().unwrap()
}

/// Client credentials, GraphQL, the UI API and the Tooling API.
async fn force(org: &Value) -> Outcome {
    let login =
        ClientCredentials::new_my_domain(member(org, "client_id"), member(org, "client_secret"), member(org, "instance_url"));
    let client = force::client::builder().authenticate(login).build().await?;

    let rows = pin!(client.rest().query_stream::<Value>("SELECT Id, Name FROM Account").into_stream());
    assert_eq!(rows.try_fold(0, async |count, _| Ok(count + 1)).await?, 3000);

    let document = "query some($name: String) { uiapi { query { Account(where: { Name: { eq: $name } }, first: 5) {
        edges { node { Id Name { value } } } pageInfo { hasNextPage endCursor } } } } }";
    let created = "mutation new($name: String!) { uiapi { AccountCreate(input: { Account: { Name: $name } }) {
        Record { Id Name { value } } } } }";
    let variables = || json!({ "name": "By GraphQL" });
    let new: Value = client.graphql().query(&GraphqlRequest::new(created).with_variables(variables())).await?;
    let id = new["uiapi"]["AccountCreate"]["Record"]["Id"].as_str().unwrap().to_owned();
    let found: Value = client.graphql().query(&GraphqlRequest::new(document).with_variables(variables())).await?;
    let edges = found["uiapi"]["query"]["Account"]["edges"].as_array().unwrap();
    assert_eq!((edges.len(), edges[0]["node"]["Id"].as_str()), (1, Some(id.as_str())));
    // Its `query` returns the data beside errors, as does a response of Salesforce.
    let wrong = "query { uiapi { query { Account { edges { node { Nope { value } } } } } } }";
    assert!(client.graphql().query_raw(wrong, None).await.is_err(), "errors in a 200 are errors");

    // Its readers of describes take no missing member.
    let described = client.rest().describe("Account").await?;
    assert!(described.fields.iter().any(|field| field.name == "Industry" && field.picklist_values.is_some()));

    let info = client.ui().object_info("Account").await?;
    assert!(info.fields["Name"].required);
    let defaults = client.ui().create_defaults("Account").await;
    assert!(defaults.is_ok(), "{defaults:?}");

    let refused = client.tooling().execute_anonymous("insert new Account();").await.unwrap_err();
    assert!(refused.to_string().contains("executeAnonymous"), "{refused}");
    Ok(())
}

/// Token exchange, queries, records and the Tooling API.
async fn cirrus(org: &Value) -> Outcome {
    let flow = TokenExchangeFlow::builder()
        .consumer_key(member(org, "client_id"))
        .consumer_secret(member(org, "client_secret"))
        .login_url(member(org, "instance_url"))
        .token_handler("Portal")
        .build()?;
    let refused = flow.exchange("unknown", SubjectTokenType::IdToken).await.err().unwrap();
    assert!(refused.to_string().contains("token handler validation failed"), "{refused}");
    let session = flow.exchange("of-ada", SubjectTokenType::Jwt).await?;
    let token = Arc::new(StaticTokenAuth::new(session.access_token.clone(), session.instance_url.clone()));
    let client = Cirrus::builder().auth(token).build()?;

    let rows = client.query_stream_as::<Value>("SELECT Id FROM Account");
    assert_eq!(rows.try_fold(0, async |count, _| Ok(count + 1)).await?, 3000);
    let made = client.sobject("Account").create(&json!({ "Name": "By cirrus" })).await?;
    client.sobject("Account").update(&made.id, &json!({ "Phone": "1" })).await?;
    assert_eq!(client.sobject("Account").retrieve(&made.id).await?["Phone"], "1");
    client.sobject("Account").delete(&made.id).await?;
    assert!(client.sobject("Account").retrieve(&made.id).await.is_err());
    client.limits().await?;

    let classes = client.tooling().query("SELECT Name, ApiVersion FROM ApexClass").await?;
    assert_eq!(classes.records[0]["Name"], "Ship");
    assert_eq!(client.tooling().sobject("ApexClass").describe().await?["name"], "ApexClass");
    let refused = client.tooling().execute_anonymous("insert new Account();").await.err().unwrap();
    assert!(refused.to_string().contains("executeAnonymous"), "{refused}");

    flow.revoke(&session.access_token).await?;
    assert!(client.limits().await.is_err(), "a revoked token is refused");
    Ok(())
}
