//! Every fault of the README on every route, armed over HTTP as the README writes it.
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{ADA, ALL, http, send};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

/// The faults in the tables of the README.
fn documented() -> Vec<Value> {
    let readme = include_str!("../../README.md");
    let after = readme.split("## Faults").nth(1).unwrap();
    let cells = after.lines().filter_map(|line| line.strip_prefix("| `")?.split("` |").next());
    cells.filter(|cell| *cell != "fault").map(|cell| serde_json::from_str(cell).expect(cell)).collect()
}

fn name(fault: &Value) -> String {
    fault.as_str().map_or_else(|| fault.as_object().unwrap().keys().next().unwrap().clone(), str::to_owned)
}

/// What comes back: the status, or a reset and how far the response came before it.
#[derive(Debug, PartialEq)]
enum Seen {
    Status(u16),
    Reset,
    ResetInStatusLine,
    ResetInFields,
}

/// How the connection was found after the response.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Closed,
    Reset,
    /// More may come, or has come than is looked at.
    Open,
}

/// A response, as far as it comes within a moment.
#[derive(Debug)]
struct Response {
    seen: Seen,
    head: String,
    body: Vec<u8>,
    end: End,
    took: Duration,
}

impl Response {
    fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// What the head says of the body's length.
    fn length(&self) -> Option<usize> {
        self.field("content-length")?.parse().ok()
    }
}

/// A request and what of its response comes within a moment.
fn exchange(address: &str, request: &str) -> Response {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // A server that resets before it reads may do so while this is written.
    let _ = stream.write_all(request.as_bytes());
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(0) => panic!("closed without a response"),
            Ok(_) => head.push(byte[0]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                let seen = match (head.is_empty(), head.windows(2).any(|pair| pair == b"\r\n")) {
                    (true, _) => Seen::Reset,
                    (false, false) => Seen::ResetInStatusLine,
                    (false, true) => Seen::ResetInFields,
                };
                let head = String::from_utf8(head).unwrap();
                return Response { seen, head, body: Vec::new(), end: End::Reset, took: begun.elapsed() };
            }
        }
    }
    let took = begun.elapsed();
    let head = String::from_utf8(head).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    let (mut body, mut buffer) = (Vec::new(), [0; 8192]);
    let end = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break End::Closed,
            Ok(n) => body.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Reset,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                break End::Open;
            }
        }
        if body.len() > 1 << 18 {
            break End::Open;
        }
    };
    let seen = Seen::Status(head.split(' ').nth(1).unwrap().parse().unwrap());
    Response { seen, head, body, end, took }
}

/// What of a genuine response a fault must have spoilt, beyond the status.
fn assert_spoilt(fault: &Value, genuine: &Response, response: &Response) {
    let (length, got, end) = (response.length(), response.body.len(), response.end);
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    match name(fault).as_str() {
        "reset_mid_body" => assert_eq!((Some(got), end), (length.map(|all| all / 2), End::Reset)),
        "short_body" => assert_eq!((Some(got), end), (length.map(|all| all / 2), End::Closed)),
        "reset_after_body" => assert_eq!((Some(got), end), (length, End::Reset)),
        "truncated" => {
            assert_eq!((Some(got), end), (length, End::Closed), "complete as HTTP");
            assert!(got < genuine.body.len() * 2 / 3, "{got} of {}", genuine.body.len());
        }
        "drip" => assert!(got < 3 && end == End::Open && length > Some(3), "{got} {end:?} {length:?}"),
        "delay" => assert!(response.took >= Duration::from_millis(250), "{:?}", response.took),
        "many_headers" => assert!(response.field("x-fake-299").is_some()),
        "merge_json" => match json(&genuine.body) {
            None => assert_eq!(response.body, genuine.body, "no JSON, nothing to merge into"),
            Some(_) => assert_eq!(json(&response.body).unwrap()["instance_url"], "https://evil.example"),
        },
        "date_skew" => {
            let date =
                |response: &Response| httpdate::parse_http_date(response.field("date").unwrap()).unwrap();
            let behind = date(genuine).duration_since(date(response)).unwrap().as_secs();
            assert!((3_000..=3_600).contains(&behind), "{behind}");
        }
        // No change, or only where there is a redirect.
        "slow" | "duplicate_callback" => assert_eq!(end, End::Closed),
        // Responses given instead: the status says it, and `faults.rs` the rest.
        _ => {}
    }
}

