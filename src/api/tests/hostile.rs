//! Wrong and hostile answers to every call (A-27, A-28, A-33, A-34): an error of its own, in bounded time and memory,
//! which repeats nothing of the answer.

use std::{io::Write as _, pin::Pin};

use futures_util::TryStreamExt as _;
use serde::Deserialize;

use super::*;
use crate::{Error, HttpError, InvalidAnswer, api::soql::SoqlDateTime};

pub(super) const ID: &str = "001D000000IqhSLIAZ";

#[derive(Deserialize)]
#[allow(dead_code, reason = "read by serde only")]
pub(super) struct Row {
    #[serde(rename = "Name")]
    name: String,
}

type Outcome = Pin<Box<dyn Future<Output = crate::Result<()>> + Send>>;
pub(super) type Run = fn(Connection) -> Outcome;

macro_rules! calls {
    ($($name:literal: $sf:ident => $call:expr;)*) => {
        [$(($name, (|$sf: Connection| Box::pin(async move { $call.await.map(drop) })) as Run)),*]
    };
}

#[cfg(feature = "bulk")]
pub(super) use calls;

/// Every call that reads its answer.
fn reading() -> impl Iterator<Item = (&'static str, Run)> {
    let calls = calls! {
        "query": sf => sf.query::<Row>("SELECT Name FROM A").fetch_all();
        "one row": sf => sf.query::<Row>("SELECT Name FROM A").fetch_one();
        "one row, perhaps": sf => sf.query::<Row>("SELECT Name FROM A").fetch_optional();
        "count": sf => sf.query::<()>("SELECT COUNT() FROM A").count();
        "explain": sf => sf.query::<()>("SELECT Name FROM A").explain();
        "in parts": sf => sf.query::<Row>("SELECT Name FROM A WHERE N IN :n").bind_each("n", ["x"]).fetch_all();
        "count in parts": sf => sf.query::<()>("SELECT COUNT() FROM A WHERE N IN :n").bind_each("n", ["x"]).count();
        "first page": sf => sf.query::<Row>("SELECT Name FROM A").page();
        "a page": sf => async move { sf.page::<Row>(&format!("{}-2", CURSOR).parse()?).await };
        "create": sf => async move { sf.sobject("A").create(&json!({})).await };
        "retrieve": sf => async move { sf.sobject("A").retrieve::<Row>(ID).await };
        "retrieve fields": sf => async move { sf.sobject("A").retrieve_fields::<Row>(ID, &["Name"]).await };
        "upsert": sf => async move { sf.sobject("A").upsert("E__c", "x", &json!({})).await };
        "create many": sf => async move { sf.sobject("A").create_many([json!({})]).await };
        "update many": sf => async move { sf.sobject("A").update_many([(ID, json!({}))]).await };
        "upsert many": sf => async move { sf.sobject("A").upsert_many("E__c", [json!({})]).await };
        "delete many": sf => async move { sf.sobject("A").delete_many([ID]).await };
        "retrieve many": sf => async move { sf.sobject("A").retrieve_many::<Row, _>([ID], &["Name"]).await };
        "describe": sf => async move { sf.sobject("A").describe().await };
        "describe global": sf => async move { sf.describe_global().await };
        "updated": sf => async move { sf.sobject("A").updated(moment(), moment()).await };
        "deleted": sf => async move { sf.sobject("A").deleted(moment(), moment()).await };
        "recent": sf => async move { sf.recent::<Row>(5).await };
        "limits": sf => async move { sf.limits().await };
        "versions": sf => async move { sf.versions().await };
        "identity": sf => async move { sf.identity().await };
        "search": sf => sf.search("acme").fetch();
        "search in SOSL": sf => sf.sosl("FIND {acme}").fetch();
        "composite": sf => async move {
            let mut calls = sf.composite();
            calls.create("A", &json!({}))?;
            calls.send().await
        };
        "batch": sf => async move {
            let mut calls = sf.batch();
            calls.create("A", &json!({}))?;
            calls.send().await
        };
        "graph": sf => async move {
            let mut graph = crate::composite::Graph::new();
            graph.create("A", &json!({}))?;
            sf.graphs([graph]).await
        };
        "tree": sf => async move {
            let mut tree = sf.tree("A")?;
            tree.add(&json!({}))?;
            tree.send().await.map_err(Error::from)
        };
        "read by external id": sf => async move { sf.sobject("A").retrieve_by::<Row>("B__c", "x", &[]).await };
        "read with its revision": sf => async move { sf.sobject("A").retrieve_revision::<Row>(ID, &[]).await };
        "read if it changed": sf => async move {
            sf.sobject("A").retrieve_if_changed::<Row>(ID, &[], &"\"x\"".parse()?).await
        };
        "update by external id": sf => async move { sf.sobject("A").update_by("B__c", "x", &json!({})).await };
        "recent of one kind": sf => async move { sf.sobject("A").recent::<Row>().await };
        "create with a file": sf => async move {
            let file = crate::BlobUpload::new("Body", "x", "x");
            sf.sobject("A").create_with_blob(&json!({}), file).await
        };
        "raw, typed": sf => async move { sf.get("x").send().await?.json::<Row>() };
    };
    calls.into_iter()
}

