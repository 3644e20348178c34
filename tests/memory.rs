//! Promise 9, measured: alone in its process, so that no other test's memory counts (F-32).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod support;

use std::{io::Read as _, time::Duration};

use salesforce_fake_org::FakeOrg;
use support::{ADA, World, raw};

/// The memory that a slow reader of many rows costs this process (the fake org is in it too, with all of them).
#[actix_web::test]
async fn many_rows_to_a_slow_client_cost_little_memory() {
    let org = FakeOrg::builder().rows(60_000).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let world = World::around(org, |builder| builder).await;
    let browser = world.logged_in().await;
    let (url, cookies) = (world.app.url.clone(), browser.cookie_line());
    // Once before, so that caches and pools are warm.
    assert!(browser.fetch(&world.url("/streamed/lines")).await.body.len() > 1_000_000);
    let before = resident();
    let (read, most) = tokio::task::spawn_blocking(move || {
        let mut stream = raw::begin(&url, "/streamed/lines", &cookies);
        let (mut read, mut most) = (0, 0);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => return (read, most),
                n => read += n,
            }
            most = most.max(resident());
            std::thread::sleep(Duration::from_millis(2));
        }
    })
    .await
    .unwrap();
    assert!(read > 5_000_000, "{read} bytes");
    let grown = most.saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "{} MiB", grown / 1024 / 1024);
}

/// Bytes of memory that this process occupies.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
