//! Logins as they go wrong in the field: what Salesforce and its administrators do to a grant that is in use.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{ADA, COOL_DOWN, Client, TestApp, failing::FailingStore, free_port, settings_for};
use actix_salesforce::{AuthEvent, SalesforceBuilder};
use futures_util::future::join_all;
use salesforce_fake_org::{AppState, FakeOrg, Fault, PermittedUsers};
use serde_json::{Value, json};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

/// An app with this policy of its org from the start, and what it reports.
async fn app() -> (TestApp, Arc<Mutex<Vec<AuthEvent>>>) {
    app_with(|builder| builder).await
}

async fn app_with(
    settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
) -> (TestApp, Arc<Mutex<Vec<AuthEvent>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let app = TestApp::with(|builder| {
        settings(builder).on_event(move |event: &AuthEvent| listener.lock().unwrap().push(event.clone()))
    })
    .await;
    (app, heard)
}

fn policy(app: &TestApp, policy: &Value) {
    app.org.set_policy(policy).unwrap();
}

fn refused(error: &str, description: &str) -> Fault {
    Fault::OauthError { error: error.to_owned(), description: description.to_owned(), status: 400 }
}

/// The response to a refresh leaves out what the grant knows already, with and without rotation.
#[actix_web::test]
async fn a_refresh_response_that_lacks_members_changes_nothing_else() {
    for rotation in [true, false] {
        for lacking in [
            json!(["instance_url"]),
            json!(["id"]),
            json!(["instance_url", "id", "scope", "signature", "token_type"]),
        ] {
            let org = FakeOrg::builder().rotation(rotation).start().await.unwrap();
            org.sign_in(&org.user(ADA));
            let app = TestApp::around(org, |builder| builder).await;
            let browser = app.logged_in().await;
            policy(&app, &json!({ "refresh_response_without": lacking }));
            for round in 1..=2 {
                app.org.expire_access_tokens();
                let page = browser.fetch(&app.url("/names")).await;
                assert_eq!(page.status, 200, "{lacking}, rotation {rotation}, round {round}: {page:?}");
                assert_eq!(app.refreshes(), round);
            }
            assert_eq!(browser.fetch(&app.url("/whoami")).await.body, ADA);
            assert_eq!(app.org.refresh_reuse_count(), 0);
        }
    }
}

/// The old refresh token is used by then. The new one is stored although the rest of the response is useless.
#[actix_web::test]
async fn a_rotated_token_survives_a_useless_response() {
    let useless = [
        json!({ "access_token": null }),
        json!({ "access_token": 7 }),
        json!({ "access_token": "" }),
        json!({ "token_type": "mac" }),
        json!({ "instance_url": "https://[" }),
        json!({ "instance_url": "https://evil.example" }),
        json!({ "id": "https://login.salesforce.com/id/../../005" }),
        json!({ "signature": "AAAA" }),
    ];
    // Side by side: each waits for a cool-down.
    join_all(useless.map(async |useless| {
        let app = TestApp::start().await;
        let browser = app.logged_in().await;
        app.org.expire_access_tokens();
        let fault = app.org.faults().refresh(Fault::MergeJson(useless.clone()));
        for _ in 0..3 {
            let page = browser.fetch(&app.url("/names")).await;
            assert_eq!(page.status, 503, "{useless}: {page:?}");
        }
        assert_eq!(app.refreshes(), 1, "{useless}: one token request in a cool-down");
        fault.remove();
        tokio::time::sleep(COOL_DOWN).await;
        let page = browser.fetch(&app.url("/names")).await;
        assert_eq!(page.status, 200, "{useless}: the login survives: {page:?}");
        assert_eq!((app.refreshes(), app.org.refresh_reuse_count()), (2, 0), "{useless}");
    }))
    .await;
}

