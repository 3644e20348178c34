//! Hostile statuses, headers and encodings, and responses that do not end.

use crate::{
    error::Error,
    http::error::HttpError,
    tests::{
        hostile::{
            JSON, TestOrg, assert_nothing_leaks, gzip, http_response, operations_with_body,
            operations_without_body,
        },
        *,
    },
};

#[tokio::test]
async fn an_error_response_may_have_any_body() {
    let org = TestOrg::start().await;
    for status in [400, 401, 403, 404, 405, 409, 410, 412, 414, 418, 500, 501] {
        for body in [
            &b"<html>canary</html>"[..],
            b"",
            b"\xff\xfe\x00",
            b"null",
            b"{}",
            b"[]",
            b"[[]]",
            br#"[{"message":"canary"}]"#,
            br#"{"errorCode":"canary_with_a_value_in_it ' \n"}"#,
            br#"[{"errorCode":{"canary":1},"message":[]}]"#,
        ] {
            for (name, operation) in
                [operations_with_body().next().unwrap(), operations_without_body().next().unwrap()]
            {
                let error = org.outcome(operation, http_response(status, JSON, body)).await.unwrap_err();
                assert_eq!(error.status(), Some(status), "{name}: {error:?}");
                assert!(!error.needs_login() && !format!("{error:?}").contains('\n'), "{name}: {error:?}");
                if !body.starts_with(b"{\"errorCode") {
                    assert_nothing_leaks(name, "a rejection", &error);
                }
            }
        }
    }
}

#[tokio::test]
async fn no_request_follows_a_redirect() {
    let evil = Server::start(|_| json!({}).into()).await;
    for status in [301, 302, 303, 307, 308] {
        let headers = format!("Location: {}services/canary\r\n", evil.origin);
        let server = Server::start(move |_| Reply::Raw(http_response(status, &headers, ""))).await;
        let sf = connect_allowing(&server, [&evil]);
        for (name, operation) in operations_with_body().chain(operations_without_body()) {
            let error = operation(sf.clone()).await.expect_err(name);
            assert!(matches!(error, Error::Http(HttpError::Redirect(s)) if s == status), "{name}: {error:?}");
            assert_nothing_leaks(name, "a redirect", &error);
        }
    }
    assert!(evil.lines().is_empty());
}

#[tokio::test]
async fn an_undecodable_body_is_an_error_and_a_bomb_stops_at_the_limit() {
    // 40 MiB in 40 KiB.
    let bomb = gzip(&vec![b' '; 40 << 20]);
    let mut broken = gzip(br#"{"Name":"canary"}"#);
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    let org = TestOrg::start().await;
    for (name, operation) in operations_with_body() {
        for body in [&broken[..], b"{\"Name\":\"canary\"}"] {
            let error = org
                .outcome(operation, http_response(200, "Content-Encoding: gzip\r\n", body))
                .await
                .expect_err(name);
            assert!(matches!(error, Error::Http(HttpError::Undecodable(_))), "{name}: {error:?}");
            assert_nothing_leaks(name, "no gzip", &error);
        }
    }
    for (name, operation) in
        operations_with_body().filter(|(name, _)| ["query", "create", "describe"].contains(name))
    {
        let error = org
            .outcome(operation, http_response(200, "Content-Encoding: gzip\r\n", &bomb))
            .await
            .expect_err(name);
        assert!(matches!(error, Error::Http(HttpError::TooLarge)), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn no_request_takes_longer_than_its_timeout() {
    for start in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Na"]
    {
        let server = Server::start(move |_| Reply::Stall(start)).await;
        let sf = connect(&server);
        let sf = sf.with_timeout(Duration::from_millis(100));
        // Only operations that write: those that read are retried, and each attempt has the same timeout.
        for (name, operation) in operations_with_body()
            .chain(operations_without_body())
            .filter(|(name, _)| ["create", "update"].contains(name))
        {
            let started = std::time::Instant::now();
            let error = operation(sf.clone()).await.expect_err(name);
            assert!(matches!(error, Error::Http(HttpError::Timeout)), "{name}: {error:?}");
            assert!(started.elapsed() < Duration::from_secs(3), "{name}");
        }
    }
}

/// A-32: the values of response headers are hints only.
#[tokio::test]
async fn hostile_headers_of_a_response_are_ignored() {
    for headers in [
        "Sforce-Limit-Info: api-usage=canary/1\r\n",
        "Sforce-Limit-Info: api-usage=99999999999999999999999/1\r\n",
        "Sforce-Limit-Info: api-usage=-1/-1\r\n",
        "Sforce-Limit-Info: é\r\n",
        "Sforce-Limit-Info: api-usage=1/0, per-app-api-usage=17/250(appName=canary)\r\n",
        "Retry-After: canary\r\nContent-Type: canary/canary; charset=\"utf-7\"\r\n",
        "Set-Cookie: sid=canary; Domain=.salesforce.com\r\nContent-Language: \x01\r\n",
        "Last-Modified: canary\r\nETag: canary\r\nSforce-Locator: canary\r\n",
    ] {
        let headers: String = headers.to_owned();
        let server = Server::start(move |_| Reply::Raw(http_response(200, &headers, "{}"))).await;
        let sf = connect(&server);
        for _ in 0..2 {
            if let Err(error) = sf.limits().await {
                assert_nothing_leaks("limits", "a header", &error);
            }
        }
        let usage = sf.api_usage().map(|usage| format!("{usage:?}")).unwrap_or_default();
        assert!(!usage.contains("canary"), "{usage}");
        assert!(server.requests().iter().all(|request| request.header("cookie").is_none()));
    }
}
