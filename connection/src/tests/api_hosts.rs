//! The limits, the refreshes and the responses of API hosts.

use crate::tests::*;
use crate::{
    agent::AgentSession,
    api_host::ApiHost,
    error::{Error, InvalidResponse},
    http::HttpError,
    test_log::logged,
};

const AGENT: &str = "0XxKa0000000001KAA";

/// Returns the server as an API host: the token is for its origin.
fn api_host(sf: &Connection) -> ApiHost {
    sf.api_host(sf.instance_url().unwrap().as_str()).unwrap()
}

fn is_api(request: &ReceivedRequest) -> bool {
    request.target.starts_with("/api/")
}

#[tokio::test]
async fn requests_to_an_api_host_take_no_slot_of_the_org() {
    let server = Server::start(|request| match is_api(request) {
        true => Reply::Stall(""),
        false => json!({}).into(),
    })
    .await;
    let client = Client::builder().allowed_hosts(AllowedHosts::new([server.origin.clone()]));
    let client = client.api_host(server.origin.as_str()).max_concurrent_requests(4);
    let client = client.acquire_timeout(Duration::from_millis(50)).build().unwrap();
    let user = UserRef::new(ORG.parse().unwrap(), USER.parse().unwrap());
    let token = crate::token::FixedToken::new(user, server.origin.clone(), &Secret::new("x")).unwrap();
    let sf = Connection::new(&client, Arc::new(token));
    let stalled = (0..8).map(|_| api_host(&sf).request("GET", "/api/x").send());
    let stalled =
        tokio::spawn(futures_util::future::join_all(stalled.map(|sent| async { drop(sent.await) })));
    while server.count("GET /api/x") < 3 {
        tokio::task::yield_now().await;
    }
    sf.limits().await.unwrap();
    // Each host has as many slots as the org.
    let error = api_host(&sf).request("GET", "/api/x").send().await.unwrap_err();
    assert!(matches!(error, Error::ConcurrencyLimit { limit: 3 }), "{error:?}");
    stalled.abort();
}

#[tokio::test]
async fn an_api_host_works_while_the_org_has_reached_its_limits_and_ends_no_pause() {
    let server = Server::start(|request| match is_api(request) {
        true => json!({}).into(),
        false => api_error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    })
    .await;
    let sf = connect(&server);
    assert!(matches!(sf.limits().await, Err(Error::LimitExceeded { .. })));
    api_host(&sf).request("GET", "/api/x").send().await.unwrap();
    assert!(matches!(sf.limits().await, Err(Error::LimitExceeded { .. })));
    assert_eq!(server.lines().len(), 2, "the org is not asked again: {:?}", server.lines());

    // The other way around: a limit of the host is not the org's.
    let server = Server::start(|request| match is_api(request) {
        true => api_error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
        false => json!({}).into(),
    })
    .await;
    let sf = connect(&server);
    let error = api_host(&sf).request("GET", "/api/x").send().await.unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error:?}");
    sf.limits().await.unwrap();
}

#[tokio::test]
async fn the_quota_of_the_org_is_not_that_of_an_api_host() {
    let server = Server::start(|request| {
        let used = if is_api(request) { 1 } else { 99 };
        let headers =
            format!("Content-Type: application/json\r\nSforce-Limit-Info: api-usage={used}/100\r\n");
        Reply::Raw(hostile::http_response(200, &headers, "{}"))
    })
    .await;
    let sf = connect(&server).with_low_priority();
    sf.limits().await.unwrap();
    assert!(matches!(sf.limits().await, Err(Error::QuotaReserved { .. })));
    api_host(&sf).request("GET", "/api/x").send().await.unwrap();
    assert_eq!(sf.api_usage().map(|usage| usage.used), Some(99), "the host says nothing about the org");
    assert!(matches!(sf.limits().await, Err(Error::QuotaReserved { .. })));
}