/// The administrator did it, and the user learns what: not "try again", and not a login that ends in the same place.
#[actix_web::test]
async fn a_final_refusal_ends_the_login_with_its_reason() {
    type Change = fn(&TestApp);
    let changes: [(&str, Change); 13] = [
        ("inactive_user", |app| app.org.deactivate_user(&app.org.user(ADA))),
        ("inactive_org", |app| app.org.set_org_locked(true)),
        ("invalid_client", |app| app.org.set_app_state(AppState::Uninstalled)),
        ("oauth_app_blocked", |app| app.org.set_app_state(AppState::Blocked)),
        ("invalid_app_access", |app| {
            app.org.set_permitted_users(PermittedUsers::AdminApproved(Vec::new()));
            policy(app, &json!({ "permitted_users_on_refresh": true }));
        }),
        ("app_not_found", |app| {
            app.org.faults().refresh(refused("app_not_found", ""));
        }),
        ("oauth_ec_app_not_found", |app| {
            app.org.faults().refresh(refused("OAUTH_EC_APP_NOT_FOUND", ""));
        }),
        ("oauth_policy_not_found", |app| {
            app.org.faults().refresh(refused("oauth_policy_not_found", ""));
        }),
        ("ecapp_policy_not_found", |app| {
            app.org.faults().refresh(refused("ecapp_policy_not_found", ""));
        }),
        ("inactive_user", |app| {
            app.org.faults().refresh(refused("inactive_user", "user is inactive"));
        }),
        ("app_blocked", |app| {
            app.org.faults().refresh(refused("app_blocked", ""));
        }),
        ("oauth_app_blocked", |app| {
            app.org.faults().refresh(refused("OAUTH_APP_BLOCKED", "this app is blocked by admin"));
        }),
        ("invalid_app_access", |app| {
            app.org
                .faults()
                .refresh(refused("invalid_app_access", "user is not admin approved to access this app"));
        }),
    ];
    for as_page in [true, false] {
        for (code, change) in changes {
            let (app, heard) = app().await;
            let browser = app.logged_in().await;
            app.org.expire_access_tokens();
            change(&app);
            for round in 0..5 {
                let url = app.url("/names");
                let page = if as_page { browser.open(&url).await } else { browser.fetch(&url).await };
                if round == 0 {
                    assert_eq!(page.status, 403, "{code}: {page:?}");
                    assert!(page.body.contains(code), "{code}: {page:?}");
                } else {
                    assert_eq!(page.status, if as_page { 303 } else { 401 }, "{code}, {round}: {page:?}");
                }
            }
            assert_eq!(app.refreshes(), 1, "{code}: one token request");
            let heard = format!("{:?}", heard.lock().unwrap());
            assert!(heard.contains("GrantRevoked") && heard.contains(code), "{code}: {heard}");
        }
    }
}

/// A setting of this app is wrong: no user is logged out for it, and Salesforce is asked ever more rarely.
#[actix_web::test]
async fn a_mistake_in_the_apps_settings_keeps_logins_and_is_sent_ever_more_rarely() {
    let cases = [
        ("invalid_client", "invalid client credentials"),
        ("invalid_client_id", "client identifier invalid"),
        ("unsupported_grant_type", "grant type not supported"),
    ];
    // Side by side: each waits for its cool-downs.
    futures_util::future::join_all(cases.map(async |(code, description)| {
        let (app, heard) = app().await;
        let browser = app.logged_in().await;
        app.org.expire_access_tokens();
        let fault = app.org.faults().refresh(refused(code, description));
        let mut waits = Vec::new();
        for expected in 1..=3 {
            let page = browser.fetch(&app.url("/names")).await;
            assert_eq!(page.status, 503, "{code}: {page:?}");
            assert_eq!(fault.hits(), expected, "{code}");
            let wait: u64 = page.header("retry-after").parse().unwrap();
            waits.push(wait);
            if expected < 3 {
                tokio::time::sleep(Duration::from_secs(wait) + Duration::from_millis(600)).await;
            }
        }
        assert!(waits[0] < waits[1] && waits[1] < waits[2], "{code}: {waits:?}");
        let heard = format!("{:?}", heard.lock().unwrap());
        assert!(heard.contains("RefreshFailed") && !heard.contains("GrantRevoked"), "{code}: {heard}");
        fault.remove();
        tokio::time::sleep(Duration::from_secs(waits[2]) + Duration::from_millis(600)).await;
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "{code}: the login is kept");
    }))
    .await;
}

/// The shared login host sends refreshes to the org's own domain.
#[actix_web::test]
async fn a_redirected_refresh_is_sent_to_the_grants_instance() {
    for status in [301, 302, 307, 308] {
        let app = TestApp::start().await;
        let browser = app.logged_in().await;
        policy(&app, &json!({ "refresh_redirect": status }));
        for round in 1..=2 {
            app.org.expire_access_tokens();
            app.org.clear_requests();
            let page = browser.open(&app.url("/names")).await;
            assert_eq!(page.status, 200, "{status}: {page:?}");
            let sent = app
                .org
                .requests()
                .iter()
                .filter(|request| {
                    request.form.get("grant_type").is_some_and(|grant| grant == "refresh_token")
                })
                .count();
            assert_eq!(sent, if round == 1 { 2 } else { 1 }, "{status}: what worked is remembered");
        }
        assert_eq!(app.org.refresh_reuse_count(), 0);
    }
}

