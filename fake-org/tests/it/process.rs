//! The org as a separate process, for apps whose tree has another SQLite.

use std::process::Command;
use std::time::{Duration, Instant, UNIX_EPOCH};

use salesforce_fake_org::{FakeOrgProcess, Fault, Host, ProcessError};
use serde_json::json;

use crate::support::{ADA, ALL, http, send};

fn spawn() -> FakeOrgProcess {
    let builder = FakeOrgProcess::builder().program(env!("CARGO_BIN_EXE_fake-org"));
    builder.arg("--rows").arg("3").spawn().unwrap()
}

async fn refresh(org: &FakeOrgProcess, token: &str) -> crate::support::Response {
    let form = [
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", org.client_id()),
        ("client_secret", org.client_secret()),
        ("refresh_token", token.to_owned()),
    ];
    let url = format!("{}/services/oauth2/token", org.variable("SALESFORCE_LOGIN_URL").unwrap());
    send(http().post(url).form(&form)).await
}

#[tokio::test]
async fn a_process_does_what_the_library_does() {
    let org = spawn();
    let ada = org.user(ADA).unwrap();
    assert_eq!((ada.username(), ada.organization_id()), (ADA, org.organization_id().as_str()));
    assert_eq!(org.users().unwrap()[0], ada);
    org.sign_in(&ada).unwrap();
    org.sign_out().unwrap();

    let tokens = org.issue_tokens(&ada, ALL).unwrap();
    assert_eq!(tokens.instance_url, org.instance_url().unwrap());
    assert_eq!(org.live_access_tokens(&ada).unwrap(), [tokens.access_token.as_str()]);
    let token = tokens.refresh_token.unwrap();
    assert_eq!(org.live_refresh_tokens(&ada).unwrap(), [token.as_str()]);

    org.faults().refresh(Fault::Status(503).once()).unwrap();
    assert_eq!(org.faults().armed().unwrap().len(), 1);
    assert_eq!(refresh(&org, &token).await.status, 503);
    let struck = org.requests().unwrap().pop().unwrap();
    assert_eq!(
        (struck.host, struck.fault.as_deref(), struck.status),
        (Host::Login, Some("status"), Some(503))
    );
    org.clear_requests().unwrap();
    assert!(org.requests().unwrap().is_empty());
    assert_eq!(refresh(&org, &token).await.status, 200);
    assert_eq!(refresh(&org, &token).await.error().1, "expired access/refresh token");
    assert_eq!((org.refresh_reuse_count().unwrap(), org.token_calls("refresh_token").unwrap()), (1, 3));
    assert_eq!((org.code_reuse_count().unwrap(), org.api_calls().unwrap()), (0, 0));
    assert_eq!(org.tokens_in_flight_max().unwrap(), 1);

    org.deactivate_user(&ada).unwrap();
    let token = org.issue_tokens(&ada, ALL).unwrap().refresh_token.unwrap();
    assert_eq!(refresh(&org, &token).await.error().0, "inactive_user");
    org.activate_user(&ada).unwrap();
    assert_eq!(refresh(&org, &token).await.status, 200);
    org.expire_access_tokens_of(&ada).unwrap();
    assert!(org.live_access_tokens(&ada).unwrap().is_empty());
    org.revoke_user(&ada).unwrap();
    assert!(org.live_refresh_tokens(&ada).unwrap().is_empty());
    org.expire_access_tokens().unwrap();
    org.revoke_all().unwrap();

    org.set_policy(&json!({ "rotation": false })).unwrap();
    assert_eq!(org.policy().unwrap()["rotation"], false);
    let wrong = org.set_policy(&json!({ "rotatoin": false })).unwrap_err();
    assert!(
        matches!(&wrong, ProcessError::Rejected { status: 400, body, .. } if body.contains("rotatoin")),
        "{wrong}"
    );

    org.move_instance().unwrap();
    assert_eq!(org.instance_url().unwrap(), org.moved_instance_url());
    org.rotate_signing_key().unwrap();
    let claims = json!({ "sub": "x" });
    assert_eq!(org.sign_id_token(&claims).unwrap(), org.sign_id_token(&claims).unwrap());
    assert_ne!(org.sign_id_token(&claims).unwrap(), org.forge_id_token(&claims).unwrap());
    let moment = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    org.set_time(moment).unwrap();
    org.advance(Duration::from_secs(3_600)).unwrap();
    let passed = org.now().unwrap().duration_since(moment).unwrap();
    assert!((3_600..3_660).contains(&passed.as_secs()), "{passed:?}");
    org.lock_rows(&["001000000000001AAA"]).unwrap();
    org.close_cursors().unwrap();
    assert_eq!(org.one_time_passwords(ADA).unwrap(), Vec::<String>::new());
    org.faults().clear().unwrap();
    org.reset().unwrap();
    assert_eq!(org.policy().unwrap()["rotation"], true);
}

#[tokio::test]
async fn a_process_ends_with_its_handle() {
    let org = spawn();
    let url = org.login_url();
    assert_eq!(send(http().get(&url)).await.status, 200);
    drop(org);
    assert!(http().get(&url).send().await.is_err());
}

/// A test that is killed runs no destructor: the program ends when its standard input does.
#[cfg(unix)]
#[test]
fn the_program_ends_with_its_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fake-org"))
        .args(["--port", "0", "--rows", "1", "--stop-with-stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(10) {
            child.kill().unwrap();
            panic!("it still runs");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_process_that_does_not_start_says_why() {
    let missing = FakeOrgProcess::builder().program("/nowhere/fake-org").spawn().unwrap_err();
    assert!(missing.to_string().contains("/nowhere/fake-org"), "{missing}");
    let program = || FakeOrgProcess::builder().program(env!("CARGO_BIN_EXE_fake-org"));
    let wrong = program().arg("--no-such-option").spawn().unwrap_err();
    assert!(matches!(wrong, ProcessError::NotReady { .. }), "{wrong}");
}

/// Cargo allows one libsqlite3-sys in a tree. The handle alone must not bring one.
#[test]
fn the_handle_brings_no_sqlite() {
    let tree = |options: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "-p", "salesforce-fake-org", "-e", "normal", "--prefix", "none"])
            .args(options)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(tree(&[]).contains("libsqlite3-sys"));
    let alone = tree(&["--no-default-features"]);
    for heavy in ["sqlite", "tokio", "hyper", "axum", "aws-lc"] {
        assert!(!alone.contains(heavy), "{heavy} in {alone}");
    }
}
