//! Token, refresh, retry, and where calls go.

use crate::tests::*;
use crate::{
    error::{Error, InvalidRequest},
    http::error::HttpError,
};

const LIMITS: &str = "/services/data/v66.0/limits";

/// An organization whose old token has expired, and in which `new` answers the rest.
async fn expired_org(new: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
    let origin = Arc::new(Mutex::new(None::<Value>));
    let tokens = Arc::clone(&origin);
    let server = Server::start(move |seen| match seen.header("authorization") {
        _ if seen.target == TOKEN => tokens.lock().unwrap().clone().unwrap().into(),
        Some(OLD) => expired(),
        _ => new(seen),
    })
    .await;
    *origin.lock().unwrap() = Some(server.tokens());
    server
}

#[tokio::test]
async fn an_expired_token_is_refreshed_once_and_the_call_sent_again() {
    let server = expired_org(|_| json!({"ok": true}).into()).await;
    let sf = connect(&server);
    let body = json!({"Name": "x"});
    let answer = sf.request("POST", "things").json(&body).send().await.unwrap();
    assert_eq!(answer.json::<Value>().unwrap(), json!({"ok": true}));
    let calls: Vec<_> = server.seen().into_iter().filter(|seen| seen.target != TOKEN).collect();
    let tokens: Vec<_> = calls.iter().map(|call| call.header("authorization").unwrap()).collect();
    assert_eq!(tokens, [OLD, NEW]);
    assert_eq!((calls[0].body.clone(), calls[1].body.clone()), (body.to_string(), body.to_string()));
    assert_eq!(server.token_calls(), 1);
    sf.get("limits").send().await.unwrap();
    assert_eq!(server.token_calls(), 1);
}

#[tokio::test]
async fn calls_that_find_the_token_expired_together_refresh_it_once() {
    let server = expired_org(|_| json!({}).into()).await;
    let sf = connect(&server);
    let calls = (0..20).map(|_| sf.get("limits").send());
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(server.token_calls(), 1);
}

#[tokio::test]
async fn a_new_token_that_is_refused_too_is_no_loop() {
    let server = expired_org(|_| expired()).await;
    let sf = connect(&server);
    let error = sf.get("limits").send().await.unwrap_err();
    assert!(matches!(error, Error::ApiAccessDenied { status: 401, .. }), "{error}");
    assert!(!error.needs_login());
    assert_eq!((server.count("GET"), server.token_calls()), (2, 1));
}

#[tokio::test]
async fn a_401_that_no_refresh_can_help_costs_none() {
    for message in
        ["This session is not valid for use with the REST API", "Connected app is not attached to Agent"]
    {
        let server = Server::start(move |_| refused(401, "INVALID_SESSION_ID", message)).await;
        let sf = connect(&server);
        let error = sf.get("limits").send().await.unwrap_err();
        assert!(matches!(error, Error::ApiAccessDenied { .. }), "{error}");
        assert_eq!(server.lines(), [format!("GET {LIMITS}")]);
    }
}

#[tokio::test]
async fn a_call_follows_its_instance_when_a_refresh_moves_it() {
    let moved = Server::start(|_| json!({"here": true}).into()).await;
    let answer = tokens(&moved.origin);
    let server =
        Server::start(move |seen| if seen.target == TOKEN { answer.clone().into() } else { expired() }).await;
    let sf = connect_allowing(&server, [&moved]);
    // A URL of the instance as it was when the call was made.
    sf.get(server.origin.join(LIMITS).unwrap()).send().await.unwrap();
    assert_eq!(server.lines(), [format!("GET {LIMITS}"), format!("POST {TOKEN}")]);
    assert_eq!(moved.lines(), [format!("GET {LIMITS}")]);
    assert_eq!(moved.seen()[0].header("authorization"), Some(NEW));
    assert_eq!(sf.instance_url().unwrap(), moved.origin);
}

