//! The binary: one JSON line, SIGTERM, loopback only.
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{http, send};
use serde_json::Value;

struct Running {
    child: Child,
    ready: Value,
}

fn start(args: &[&str]) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fake-org"))
        .args(["--port", "0"])
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    Running { child, ready: serde_json::from_str(&line).unwrap() }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn it_says_where_it_is_and_serves() {
    let begun = Instant::now();
    let org = start(&["--rows", "3", "--auto-approve"]);
    let text = |name: &str| org.ready[name].as_str().unwrap().to_owned();
    let discovery = format!("{}/.well-known/openid-configuration", text("login_url"));
    assert_eq!(send(http().get(discovery)).await.status, 200);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    for name in ["instance_url", "client_id", "client_secret", "organization_id", "username", "password"] {
        assert!(!text(name).is_empty(), "{name}");
    }
    let page = send(http().get(text("instance_url"))).await;
    assert!(page.body.contains(">Account</a></td><td class=\"n\">3</td>"), "{}", page.body);
}

/// By default it brings a few thousand rows, in objects that hang together.
#[tokio::test]
async fn it_brings_a_few_thousand_rows() {
    let org = start(&[]);
    let page = send(http().get(org.ready["instance_url"].as_str().unwrap())).await;
    for (object, rows) in
        [("Account", 1_000), ("Contact", 2_000), ("Opportunity", 1_000), ("Project__c", 250)]
    {
        let shown = format!(">{object}</a></td><td class=\"n\">{rows}</td>");
        assert!(page.body.contains(&shown), "{shown}: {}", page.body);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn it_ends_on_sigterm_and_interrupt() {
    for name in ["-TERM", "-INT"] {
        let mut org = start(&[]);
        signal(&org.child, name);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = org.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "{name} does not end it");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(status.success(), "{name}: {status}");
    }
}

#[test]
fn it_refuses_what_is_not_loopback() {
    for host in ["0.0.0.0", "::", "example.com", "192.168.1.1"] {
        let output = Command::new(env!("CARGO_BIN_EXE_fake-org"))
            .args(["--port", "0", "--host", host])
            .output()
            .unwrap();
        assert!(!output.status.success(), "{host}");
        assert!(output.stdout.is_empty());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("loopback"), "{said}");
    }
}

#[test]
fn a_taken_port_is_said() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_fake-org")).args(["--port", &port]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains(&port));
}
