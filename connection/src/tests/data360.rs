//! Queries of Data 360, on the org's host and by the exchanged token.

use futures_util::TryStreamExt as _;
use salesforce_fake_org::FakeOrg;
use serde::Deserialize;

use crate::tests::*;
use crate::{
    error::{Error, InvalidRequest, InvalidResponse},
    http::InvalidApiHost,
    soql::BindError,
    token::{ServiceTokenSource, ServiceUser},
};

const SQL: &str = "SELECT id, name FROM ssot__Individual__dlm WHERE age > :age";

#[derive(Debug, Deserialize, PartialEq)]
struct Individual {
    id: i64,
    name: Option<String>,
}

fn header<'a>(request: &'a salesforce_fake_org::Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

struct WithData {
    org: FakeOrg,
    sf: Connection,
}

impl WithData {
    async fn start(is_named: bool) -> Self {
        let rows: Vec<Value> =
            (0..7).map(|id| json!([id, if id == 3 { Value::Null } else { json!("A") }])).collect();
        let columns = json!([{ "name": "id", "type": "Numeric" }, { "name": "name", "type": "Varchar" }]);
        let query = |sql: &str, polls| json!({ "sql": sql, "columns": columns, "rows": rows, "page": 3, "polls": polls });
        let in_space = |dataspace: &str, name: &str| {
            let columns = json!([{ "name": "name", "type": "Varchar" }]);
            json!({ "sql": "SELECT space", "dataspace": dataspace, "columns": columns, "rows": [[name]] })
        };
        let declared = json!({ "data360_queries": [
            query(SQL, 0), query("SELECT slow", 2), query("SELECT direct", 0),
            in_space("sales", "Sales"), in_space("service", "Service"),
        ] });
        let org = FakeOrg::builder().declare_json(&declared.to_string()).unwrap();
        let org = org.execution_user("ada@example.com").start().await.unwrap();
        let host: LoginHost = org.instance_url().parse().unwrap();
        let hosts = AllowedHosts::new([host.as_url().clone(), org.api_url().parse().unwrap()]);
        let builder = Client::builder().allowed_hosts(hosts);
        let client = if is_named { builder.api_host(org.api_url()) } else { builder }.build().unwrap();
        let app = OAuthApp::new(org.client_id(), Some(org.client_secret().into()));
        let oauth = OAuthClient::with_client(app, &client);
        let source = ServiceTokenSource::builder(oauth, ServiceUser::client_credentials(host)).build();
        Self { sf: Connection::new(&client, source.connect().await.unwrap()), org }
    }

    fn count(&self, path: &str) -> usize {
        self.org.requests().iter().filter(|request| request.path.contains(path)).count()
    }
}

#[tokio::test]
async fn the_rows_of_a_data_360_query_come_page_by_page() {
    let data = WithData::start(false).await;
    let mut rows = data.sf.data360_query::<Individual>(SQL).bind("age", 30).dataspace("sales").fetch();
    let first = rows.try_next().await.unwrap().unwrap();
    assert_eq!(first, Individual { id: 0, name: Some("A".into()) });
    assert_eq!(data.count("/rows"), 0, "the first page comes with the query");
    let rest: Vec<Individual> = rows.try_collect().await.unwrap();
    assert_eq!((rest.len(), &rest[2]), (6, &Individual { id: 3, name: None }));
    assert_eq!(data.count("/rows"), 2);
    let sent = data.org.requests().into_iter().find(|request| request.path.ends_with("/query-sql")).unwrap();
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    let parameter = json!([{ "name": "age", "value": 30, "type": "Numeric" }]);
    assert_eq!(body, json!({ "sql": SQL, "sqlParameters": parameter }));
    assert_eq!(header(&sent, "dataspace"), Some("sales"));

    // The same query finds other rows in another data space.
    for (dataspace, names) in [("sales", ["Sales"]), ("service", ["Service"])] {
        let rows: Vec<Value> =
            data.sf.data360_query("SELECT space").dataspace(dataspace).fetch_all().await.unwrap();
        assert_eq!(rows, names.map(|name| json!({ "name": name })));
    }
    let error = data.sf.data360_query::<Value>("SELECT space").fetch_all().await.unwrap_err();
    assert_eq!(error.status(), Some(400), "{error:?}");

    let slow: Vec<Individual> = data.sf.data360_query("SELECT slow").fetch_all().await.unwrap();
    assert_eq!(slow.len(), 7, "a query that runs is waited for");
    let error = data.sf.data360_query::<Value>("SELECT nonsense").fetch_all().await.unwrap_err();
    assert_eq!(error.status(), Some(400), "{error:?}");
    let tight = data.sf.data360_query::<Value>("SELECT slow").timeout(Duration::ZERO).fetch_all().await;
    assert!(tight.is_err_and(|error| error.is_transient()), "the timeout limits the wait");
}