#[tokio::test]
async fn a_refused_refresh_ends_the_login_and_an_outage_does_not() {
    for (status, body, over) in
        [(400, r#"{"error":"invalid_grant"}"#, true), (503, "<html>down</html>", false)]
    {
        let server = Server::start(move |seen| match seen.target.as_str() {
            TOKEN => Reply::Answer(status, body.to_owned()),
            _ => expired(),
        })
        .await;
        let sf = connect(&server);
        let error = sf.get("limits").send().await.unwrap_err();
        assert_eq!((error.needs_login(), error.is_transient()), (over, !over), "{error}");
        assert_eq!(error.retry_after().is_some(), !over);
        let error = sf.get("limits").send().await.err();
        assert_eq!(error.unwrap().needs_login(), over);
    }
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_not_sent_again() {
    let server = Server::start(|_| Reply::Hangup).await;
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
async fn a_read_whose_answer_is_lost_is_sent_again_within_bounds() {
    let server = Server::start(|seen| if seen.nth < 2 { Reply::Hangup } else { json!({}).into() }).await;
    let sf = connect(&server);
    sf.get("limits").send().await.unwrap();
    assert_eq!(server.count("GET"), 3);

    let server = Server::start(|_| refused(503, "SERVER_UNAVAILABLE", "down")).await;
    let sf = connect(&server);
    let error = sf.get("limits").send().await.unwrap_err();
    assert_eq!((error.status(), error.is_transient()), (Some(503), true));
    assert_eq!(server.count("GET"), 4);
    assert_eq!(sf.request("POST", "x").send().await.unwrap_err().status(), Some(503));
    assert_eq!(server.count("POST"), 1);
}

#[tokio::test]
async fn a_wait_longer_than_ours_surfaces_at_once() {
    let server = Server::start(|_| Reply::With(503, "Retry-After: 120", String::new())).await;
    let sf = connect(&server);
    let error = sf.get("limits").send().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    assert_eq!(server.count("GET"), 1);
}

#[tokio::test]
async fn a_locked_row_is_tried_again_and_the_api_limit_is_not() {
    let server = Server::start(|seen| match seen.nth {
        0 | 1 => refused(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
        _ => json!({"id": "001D000000IqhSLIAZ", "success": true, "errors": []}).into(),
    })
    .await;
    let sf = connect(&server);
    sf.sobject("Account").create(&json!({})).await.unwrap();
    assert_eq!(server.count("POST"), 3);

    let server =
        Server::start(|_| refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")).await;
    let sf = connect(&server);
    let error = sf.get("limits").send().await.unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { status: 403, .. }), "{error}");
    assert_eq!(server.count("GET"), 1);
    assert_eq!(sf.api_usage().map(|usage| (usage.used, usage.allowed)), Some((7, 100)));
}

#[tokio::test]
async fn no_redirect_takes_the_token_elsewhere() {
    let evil = Server::start(|_| json!({}).into()).await;
    let location: &'static str = format!("Location: {}x?token=1", evil.origin).leak();
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(move |_| Reply::With(status, location, String::new())).await;
        let sf = connect_allowing(&server, [&evil]);
        let error = sf.request("POST", "x").json(&json!({})).send().await.unwrap_err();
        assert!(error.to_string().contains(&status.to_string()) && !error.to_string().contains("token"));
    }
    assert!(evil.lines().is_empty());
}

#[tokio::test]
async fn a_request_that_must_not_be_sent_is_not() {
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
async fn a_raw_request_arrives_as_it_was_made() {
    let server = Server::start(|_| Reply::With(202, "ETag: \"a\"", "1,2".into())).await;
    let sf = connect(&server);
    let request = sf.request("put", "/services/apexrest/a").query("name", "a b&c").query("x", "+");
    assert!(request.send().await.is_ok());
    let request = sf.request("PATCH", "/services/apexrest/a?x=1").query("y", "2");
    let request = request.header("Accept", "text/csv").body("text/csv", "Id\n");
    let answer = request.send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.header("etag"), &answer.bytes()[..]),
        (202, Some("\"a\""), &b"1,2"[..])
    );
    assert!(answer.json::<Value>().is_err());
    let seen = server.seen();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("PUT", "/services/apexrest/a?name=a+b%26c&x=%2B")
    );
    assert_eq!(seen[1].target, "/services/apexrest/a?x=1&y=2");
    assert_eq!(
        (seen[1].header("accept"), seen[1].header("content-type")),
        (Some("text/csv"), Some("text/csv"))
    );
    assert_eq!(seen[1].body, "Id\n");
}

#[tokio::test]
async fn code_is_run_once_although_it_is_run_by_get() {
    let server = Server::start(|_| Reply::Hangup).await;
    let sf = connect(&server);
    sf.get("tooling/executeAnonymous").query("anonymousBody", "insert x;").send().await.unwrap_err();
    assert_eq!(server.count("GET"), 1);
}

/// What one call says of itself goes before what the connection says, and that before what its method means.
#[tokio::test]
async fn a_call_that_must_not_be_repeated_is_not_whatever_the_connection_says() {
    let server = Server::start(|_| Reply::Hangup).await;
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
async fn an_answer_larger_than_allowed_is_not_read() {
    let server = Server::start(|_| Reply::Answer(200, "[".repeat(4096))).await;
    let sf = connect(&server);
    let error = sf.get("limits").max_bytes(4095).send().await.unwrap_err();
    assert!(matches!(error, Error::Http(HttpError::TooLarge)), "{error}");
    assert!(sf.get("limits").max_bytes(4096).send().await.is_ok());
}

#[tokio::test]
async fn a_slow_organization_costs_no_more_than_the_deadline() {
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
async fn an_identity_call_goes_to_the_instance_and_recovers_from_an_expired_token() {
    let path = format!("/id/{ORG}/{USER}");
    let identity = json!({"id": "x", "user_id": USER, "organization_id": ORG, "username": "ada@example.com"});
    let origin = Arc::new(Mutex::new(None::<Value>));
    let tokens = Arc::clone(&origin);
    let server = Server::start(move |seen| match seen.header("authorization") {
        _ if seen.target == TOKEN => tokens.lock().unwrap().clone().unwrap().into(),
        Some(NEW) if seen.target == path => identity.clone().into(),
        _ => Reply::Answer(403, "Bad_OAuth_Token".to_owned()),
    })
    .await;
    *origin.lock().unwrap() = Some(server.tokens());
    let sf = connect(&server);
    assert_eq!(sf.identity().await.unwrap().username, "ada@example.com");
    assert_eq!(server.token_calls(), 1);
}

#[tokio::test]
async fn nothing_printable_holds_a_token() {
    let server = Server::start(|_| Reply::Answer(400, OLD.to_owned())).await;
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
