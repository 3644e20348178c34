//! Promise 4: no token, code, verifier or secret is readable in logs, errors, the store or the browser
//! (R-22, R-30, R-55 to R-57; ).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#[path = "../support/mod.rs"]
mod support;

use std::{collections::BTreeSet, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use salesforce_fake_org::{Fault, Route};
use support::{Client, TestApp};

/// The forms in which a secret could show up.
fn spellings(secret: &str) -> Vec<String> {
    vec![
        secret.to_owned(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ]
}

fn assert_hidden(secrets: &BTreeSet<String>, haystack: &str, place: &str) {
    for secret in secrets {
        for spelling in spellings(secret) {
            assert!(!haystack.contains(&spelling), "a secret shows up in {place} ({}...)", &spelling[..6]);
        }
    }
}

/// What the org sent and was sent: every token, code, verifier and the client secret.
fn secrets(app: &TestApp) -> BTreeSet<String> {
    let mut secrets = BTreeSet::from([app.org.client_secret().to_owned()]);
    for request in app.org.requests() {
        for name in ["refresh_token", "code", "code_verifier", "token"] {
            secrets.extend(request.form.get(name).cloned());
        }
        secrets.extend(
            request.header("authorization").map(|value| value.trim_start_matches("Bearer ").to_owned()),
        );
    }
    secrets.extend(app.org.live_refresh_tokens(&app.org.user(support::ADA)));
    secrets.retain(|secret| secret.len() > 8);
    secrets
}

#[actix_web::test]
async fn secrets_show_up_nowhere() {
    support::logs::capture();
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    for path in ["/whoami", "/names", "/user", "/auth/salesforce/me", "/session"] {
        assert_eq!(browser.fetch(&app.url(path)).await.status, 200, "{path}");
    }
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    // Everything that can go wrong, once.
    for fault in [
        Fault::Status(503),
        Fault::Html,
        Fault::Garbage,
        Fault::Truncated,
        Fault::ResetMidBody,
        Fault::Drip,
        Fault::MergeJson(serde_json::json!({ "instance_url": "https://evil.example" })),
        Fault::BadGzip,
    ] {
        app.org.expire_access_tokens();
        let fault = app.org.faults().refresh(fault);
        let _ = tokio::time::timeout(Duration::from_secs(3), browser.fetch(&app.url("/names"))).await;
        fault.remove();
    }
    for (path, bad) in [("?code=x&state=y", 400), ("?error=<script>%1b[31mred\r\n&state=y", 400)] {
        let page = Client::new().open(&app.url(&format!("/auth/salesforce/callback{path}"))).await;
        assert_eq!(page.status, bad);
    }
    for route in [Route::Token, Route::Userinfo, Route::Jwks] {
        app.org.faults().at(route, Fault::Garbage.once());
        let _ = Client::new().visit(&app.url("/whoami")).await;
    }
    browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    let last = app.logged_in().await;
    tokio::time::sleep(Duration::from_millis(300)).await;

    let secrets = secrets(&app);
    assert!(secrets.len() > 10, "there was something to hide: {}", secrets.len());
    let ours: String = support::logs::text()
        .lines()
        .filter(|line| line.contains("actix_salesforce") || line.contains("salesforce_connection"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(
        ours.contains("logged in") && ours.contains("logged out") && ours.contains("token refreshed"),
        "R-57: {ours}"
    );
    for span in ["login", "logout", "refresh", "call"] {
        let closed = |line: &str| line.contains(&format!("salesforce.{span}{{")) && line.contains(" close ");
        assert!(ours.lines().any(closed), "the spans are in the log: {span}");
    }
    assert_hidden(&secrets, &ours, "our log");
    assert!(!ours.contains('\u{1b}'), "R-56: no escape sequences");

    // The login id in the session is for the browser's cookie only.
    let origin = url::Url::parse(&app.server.url).unwrap().origin();
    let tokens: BTreeSet<_> =
        secrets.iter().filter(|secret| secret.contains('!') || secret.starts_with("5Aep")).cloned().collect();
    assert!(!tokens.is_empty());
    for page in browser.trace().into_iter().chain(last.trace()).filter(|page| page.url.origin() == origin) {
        let sent = format!("{:?} {}", page.headers, page.body);
        assert_hidden(&tokens, &sent, "what the browser was sent");
        assert_hidden(
            &BTreeSet::from([app.org.client_secret().to_owned()]),
            &sent,
            "what the browser was sent",
        );
    }

    // What the store holds, and what Debug prints.
    let printed = format!(
        "{:?} {:?}",
        app.salesforce,
        app.salesforce.list_logins(actix_salesforce::store::GrantFilter::All).await
    );
    assert_hidden(&secrets, &printed, "Debug");
}

/// what lies in a store is sealed, and keyed by hashes.
#[actix_web::test]
async fn the_store_holds_nothing_usable() {
    use actix_salesforce::store::{GrantFilter, MemoryStore, Store as _};
    let store = std::sync::Arc::new(MemoryStore::new());
    let shared = std::sync::Arc::clone(&store);
    let app =
        TestApp::with(|builder| builder.store(shared).keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk="))
            .await;
    let browser = app.logged_in().await;
    browser.fetch(&app.url("/names")).await;
    let secrets = secrets(&app);
    let cookie = browser.own_cookie("").unwrap().1;
    for grant in store.list_grants(GrantFilter::All).await.unwrap() {
        let sealed = String::from_utf8_lossy(grant.sealed.as_bytes()).into_owned();
        assert_hidden(&secrets, &sealed, "a sealed record");
        assert!(!sealed.contains("instance") && !sealed.contains("http"), "all of it is sealed");
    }
    for (key, _) in store.list_logins(GrantFilter::All).await.unwrap() {
        assert!(!cookie.contains(&URL_SAFE_NO_PAD.encode(key.as_bytes())));
    }
}
