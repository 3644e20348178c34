//! The counters of the feature `metrics`: one for each kind of event, and no label.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_salesforce::AuthEvent;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use salesforce_fake_org::Fault;
use support::TestApp;

/// Keeps what is counted, by name and labels.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<BTreeMap<Key, Arc<AtomicU64>>>>);

impl Counted {
    fn values(&self) -> BTreeMap<String, u64> {
        let all = self.0.lock().unwrap();
        all.iter().map(|(key, value)| (key.name().to_owned(), value.load(Ordering::Relaxed))).collect()
    }
}

impl Recorder for Counted {
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(key.clone()).or_default()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("a gauge: {key}")
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("a histogram: {key}")
    }

    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
}

/// Two people, so that a label that names one would show.
#[actix_web::test]
async fn each_event_is_counted_once_under_its_name_and_without_labels() {
    let counted = Counted::default();
    metrics::set_global_recorder(counted.clone()).unwrap();
    let heard = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let listener = Arc::clone(&heard);
    let app = TestApp::with(|builder| {
        builder.on_event(move |event: &AuthEvent| {
            *listener.lock().unwrap().entry(event.counter().to_owned()).or_default() += 1;
        })
    })
    .await;
    for user in app.org.users().into_iter().take(2) {
        app.org.sign_in(&user);
        let browser = app.logged_in().await;
        app.org.expire_access_tokens();
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
        app.org.expire_access_tokens();
        let outage = app.org.faults().refresh(Fault::Status(500));
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 503);
        outage.remove();
        browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    }
    let expected = BTreeMap::from(
        ["logins", "logouts", "refreshes", "refresh_failures", "tokens_revoked"]
            .map(|name| (format!("actix_salesforce_{name}_total"), 2)),
    );
    // The last is told once Salesforce has responded.
    for _ in 0..200 {
        if counted.values() == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(counted.values(), expected);
    assert_eq!(*heard.lock().unwrap(), expected, "as many as the listener heard");
    for key in counted.0.lock().unwrap().keys() {
        assert_eq!(key.labels().count(), 0, "{key}");
    }
}