#[tokio::test]
async fn a_data_360_query_is_checked_before_it_is_sent() {
    let server = Server::start(|_| json!({}).into()).await;
    let sf = connect(&server);
    let unbound = sf.data360_query::<Value>(SQL).fetch_all().await.unwrap_err();
    assert!(matches!(unbound, Error::Bind(BindError::Unbound(_))), "{unbound:?}");
    let header = sf.data360_query::<Value>("SELECT 1").dataspace("a\nb").fetch_all().await.unwrap_err();
    assert!(matches!(header, Error::InvalidRequest(InvalidRequest::Header)), "{header:?}");
    let number = sf.data360_query::<Value>(SQL).bind("age", f64::NAN).fetch_all().await.unwrap_err();
    assert!(matches!(number, Error::Bind(BindError::Value { .. })), "{number:?}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_data_360_response_that_lacks_rows_is_an_error() {
    let status = json!({ "queryId": "q1", "completionStatus": "FINISHED", "rowCount": 2 });
    let columns = json!([{ "name": "id" }]);
    for (first, is_truncated) in [
        (json!({ "data": [[1]], "metadata": columns, "status": status }), true),
        (json!({ "data": [[1, 2], [1]], "metadata": columns, "status": status }), false),
        (json!({ "data": [[1], [2]], "metadata": columns }), false),
        (json!({ "status": { "queryId": "../x", "completionStatus": "FINISHED", "rowCount": 2 } }), false),
        (json!({ "status": { "queryId": "q1", "completionStatus": "Lost", "rowCount": 2 } }), false),
    ] {
        let body = first.clone();
        let server = Server::start(move |request| match request.target.contains("/rows") {
            true => json!({ "data": [], "returnedRows": 0 }).into(),
            false => body.clone().into(),
        })
        .await;
        let error = connect(&server).data360_query::<Value>("SELECT 1").fetch_all().await.unwrap_err();
        let found =
            matches!(error, Error::InvalidResponse(InvalidResponse::Truncated { got: 1, announced: 2 }));
        assert_eq!(found, is_truncated, "{first}: {error:?}");
        assert!(matches!(error, Error::InvalidResponse(_)), "{first}: {error:?}");
    }
}

#[tokio::test]
async fn the_exchanged_token_goes_to_the_host_of_the_data_and_is_exchanged_again_once() {
    let data = WithData::start(true).await;
    let direct = data.sf.data360_direct().await.unwrap();
    let rows: Vec<Individual> = direct.query("SELECT direct").fetch_all().await.unwrap();
    assert_eq!((rows.len(), rows[3].name.as_deref()), (7, None));
    let (tokens, queries): (Vec<_>, Vec<_>) = data
        .org
        .requests()
        .into_iter()
        .filter(|r| !r.path.contains("oauth2"))
        .partition(|r| r.path.contains("a360"));
    let is_exchanged =
        |request| header(request, "authorization").is_some_and(|value| value.starts_with("Bearer data360-"));
    assert!(queries.iter().all(is_exchanged), "{queries:?}");
    assert!(tokens[0].query.is_none() && header(&tokens[0], "authorization").is_none());

    data.org.expire_access_tokens();
    let queries = (0..10).map(|_| direct.query::<Individual>("SELECT direct").fetch_all());
    assert!(futures_util::future::join_all(queries).await.iter().all(Result::is_ok));
    assert_eq!((data.count("/a360/token"), data.org.token_calls("client_credentials")), (3, 2));
    let error = direct.query::<Value>("SELECT nonsense").fetch_all().await.unwrap_err();
    assert_eq!(error.status(), Some(400), "{error:?}");
}

#[tokio::test]
async fn the_exchanged_token_goes_to_no_host_that_the_client_does_not_name() {
    let data = WithData::start(false).await;
    let error = data.sf.data360_direct().await.unwrap_err();
    assert!(
        matches!(error, Error::InvalidRequest(InvalidRequest::ApiHost(InvalidApiHost::NotNamed))),
        "{error:?}"
    );
    assert_eq!(data.count("/api/v2"), 0);
    let server = Server::start(|_| {
        json!({ "access_token": "canary", "token_type": "Bearer", "instance_url": "evil.example" }).into()
    })
    .await;
    let error = connect(&server).data360_direct().await.unwrap_err();
    assert!(matches!(error, Error::InvalidRequest(InvalidRequest::ApiHost(InvalidApiHost::Unknown))));
    assert!(!format!("{error:?}").contains("canary"));
}
