//! Queries of Data 360, on the org's host and by the exchanged token.

use futures_util::TryStreamExt as _;
use salesforce_fake_org::FakeOrg;
use serde::Deserialize;

use crate::tests::*;
use crate::{
    error::{Error, InvalidRequest, InvalidResponse},
    http::InvalidApiHost,
    http::error::HttpError,
    oauth::OAuthError,
    request::Retry,
    soql::BindError,
    test_log::logged,
    token::{BrokenConnection, ServiceTokenSource, ServiceUser},
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

/// A source whose refreshes have the given outcomes.
#[derive(Debug)]
struct Refreshes {
    token: Mutex<Arc<AccessToken>>,
    outcomes: Mutex<Vec<Result<&'static str, TokenError>>>,
}

impl TokenSource for Refreshes {
    fn user(&self) -> UserRef {
        UserRef::new(ORG.parse().unwrap(), USER.parse().unwrap())
    }

    fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
        Ok(Arc::clone(&self.token.lock().unwrap()))
    }

    fn refresh<'a>(&'a self, old: &'a AccessToken) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>> {
        Box::pin(async {
            let text = self.outcomes.lock().unwrap().remove(0)?;
            let token =
                AccessToken::new(&Secret::new(text), old.instance_url().clone(), old.scopes().clone());
            let token = Arc::new(token.unwrap().with_generation(Generation(old.generation().0 + 1)));
            *self.token.lock().unwrap() = Arc::clone(&token);
            Ok(token)
        })
    }
}

/// Returns a connection to a server that is instance and host of the data. Its first token is `old`.
fn connect_direct(server: &Server, outcomes: Vec<Result<&'static str, TokenError>>) -> Connection {
    let client = Client::builder().allowed_hosts(AllowedHosts::new([server.origin.clone()]));
    let client = client.api_host(server.origin.as_str()).build().unwrap();
    let token = AccessToken::new(&Secret::new("old"), server.origin.clone(), "api".parse().unwrap()).unwrap();
    let source = Refreshes { token: Mutex::new(Arc::new(token)), outcomes: Mutex::new(outcomes) };
    Connection::new(&client, Arc::new(source))
}

/// Returns the response of an exchange to a request to `127.0.0.1`.
fn exchanged(request: &ReceivedRequest) -> Reply {
    let instance = format!("http://{}", request.header("host").unwrap());
    json!({ "access_token": "d", "token_type": "Bearer", "instance_url": instance }).into()
}

#[tokio::test]
async fn an_exchange_that_fails_for_good_is_not_an_outage() {
    type Check = fn(&Error) -> bool;
    let refused = || Arc::new(OAuthError::Signing);
    let user = UserRef::new(ORG.parse().unwrap(), USER.parse().unwrap());
    let broken = BrokenConnection::new(user, std::time::SystemTime::UNIX_EPOCH);
    let cases: [(Option<TokenError>, Check); 6] = [
        (Some(TokenError::LoginRequired), |error| matches!(error, Error::LoginRequired)),
        (Some(TokenError::LoginRefused(refused())), |error| matches!(error, Error::LoginRefused(_))),
        (Some(TokenError::NeedsReconnecting(Arc::new(broken))), |error| {
            matches!(error, Error::NeedsReconnecting(_))
        }),
        (Some(TokenError::Refused(refused())), |error| matches!(error, Error::ServiceUser(_))),
        // The second exchange names a host that the client does not.
        (None, |error| {
            matches!(error, Error::InvalidRequest(InvalidRequest::ApiHost(InvalidApiHost::NotNamed)))
        }),
        (Some(TokenError::unavailable(Duration::from_secs(9), HttpError::Timeout)), Error::is_transient),
    ];
    for (outcome, is_expected) in cases {
        let is_elsewhere = outcome.is_none();
        let server = Server::start(move |request| match request.target.as_str() {
            "/services/a360/token" if request.nth == 0 => exchanged(request),
            "/services/a360/token" if is_elsewhere => {
                let instance = "acme.c360a.salesforce.com";
                json!({ "access_token": "d", "token_type": "Bearer", "instance_url": instance }).into()
            }
            _ => expired_token(),
        })
        .await;
        let direct = connect_direct(&server, outcome.into_iter().map(Err).collect()).data360_direct().await;
        let error = direct.unwrap().query::<Value>("SELECT 1").fetch_all().await.unwrap_err();
        assert!(is_expected(&error), "{error:?}");
    }
}

