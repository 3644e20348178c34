//! Requests to an instance that no longer serves the org, or with an invalid session.

use super::*;
use crate::{
    error::{Error, InvalidResponse},
    http::error::HttpError,
    tests::field_reports::raw,
};

const LIMITS: &str = "/services/data/v66.0/limits";
const HTML: &str = "Content-Type: text/html; charset=UTF-8\r\n";

/// Starts an org that moved: `old` responds as the instance of the old token, and `new` is the new instance.
async fn moved(
    old: impl Fn(&ReceivedRequest, &Url) -> Reply + Send + Sync + 'static,
    new: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
) -> (Server, Server) {
    let new = Server::start(new).await;
    let origin = new.origin.clone();
    let response = token_response(&origin);
    let old = Server::start(move |request| match request.target.as_str() {
        TOKEN => response.clone().into(),
        _ => old(request, &origin),
    })
    .await;
    (old, new)
}

/// W-03: the token itself may still be valid there, so that no 401 comes.
#[tokio::test]
async fn a_moved_org_is_found_by_one_refresh_and_the_request_is_repeated_there() {
    for status in [301, 302, 307, 308, 400] {
        let (old, new) = moved(
            move |request, new| match status {
                400 => api_error(400, "URL_NOT_RESET", "Destination URL not reset."),
                status => raw(status, &format!("Location: {}\r\n", new.join(&request.target).unwrap()), ""),
            },
            |request| match request.header("authorization") {
                Some(NEW) => json!({"id": "001D000000IqhSLIAZ", "success": true, "errors": []}).into(),
                _ => panic!("the old token was sent to {}", request.target),
            },
        )
        .await;
        let sf = connect_allowing(&old, [&new]);
        sf.sobject("Account").create(&json!({"Name": "x"})).await.unwrap();
        sf.get("limits").send().await.unwrap();
        sf.apex_rest("PUT", "stock").send().await.unwrap();
        assert_eq!((old.lines().len(), old.token_requests()), (2, 1), "{status}");
        assert_eq!(new.lines().len(), 3, "{status}");
        assert_eq!(sf.instance_url().unwrap(), new.origin);
    }
}

/// W-03: whatever method meets the old instance first, with a body or without. What was redirected was not processed.
#[tokio::test]
async fn each_method_finds_the_org_that_moved_and_is_repeated_there_once() {
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] {
        for status in [301, 302, 307, 308, 400, 401] {
            let (old, new) = moved(
                move |request, new| match status {
                    400 => api_error(400, "URL_NOT_RESET", "Destination URL not reset."),
                    401 => api_error(401, "INVALID_SESSION_ID", "Session expired or invalid"),
                    status => {
                        raw(status, &format!("Location: {}\r\n", new.join(&request.target).unwrap()), "")
                    }
                },
                |_| json!({}).into(),
            )
            .await;
            let sf = connect_allowing(&old, [&new]);
            let request = sf.request(method, "sobjects/Account/001D000000IqhSLIAZ");
            let request = match method {
                "POST" | "PUT" | "PATCH" => request.json(&json!({ "Name": "x" })),
                _ => request,
            };
            let sent = request.send().await;
            // The response to HEAD has no body, and so no code: status 400 stays an error of the request.
            let is_code_lost = method == "HEAD" && status == 400;
            assert_eq!(sent.is_err(), is_code_lost, "{method}, {status}: {sent:?}");
            if !is_code_lost {
                assert_eq!(new.lines().len(), 1, "{method}, {status}");
                assert!(new.lines()[0].starts_with(method), "{method}, {status}: {:?}", new.lines());
            }
            assert!(
                old.count(&format!("{method} /services/data")) == 1,
                "{method}, {status}: {:?}",
                old.lines()
            );
        }
    }
}