/// Those that are answered without a body.
fn silent() -> impl Iterator<Item = (&'static str, Run)> {
    let calls = calls! {
        "update": sf => async move { sf.sobject("A").update(ID, &json!({})).await };
        "delete by external id": sf => async move { sf.sobject("A").delete_by("B__c", "x").await };
        "delete": sf => async move { sf.sobject("A").delete(ID).await };
        "update with a file": sf => async move {
            let file = crate::BlobUpload::new("Body", "x", "x");
            sf.sobject("A").update_with_blob(ID, &json!({}), file).await
        };
    };
    calls.into_iter()
}

const CURSOR: &str = "/services/data/v66.0/query/01gD0000002HU6KIAW";

fn moment() -> SoqlDateTime {
    std::time::SystemTime::UNIX_EPOCH.try_into().unwrap()
}

/// A whole answer, byte for byte.
pub(super) fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}

const AS_JSON: &str = "Content-Type: application/json;charset=UTF-8\r\n";

/// An organization that answers everything alike.
struct Org {
    answer: Arc<Mutex<Vec<u8>>>,
    sf: Connection,
    _background: BackgroundRuntime,
}

impl Org {
    async fn start() -> Self {
        let answer = Arc::new(Mutex::new(Vec::new()));
        let bytes = Arc::clone(&answer);
        let server = Server::start(move |_| Reply::Raw(bytes.lock().unwrap().clone())).await;
        let (sf, _background) = connect(&server).await;
        Self { answer, sf, _background }
    }

