//! Events: what happened is told once it is certain, to a listener of the app, and never holds a secret.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{
    COOL_DOWN, TestApp,
    failing::{FailingStore, Mode},
};
use actix_salesforce::AuthEvent;
use salesforce_fake_org::Fault;

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<AuthEvent>>>);

impl Heard {
    fn listener(&self) -> impl Fn(&AuthEvent) + Send + Sync + 'static {
        let heard = self.clone();
        move |event| heard.0.lock().unwrap().push(event.clone())
    }

    /// Waits for an event, and gives all that were heard until then.
    async fn until(&self, wanted: impl Fn(&AuthEvent) -> bool) -> Vec<AuthEvent> {
        for _ in 0..200 {
            if self.0.lock().unwrap().iter().any(&wanted) {
                return std::mem::take(&mut self.0.lock().unwrap());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("heard only {:?}", self.0.lock().unwrap());
    }
}

#[actix_web::test]
async fn a_login_from_its_beginning_to_its_end() {
    let heard = Heard::default();
    let app = TestApp::with(|builder| builder.on_event(heard.listener())).await;
    let browser = app.logged_in().await;
    let who = match heard.until(|event| matches!(event, AuthEvent::LoggedIn { .. })).await.as_slice() {
        [AuthEvent::LoggedIn { user: who, .. }] => *who,
        events => panic!("{events:?}"),
    };
    assert_eq!(who.organization_id.to_string(), app.org.organization_id());

    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    let events = heard.until(|event| matches!(event, AuthEvent::Refreshed { .. })).await;
    assert!(
        matches!(events[..], [AuthEvent::Refreshed { user: whose, rotated: true, .. }] if whose == who),
        "{events:?}"
    );

    app.org.expire_access_tokens();
    let fault = app.org.faults().refresh(Fault::Status(500));
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 503);
    assert_eq!(
        heard.until(|event| matches!(event, AuthEvent::RefreshFailed(_))).await,
        [AuthEvent::RefreshFailed(who)]
    );
    fault.remove();

    let logout = app.url("/auth/salesforce/logout");
    assert_eq!(browser.submit(&logout, &app.server.url, &[]).await.status, 303);
    let events = heard.until(|event| *event == AuthEvent::TokenRevoked).await;
    assert!(
        matches!(events[..], [AuthEvent::LoggedOut { user, .. }, AuthEvent::TokenRevoked] if user == who),
        "{events:?}"
    );
}

#[actix_web::test]
async fn a_grant_that_salesforce_ended() {
    let heard = Heard::default();
    let store = FailingStore::default();
    let app = TestApp::with(|builder| {
        builder.keys(KEYS).store(std::sync::Arc::new(store.clone())).on_event(heard.listener())
    })
    .await;
    let browser = app.logged_in().await;
    app.org.revoke_all();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 401);
    let events = heard.until(|event| matches!(event, AuthEvent::GrantRevoked { .. })).await;
    assert!(
        matches!(events.last(), Some(AuthEvent::GrantRevoked { response_was_lost: false, .. })),
        "{events:?}"
    );
}

/// The event of a refusal says that a response was lost before: its reader need not look for a thief.
#[actix_web::test]
async fn a_refusal_after_a_response_was_lost() {
    let gateway = Fault::Status(504).once();
    let refused = Fault::OauthError {
        error: "invalid_grant".to_owned(),
        description: "expired access/refresh token".to_owned(),
        status: 400,
    };
    for (lost, failures) in [(Fault::LoseResponse.times(2), 1), (gateway, 0)] {
        let heard = Heard::default();
        let app = TestApp::with(|builder| builder.on_event(heard.listener())).await;
        let browser = app.logged_in().await;
        app.org.expire_access_tokens();
        app.org.faults().refresh(lost);
        app.org.faults().refresh(refused.clone());
        for _ in 0..failures {
            assert_eq!(browser.fetch(&app.url("/names")).await.status, 503);
            tokio::time::sleep(COOL_DOWN).await;
        }
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 401);
        let events = heard.until(|event| matches!(event, AuthEvent::GrantRevoked { .. })).await;
        let told = events
            .iter()
            .any(|event| matches!(event, AuthEvent::GrantRevoked { response_was_lost: true, .. }));
        assert!(told, "{events:?}");
    }
}

#[actix_web::test]
async fn a_store_that_fails_and_comes_back() {
    let heard = Heard::default();
    let store = FailingStore::default();
    let app = TestApp::with(|builder| {
        builder.keys(KEYS).store(std::sync::Arc::new(store.clone())).on_event(heard.listener())
    })
    .await;
    let browser = app.logged_in().await;
    store.set(Mode::Fails);
    for _ in 0..5 {
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 503);
    }
    // A store that serves some requests only is not up and down all the time.
    for _ in 0..3 {
        for (mode, status) in [(Mode::Works, 200), (Mode::Fails, 503)] {
            store.set(mode);
            assert_eq!(browser.fetch(&app.url("/names")).await.status, status);
        }
    }
    store.set(Mode::Works);
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    let events = heard.until(|event| *event == AuthEvent::StoreRecovered).await;
    let told = |wanted: &AuthEvent| events.iter().filter(|event| *event == wanted).count();
    assert_eq!(
        (told(&AuthEvent::StoreUnavailable), told(&AuthEvent::StoreRecovered)),
        (1, 1),
        "the change is told, not every call"
    );

    store.set(Mode::FailsToReplace);
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    heard.until(|event| matches!(event, AuthEvent::TokenWritePending(_))).await;
    store.set(Mode::Works);
    heard.until(|event| matches!(event, AuthEvent::TokenWriteRecovered(_))).await;
}

/// A listener's mistake is its own.
#[actix_web::test]
async fn a_listener_that_panics_costs_nothing() {
    let app = TestApp::with(|builder| builder.on_event(|_| panic!("on demand"))).await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    assert_eq!(app.refreshes(), 1);
}