/// What a fault must look like where the genuine response has this status.
fn expected(fault: &Value, genuine: u16) -> Seen {
    let name = name(fault);
    let member = |name: &str| {
        u16::try_from(
            fault[name.split('/').next().unwrap()][name.split('/').nth(1).unwrap()].as_u64().unwrap(),
        )
        .unwrap()
    };
    Seen::Status(match name.as_str() {
        "reset_before_read" | "reset_before_answer" | "lose_answer" => return Seen::Reset,
        "reset_mid_status" => return Seen::ResetInStatusLine,
        "reset_mid_head" => return Seen::ResetInFields,
        "status" => u16::try_from(fault["status"].as_u64().unwrap()).unwrap(),
        "maintenance" => 503,
        "retry_after" => member("retry_after/status"),
        "api_error" => member("api_error/status"),
        "redirect" => member("redirect/status"),
        "raw_body" => member("raw_body/status"),
        "oauth_error" => 400,
        "html" | "garbage" | "empty200" | "gzip_bomb" | "bad_gzip" | "deep_json" | "endless" | "json" => 200,
        "reset_mid_body" | "short_body" | "truncated" | "reset_after_body" | "slow" | "delay" | "drip"
        | "date_skew" | "duplicate_callback" | "many_headers" | "merge_json" => genuine,
        other => panic!("the README says {other}, this test does not know it"),
    })
}

#[tokio::test]
async fn every_documented_fault_strikes_on_every_route() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), ALL).access_token;
    let ids = format!("{}/{}", org.organization_id(), org.user(ADA).id());
    let faults = documented();
    assert!(faults.len() >= 31, "{}", faults.len());
    let form = format!("client_id={}&client_secret={}&token=unknown", org.client_id(), org.client_secret());
    let routes = [
        (json!("authorize"), "login", "GET /services/oauth2/authorize?client_id=x".to_owned(), ""),
        (
            json!("token"),
            "login",
            "POST /services/oauth2/token".to_owned(),
            "grant_type=refresh_token&refresh_token=x",
        ),
        (json!("revoke"), "login", "POST /services/oauth2/revoke".to_owned(), "token=unknown"),
        (json!("introspect"), "login", "POST /services/oauth2/introspect".to_owned(), form.as_str()),
        (json!("userinfo"), "instance", "GET /services/oauth2/userinfo".to_owned(), ""),
        (json!("identity"), "instance", format!("GET /id/{ids}"), ""),
        (json!("jwks"), "login", "GET /id/keys".to_owned(), ""),
        (json!("discovery"), "login", "GET /.well-known/openid-configuration".to_owned(), ""),
        (json!("api"), "instance", "GET /services/data/v66.0/limits".to_owned(), ""),
        (
            json!("query"),
            "instance",
            "GET /services/data/v66.0/query?q=SELECT+Id+FROM+Account".to_owned(),
            "",
        ),
        (
            json!({ "path": "/services/data/v66.0/sob" }),
            "instance",
            "GET /services/data/v66.0/sobjects".to_owned(),
            "",
        ),
        (json!("any"), "instance", "GET /services/apexrest/nothing".to_owned(), ""),
    ];
    let arm = http().post(format!("{}/fake/faults", org.login_url()));
    for (route, host, line, body) in routes {
        let origin = if host == "login" { org.login_url() } else { org.instance_url() };
        let address = origin.trim_start_matches("http://").to_owned();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let send_request = async || {
            let (address, request) = (address.clone(), request.clone());
            tokio::task::spawn_blocking(move || exchange(&address, &request)).await.unwrap()
        };
        let plain = send_request().await;
        let Seen::Status(genuine) = plain.seen else { panic!("{line}: no genuine response") };
        assert!(plain.body.len() > 3, "{line}: a body to spoil");
        for fault in &faults {
            let rule = json!({ "route": route, "fault": fault, "times": 1 });
            let armed = send(arm.try_clone().unwrap().json(&rule)).await;
            assert_eq!(armed.status, 200, "{rule}: {}", armed.body);
            org.clear_requests();
            let response = send_request().await;
            assert_eq!(response.seen, expected(fault, genuine), "{rule}");
            assert_spoilt(fault, &plain, &response);
            assert_eq!(org.requests()[0].fault.as_deref(), Some(name(fault).as_str()), "{rule}");
            assert!(org.faults().armed().is_empty(), "{rule}: used up");
        }
        assert_eq!(send_request().await.seen, Seen::Status(genuine), "{line}: unharmed afterwards");
    }
}

/// The rule that the README shows, and what it says of `skip`, `times` and `grant_type`.
#[tokio::test]
async fn the_rule_of_the_readme_is_one() {
    let readme = include_str!("../../README.md");
    let rule = readme.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let rule: Value = serde_json::from_str(rule).unwrap();
    let org = FakeOrg::start().await.unwrap();
    assert_eq!(send(http().post(format!("{}/fake/faults", org.login_url())).json(&rule)).await.status, 200);
    // Another grant passes, and is not counted.
    assert_eq!(
        crate::support::token(&org, &[("grant_type", "authorization_code"), ("code", "x")]).await.status,
        400
    );
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(crate::support::refresh(&org, "x").await.status);
    }
    assert_eq!(seen, [400, 503, 503, 400]);
}
