//! Promise 9, measured: the app in a separate process, its memory as the system counts it (F-32, A-33).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#[path = "../support/mod.rs"]
mod support;

use std::{io::Read as _, time::Duration};

use salesforce_fake_org::{FakeOrg, Fault, Route};
use support::{ADA, Client, example::Example, free_port, pages::Pages, raw};

const MIB: u64 = 1024 * 1024;

/// A million rows to a client that five times stops reading until nothing moves any more: what waits for it waits at
/// Salesforce.
#[actix_web::test]
async fn a_million_rows_to_a_slow_client_cost_little_memory() {
    let pages = Pages::start(500, 2_000);
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    // Logins by the fake org, data from the pages.
    org.faults().at(Route::Token, Fault::MergeJson(serde_json::json!({ "instance_url": pages.url })));
    let origins = format!("{} {}", org.instance_url(), pages.url);
    let more = [("SALESFORCE_ALLOWED_ORIGINS", &*origins), ("SALESFORCE_SCOPES", "api refresh_token")];
    let app = Example::with("127.0.0.1", free_port(), "accounts", &org, &more).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&app.url("/")).await.status, 200);
    let page = browser.visit(&app.url("/auth/salesforce/login")).await;
    assert_eq!(page.status, 200, "{page:?}");

    let (id, url, cookies) = (app.id(), app.url("/"), browser.cookie_line());
    let before = resident(id, "VmRSS:");
    let (rows, pages) =
        tokio::task::spawn_blocking(move || (read_slowly(&url, &cookies, &pages), pages)).await.unwrap();
    assert_eq!((rows, pages.asked()), (1_000_000, 500));
    // The most it ever was, which the system keeps.
    let grown = resident(id, "VmHWM:").saturating_sub(before);
    assert!(grown < 32 * MIB, "{} MiB", grown / MIB);
}

/// Whatever Salesforce sends, and to whichever request: it costs little memory, and only the user who sent it notices.
#[actix_web::test]
async fn bombs_and_endless_responses_cost_little_memory() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = Example::start("accounts", &org).await;
    let (browser, other) = (Client::new(), Client::new());
    for person in [&browser, &other] {
        assert_eq!(person.visit(&app.url("/whoami")).await.status, 200);
    }
    assert_eq!(browser.fetch(&app.url("/accounts")).await.status, 200);
    let before = resident(app.id(), "VmRSS:");
    // One text, where a record should be.
    let long = format!("{{\"totalSize\":1,\"done\":true,\"records\":[\"{}\"]}}", "x".repeat(24 << 20));
    let faults = [
        Fault::GzipBomb(300 * MIB),
        Fault::Endless,
        Fault::DeepJson,
        Fault::ManyHeaders(10_000),
        Fault::RawBody {
            status: 200,
            content_type: "application/json".into(),
            body: long.into_bytes().into(),
        },
    ];
    for fault in &faults {
        let name = format!("{fault:?}");
        let name = &name[..name.len().min(40)];
        let rule = org.faults().query(fault.clone());
        let page = browser.fetch(&app.url("/accounts")).await;
        assert!([502, 503].contains(&page.status) && page.body.len() < 4_000, "{name}: {}", page.status);
        assert_eq!(other.fetch(&app.url("/whoami")).await.status, 200, "{name}");
        rule.remove();
    }
    // The token endpoint: the login stays, and is refreshed when it works again.
    org.expire_access_tokens();
    for fault in faults {
        // That one carries a token that was refreshed, which would be lost.
        if matches!(fault, Fault::ManyHeaders(_)) {
            continue;
        }
        let rule = org.faults().at(Route::Token, fault);
        let page = browser.fetch(&app.url("/accounts")).await;
        rule.remove();
        assert_eq!(page.status, 503, "{page:?}");
        // Salesforce is left alone for a moment after a failure.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
    }
    assert_eq!(browser.fetch(&app.url("/accounts")).await.status, 200);
    let grown = resident(app.id(), "VmHWM:").saturating_sub(before);
    assert!(grown < 64 * MIB, "{} MiB", grown / MIB);
}

/// Reads the export, and gives the number of its rows.
fn read_slowly(url: &str, cookies: &str, pages: &Pages) -> usize {
    let mut stream = raw::begin_reading_little(url, "/accounts/export.csv", cookies);
    let (mut rows, mut stops) = (0, 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = stream.read(&mut buffer).unwrap();
        if n == 0 {
            return rows;
        }
        rows += buffer[..n].iter().filter(|byte| **byte == b'~').count();
        if rows >= stops * 200_000 {
            stops += 1;
            wait_until_nothing_moves(pages);
            // Read or in some buffer of the system, and two pages in the app.
            let ahead = pages.asked() - rows / 2_000;
            assert!(ahead < 60, "{ahead} pages were fetched ahead of the reader");
        }
    }
}

/// Until no page was asked for in a second.
fn wait_until_nothing_moves(pages: &Pages) {
    let mut asked = pages.asked();
    loop {
        std::thread::sleep(Duration::from_secs(1));
        if std::mem::replace(&mut asked, pages.asked()) == asked {
            return;
        }
    }
}

/// Bytes of memory that a process occupies.
fn resident(id: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
