//! Tokens, refreshes, retries, and the hosts to which requests are sent.

use crate::tests::*;
use crate::{
    error::{Error, InvalidRequest},
    http::error::HttpError,
};

const LIMITS: &str = "/services/data/v66.0/limits";

/// Starts an org whose old token has expired. `new` responds to all requests with another token.
async fn expired_org(new: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static) -> Server {
    let origin = Arc::new(Mutex::new(None::<Value>));
    let tokens = Arc::clone(&origin);
    let server = Server::start(move |request| match request.header("authorization") {
        _ if request.target == TOKEN => tokens.lock().unwrap().clone().unwrap().into(),
        Some(OLD) => expired_token(),
        _ => new(request),
    })
    .await;
    *origin.lock().unwrap() = Some(server.token_response());
    server
}

#[tokio::test]
async fn an_expired_token_is_refreshed_once_and_the_request_sent_again() {
    let server = expired_org(|_| json!({"ok": true}).into()).await;
    let sf = connect(&server);
    let body = json!({"Name": "x"});
    let response = sf.request("POST", "things").json(&body).send().await.unwrap();
    assert_eq!(response.json::<Value>().unwrap(), json!({"ok": true}));
    let requests: Vec<_> = server.requests().into_iter().filter(|request| request.target != TOKEN).collect();
    let tokens: Vec<_> = requests.iter().map(|request| request.header("authorization").unwrap()).collect();
    assert_eq!(tokens, [OLD, NEW]);
    assert_eq!((requests[0].body.clone(), requests[1].body.clone()), (body.to_string(), body.to_string()));
    assert_eq!(server.token_requests(), 1);
    sf.get("limits").send().await.unwrap();
    assert_eq!(server.token_requests(), 1);
}

#[tokio::test]
async fn concurrent_requests_with_an_expired_token_share_one_refresh() {
    let server = expired_org(|_| json!({}).into()).await;
    let sf = connect(&server);
    let requests = (0..20).map(|_| sf.get("limits").send());
    for response in futures_util::future::join_all(requests).await {
        response.unwrap();
    }
    assert_eq!(server.token_requests(), 1);
}

#[tokio::test]
async fn a_rejected_new_token_is_an_error_without_another_refresh() {
    let server = expired_org(|_| expired_token()).await;
    let sf = connect(&server);
    let error = sf.get("limits").send().await.unwrap_err();
    assert!(matches!(error, Error::ApiAccessDenied { status: 401, .. }), "{error}");
    assert!(!error.needs_login());
    assert_eq!((server.count("GET"), server.token_requests()), (2, 1));
}

#[tokio::test]
async fn a_401_that_a_refresh_cannot_fix_does_not_refresh() {
    for message in
        ["This session is not valid for use with the REST API", "Connected app is not attached to Agent"]
    {
        let server = Server::start(move |_| api_error(401, "INVALID_SESSION_ID", message)).await;
        let sf = connect(&server);
        let error = sf.get("limits").send().await.unwrap_err();
        assert!(matches!(error, Error::ApiAccessDenied { .. }), "{error}");
        assert_eq!(server.lines(), [format!("GET {LIMITS}")]);
    }
}

#[tokio::test]
async fn a_request_goes_to_the_new_instance_after_a_refresh_that_moves_it() {
    let moved = Server::start(|_| json!({"here": true}).into()).await;
    let response = token_response(&moved.origin);
    let server =
        Server::start(
            move |request| if request.target == TOKEN { response.clone().into() } else { expired_token() },
        )
        .await;
    let sf = connect_allowing(&server, [&moved]);
    // A URL of the instance at the time of the request.
    sf.get(server.origin.join(LIMITS).unwrap()).send().await.unwrap();
    assert_eq!(server.lines(), [format!("GET {LIMITS}"), format!("POST {TOKEN}")]);
    assert_eq!(moved.lines(), [format!("GET {LIMITS}")]);
    assert_eq!(moved.requests()[0].header("authorization"), Some(NEW));
    assert_eq!(sf.instance_url().unwrap(), moved.origin);
}

