//! Responses whose body is invalid, or does not fit its request.

use futures_util::TryStreamExt as _;

use crate::{
    error::{Error, InvalidResponse},
    tests::{
        hostile::{
            CURSOR, ID, JSON, Row, TestOrg, assert_nothing_leaks, http_response, operations_with_body,
            operations_without_body,
        },
        *,
    },
};

#[tokio::test]
async fn a_success_with_an_invalid_body_is_an_invalid_response() {
    let utf16 = |bom: &[u8]| {
        let text = r#"{"Name":"canary"}"#.encode_utf16().flat_map(u16::to_le_bytes);
        bom.iter().copied().chain(text).collect::<Vec<u8>>()
    };
    let bodies: Vec<(&str, u16, &str, Vec<u8>)> = vec![
        ("a page", 200, "Content-Type: text/html\r\n", b"<html><body>canary</body></html>".to_vec()),
        ("a word", 200, "Content-Type: text/plain\r\n", b"canary".to_vec()),
        ("XML", 200, "Content-Type: application/xml\r\n", b"<Account>canary</Account>".to_vec()),
        ("nothing", 200, JSON, Vec::new()),
        ("no content", 204, "", Vec::new()),
        ("not modified", 304, "", Vec::new()),
        ("null", 200, JSON, b"null".to_vec()),
        ("a number", 200, JSON, b"7".to_vec()),
        ("a text", 200, JSON, b"\"canary\"".to_vec()),
        ("lists", 200, JSON, b"[[[\"canary\"]]]".to_vec()),
        ("other members", 200, JSON, br#"{"canary":"canary"}"#.to_vec()),
        ("half", 200, JSON, br#"{"totalSize":1,"done":true,"records":[{"Name":"canary"#.to_vec()),
        ("two responses", 200, JSON, br#"{"Name":"canary"}{"Name":"canary"}"#.to_vec()),
        ("UTF-16", 200, JSON, utf16(b"")),
        ("UTF-16 with a mark", 200, JSON, utf16(b"\xff\xfe")),
        ("a byte order mark", 200, JSON, b"\xef\xbb\xbf{\"Name\":\"canary\"}".to_vec()),
        ("bytes that are no text", 200, JSON, b"{\"Name\":\"canary\xff\"}".to_vec()),
        ("half a character", 200, JSON, br#"{"Name":"canary\ud800"}"#.to_vec()),
        ("a bare NUL", 200, JSON, b"{\"Name\":\"canary\0\"}".to_vec()),
        ("a member twice", 200, JSON, br#"{"Name":"canary","Name":"canary"}"#.to_vec()),
        ("a number out of range", 200, JSON, br#"{"Name":1e999}"#.to_vec()),
        ("a number of 10,000 digits", 200, JSON, format!("{{\"Name\":{}}}", "9".repeat(10_000)).into()),
        ("deep nesting", 200, JSON, "[".repeat(200_000).into()),
        ("deep nesting in a member", 200, JSON, format!("{{\"x\":{}", "[".repeat(200_000)).into()),
    ];
    let org = TestOrg::start().await;
    for (what, status, headers, body) in bodies {
        for (name, operation) in
            operations_with_body().chain(operations_without_body().filter(|_| status != 204))
        {
            if (name, status) == ("read if it changed", 304) {
                continue;
            }
            let error = org.outcome(operation, http_response(status, headers, &body)).await;
            let error = error.expect_err(&format!("{name}: {what}"));
            assert!(matches!(error, Error::InvalidResponse(_)), "{name}, {what}: {error:?}");
            assert!(!error.is_transient(), "{name}, {what}");
            assert_nothing_leaks(name, what, &error);
        }
    }
}

/// A member that decides whether to continue, and where, must occur once.
#[tokio::test]
async fn a_page_with_contradictory_members_is_rejected() {
    let org = TestOrg::start().await;
    for body in [
        r#"{"totalSize":1,"done":true,"done":false,"records":[]}"#,
        r#"{"totalSize":1,"totalSize":0,"done":true,"records":[]}"#,
        r#"{"totalSize":0,"done":true,"records":[],"records":[{"Name":"canary"}]}"#,
        r#"{"totalSize":9,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/01g-1","nextRecordsUrl":"//canary","records":[]}"#,
        r#"{"totalSize":1,"done":true,"records":[{"Name":"canary","Name":"canary"}]}"#,
        r#"{"totalSize":1,"done":"true","records":[]}"#,
        r#"{"totalSize":"1","done":true,"records":[]}"#,
        r#"{"totalSize":1,"done":true,"records":{"0":{"Name":"canary"}}}"#,
        r#"{"totalSize":1,"done":true,"records":[{"Name":null}]}"#,
        r#"{"totalSize":1,"done":true,"records":[null]}"#,
        r#"{"totalSize":5,"done":false,"records":[{"Name":"canary"}]}"#,
    ] {
        for (name, operation) in operations_with_body().take(1) {
            let error = org.outcome(operation, http_response(200, JSON, body)).await.expect_err(body);
            assert!(matches!(error, Error::InvalidResponse(_)), "{body}: {error:?}");
            assert_nothing_leaks(name, body, &error);
        }
    }
}

/// A response with another content type was sent by something in between, even if its body could be read.
#[tokio::test]
async fn json_with_another_content_type_is_rejected() {
    let org = TestOrg::start().await;
    let by_name = |name: &str| operations_with_body().find(|(found, _)| *found == name).unwrap().1;
    for (name, body) in [
        ("query", r#"{"totalSize":0,"done":true,"records":[]}"#),
        ("create", r#"{"id":"001D000000IqhSLIAZ","success":true,"errors":[]}"#),
        ("create with a file", r#"{"id":"001D000000IqhSLIAZ","success":true,"errors":[]}"#),
        ("upsert", r#"{"id":"001D000000IqhSLIAZ","success":true,"errors":[],"created":true}"#),
        ("create many", r#"[{"id":"001D000000IqhSLIAZ","success":true,"errors":[]}]"#),
        ("retrieve", r#"{"Name":"canary"}"#),
        ("retrieve many", r#"[{"Name":"canary"}]"#),
        ("limits", "{}"),
        ("versions", "[]"),
        ("describe global", r#"{"sobjects":[]}"#),
        ("search", r#"{"searchRecords":[]}"#),
    ] {
        for good in ["application/json", "Application/JSON ; charset=UTF-8"] {
            let headers = format!("Content-Type: {good}\r\n");
            org.outcome(by_name(name), http_response(200, &headers, body)).await.expect(name);
        }
        if name != "describe global" {
            org.outcome(by_name(name), http_response(200, "", body))
                .await
                .expect("a response without content type is accepted");
        }
        for other in
            ["text/plain", "text/html", "text/plain;charset=UTF-8", "application/jsonp", "\u{e9}", ""]
        {
            // A new org, because descriptions read before are cached.
            let fresh = TestOrg::start().await;
            let headers = format!("Content-Type: {other}\r\n");
            let error =
                fresh.outcome(by_name(name), http_response(200, &headers, body)).await.expect_err(other);
            assert!(
                matches!(error, Error::InvalidResponse(InvalidResponse::Unexpected(_))),
                "{name}: {error:?}"
            );
            assert_nothing_leaks(name, other, &error);
        }
    }
    // An Apex class may respond with any content type, which its caller knows.
    *org.response.lock().unwrap() = http_response(200, "Content-Type: text/plain\r\n", "[7]");
    assert_eq!(org.sf.apex_rest("GET", "x").send().await.unwrap().json::<Vec<u8>>().unwrap(), [7]);
}

/// In a row that is read into any JSON, the last of duplicate members counts. Nothing in this crate depends on it.
#[tokio::test]
async fn a_duplicate_member_counts_once_in_an_untyped_row() {
    let org = TestOrg::start().await;
    let body = r#"{"totalSize":1,"done":true,"records":[{"Name":"first","Name":"last"}]}"#;
    *org.response.lock().unwrap() = http_response(200, JSON, body);
    let rows = org.sf.query::<Value>("SELECT Name FROM A").fetch_all().await.unwrap();
    assert_eq!(rows, [json!({"Name": "last"})]);
}

/// Fetching stops at a page that leads to itself. That is an error, so that its rows are not taken for all rows.
#[tokio::test]
async fn pages_that_lead_to_themselves_are_an_error() {
    for records in [json!([]), json!([{"Name": "x"}])] {
        let server = Server::start(move |_| {
            json!({"totalSize": 2, "done": false, "nextRecordsUrl": format!("{CURSOR}-1"), "records": records}).into()
        })
        .await;
        let sf = connect(&server);
        let read = sf.query::<Row>("SELECT Name FROM A").fetch().try_for_each(|_| async { Ok(()) });
        let outcome = tokio::time::timeout(Duration::from_secs(5), read).await.expect("it ends");
        assert!(
            matches!(
                outcome,
                Err(Error::InvalidResponse(InvalidResponse::NextPage | InvalidResponse::Truncated { .. }))
            ),
            "{outcome:?}"
        );
        assert!(server.count("GET") < 5, "{}", server.count("GET"));
    }
}

/// Well-formed responses with wrong content.
#[tokio::test]
async fn a_response_that_does_not_fit_its_request_is_rejected() {
    let org = TestOrg::start().await;
    let saved = json!({"id": ID, "success": true, "errors": []});
    let by_name = |name: &str| operations_with_body().find(|(found, _)| *found == name).unwrap().1;
    for (name, body) in [
        ("create", json!({"id": ID, "success": false, "errors": []})),
        ("create", json!({"id": "canary", "success": true, "errors": []})),
        ("create", json!({"id": "001D000000IqhSLIAA", "success": true, "errors": []})),
        ("create", json!({"success": true})),
        ("upsert", json!({"id": null, "success": true, "errors": [], "created": true})),
        ("create many", json!([])),
        ("create many", json!([saved, saved])),
        ("create many", json!([{"success": true, "errors": []}])),
        ("create many", json!([{"id": "canary", "success": true}])),
        ("update many", json!({"hasErrors": false, "results": [saved]})),
        ("delete many", json!([])),
        ("retrieve many", json!([])),
        ("retrieve many", json!([{"Name": "x"}, {"Name": "canary"}])),
        ("composite", json!({"compositeResponse": []})),
        (
            "composite",
            json!({"compositeResponse": [{"body": saved, "httpHeaders": {}, "httpStatusCode": 201, "referenceId": "canary"}]}),
        ),
        ("composite", json!({"compositeResponse": [{"body": saved, "referenceId": "ref0"}]})),
        ("batch", json!({"hasErrors": false, "results": []})),
        ("batch", json!({"hasErrors": false, "results": [{"result": saved}]})),
        ("graph", json!({"graphs": []})),
        (
            "graph",
            json!({"graphs": [{"graphId": "canary", "isSuccessful": true, "graphResponse": {"compositeResponse": []}}]}),
        ),
        ("tree", json!({"hasErrors": false, "results": []})),
        ("tree", json!({"hasErrors": false, "results": [{"referenceId": "n7", "id": ID}]})),
        ("tree", json!({"hasErrors": false, "results": [{"referenceId": "n0", "id": "canary"}]})),
        ("update by external id", json!({"id": "canary", "success": true, "created": false})),
        ("recent of one kind", json!({"objectDescribe": {}, "recentItems": [{"Nam": "x"}]})),
        ("create with a file", json!({"id": ID, "success": false})),
        ("search", json!({"searchRecords": [{"Id": ID}]})),
        ("search", json!({"searchRecords": [{"attributes": {"type": 7}, "Id": ID}]})),
        ("search", json!({"searchRecords": [{"attributes": {"type": "A"}, "Id": "canary"}]})),
        ("describe", json!({"name": "A", "fields": "canary"})),
        ("limits", json!({"DailyApiRequests": {"Max": "canary"}})),
        ("identity", json!({"user_id": "canary", "organization_id": "canary", "username": "x", "id": "x"})),
    ] {
        let error = org.outcome(by_name(name), http_response(200, JSON, body.to_string())).await;
        let error = error.expect_err(&format!("{name}: {body}"));
        assert!(matches!(error, Error::InvalidResponse(_)), "{name}, {body}: {error:?}");
        assert_nothing_leaks(name, &body.to_string(), &error);
    }
}
