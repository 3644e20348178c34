//! Ctrl-C, SIGTERM and SIGHUP.
#![cfg(unix)]

use std::time::Duration;

use salesforce_fake_org::{FakeOrg, Fault};
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

use crate::run::{ADA, Doctor, Ended};

/// Waits until the org has seen what the test waits for.
async fn until(what: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if what() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not happen within ten seconds");
}

#[tokio::test]
async fn an_interrupted_run_leaves_no_login_behind() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let org = FakeOrg::start().await.unwrap();
        let ada = org.user(ADA);
        // The first refresh takes a while, and is carried out.
        org.faults().refresh(Fault::Delay(Duration::from_millis(700)).once());
        let doctor = Doctor::of(&org);
        let (mut child, reader) = doctor.start();
        until(|| !org.live_refresh_tokens(&ada).is_empty()).await;
        until(|| {
            org.requests()
                .iter()
                .any(|request| request.form.get("grant_type").is_some_and(|kind| kind == "refresh_token"))
        })
        .await;
        let id = child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
        let status = child.wait().await.unwrap().code();
        let (stdout, stderr) = reader.await.unwrap();
        let ended = Ended { status, stdout, stderr };
        assert_eq!(ended.status, Some(130), "{ended:?}");
        assert_eq!(
            (org.live_refresh_tokens(&ada), org.live_access_tokens(&ada)),
            (vec![], vec![]),
            "{ended:?}"
        );
        assert_eq!(ended.finding("revoked")["outcome"], "passed");
        assert_eq!(org.token_calls("refresh_token"), 1, "it does not go on");
        assert!(ended.stdout.contains("\"interrupted\": true"), "{ended:?}");
        for check in ["refresh", "api", "ip-restrictions"] {
            assert_eq!(ended.finding(check)["what"], "Interrupted.", "{ended:?}");
        }
        ended.shows_no_secret(&org);
    }
}

#[tokio::test]
async fn a_run_that_waits_for_a_login_ends_at_once_when_interrupted() {
    let org = FakeOrg::start().await.unwrap();
    // The login page never comes.
    org.faults().path("/login", Fault::Delay(Duration::from_secs(60)));
    let doctor = Doctor::of(&org);
    let (mut child, reader) = doctor.start();
    until(|| org.requests().iter().any(|request| request.path == "/login")).await;
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    let ended = timeout(Duration::from_secs(10), child.wait())
        .await
        .expect("it ends before the time for the login does");
    assert_eq!(ended.unwrap().code(), Some(130));
    drop(reader);
    assert_eq!(org.token_calls("authorization_code"), 0);
    assert_eq!(org.live_refresh_tokens(&org.user(ADA)), [""; 0]);
}

#[tokio::test]
async fn a_store_that_does_not_respond_keeps_no_run_from_ending() {
    let org = FakeOrg::start().await.unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let silent = tokio::net::TcpListener::from_std(silent).unwrap();
    let store = format!("redis://127.0.0.1:{}", silent.local_addr().unwrap().port());
    let doctor = Doctor::of(&org).set("SALESFORCE_KEYS", crate::run::KEY).set("SALESFORCE_STORE", &store);
    let (mut child, reader) = doctor.start();
    let _opened = silent.accept().await.unwrap();
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    let status = child.wait().await.unwrap().code();
    let (stdout, stderr) = reader.await.unwrap();
    let ended = Ended { status, stdout, stderr };
    assert_eq!((ended.status, org.requests().len()), (Some(130), 0), "{ended:?}");
    // It would have failed after some seconds.
    assert_eq!(ended.finding("store")["what"], "Interrupted.", "{ended:?}");
}
