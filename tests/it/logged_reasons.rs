//! What the log says of logins that go wrong in the field: the level, the reference of the page, and what to do.

use std::{sync::Arc, time::Duration};

use crate::support::{
    ADA, CALLBACK, Client, Page, TestApp, app::standard, failing::FailingStore, free_port, logs, settings_for,
};
use salesforce_fake_org::FakeOrg;

/// The line of the log that has the reference of a page.
fn line_of(page: &Page) -> String {
    let (_, rest) = page.body.split_once("Reference</dt><dd><code>").expect("a reference");
    let (log, reference) = (logs::text(), &rest[..10]);
    let line = log.lines().find(|line| line.contains(reference) && line.contains("login failed"));
    line.unwrap_or_else(|| panic!("{reference} is not in the log")).to_owned()
}

/// W-06: the host and the setting, once, however many requests come.
#[actix_web::test]
async fn the_log_names_the_host_of_stored_logins_that_is_no_longer_allowed() {
    logs::capture();
    let (store, port) = (FailingStore::default(), free_port());
    let start = async || {
        let org =
            FakeOrg::builder().client("an-app-of-two-hosts", "the-secret-of-the-test").start().await.unwrap();
        org.sign_in(&org.user(ADA));
        org
    };
    let run = async |org: &FakeOrg| {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let settings = settings_for(org, &format!("http://127.0.0.1:{port}"));
        let settings = settings.keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=");
        standard(listener, 2, settings.store(Arc::new(store.clone())).build().await.unwrap())
    };
    let (old, new) = (start().await, start().await);
    let browser = Client::new();
    let app = run(&old).await;
    assert_eq!(browser.visit(&format!("{}/whoami", app.url)).await.status, 200);
    drop(app);
    let app = run(&new).await;
    for _ in 0..3 {
        assert_eq!(browser.copy().fetch(&format!("{}/names", app.url)).await.status, 401);
    }
    let log = logs::text();
    let mut hosts = [old.login_url(), old.instance_url()];
    hosts.iter_mut().for_each(|url| *url = url.trim_end_matches('/').to_owned());
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("stored logins ignored") && hosts.iter().any(|host| line.contains(host)))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("SALESFORCE_ALLOWED_ORIGINS"), "{lines:?}");
}

/// W-09: how far the clock is off, in which direction, and what to do.
#[actix_web::test]
async fn the_log_says_how_far_the_clock_is_off_and_in_which_direction() {
    logs::capture();
    for (is_ahead, direction) in [(true, "behind"), (false, "ahead of")] {
        let app = TestApp::start().await;
        let now = std::time::SystemTime::now();
        let five_minutes = Duration::from_secs(300);
        app.org.set_time(if is_ahead { now + five_minutes } else { now - five_minutes });
        let page = Client::new().visit(&app.url("/whoami")).await;
        assert_eq!(page.status, 500, "{page:?}");
        let line = line_of(&page);
        assert!(line.contains("ERROR") && line.contains("clock of this machine is wrong"), "{line}");
        let seconds = line.split("clock is ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        let seconds: u64 = seconds.parse().unwrap();
        assert!((295..=305).contains(&seconds), "{line}");
        assert!(line.contains(&format!("seconds {direction} Salesforce's clock. Synchronize it")), "{line}");
    }
}

/// W-20: page and log name the address at which cookies count, from each place where a login can end.
#[actix_web::test]
async fn a_login_that_ends_at_a_foreign_name_of_the_app_leads_to_the_public_url() {
    logs::capture();
    let app = TestApp::start().await;
    for (path, status) in [
        (format!("{CALLBACK}?code=invented&state=invented"), 400),
        (format!("{CALLBACK}/?code=invented&state=invented"), 400),
    ] {
        for host in ["app.internal", "localhost:1"] {
            let headers = [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("host", host)];
            let page = Client::new().send(reqwest::Method::GET, &app.url(&path), &headers, None).await;
            assert_eq!(page.status, status, "{page:?}");
            assert!(page.body.contains(&format!("href=\"{}/\"", app.server.url)), "{page:?}");
            assert!(!page.body.contains(host), "{page:?}");
            let (_, rest) = page.body.split_once("Reference</dt><dd><code>").expect("a reference");
            let (log, reference) = (logs::text(), &rest[..10]);
            let line =
                log.lines().find(|line| line.contains(reference) && line.contains("login callback rejected"));
            let line = line.unwrap_or_else(|| panic!("{reference} is not in the log"));
            assert!(line.contains("WARN") && line.contains(&app.server.url), "{line}");
        }
    }
}