/// Neither a circle nor another path is followed, and no user is logged out for it.
#[actix_web::test]
async fn a_refresh_that_is_redirected_elsewhere_keeps_the_login() {
    let stranger = FakeOrg::start().await.unwrap();
    let redirect = |status: u16, location: &str| Fault::Redirect { status, location: location.to_owned() };
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    policy(&app, &json!({ "refresh_redirect": 302, "refresh_redirect_loop": true }));
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 503);
    policy(&app, &json!({ "refresh_redirect": null, "refresh_redirect_loop": false }));
    tokio::time::sleep(COOL_DOWN).await;
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    type Target = fn(&TestApp, &FakeOrg) -> String;
    let targets: [(u16, Target); 3] = [
        (303, |app, _| format!("{}/services/oauth2/token", app.org.instance_url())),
        (307, |app, _| format!("{}/", app.org.instance_url())),
        (302, |_, stranger| format!("{}/services/oauth2/authorize", stranger.instance_url())),
    ];
    // Side by side: each waits for a cool-down.
    join_all(targets.map(async |(status, target)| {
        let app = TestApp::start().await;
        let browser = app.logged_in().await;
        app.org.expire_access_tokens();
        let fault = app.org.faults().refresh(redirect(status, &target(&app, &stranger)));
        let page = browser.fetch(&app.url("/names")).await;
        assert_eq!((page.status, fault.hits()), (503, 1), "{page:?}");
        fault.remove();
        tokio::time::sleep(COOL_DOWN).await;
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    }))
    .await;
    assert!(stranger.requests().is_empty(), "{:?}", stranger.requests());
}

/// A new token is refused like the old one: a session locked to an address, or a policy.
#[actix_web::test]
async fn new_tokens_that_are_refused_cost_one_or_two_refreshes() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let refusal = Fault::ApiError {
        status: 401,
        code: "INVALID_SESSION_ID".to_owned(),
        message: "Session expired or invalid".to_owned(),
    };
    let fault = app.org.faults().query(refusal);
    let mut seen = Vec::new();
    for _ in 0..20 {
        let page = browser.fetch(&app.url("/names")).await;
        seen.push((page.status, page.body.clone()));
    }
    assert!((1..=2).contains(&app.refreshes()), "{} refreshes", app.refreshes());
    assert!(seen.iter().all(|page| *page == seen[0]), "always the same error: {seen:?}");
    assert!(seen[0].0 >= 400 && seen[0].0 != 401, "{seen:?}");
    fault.remove();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "the login is kept");
}

/// The policies of an org that refuse each token in the same way.
#[actix_web::test]
async fn a_policy_that_refuses_all_tokens_costs_one_or_two_refreshes() {
    for policy in ["ip_locked", "missing_scope", "access_control"] {
        let app = TestApp::start().await;
        let browser = app.logged_in().await;
        let set = |access: &str| app.org.set_policy(&serde_json::json!({ "api_access": access })).unwrap();
        set(policy);
        for _ in 0..10 {
            let page = browser.fetch(&app.url("/names")).await;
            assert!(page.status >= 400 && page.status != 401, "{policy}: {page:?}");
        }
        assert!(app.refreshes() <= 2, "{policy}: {} refreshes", app.refreshes());
        set("allowed");
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "{policy}: the login is kept");
    }
}

/// The app and its org have moved: the stored login names hosts that the settings no longer allow.
#[actix_web::test]
async fn a_login_at_hosts_that_are_no_longer_allowed_is_over() {
    let store = FailingStore::default();
    let port = free_port();
    let run = async |org: &FakeOrg| {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let salesforce = settings_for(org, &format!("http://127.0.0.1:{port}"))
            .keys(KEYS)
            .client_id("the-same-app")
            .store(Arc::new(store.clone()))
            .build()
            .await
            .unwrap();
        crate::support::app::standard(listener, 2, salesforce)
    };
    let start = async || {
        let org = FakeOrg::builder().client("the-same-app", "the-secret-of-the-test").start().await.unwrap();
        org.sign_in(&org.user(ADA));
        org
    };
    let (old, new) = (start().await, start().await);
    let browser = Client::new();
    let app = run(&old).await;
    assert_eq!(browser.visit(&format!("{}/whoami", app.url)).await.status, 200);
    drop(app);
    let app = run(&new).await;
    let browser = browser.copy();
    let page = browser.fetch(&format!("{}/names", app.url)).await;
    assert_eq!((page.status, page.json()["error"].as_str()), (401, Some("login_required")), "{page:?}");
    assert_eq!(browser.open(&format!("{}/names", app.url)).await.status, 303);
    assert_eq!(browser.visit(&format!("{}/names", app.url)).await.status, 200, "one new login");
}

