//! Every fault of the README on every route, armed over HTTP as the README writes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};
use support::{ADA, ALL, http, send};

/// The faults in the tables of the README.
fn documented() -> Vec<Value> {
    let readme = include_str!("../README.md");
    let after = readme.split("## Faults").nth(1).unwrap();
    let cells = after.lines().filter_map(|line| line.strip_prefix("| `")?.split("` |").next());
    cells.filter(|cell| *cell != "fault").map(|cell| serde_json::from_str(cell).expect(cell)).collect()
}

fn name(fault: &Value) -> String {
    fault.as_str().map_or_else(|| fault.as_object().unwrap().keys().next().unwrap().clone(), str::to_owned)
}

/// What comes back: the status, or a reset and how far the answer came before it.
#[derive(Debug, PartialEq)]
enum Seen {
    Status(u16),
    Reset,
    ResetInStatusLine,
    ResetInFields,
}

/// A request and what of its answer comes within a moment.
fn exchange(address: &str, request: &str) -> Seen {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // A server that resets before it reads may do so while this is written.
    let _ = stream.write_all(request.as_bytes());
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(0) => panic!("closed without an answer"),
            Ok(_) => head.push(byte[0]),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
                let line_ends = head.windows(2).any(|pair| pair == b"\r\n");
                return match (head.is_empty(), line_ends) {
                    (true, _) => Seen::Reset,
                    (false, false) => Seen::ResetInStatusLine,
                    (false, true) => Seen::ResetInFields,
                };
            }
        }
    }
    Seen::Status(std::str::from_utf8(&head).unwrap().split(' ').nth(1).unwrap().parse().unwrap())
}

/// What a fault must look like where the genuine answer has this status.
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
        let ask = async || {
            let (address, request) = (address.clone(), request.clone());
            tokio::task::spawn_blocking(move || exchange(&address, &request)).await.unwrap()
        };
        let Seen::Status(genuine) = ask().await else { panic!("{line}: no genuine answer") };
        for fault in &faults {
            let rule = json!({ "route": route, "fault": fault, "times": 1 });
            let armed = send(arm.try_clone().unwrap().json(&rule)).await;
            assert_eq!(armed.status, 200, "{rule}: {}", armed.body);
            org.clear_requests();
            assert_eq!(ask().await, expected(fault, genuine), "{rule}");
            assert_eq!(org.requests()[0].fault.as_deref(), Some(name(fault).as_str()), "{rule}");
            assert!(org.faults().armed().is_empty(), "{rule}: used up");
        }
        assert_eq!(ask().await, Seen::Status(genuine), "{line}: unharmed afterwards");
    }
}

/// The rule that the README shows, and what it says of `skip`, `times` and `grant_type`.
#[tokio::test]
async fn the_rule_of_the_readme_is_one() {
    let readme = include_str!("../README.md");
    let rule = readme.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let rule: Value = serde_json::from_str(rule).unwrap();
    let org = FakeOrg::start().await.unwrap();
    assert_eq!(send(http().post(format!("{}/fake/faults", org.login_url())).json(&rule)).await.status, 200);
    // Another grant passes, and is not counted.
    assert_eq!(
        support::token(&org, &[("grant_type", "authorization_code"), ("code", "x")]).await.status,
        400
    );
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(support::refresh(&org, "x").await.status);
    }
    assert_eq!(seen, [400, 503, 503, 400]);
}
