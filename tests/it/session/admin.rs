//! What an operator sees and ends: logins and grants of a user, of an organization, of everyone.

use std::time::{Duration, Instant};

use crate::support::{ADA, CALLBACK, Client, LOGIN, TestApp};
use actix_salesforce::{OrgId, UserId, UserRef, store::GrantFilter};
use salesforce_fake_org::{FakeOrg, Fault, Route, User};

const BEN: &str = "ben@example.com";

/// An app with two login hosts, whose organizations have the same users (a sandbox and its original).
async fn two_organizations() -> (TestApp, FakeOrg) {
    let (org, sandbox) = (FakeOrg::start().await.unwrap(), FakeOrg::start().await.unwrap());
    let (login, instance) = (sandbox.login_url(), sandbox.instance_url());
    let app =
        TestApp::around(org, |builder| builder.login_host("sandbox", login).allowed_origin(instance)).await;
    (app, sandbox)
}

/// A browser in which this user of this organization has logged in.
async fn logged_in(app: &TestApp, org: &FakeOrg, host: &str, name: &str) -> Client {
    org.sign_in(&org.user(name));
    let browser = Client::new();
    let start = app.url(&format!("{LOGIN}?return_to=/user{host}"));
    let until = if host.is_empty() { CALLBACK.to_owned() } else { format!("{CALLBACK}/sandbox") };
    let callback = browser.visit_until(&start, &until).await;
    assert_eq!(browser.visit(callback.as_str()).await.json()["username"], name);
    browser
}

fn ids(user: &User) -> (OrgId, UserId) {
    (user.organization_id().parse().unwrap(), user.id().parse().unwrap())
}

async fn tokens_end(org: &FakeOrg, user: &User) {
    let started = Instant::now();
    while !org.live_refresh_tokens(user).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "the tokens are revoked at Salesforce");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[actix_web::test]
async fn only_the_named_user_or_organization_is_logged_out() {
    let (app, sandbox) = two_organizations().await;
    let (ada, ben) = (app.org.user(ADA), app.org.user(BEN));
    let copy = sandbox.user(ADA);
    assert_eq!(
        (ids(&copy).1, ids(&copy).0 == ids(&ada).0),
        (ids(&ada).1, false),
        "same user, another organization"
    );
    let ada_once = logged_in(&app, &app.org, "", ADA).await;
    let ada_twice = logged_in(&app, &app.org, "", ADA).await;
    let ben_here = logged_in(&app, &app.org, "", BEN).await;
    let ada_there = logged_in(&app, &sandbox, "&host=sandbox", ADA).await;

    let salesforce = &app.salesforce;
    let one_user = |user: &User| GrantFilter::User(UserRef::new(ids(user).0, ids(user).1));
    let whole = |user: &User| GrantFilter::Org(ids(user).0);
    for (of, logins, grants) in [
        (one_user(&ada), 2, 1),
        (one_user(&copy), 1, 1),
        (whole(&ada), 3, 2),
        (whole(&copy), 1, 1),
        (GrantFilter::All, 4, 3),
    ] {
        assert_eq!(salesforce.list_logins(of).await.unwrap().len(), logins, "{of:?}");
        assert_eq!(salesforce.list_grants(of).await.unwrap().len(), grants, "{of:?}");
    }
    let state = async || {
        let mut state = Vec::new();
        for browser in [&ada_once, &ada_twice, &ben_here, &ada_there] {
            state.push(browser.fetch(&app.url("/user")).await.status);
        }
        state
    };

    assert_eq!(salesforce.revoke_grants(one_user(&ada)).await.unwrap(), 1);
    assert_eq!(state().await, [401, 401, 200, 200]);
    tokens_end(&app.org, &ada).await;
    assert!(!app.org.live_refresh_tokens(&ben).is_empty() && !sandbox.live_refresh_tokens(&copy).is_empty());

    assert_eq!(salesforce.revoke_grants(whole(&ada)).await.unwrap(), 1, "who is left of it");
    assert_eq!(state().await, [401, 401, 401, 200]);
    tokens_end(&app.org, &ben).await;
    assert!(!sandbox.live_refresh_tokens(&copy).is_empty());
}