/// Keys may change twice in a minute, for example when a test org is restarted.
#[actix_web::test]
async fn a_signing_key_that_is_rotated_soon_after_a_login_is_fetched() {
    let app = TestApp::start().await;
    let _ = app.logged_in().await;
    for round in 1..=2 {
        app.org.rotate_signing_key();
        let page = Client::new().visit(&app.url("/whoami")).await;
        assert_eq!(page.status, 200, "{round}: {page:?}");
    }
}

/// The page says whose clock it is, and does not accuse Salesforce of a contradiction.
#[actix_web::test]
async fn a_wrong_clock_is_named() {
    for salesforce_is_ahead in [true, false] {
        let app = TestApp::start().await;
        let five_minutes = Duration::from_secs(300);
        let now = std::time::SystemTime::now();
        app.org.set_time(if salesforce_is_ahead { now + five_minutes } else { now - five_minutes });
        let page = Client::new().visit(&app.url("/whoami")).await;
        assert_eq!(page.status, 500, "{page:?}");
        assert!(page.body.contains("clock") && !page.body.contains("contradictory"), "{page:?}");
    }
}

fn userinfo_requests(app: &TestApp) -> usize {
    app.org.requests().iter().filter(|request| request.path.ends_with("/services/oauth2/userinfo")).count()
}

/// Revoked or deactivated: the pages that send no request to Salesforce end, too, and the request that finds it out says
/// why.
#[actix_web::test]
async fn a_user_who_lost_access_loses_pages_without_a_request() {
    type Change = fn(&TestApp);
    let period = Duration::from_secs(1);
    let changes: [(Option<&str>, Change); 3] = [
        (None, |app| app.org.revoke_all()),
        (Some("inactive_user"), |app| app.org.deactivate_user(&app.org.user(ADA))),
        (Some("invalid_client"), |app| {
            app.org.set_app_state(AppState::Uninstalled);
            app.org.expire_access_tokens();
        }),
    ];
    for as_page in [true, false] {
        for path in ["/user", "/admin/secret", "/maybe"] {
            // Side by side: each waits for its periods.
            join_all(changes.map(async |(code, change)| {
                let (app, heard) = app_with(|builder| builder.recheck(period)).await;
                let browser = app.logged_in().await;
                let checked = userinfo_requests(&app);
                let url = app.url(path);
                for _ in 0..10 {
                    assert_eq!(browser.fetch(&url).await.status, 200);
                }
                assert_eq!(userinfo_requests(&app), checked, "the login itself was a check");
                tokio::time::sleep(period * 5 / 4).await;
                let pages = join_all((0..10).map(|_| browser.fetch(&url))).await;
                assert!(pages.iter().all(|page| page.status == 200), "{pages:?}");
                assert_eq!(userinfo_requests(&app), checked + 1, "once per period");
                change(&app);
                tokio::time::sleep(period * 5 / 4).await;
                let get = async || if as_page { browser.open(&url).await } else { browser.fetch(&url).await };
                let is_public = path == "/maybe";
                let login_needed = match as_page {
                    _ if is_public => 200,
                    true => 303,
                    false => 401,
                };
                let page = get().await;
                let case = format!("{path} {code:?} {page:?}");
                match code {
                    Some(code) if !is_public => {
                        assert!(page.status == 403 && page.body.contains(code), "{case}");
                    }
                    _ => assert_eq!(page.status, login_needed, "{case}"),
                }
                assert!(!is_public || page.body == "anonymous", "{case}");
                for _ in 0..2 {
                    assert_eq!(get().await.status, login_needed, "{case}");
                }
                let heard = format!("{:?}", heard.lock().unwrap());
                assert!(heard.contains("GrantRevoked"), "{case}: {heard}");
            }))
            .await;
        }
    }
}

#[actix_web::test]
async fn an_outage_or_the_setting_lets_users_stay() {
    let period = Duration::from_secs(1);
    let app = TestApp::with(|builder| builder.recheck(period)).await;
    let browser = app.logged_in().await;
    for fault in [Fault::Status(503), Fault::ResetBeforeResponse, Fault::Delay(Duration::from_secs(30))] {
        let fault = app.org.faults().path("/services/oauth2/userinfo", fault);
        tokio::time::sleep(period * 5 / 4).await;
        let started = std::time::Instant::now();
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 200);
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert!(fault.hits() >= 1);
        fault.remove();
    }
    let app = TestApp::with(|builder| builder.recheck(Duration::ZERO)).await;
    let browser = app.logged_in().await;
    app.org.revoke_all();
    tokio::time::sleep(period).await;
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 200);
}
