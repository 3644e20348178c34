//! Direct queries of Data 360: how often the token is exchanged, and what its failures say.

use crate::tests::*;
use crate::{
    error::{Error, InvalidRequest, InvalidResponse},
    http::InvalidApiHost,
    http::error::HttpError,
    oauth::OAuthError,
    request::Retry,
    test_log::logged,
    token::BrokenConnection,
};

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
        TOKEN => next_token(request),
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