#[tokio::test]
async fn a_rejected_refresh_ends_the_login_and_an_outage_does_not() {
    for (status, body, ends_login) in
        [(400, r#"{"error":"invalid_grant"}"#, true), (503, "<html>down</html>", false)]
    {
        let server = Server::start(move |request| match request.target.as_str() {
            TOKEN => Reply::Body(status, body.to_owned()),
            _ => expired_token(),
        })
        .await;
        let sf = connect(&server);
        let error = sf.get("limits").send().await.unwrap_err();
        assert_eq!((error.needs_login(), error.is_transient()), (ends_login, !ends_login), "{error}");
        assert_eq!(error.retry_after().is_some(), !ends_login);
        let error = sf.get("limits").send().await.err();
        assert_eq!(error.unwrap().needs_login(), ends_login);
    }
}

#[tokio::test]
async fn a_create_with_a_lost_response_is_not_sent_again() {
    let server = Server::start(|_| Reply::Disconnect).await;
    let sf = connect(&server);
    let error = sf.sobject("Account").create(&json!({})).await.unwrap_err();
    assert!(
        matches!(&error, Error::Http(error @ HttpError::ConnectionLost(_)) if !error.was_not_sent()),
        "{error}"
    );
    assert!(error.is_transient());
    assert_eq!(server.count("POST"), 1);
}

#[tokio::test]
async fn a_read_with_a_lost_response_is_sent_again_a_limited_number_of_times() {
    let server =
        Server::start(|request| if request.nth < 2 { Reply::Disconnect } else { json!({}).into() }).await;
    let sf = connect(&server);
    sf.get("limits").send().await.unwrap();
    assert_eq!(server.count("GET"), 3);

    let server = Server::start(|_| api_error(503, "SERVER_UNAVAILABLE", "down")).await;
    let sf = connect(&server);
    let error = sf.get("limits").send().await.unwrap_err();
    assert_eq!((error.status(), error.is_transient()), (Some(503), true));
    assert_eq!(server.count("GET"), 4);
    assert_eq!(sf.request("POST", "x").send().await.unwrap_err().status(), Some(503));
    assert_eq!(server.count("POST"), 1);
}

#[tokio::test]
async fn a_retry_after_beyond_the_retry_timeout_is_returned_at_once() {
    let server = Server::start(|_| Reply::WithHeader(503, "Retry-After: 120", String::new())).await;
    let sf = connect(&server);
    let error = sf.get("limits").send().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    assert_eq!(server.count("GET"), 1);
}

#[tokio::test]
async fn a_locked_row_is_retried_and_the_api_limit_is_not() {
    let server = Server::start(|request| match request.nth {
        0 | 1 => api_error(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
        _ => json!({"id": "001D000000IqhSLIAZ", "success": true, "errors": []}).into(),
    })
    .await;
    let sf = connect(&server);
    sf.sobject("Account").create(&json!({})).await.unwrap();
    assert_eq!(server.count("POST"), 3);

    let server =
        Server::start(|_| api_error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")).await;
    let sf = connect(&server);
    let error = sf.get("limits").send().await.unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { status: 403, .. }), "{error}");
    assert_eq!(server.count("GET"), 1);
    assert_eq!(sf.api_usage().map(|usage| (usage.used, usage.allowed)), Some((7, 100)));
}

#[tokio::test]
async fn redirects_do_not_carry_the_token_to_another_host() {
    let evil = Server::start(|_| json!({}).into()).await;
    let location: &'static str = format!("Location: {}x?token=1", evil.origin).leak();
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(move |_| Reply::WithHeader(status, location, String::new())).await;
        let sf = connect_allowing(&server, [&evil]);
        let error = sf.request("POST", "x").json(&json!({})).send().await.unwrap_err();
        assert!(error.to_string().contains(&status.to_string()) && !error.to_string().contains("token"));
    }
    assert!(evil.lines().is_empty());
}

#[tokio::test]
async fn an_invalid_request_is_not_sent() {
    let evil = Server::start(|_| json!({}).into()).await;
    let server = Server::start(|_| json!({}).into()).await;
    let sf = connect_allowing(&server, [&evil]);
    for request in [
        sf.get(evil.origin.clone()),
        sf.get(format!("//{}", evil.origin.authority())),
        sf.get("../../x"),
        sf.get("a\r\nb"),
        sf.get("limits").header("Authorization", "Bearer x"),
        sf.get("limits").header("X", "a\r\nY: b"),
        sf.get("limits").body("text/csv\r\nY: b", ""),
        sf.request("G ET", "limits"),
        sf.request("CONNECT", "limits"),
    ] {
        assert!(matches!(request.send().await, Err(Error::InvalidRequest(_))));
    }
    let unwritable = std::collections::HashMap::from([((1, 2), 3)]);
    let error = sf.request("POST", "x").json(&unwritable).send().await.unwrap_err();
    assert!(matches!(error, Error::InvalidRequest(InvalidRequest::Body(_))));
    assert!(evil.lines().is_empty() && server.lines().is_empty());
}

#[tokio::test]
async fn a_raw_request_is_sent_unchanged() {
    let server = Server::start(|_| Reply::WithHeader(202, "ETag: \"a\"", "1,2".into())).await;
    let sf = connect(&server);
    let request = sf.request("put", "/services/apexrest/a").query("name", "a b&c").query("x", "+");
    assert!(request.send().await.is_ok());
    let request = sf.request("PATCH", "/services/apexrest/a?x=1").query("y", "2");
    let request = request.header("Accept", "text/csv").body("text/csv", "Id\n");
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.status(), response.header("etag"), &response.bytes()[..]),
        (202, Some("\"a\""), &b"1,2"[..])
    );
    assert!(response.json::<Value>().is_err());
    let requests = server.requests();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].target.as_str()),
        ("PUT", "/services/apexrest/a?name=a+b%26c&x=%2B")
    );
    assert_eq!(requests[1].target, "/services/apexrest/a?x=1&y=2");
    assert_eq!(
        (requests[1].header("accept"), requests[1].header("content-type")),
        (Some("text/csv"), Some("text/csv"))
    );
    assert_eq!(requests[1].body, "Id\n");
}

