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
        .args(if args.contains(&"--port") { &[][..] } else { &["--port", "0"] })
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

/// Making a signing key takes tenths of a second of a processor: on a busy machine a login would time out for it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_is_ready_when_its_signing_keys_are_made() {
    let org = start(&["--rows", "1"]);
    // In hundredths of a second (proc_pid_stat(5), utime), which do not depend on what else runs.
    let used = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", org.child.id())).unwrap();
        stat.rsplit(") ").next().unwrap().split(' ').nth(11).unwrap().parse::<u64>().unwrap()
    };
    let before = used();
    let keys = format!("{}/id/keys", org.ready["login_url"].as_str().unwrap());
    let keys = send(http().get(keys)).await.json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    assert!(used() - before < 5, "{} hundredths of a second", used() - before);
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

/// The variables that `--env` prints, by name, and the process.
fn variables(args: &[&str]) -> (std::collections::BTreeMap<String, String>, Child) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fake-org"))
        .args(["--port", "0", "--rows", "1", "--env"])
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = std::sync::mpsc::channel();
    // A thread: a line that does not come must fail the test instead of blocking it.
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let lines = (0..6).map(|_| lines.recv_timeout(Duration::from_secs(20)).expect("six lines"));
    let parsed = lines.map(|line| {
        let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
        (name.to_owned(), value.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap().to_owned())
    });
    (parsed.collect(), child)
}

/// They are all that an app needs: with them a user logs in and a service user gets its token.
#[tokio::test]
async fn it_prints_the_variables_of_an_app() {
    let (env, child) = variables(&[]);
    let _running = Running { child, ready: Value::Null };
    let names: Vec<&str> = env.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "SALESFORCE_ALLOWED_ORIGINS",
            "SALESFORCE_CLIENT_ID",
            "SALESFORCE_CLIENT_SECRET",
            "SALESFORCE_LOGIN_URL",
            "SALESFORCE_PUBSUB_URL",
            "SALESFORCE_SERVICE_URL"
        ]
    );
    assert!(env["SALESFORCE_ALLOWED_ORIGINS"].contains(&env["SALESFORCE_SERVICE_URL"]));
    let credentials = [
        ("client_id", env["SALESFORCE_CLIENT_ID"].as_str()),
        ("client_secret", env["SALESFORCE_CLIENT_SECRET"].as_str()),
        ("grant_type", "client_credentials"),
    ];
    let service = format!("{}/services/oauth2/token", env["SALESFORCE_SERVICE_URL"]);
    assert_eq!(send(http().post(service).form(&credentials)).await.status, 200);
    let login = format!(
        "{}/services/oauth2/authorize?response_type=code&client_id={}&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fauth&\
         code_challenge={}",
        env["SALESFORCE_LOGIN_URL"],
        env["SALESFORCE_CLIENT_ID"],
        crate::support::challenge(crate::support::VERIFIER),
    );
    let page = send(http().get(login)).await;
    assert!(page.status == 200 && page.body.contains("id=\"username\""), "{}", page.body);
}

#[test]
fn addresses_and_organization_stay_over_a_restart() {
    let free =
        || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (port, instance) = (free(), free());
    let args = ["--port", &port, "--instance-port", &instance, "--organization-id", "00D000000000001"];
    let first = start(&args).ready.clone();
    assert_eq!(first["instance_url"], format!("http://127.0.0.1:{instance}"));
    assert_eq!(first["organization_id"], "00D000000000001EAA");
    assert_eq!(start(&args).ready, first);
    let output = Command::new(env!("CARGO_BIN_EXE_fake-org"))
        .args(["--port", "0", "--organization-id", "1"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("organization id"));
}