/// Logging every user out is no storm at Salesforce.
#[actix_web::test]
async fn tokens_are_revoked_so_many_at_a_time() {
    let people: Vec<_> = (0..40).map(|n| format!("person{n}@example.com")).collect();
    let declared = people.iter().fold(FakeOrg::builder(), |builder, name| builder.user(name, "A", "Person"));
    let app = TestApp::around(declared.start().await.unwrap(), |builder| builder).await;
    let host = app.salesforce.login_host();
    for name in &people {
        let tokens = app.org.issue_tokens(&app.org.user(name), "api refresh_token");
        let refresh_token = tokens.refresh_token.as_deref().unwrap().into();
        let tokens = app.salesforce.oauth().refresh(host, &refresh_token).await.unwrap();
        let _ = app.salesforce.import_tokens(host, tokens).await.unwrap();
    }
    app.org.clear_requests();
    app.org.faults().at(Route::Revoke, Fault::Delay(Duration::from_millis(1_500)));
    assert_eq!(app.salesforce.revoke_grants(GrantFilter::All).await.unwrap(), people.len());
    let asked = || app.org.requests().iter().filter(|request| request.path.ends_with("/revoke")).count();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(asked(), 16);
    for name in &people {
        tokens_end(&app.org, &app.org.user(name)).await;
    }
    assert_eq!(asked(), people.len());
}

#[actix_web::test]
async fn everyone_is_logged_out() {
    let (app, sandbox) = two_organizations().await;
    let here = logged_in(&app, &app.org, "", BEN).await;
    let there = logged_in(&app, &sandbox, "&host=sandbox", ADA).await;
    assert_eq!(app.salesforce.revoke_grants(GrantFilter::All).await.unwrap(), 2);
    for browser in [here, there] {
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
    }
    assert!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().is_empty());
}

/// Another app in the same store is neither listed nor logged out, and a record that does not open is no silence.
#[actix_web::test]
async fn another_app_in_the_same_store_is_left_alone() {
    use crate::support::{
        failing::{FailingStore, Mode},
        logs, settings_for,
    };
    use actix_salesforce::AuthEvent;
    use std::sync::Arc;

    const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
    const OTHER_KEYS: &str = "xJ4uW8nQe2RfT6yLs0ZaPq9bVc3dMk5hGi7oEtBwYjU=";

    logs::capture();
    let store = FailingStore::default();
    let app = TestApp::with(|builder| builder.keys(KEYS).store(Arc::new(store.clone()))).await;
    let browser = app.logged_in().await;
    let other = settings_for(&app.org, "http://127.0.0.1:1").keys(KEYS).store(Arc::new(store.clone()));
    let other = other.client_id("another-app").build().await.unwrap();
    assert!(other.list_logins(GrantFilter::All).await.unwrap().is_empty());
    assert!(other.list_grants(GrantFilter::All).await.unwrap().is_empty());
    assert_eq!(other.revoke_grants(GrantFilter::All).await.unwrap(), 0);
    for login in app.salesforce.list_logins(GrantFilter::All).await.unwrap() {
        other.revoke_login(&login).await.unwrap();
    }
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 200);

    // An outage at the look-up makes no difference: what is retried afterwards is not the other app's.
    let login = app.salesforce.list_logins(GrantFilter::All).await.unwrap().remove(0);
    for mode in [Mode::FailsToLoad, Mode::Fails] {
        store.set(mode);
        assert!(other.revoke_login(&login).await.is_err());
        store.set(Mode::Works);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 200, "{mode:?}");
    }

    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let without_key = settings_for(&app.org, "http://127.0.0.1:1").keys(OTHER_KEYS).store(Arc::new(store));
    let without_key = without_key
        .on_event(move |event| {
            let _ = told.send(event.clone());
        })
        .build()
        .await
        .unwrap();
    assert_eq!(without_key.revoke_grants(GrantFilter::All).await.unwrap(), 1);
    let failed = async {
        while let Some(event) = heard.recv().await {
            if event == AuthEvent::RevocationFailed {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(Duration::from_secs(5), failed).await.unwrap());
    assert!(logs::text().contains("its record does not open"));
    assert!(!app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty(), "which is what the event says");
}