#[tokio::test]
async fn anonymous_apex_is_sent_once_although_it_is_a_get() {
    let server = Server::start(|_| Reply::Disconnect).await;
    let sf = connect(&server);
    sf.get("tooling/executeAnonymous").query("anonymousBody", "insert x;").send().await.unwrap_err();
    assert_eq!(server.count("GET"), 1);
}

/// A request's own setting overrides the connection's, and that overrides the default of the HTTP method.
#[tokio::test]
async fn a_request_that_must_not_be_repeated_is_sent_once_whatever_the_connection_sets() {
    let server = Server::start(|_| Reply::Disconnect).await;
    let sf = connect(&server);
    let retry =
        crate::request::retry::Retry::default().max_retries(1).initial_backoff(Duration::from_millis(1));
    let always = sf.with_retry(retry.idempotent(true));
    let never = sf.with_retry(retry.idempotent(false));
    for (sent, path, request) in [
        (2, "/a", always.request("POST", "/services/apexrest/a")),
        (1, "/b", always.request("POST", "/services/apexrest/b").idempotent(false)),
        (1, "/c", always.request("PUT", "/services/apexrest/c").idempotent(false)),
        (1, "/d", never.request("GET", "/services/apexrest/d")),
        (2, "/e", never.request("POST", "/services/apexrest/e").idempotent(true)),
        (1, "/tooling/executeAnonymous", always.get("tooling/executeAnonymous")),
    ] {
        request.send().await.unwrap_err();
        assert_eq!(server.lines().iter().filter(|line| line.ends_with(path)).count(), sent, "{path}");
    }
    always.sobject("A").delete_many(["001D000000IqhSLIAZ"]).await.unwrap_err();
    assert_eq!(server.count("DELETE"), 1);
}

#[tokio::test]
async fn a_response_above_the_size_limit_is_not_read() {
    let server = Server::start(|_| Reply::Body(200, "[".repeat(4096))).await;
    let sf = connect(&server);
    let error = sf.get("limits").max_bytes(4095).send().await.unwrap_err();
    assert!(matches!(error, Error::Http(HttpError::TooLarge)), "{error}");
    assert!(sf.get("limits").max_bytes(4096).send().await.is_ok());
}

#[tokio::test]
async fn a_slow_org_takes_no_longer_than_the_timeout() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(300));
        json!({}).into()
    })
    .await;
    let sf = connect(&server);
    let sf = sf.with_timeout(Duration::from_millis(50));
    let error = sf.request("POST", "x").send().await.unwrap_err();
    assert!(matches!(error, Error::Http(HttpError::Timeout)), "{error}");
}

#[tokio::test]
async fn an_identity_request_goes_to_the_instance_and_recovers_from_an_expired_token() {
    let path = format!("/id/{ORG}/{USER}");
    let identity = json!({"id": "x", "user_id": USER, "organization_id": ORG, "username": "ada@example.com"});
    let origin = Arc::new(Mutex::new(None::<Value>));
    let tokens = Arc::clone(&origin);
    let server = Server::start(move |request| match request.header("authorization") {
        _ if request.target == TOKEN => tokens.lock().unwrap().clone().unwrap().into(),
        Some(NEW) if request.target == path => identity.clone().into(),
        _ => Reply::Body(403, "Bad_OAuth_Token".to_owned()),
    })
    .await;
    *origin.lock().unwrap() = Some(server.token_response());
    let sf = connect(&server);
    assert_eq!(sf.identity().await.unwrap().username, "ada@example.com");
    assert_eq!(server.token_requests(), 1);
}

#[tokio::test]
async fn display_and_debug_texts_contain_no_token() {
    let server = Server::start(|_| Reply::Body(400, OLD.to_owned())).await;
    let sf = connect(&server);
    let request = sf.get("limits").query("canary", "canary");
    let printed = format!("{sf:#?} {request:#?} {:#?}", sf.query::<Value>("SELECT Id FROM A").fetch());
    let error = request.send().await.unwrap_err();
    assert!(!format!("{printed} {error} {error:#?}").contains("canary"));
}

#[test]
fn connections_and_what_they_return_can_move_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    fn sends<T: Send + 'static>(_: impl FnOnce(Connection) -> T) {}
    check::<Connection>();
    check::<Error>();
    sends(|sf| sf.query::<Value>("").fetch());
    sends(|sf| sf.query::<Value>("").fetch_all());
    sends(|sf| sf.query::<Value>("").fetch_optional());
    sends(|sf| sf.get("").send());
    sends(|sf| async move { sf.sobject("").create(&1).await });
}