#[tokio::test]
async fn a_page_instead_of_data_is_repeated_after_a_refresh_only_where_that_does_no_harm() {
    for (status, body) in [(404, "<html>URL No Longer Exists</html>"), (200, "<html>Login</html>")] {
        let (old, new) = moved(
            move |_, _| raw(status, HTML, body),
            |_| json!({"id": "001D000000IqhSLIAZ", "success": true, "errors": []}).into(),
        )
        .await;
        let sf = connect_allowing(&old, [&new]);
        let error = sf.sobject("Account").create(&json!({})).await.unwrap_err();
        assert!(matches!(error.status(), Some(404) | None), "{error:?}");
        assert_eq!((old.count("POST /services/data"), new.lines().len()), (1, 0), "{status}");
        assert_eq!(old.token_requests(), 1);
        sf.get("limits").send().await.unwrap();

        let (old, new) = moved(move |_, _| raw(status, HTML, body), |_| json!({}).into()).await;
        let sf = connect_allowing(&old, [&new]);
        sf.get("limits").send().await.unwrap();
        assert_eq!((old.token_requests(), new.lines()), (1, vec![format!("GET {LIMITS}")]));
    }
}

#[tokio::test]
async fn the_same_response_after_the_refresh_is_the_error_and_no_loop() {
    for (status, headers, body) in [
        (302, "Location: /login\r\n", ""),
        (404, HTML, "<html>"),
        (401, "", ""),
        (401, HTML, "<html>canary</html>"),
        (200, HTML, "<html>canary login</html>"),
    ] {
        let tokens = Arc::new(Mutex::new(Value::Null));
        let shared = Arc::clone(&tokens);
        let server = Server::start(move |request| match request.target.as_str() {
            TOKEN => shared.lock().unwrap().clone().into(),
            _ => raw(status, headers, body),
        })
        .await;
        *tokens.lock().unwrap() = server.token_response();
        let error = connect(&server).get("limits").send().await.unwrap_err();
        let is_expected = match status {
            302 => matches!(error, Error::Http(HttpError::Redirect(302))),
            401 => matches!(error, Error::ApiAccessDenied { status: 401, .. }),
            404 => error.status() == Some(404),
            _ => matches!(error, Error::InvalidResponse(InvalidResponse::Unexpected(_))),
        };
        assert!(is_expected && !format!("{error} {error:?}").contains("canary"), "{status}: {error:?}");
        assert_eq!((server.count("GET"), server.token_requests()), (2, 1), "{status}");
    }
}

/// Each refresh makes a token of others invalid, and Salesforce limits their number: a state that a refresh does not
/// change must not cause one for each request.
#[tokio::test]
async fn requests_that_a_refresh_does_not_help_cause_no_more_refreshes() {
    for (status, headers, body) in [
        (302, "Location: /login\r\n", ""),
        (302, "", ""),
        (303, "Location: /login\r\n", ""),
        (400, "", r#"[{"errorCode":"URL_NOT_RESET","message":"m"}]"#),
        (401, "", ""),
        (401, HTML, "<html>"),
        (404, HTML, "<html>"),
        (200, HTML, "<html>login</html>"),
    ] {
        for is_write in [false, true] {
            let tokens = Arc::new(Mutex::new(Value::Null));
            let shared = Arc::clone(&tokens);
            let server = Server::start(move |request| match request.target.as_str() {
                TOKEN => shared.lock().unwrap().clone().into(),
                _ => raw(status, headers, body),
            })
            .await;
            *tokens.lock().unwrap() = server.token_response();
            let sf = connect(&server);
            for _ in 0..20 {
                match is_write {
                    false => drop(sf.get("limits").send().await.unwrap_err()),
                    true => drop(sf.sobject("Account").create(&json!({"Name": "x"})).await.unwrap_err()),
                }
            }
            let sent = server.lines().len() - server.token_requests();
            assert!(server.token_requests() <= 2, "{status}: {} refreshes", server.token_requests());
            assert!((20..=21).contains(&sent), "{status}: {sent} requests");
        }
    }
}
