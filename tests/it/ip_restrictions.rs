//! Salesforce does not allow the address of the app's machine, or not at this hour: the restriction is of the machine,
//! and no grant ends for it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{ADA, CALLBACK, Client, TestApp, logs};
use actix_salesforce::{AuthEvent, store::GrantFilter};
use futures_util::future::join_all;
use salesforce_fake_org::Fault;
use serde_json::json;

const DESCRIPTIONS: [&str; 2] = ["ip restricted", "ip restricted or invalid login hours"];

fn restricted(description: &str) -> Fault {
    let (error, description) = ("invalid_grant".to_owned(), description.to_owned());
    Fault::OauthError { error, description, status: 400 }
}

/// A proxy was replaced, or a list has a wrong entry: all users would have to log in again, and could not.
#[actix_web::test]
async fn a_refresh_from_an_address_that_is_not_allowed_keeps_the_grant() {
    logs::capture();
    // Side by side: each waits for its cool-downs.
    join_all(DESCRIPTIONS.map(async |description| {
        let heard: Arc<Mutex<Vec<AuthEvent>>> = Arc::default();
        let listener = Arc::clone(&heard);
        let app = TestApp::with(|builder| {
            builder.on_event(move |event: &AuthEvent| listener.lock().unwrap().push(event.clone()))
        })
        .await;
        let browser = app.logged_in().await;
        app.org.expire_access_tokens();
        let fault = app.org.faults().refresh(restricted(description));
        let mut waits = Vec::new();
        for expected in 1..=2 {
            let page = browser.open(&app.url("/names")).await;
            assert_eq!(page.status, 503, "{description}: {page:?}");
            assert!(page.body.contains("address") && page.body.contains("Login IP Ranges"), "{page:?}");
            assert!(page.body.contains("You were not logged out"), "{page:?}");
            waits.push(page.header("retry-after").parse::<u64>().unwrap());
            // Within the pause: the same reason, and no token request.
            let json = browser.fetch(&app.url("/names")).await;
            assert_eq!((json.status, json.json()["error"].as_str()), (503, Some("unavailable")), "{json:?}");
            assert!(json.json()["message"].as_str().unwrap().contains("address"), "{json:?}");
            assert_eq!(fault.hits(), expected, "{description}");
            if expected < 2 {
                tokio::time::sleep(Duration::from_secs(waits[waits.len() - 1]) + Duration::from_millis(600))
                    .await;
            }
        }
        assert!(waits.is_sorted_by(|one, next| one < next), "{waits:?}");
        let grants = app.salesforce.list_grants(GrantFilter::All).await.unwrap();
        assert!(grants.len() == 1 && grants[0].needs_reconnecting.is_none(), "{grants:?}");
        let health = serde_json::to_value(app.salesforce.health().await).unwrap();
        assert_eq!(health["last_token_outage"]["kind"], "ip_restricted", "{health}");
        let heard = format!("{:?}", heard.lock().unwrap());
        assert!(heard.contains("RefreshFailed") && !heard.contains("GrantRevoked"), "{heard}");
        assert!(app.is_logged_in(&browser).await, "pages without a request go on");

        fault.remove();
        tokio::time::sleep(Duration::from_secs(waits[1]) + Duration::from_millis(600)).await;
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "{description}");
        assert_eq!(app.org.refresh_reuse_count(), 0);
    }))
    .await;
    let log = logs::text();
    let line = log.lines().find(|line| line.contains("does not allow the address of this machine")).unwrap();
    assert!(line.contains("ERROR") && line.contains("SALESFORCE_TOKEN_PROXY"), "{line}");
}

/// The response to the code exchange is about the app's machine, the one at the callback about the user's.
#[actix_web::test]
async fn a_login_from_an_address_that_is_not_allowed_names_the_reason() {
    logs::capture();
    for (description, as_policy) in
        [(DESCRIPTIONS[0], true), (DESCRIPTIONS[0], false), (DESCRIPTIONS[1], false)]
    {
        let app = TestApp::start().await;
        let kept = app.logged_in().await;
        if as_policy {
            app.org.set_policy(&json!({ "ip_restricted": true })).unwrap();
        } else {
            app.org.faults().token_endpoint(restricted(description));
        }
        let browser = Client::new();
        let page = browser.visit(&app.url("/whoami")).await;
        assert_eq!(page.status, 403, "{description}: {page:?}");
        assert!(page.body.contains("Salesforce does not let you in from here"), "{page:?}");
        assert!(page.body.contains("Login IP Ranges") && page.body.contains("An administrator"), "{page:?}");
        let reference = page.body.split_once("Reference</dt><dd><code>").expect("a reference").1;
        let (log, reference) = (logs::text(), &reference[..10]);
        let line = log.lines().find(|line| line.contains(reference) && line.contains("login failed"));
        let line = line.unwrap_or_else(|| panic!("{reference} is not in the log"));
        assert!(line.contains("ERROR") && line.contains(description) && line.contains("IP ranges"), "{line}");
        assert!(line.contains("invalid_grant"), "{line}");
        assert!(!app.is_logged_in(&browser).await && app.is_logged_in(&kept).await);
        assert_eq!(kept.fetch(&app.url("/names")).await.status, 200, "the other login of the user goes on");
    }
}

/// Any site can link to the callback. What it says there is no word of Salesforce about the app's machine.
#[actix_web::test]
async fn a_callback_that_names_an_address_is_no_error_of_the_app() {
    logs::capture();
    let app = TestApp::start().await;
    let path = format!("{CALLBACK}?error=invalid_grant&error_description=ip%20restricted");
    let page = Client::new().open(&app.url(&path)).await;
    assert!(page.status == 403 && page.body.contains("Salesforce does not let you in from here"), "{page:?}");
    let reference = page.body.split_once("Reference</dt><dd><code>").expect("a reference").1;
    let (log, reference) = (logs::text(), &reference[..10]);
    // The span of the page has lines, too: when it begins and ends.
    let is_event = |line: &&str| line.contains(reference) && !line.contains("pages::reply: ");
    let lines: Vec<_> = log.lines().filter(is_event).collect();
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(
        line.contains(" WARN ") && line.contains("invalid_grant") && line.contains("ip restricted"),
        "{line}"
    );
}

/// Whether a user still has access is not known from an address that is not allowed. So the user stays.
#[actix_web::test]
async fn a_check_of_a_grant_from_an_address_that_is_not_allowed_lets_the_user_stay() {
    let period = Duration::from_secs(1);
    let app = TestApp::with(|builder| builder.recheck(period)).await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    app.org.set_policy(&json!({ "ip_restricted": true })).unwrap();
    tokio::time::sleep(period * 5 / 4).await;
    for _ in 0..2 {
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 200);
    }
    assert_eq!(app.refreshes(), 1, "it was asked");
    app.org.set_policy(&json!({ "ip_restricted": false })).unwrap();
    tokio::time::sleep(Duration::from_millis(2_600)).await;
    assert_eq!(browser.fetch(&app.url("/whoami")).await.body, ADA);
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
}
