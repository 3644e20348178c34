//! On a terminal: the question before a login, and colours.
#![cfg(target_os = "linux")]

use std::process::Stdio;

use salesforce_fake_org::FakeOrg;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::{Duration, timeout},
};

use crate::run::{ADA, free_port};

/// Runs the program on a terminal, which `script` makes, and types `keys` when it asks. Returns what the terminal shows.
async fn on_a_terminal(org: &FakeOrg, keys: &str) -> (Option<i32>, String) {
    let mut child = Command::new("script")
        .args([
            "-qefc",
            &format!("{} doctor --timeout 2", env!("CARGO_BIN_EXE_actix-salesforce")),
            "/dev/null",
        ])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm-256color")
        .env("SALESFORCE_PUBLIC_URL", format!("http://127.0.0.1:{}", free_port()))
        .envs(org.variables())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("script is missing: install the Debian package bsdutils");
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut shown, mut buffer, mut typed, mut silences) = (String::new(), [0; 4096], false, 0);
    loop {
        let read = timeout(Duration::from_secs(5), screen.read(&mut buffer)).await;
        let Ok(count) = read.map(|read| read.unwrap_or(0)) else {
            silences += 1;
            assert!(silences < 12, "it does not end: {shown}");
            // A key that came before the program listened to single keys is lost.
            if typed {
                keyboard.write_all(keys.as_bytes()).await.unwrap();
            }
            continue;
        };
        if count == 0 {
            break;
        }
        shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if !typed && shown.contains("Log in now?") {
            typed = true;
            keyboard.write_all(keys.as_bytes()).await.unwrap();
        }
    }
    (child.wait().await.unwrap().code(), shown)
}

#[tokio::test]
async fn on_a_terminal_it_asks_before_a_login_and_shows_colours() {
    let org = FakeOrg::start().await.unwrap();
    let (status, shown) = on_a_terminal(&org, "n").await;
    assert_eq!(status, Some(0), "{shown}");
    assert!(shown.find("five approvals").unwrap() < shown.find("Log in now?").unwrap(), "{shown}");
    assert!(shown.contains("The login was declined.") && !shown.contains("/authorize"), "{shown}");
    assert!(shown.contains("\u{1b}[32mpassed"), "{shown:?}");
    assert!(
        shown.contains("asking Salesforce about the app") && !shown.contains("0/0"),
        "progress: {shown:?}"
    );

    let (status, shown) = on_a_terminal(&org, "y").await;
    assert_eq!(status, Some(1), "no login within two seconds: {shown}");
    assert!(shown.contains("/services/oauth2/authorize"), "{shown}");

    // Ctrl-C at the question.
    let (status, shown) = on_a_terminal(&org, "\u{3}").await;
    assert_eq!(status, Some(130), "{shown}");
    assert_eq!(org.live_refresh_tokens(&org.user(ADA)), [""; 0]);
}
