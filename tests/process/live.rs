//! The example `accounts` in two real browsers: a change in Salesforce appears in both without a reload.

use std::time::{Duration, Instant};

use crate::support::{ADA, browser::Browser, example::Example, free_port};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

/// The state of the page's stream: 0 connecting, 1 open, 2 closed.
async fn stream_state(browser: &Browser) -> u64 {
    browser.page.execute("return live.readyState", vec![]).await.unwrap().as_u64().unwrap()
}

async fn wait_for_stream(browser: &Browser, state: u64, at_most: Duration) {
    let started = Instant::now();
    while stream_state(browser).await != state {
        assert!(started.elapsed() < at_most, "the stream is {} and not {state}", stream_state(browser).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Renames the first account, beside the app.
async fn rename(org: &FakeOrg, name: &str) {
    let token = org.issue_tokens(&org.user(ADA), "api").access_token;
    let data = format!("{}/services/data/v66.0", org.instance_url());
    let http = reqwest::Client::new();
    let query = http.get(format!("{data}/query?q=SELECT+Id+FROM+Account+ORDER+BY+Name+LIMIT+1"));
    let found = query.bearer_auth(&token).send().await.unwrap().text().await.unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    let id = found["records"][0]["Id"].as_str().unwrap();
    let update = http.patch(format!("{data}/sobjects/Account/{id}")).bearer_auth(token);
    let update = update.header("content-type", "application/json").body(json!({ "Name": name }).to_string());
    assert!(update.send().await.unwrap().status().is_success());
}

#[actix_web::test]
async fn a_change_appears_in_two_open_pages_and_a_logout_ends_their_streams() {
    let org =
        FakeOrg::builder().rows(5).execution_user(ADA).change_events(&["Account"]).start().await.unwrap();
    let (instance, events) = (org.instance_url(), org.pubsub().endpoint());
    let more = [("SALESFORCE_SERVICE_URL", &*instance), ("SALESFORCE_PUBSUB_URL", &*events)];
    let mut app = Example::with("127.0.0.1", free_port(), "accounts", &org, &more).await;
    let (first, second) = (Browser::start().await, Browser::start().await);
    for (browser, user) in [(&first, ADA), (&second, "ben@example.com")] {
        org.sign_in(&org.user(user));
        browser.goto(&app.url("/accounts")).await;
        browser.wait_for_element("#accounts").await;
        wait_for_stream(browser, 1, Duration::from_secs(10)).await;
        // It is gone after a reload.
        browser.page.execute("window.isSamePage = true", vec![]).await.unwrap();
    }
    while org.pubsub().fetches().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    rename(&org, "AAA renamed by a colleague").await;
    let changed = Instant::now();
    for browser in [&first, &second] {
        while !browser.text().await.contains("AAA renamed by a colleague") {
            assert!(changed.elapsed() < Duration::from_secs(5), "{}", browser.text().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let same = browser.page.execute("return window.isSamePage === true", vec![]).await.unwrap();
        assert_eq!(same, true, "without a reload");
    }

    let log_out = "const done = arguments[0]; fetch('/auth/salesforce/logout', { method: 'POST' }).then(() => done(true))";
    first.page.execute_async(log_out, vec![]).await.unwrap();
    wait_for_stream(&first, 0, Duration::from_secs(2)).await;
    wait_for_stream(&first, 2, Duration::from_secs(10)).await;
    assert_eq!(stream_state(&second).await, 1, "the other user's goes on");

    let asked = Instant::now();
    assert!(app.terminate().await.success());
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "the server does not wait for streams: {:?}",
        asked.elapsed()
    );
    first.close().await;
    second.close().await;
}