#[tokio::test]
async fn a_token_that_was_only_stored_again_is_refreshed_before_the_next_exchange() {
    let server = Server::start(|request| match request.body.contains("subject_token=new") {
        true => exchanged(request),
        false => expired_token(),
    })
    .await;
    let sf = connect_direct(&server, vec![Ok("old"), Ok("new")]);
    assert!(sf.data360_direct().await.is_ok());
    assert_eq!(server.lines().len(), 2);
}

/// A user without the permission, or an org without Data 360.
#[tokio::test]
async fn an_exchange_that_is_refused_each_time_costs_one_refresh() {
    let server = Server::start(|request| match request.target.as_str() {
        TOKEN => {
            let mut tokens =
                token_response(&format!("http://{}", request.header("host").unwrap()).parse().unwrap());
            tokens["access_token"] = format!("new-{}", request.nth).into();
            tokens.into()
        }
        "/services/a360/token" => Reply::Body(403, json!({ "error": "access_denied" }).to_string()),
        _ => Reply::Body(401, String::new()),
    })
    .await;
    let sf = connect(&server);
    for _ in 0..5 {
        let error = sf.data360_direct().await.unwrap_err();
        assert!(matches!(error, Error::OAuth(_)), "{error:?}");
    }
    assert_eq!((server.token_requests(), server.count("POST /services/a360")), (1, 6));
    // It says nothing about an API host, not even about one on the same host.
    let host = sf.api_host(server.origin.as_str()).unwrap();
    host.request("GET", "/api/x").send().await.unwrap_err();
    assert_eq!(server.token_requests(), 2);
}

/// The tokens of each exchange are counted from one.
#[tokio::test]
async fn the_tokens_of_one_exchange_are_not_taken_for_those_of_another() {
    let server = Server::start(|request| match request.target.as_str() {
        "/services/a360/token" => {
            let instance = format!("http://{}", request.header("host").unwrap());
            let token = format!("d{}", request.nth);
            json!({ "access_token": token, "token_type": "Bearer", "instance_url": instance }).into()
        }
        _ if matches!(request.nth, 3 | 5) => {
            json!({ "data": [[1]], "metadata": { "n": { "placeInOrder": 0 } }, "done": true }).into()
        }
        _ => Reply::Body(401, String::new()),
    })
    .await;
    let sf = connect_direct(&server, Vec::new());
    let first = sf.data360_direct().await.unwrap();
    first.query::<Value>("SELECT 1").fetch_all().await.unwrap_err();
    // The second token of another exchange is accepted, and rejected once it has expired.
    let second = sf.data360_direct().await.unwrap();
    for _ in 0..2 {
        second.query::<Value>("SELECT 1").fetch_all().await.unwrap();
    }
    let queries = server.requests().into_iter().filter(|request| request.target == "/api/v2/query");
    let tokens: Vec<_> = queries.map(|request| request.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(tokens, ["d0", "d1", "d2", "d3", "d3", "d4"].map(|token| format!("Bearer {token}")));
}

/// A host that refuses each exchanged token.
#[tokio::test]
async fn a_data_host_that_rejects_every_token_costs_one_exchange() {
    let server = Server::start(|request| match request.target.as_str() {
        "/services/a360/token" => {
            let instance = format!("http://{}", request.header("host").unwrap());
            let token = format!("d{}", request.nth);
            json!({ "access_token": token, "token_type": "Bearer", "instance_url": instance }).into()
        }
        _ => Reply::Body(401, String::new()),
    })
    .await;
    let direct = connect_direct(&server, Vec::new()).data360_direct().await.unwrap();
    for _ in 0..5 {
        let error = direct.query::<Value>("SELECT 1").fetch_all().await.unwrap_err();
        assert!(matches!(error, Error::ApiAccessDenied { status: 401, .. }), "{error:?}");
    }
    assert_eq!((server.count("POST /services/a360"), server.count("POST /api/v2")), (2, 6));
}

#[tokio::test]
async fn an_exchange_has_the_manners_of_every_request() {
    // It is sent again, since a second token does no harm.
    let server = Server::start(|request| match request.nth {
        0 => Reply::Disconnect,
        1 => Reply::Body(503, String::new()),
        _ => exchanged(request),
    })
    .await;
    let sf = connect_direct(&server, Vec::new());
    let sf = sf.with_retry(Retry::default().initial_backoff(Duration::from_millis(1)));
    let (direct, log) = logged(sf.data360_direct()).await;
    assert!(direct.is_ok(), "{direct:?}");
    assert_eq!(server.lines().len(), 3);
    assert!(log.contains("resource=\"/services/a360/token\""), "it has a span: {log}");
    assert!(!log.contains("old") && !log.contains("subject_token="), "{log}");

    // It is one of the org's requests.
    let server = Server::start(|request| match request.target.as_str() {
        "/services/a360/token" => exchanged(request),
        _ => api_error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    })
    .await;
    let sf = connect_direct(&server, Vec::new());
    sf.limits().await.unwrap_err();
    let error = sf.data360_direct().await.unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error:?}");
    assert_eq!(server.lines().len(), 1, "{:?}", server.lines());
}