#[tokio::test]
async fn a_host_that_rejects_every_token_costs_one_refresh_and_stops_none_of_the_instance() {
    let server = Server::start(|request| match request.target.as_str() {
        TOKEN => next_token(request),
        target if target.starts_with("/api/") => Reply::Body(401, String::new()),
        _ if request.header("authorization") == Some("Bearer new-1") => json!({}).into(),
        _ => expired_token(),
    })
    .await;
    let sf = connect(&server);
    for _ in 0..5 {
        let error = api_host(&sf).request("GET", "/api/x").send().await.unwrap_err();
        assert!(matches!(error, Error::ApiAccessDenied { status: 401, .. }), "{error:?}");
    }
    let all = (0..5).map(|_| api_host(&sf).request("GET", "/api/x").send());
    assert!(futures_util::future::join_all(all).await.iter().all(Result::is_err));
    assert_eq!((server.token_requests(), server.count("GET /api/x")), (1, 11));
    // The token that the host rejects is refreshed as ever for the instance, and the host gets the new one.
    sf.limits().await.unwrap();
    assert_eq!(server.token_requests(), 2);
    api_host(&sf).request("GET", "/api/x").send().await.unwrap_err();
    assert_eq!(server.token_requests(), 3, "a token that the host has not seen is worth a refresh");
}

#[tokio::test]
async fn the_span_of_a_request_to_an_api_host_names_the_host() {
    let server = Server::start(|_| json!({}).into()).await;
    let sf = connect(&server);
    let (_, log) = logged(async {
        api_host(&sf).request("GET", "/api/canary-id").send().await.unwrap();
    })
    .await;
    assert!(log.contains("resource=/api/{} host=\"127.0.0.1\"") && !log.contains("canary"), "{log}");
    let (_, log) = logged(async { sf.limits().await.map(drop) }).await;
    assert!(!log.contains("limits host="), "{log}");
}

async fn agent_that_sends(body: Vec<u8>, status: u16) -> AgentSession {
    let server = Server::start(move |request| match request.target.as_str() {
        target if target.ends_with("/sessions") => json!({ "sessionId": "8e7", "messages": [] }).into(),
        TOKEN => {
            token_response(&format!("http://{}", request.header("host").unwrap()).parse().unwrap()).into()
        }
        _ => Reply::Raw(hostile::http_response(status, "Content-Type: application/json\r\n", &body)),
    })
    .await;
    api_host(&connect(&server)).agent(AGENT.parse().unwrap()).start().await.unwrap()
}

#[tokio::test]
async fn what_an_agent_sends_is_bounded_and_repeated_in_no_error() {
    for body in [
        "",
        "null",
        "canary",
        "[]",
        r#"{"canary":"canary"}"#,
        r#"{"messages":null}"#,
        r#"{"messages":[{"message":"canary"}]}"#,
        r#"{"messages":[{"type":"Inform","message":"canary"#,
        r#"{"messages":[{"type":"Inform","type":"canary"}]}"#,
    ] {
        let mut session = agent_that_sends(body.into(), 200).await;
        let error = session.send("x").await.unwrap_err();
        assert!(matches!(error, Error::InvalidResponse(_)), "{body}: {error:?}");
        hostile::assert_nothing_leaks("agent", body, &error);
        let error = session.send_streaming("x").await.unwrap_err();
        assert!(matches!(error, Error::InvalidResponse(InvalidResponse::Unexpected(_))), "{body}: {error:?}");
        for status in [400, 401, 403, 404, 423, 500] {
            let error = agent_that_sends(body.into(), status).await.send("x").await.unwrap_err();
            assert_eq!(error.status(), Some(status), "{error:?}");
            hostile::assert_nothing_leaks("agent", body, &error);
        }
    }
    // An agent sends no more than 4 MiB, also not in one message.
    for (bytes, is_read) in [(4 << 20, true), ((4 << 20) + 1, false)] {
        let frame = r#"{"messages":[{"type":"Inform","message":""}]}"#;
        let text = "x".repeat(bytes - frame.len());
        let body = frame.replace(r#""""#, &format!("\"{text}\""));
        assert_eq!(body.len(), bytes);
        match agent_that_sends(body.into(), 200).await.send("x").await {
            Ok(messages) => assert!(is_read && messages[0].text.as_deref() == Some(&*text)),
            Err(error) => assert!(!is_read && matches!(error, Error::Http(HttpError::TooLarge)), "{error:?}"),
        }
    }
}