    /// What comes of a call that is answered so.
    async fn outcome(&self, run: Run, answer: Vec<u8>) -> crate::Result<()> {
        *self.answer.lock().unwrap() = answer;
        run(self.sf.with_deadline(Duration::from_secs(10))).await
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// No part of an answer is in what is printed of an error.
pub(super) fn check(name: &str, what: &str, error: &Error) {
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains("canary"), "{name}, {what}: {printed}");
    assert!(!error.needs_login(), "{name}, {what}: {printed}");
}

#[tokio::test]
async fn a_success_that_is_none_is_an_error_of_its_own() {
    let utf16 = |bom: &[u8]| {
        let text = r#"{"Name":"canary"}"#.encode_utf16().flat_map(u16::to_le_bytes);
        bom.iter().copied().chain(text).collect::<Vec<u8>>()
    };
    let bodies: Vec<(&str, u16, &str, Vec<u8>)> = vec![
        ("a page", 200, "Content-Type: text/html\r\n", b"<html><body>canary</body></html>".to_vec()),
        ("a word", 200, "Content-Type: text/plain\r\n", b"canary".to_vec()),
        ("XML", 200, "Content-Type: application/xml\r\n", b"<Account>canary</Account>".to_vec()),
        ("nothing", 200, AS_JSON, Vec::new()),
        ("no content", 204, "", Vec::new()),
        ("not modified", 304, "", Vec::new()),
        ("null", 200, AS_JSON, b"null".to_vec()),
        ("a number", 200, AS_JSON, b"7".to_vec()),
        ("a text", 200, AS_JSON, b"\"canary\"".to_vec()),
        ("lists", 200, AS_JSON, b"[[[\"canary\"]]]".to_vec()),
        ("other members", 200, AS_JSON, br#"{"canary":"canary"}"#.to_vec()),
        ("half", 200, AS_JSON, br#"{"totalSize":1,"done":true,"records":[{"Name":"canary"#.to_vec()),
        ("two answers", 200, AS_JSON, br#"{"Name":"canary"}{"Name":"canary"}"#.to_vec()),
        ("UTF-16", 200, AS_JSON, utf16(b"")),
        ("UTF-16 with a mark", 200, AS_JSON, utf16(b"\xff\xfe")),
        ("a byte order mark", 200, AS_JSON, b"\xef\xbb\xbf{\"Name\":\"canary\"}".to_vec()),
        ("bytes that are no text", 200, AS_JSON, b"{\"Name\":\"canary\xff\"}".to_vec()),
        ("half a character", 200, AS_JSON, br#"{"Name":"canary\ud800"}"#.to_vec()),
        ("a bare NUL", 200, AS_JSON, b"{\"Name\":\"canary\0\"}".to_vec()),
        ("a member twice", 200, AS_JSON, br#"{"Name":"canary","Name":"canary"}"#.to_vec()),
        ("a number out of range", 200, AS_JSON, br#"{"Name":1e999}"#.to_vec()),
        ("a number of 10,000 digits", 200, AS_JSON, format!("{{\"Name\":{}}}", "9".repeat(10_000)).into()),
        ("deep nesting", 200, AS_JSON, "[".repeat(200_000).into()),
        ("deep nesting in a member", 200, AS_JSON, format!("{{\"x\":{}", "[".repeat(200_000)).into()),
    ];
    let org = Org::start().await;
    for (what, status, headers, body) in bodies {
        for (name, run) in reading().chain(silent().filter(|_| status != 204)) {
            if (name, status) == ("read if it changed", 304) {
                continue;
            }
            let error = org.outcome(run, answer(status, headers, &body)).await;
            let error = error.expect_err(&format!("{name}: {what}"));
            assert!(matches!(error, Error::InvalidAnswer(_)), "{name}, {what}: {error:?}");
            assert!(!error.is_transient(), "{name}, {what}");
            check(name, what, &error);
        }
    }
}

#[tokio::test]
async fn a_refusal_may_be_written_in_any_way() {
    let org = Org::start().await;
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
            for (name, run) in [reading().next().unwrap(), silent().next().unwrap()] {
                let error = org.outcome(run, answer(status, AS_JSON, body)).await.unwrap_err();
                assert_eq!(error.status(), Some(status), "{name}: {error:?}");
                assert!(!error.needs_login() && !format!("{error:?}").contains('\n'), "{name}: {error:?}");
                if !body.starts_with(b"{\"errorCode") {
                    check(name, "a refusal", &error);
                }
            }
        }
    }
}

#[tokio::test]
async fn no_call_follows_a_redirect() {
    let evil = Server::start(|_| json!({}).into()).await;
    for status in [301, 302, 303, 307, 308] {
        let headers = format!("Location: {}services/canary\r\n", evil.origin);
        let server = Server::start(move |_| Reply::Raw(answer(status, &headers, ""))).await;
        let (sf, _background) = connect_allowing(&server, [&evil]).await;
        for (name, run) in reading().chain(silent()) {
            let error = run(sf.clone()).await.expect_err(name);
            assert!(matches!(error, Error::Http(HttpError::Redirect(s)) if s == status), "{name}: {error:?}");
            check(name, "a redirect", &error);
        }
    }
    assert!(evil.lines().is_empty());
}

#[tokio::test]
async fn what_cannot_be_decompressed_is_an_error_and_a_bomb_stops_at_the_cap() {
    // 40 MiB in 40 KiB.
    let bomb = gzip(&vec![b' '; 40 << 20]);
    let mut broken = gzip(br#"{"Name":"canary"}"#);
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    let org = Org::start().await;
    for (name, run) in reading() {
        for body in [&broken[..], b"{\"Name\":\"canary\"}"] {
            let error =
                org.outcome(run, answer(200, "Content-Encoding: gzip\r\n", body)).await.expect_err(name);
            assert!(matches!(error, Error::Http(HttpError::Undecodable(_))), "{name}: {error:?}");
            check(name, "no gzip", &error);
        }
    }
    for (name, run) in reading().filter(|(name, _)| ["query", "create", "describe"].contains(name)) {
        let error = org.outcome(run, answer(200, "Content-Encoding: gzip\r\n", &bomb)).await.expect_err(name);
        assert!(matches!(error, Error::Http(HttpError::TooLarge)), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn no_call_waits_longer_than_its_deadline() {
    for start in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Na"]
    {
        let server = Server::start(move |_| Reply::Hang(start)).await;
        let (sf, _background) = connect(&server).await;
        let sf = sf.with_deadline(Duration::from_millis(100));
        // Writing calls: reading ones are tried again, each try with the same deadline.
        for (name, run) in reading().chain(silent()).filter(|(name, _)| ["create", "update"].contains(name)) {
            let started = std::time::Instant::now();
            let error = run(sf.clone()).await.expect_err(name);
            assert!(matches!(error, Error::Http(HttpError::Timeout)), "{name}: {error:?}");
            assert!(started.elapsed() < Duration::from_secs(3), "{name}");
        }
    }
}

/// A member that decides where to go or whether to stop must be there once.
#[tokio::test]
async fn a_page_that_says_two_things_is_refused() {
    let org = Org::start().await;
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
        r#"{"totalSize":5,"done":true,"records":[{"Name":"canary"}]}"#,
    ] {
        for (name, run) in reading().take(1) {
            let error = org.outcome(run, answer(200, AS_JSON, body)).await.expect_err(body);
            assert!(matches!(error, Error::InvalidAnswer(_)), "{body}: {error:?}");
            check(name, body, &error);
        }
    }
}

/// What says that it is no JSON comes from something in between, even if it could be read.
#[tokio::test]
async fn json_that_says_it_is_something_else_is_refused() {
    let org = Org::start().await;
    let by_name = |name: &str| reading().find(|(found, _)| *found == name).unwrap().1;
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
            org.outcome(by_name(name), answer(200, &headers, body)).await.expect(name);
        }
        if name != "describe global" {
            org.outcome(by_name(name), answer(200, "", body)).await.expect("it does not say what it is");
        }
        for other in
            ["text/plain", "text/html", "text/plain;charset=UTF-8", "application/jsonp", "\u{e9}", ""]
        {
            // What was read before is kept.
            let fresh = Org::start().await;
            let headers = format!("Content-Type: {other}\r\n");
            let error = fresh.outcome(by_name(name), answer(200, &headers, body)).await.expect_err(other);
            assert!(matches!(error, Error::InvalidAnswer(InvalidAnswer::Unexpected(_))), "{name}: {error:?}");
            check(name, other, &error);
        }
    }
    // An Apex class answers as it likes, and its caller knows how.
    *org.answer.lock().unwrap() = answer(200, "Content-Type: text/plain\r\n", "[7]");
    assert_eq!(org.sf.apex_rest("GET", "x").send().await.unwrap().json::<Vec<u8>>().unwrap(), [7]);
}

/// Where a row is read into any JSON, a member that is there twice is what was said last: nothing of this crate depends
/// on it.
#[tokio::test]
async fn a_member_that_is_there_twice_counts_once_in_a_row_of_any_shape() {
    let org = Org::start().await;
    let body = r#"{"totalSize":1,"done":true,"records":[{"Name":"first","Name":"last"}]}"#;
    *org.answer.lock().unwrap() = answer(200, AS_JSON, body);
    let rows = org.sf.query::<Value>("SELECT Name FROM A").fetch_all().await.unwrap();
    assert_eq!(rows, [json!({"Name": "last"})]);
}

/// Pages that lead to themselves for ever are left, and what they had is not taken for the whole.
#[tokio::test]
async fn pages_that_go_round_in_a_circle_come_to_an_end() {
    for records in [json!([]), json!([{"Name": "x"}])] {
        let server = Server::start(move |_| {
            json!({"totalSize": 2, "done": false, "nextRecordsUrl": format!("{CURSOR}-1"), "records": records}).into()
        })
        .await;
        let (sf, _background) = connect(&server).await;
        let read = sf.query::<Row>("SELECT Name FROM A").fetch().try_for_each(|_| async { Ok(()) });
        let outcome = tokio::time::timeout(Duration::from_secs(5), read).await.expect("it ends");
        assert!(matches!(outcome, Err(Error::InvalidAnswer(InvalidAnswer::NextPage))), "{outcome:?}");
        assert!(server.count("GET") < 5, "{}", server.count("GET"));
    }
}

/// Answers that are well formed and lie.
#[tokio::test]
async fn an_answer_that_does_not_fit_its_call_is_refused() {
    let org = Org::start().await;
    let saved = json!({"id": ID, "success": true, "errors": []});
    let by_name = |name: &str| reading().find(|(found, _)| *found == name).unwrap().1;
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
        let error = org.outcome(by_name(name), answer(200, AS_JSON, body.to_string())).await;
        let error = error.expect_err(&format!("{name}: {body}"));
        assert!(matches!(error, Error::InvalidAnswer(_)), "{name}, {body}: {error:?}");
        check(name, &body.to_string(), &error);
    }
}

/// A-32: what a header of an answer says is a hint, never more.
#[tokio::test]
async fn hostile_headers_of_an_answer_are_ignored() {
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
        let server = Server::start(move |_| Reply::Raw(answer(200, &headers, "{}"))).await;
        let (sf, _background) = connect(&server).await;
        for _ in 0..2 {
            if let Err(error) = sf.limits().await {
                check("limits", "a header", &error);
            }
        }
        let usage = sf.api_usage().map(|usage| format!("{usage:?}")).unwrap_or_default();
        assert!(!usage.contains("canary"), "{usage}");
        assert!(server.seen().iter().all(|seen| seen.header("cookie").is_none()));
    }
}