#[tokio::test]
async fn an_exchange_that_reaches_the_limit_of_the_org_pauses_it_and_says_for_how_long() {
    for first_limited in [0, 1] {
        let server = Server::start(move |request| match request.target.as_str() {
            "/services/a360/token" if request.nth < first_limited => exchanged(request),
            "/services/a360/token" => {
                api_error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            }
            _ => Reply::Body(401, String::new()),
        })
        .await;
        // A refresh would find no outcome.
        let sf = connect_direct(&server, Vec::new());
        let fetched = async { sf.data360_direct().await?.query::<Value>("SELECT 1").fetch_all().await };
        let error = fetched.await.unwrap_err();
        let is_expected = match first_limited {
            0 => matches!(error, Error::LimitExceeded { .. }),
            _ => matches!(error, Error::Unavailable { .. }),
        };
        assert!(is_expected, "{error:?}");
        let pause = error.retry_after().unwrap();
        assert!(
            pause > Duration::from_secs(10),
            "the pause after the daily limit, not the default: {pause:?}"
        );
        assert!(matches!(sf.limits().await, Err(Error::LimitExceeded { .. })));
        assert_eq!((server.count("POST /services/a360"), server.count("GET")), (first_limited + 1, 0));
    }
}

#[tokio::test]
async fn an_exchange_of_low_priority_leaves_the_rest_of_the_quota() {
    let server = Server::start(|_| {
        let headers = "Content-Type: application/json\r\nSforce-Limit-Info: api-usage=99/100\r\n";
        Reply::Raw(hostile::http_response(200, headers, "{}"))
    })
    .await;
    let sf = connect_direct(&server, Vec::new()).with_low_priority();
    sf.limits().await.unwrap();
    let error = sf.data360_direct().await.unwrap_err();
    assert!(matches!(error, Error::QuotaReserved { .. }), "{error:?}");
    assert_eq!(server.lines().len(), 1, "{:?}", server.lines());
}

#[tokio::test]
async fn batches_that_lead_back_to_an_earlier_one_are_an_error() {
    for (second, third) in [("b1", ""), ("b2", "b1")] {
        let server = Server::start(move |request| {
            let next = match request.target.rsplit('/').next().unwrap() {
                "token" => return exchanged(request),
                "query" => "b1",
                "b1" => second,
                _ => third,
            };
            json!({ "data": [[1]], "metadata": { "n": { "placeInOrder": 0 } }, "done": false, "nextBatchId": next }).into()
        })
        .await;
        let direct = connect_direct(&server, Vec::new()).data360_direct().await.unwrap();
        let fetched = direct.query::<Value>("SELECT 1").fetch_all();
        let error = tokio::time::timeout(Duration::from_secs(5), fetched).await.expect("an end").unwrap_err();
        assert!(matches!(error, Error::InvalidResponse(InvalidResponse::NextPage)), "{error:?}");
        assert!(server.count("GET") <= 2, "{:?}", server.lines());
    }
}

#[tokio::test]
async fn the_timeout_of_the_connection_is_that_of_exchanges_and_direct_queries() {
    for stalled in ["/services/a360/token", "/api/v2/query"] {
        let server = Server::start(move |request| match request.target == stalled {
            true => Reply::Stall(""),
            false => exchanged(request),
        })
        .await;
        let sf = connect_direct(&server, Vec::new()).with_timeout(Duration::from_millis(100));
        let sf = sf.with_retry(Retry::none());
        let fetched = async { sf.data360_direct().await?.query::<Value>("SELECT 1").fetch_all().await };
        let error = tokio::time::timeout(Duration::from_secs(5), fetched).await.expect("an end").unwrap_err();
        let is_timeout = matches!(
            error,
            Error::Http(HttpError::Timeout) | Error::OAuth(OAuthError::Http(HttpError::Timeout))
        );
        assert!(is_timeout, "{error:?}");
    }
}
