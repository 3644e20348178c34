//! The store fails while an owner connects or disconnects.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use super::{
    app::{AccountsApp, name, owner},
    lives::{KEYS, NEWER_KEYS, until_left, until_revoked},
};
use crate::support::{
    ADA, Client,
    failing::{FailingStore, Mode},
    reserve, settings_for,
};
use actix_salesforce::{
    AuthEvent,
    store::{
        AppKey, GrantFilter, OwnedFilter, OwnedKey, OwnedRecord, OwnerKey, Sealed, Store as _, StoreError,
    },
};

const BEN: &str = "ben@example.com";

/// An app whose store fails on demand, and the counters of its events.
struct Outage {
    app: AccountsApp,
    store: FailingStore,
    events: Arc<Mutex<Vec<&'static str>>>,
}

impl Outage {
    async fn start() -> Self {
        let (store, events) = (FailingStore::default(), Arc::new(Mutex::new(Vec::new())));
        let (given, seen) = (Arc::new(store.clone()), Arc::clone(&events));
        let app = AccountsApp::with(|builder| {
            let builder = builder.keys(KEYS).store(given);
            builder.on_event(move |event| seen.lock().unwrap().push(event.counter()))
        })
        .await;
        Self { app, store, events }
    }

    fn count(&self, counter: &str) -> usize {
        self.events.lock().unwrap().iter().filter(|event| **event == counter).count()
    }

    async fn until_counted(&self, counter: &str, count: usize) {
        until(|| self.count(counter) >= count, counter).await;
        assert_eq!(self.count(counter), count, "{counter}");
    }

    async fn disconnect(&self) -> actix_salesforce::Result<bool> {
        self.app.salesforce.disconnect_owner(&owner("1"), &name("prod")).await
    }

    async fn records(&self) -> Vec<OwnedRecord> {
        self.store.records().list_owned(OwnedFilter::Grants(GrantFilter::All)).await.unwrap()
    }

    /// A callback whose login or connection the store takes without saying so.
    async fn lose_callback(&self, browser: &Client, callback: &str) {
        self.store.set(Mode::LosesCreations);
        let page = browser.open(callback).await;
        assert_eq!(page.status, 503, "{page:?}");
        self.store.set(Mode::Works);
    }
}

async fn until(is_so: impl Fn() -> bool, what: &str) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(15), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const CONNECTED: &str = "actix_salesforce_owners_connected_total";
const DISCONNECTED: &str = "actix_salesforce_owners_disconnected_total";

#[actix_web::test]
async fn an_outage_of_the_store_leaves_no_token_behind() {
    let Outage { app, store, .. } = Outage::start().await;
    let browser = app.browser("1");
    let callback = app.callback_of(&browser, "prod").await;
    store.set(Mode::FailsToCreate);
    let page = browser.open(&callback).await;
    assert_eq!(page.status, 503, "{page:?}");
    until_revoked(&app.org).await;
}

#[actix_web::test]
async fn an_end_whose_response_is_lost_is_finished_and_reported_once() {
    let outage = Outage::start().await;
    let browser = outage.app.browser("1");
    outage.app.connect(&browser, "prod").await;
    outage.store.set(Mode::LosesEnds);
    let error = outage.disconnect().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    outage.store.set(Mode::Works);
    until_revoked(&outage.app.org).await;
    outage.until_counted(DISCONNECTED, 1).await;
    assert_eq!(outage.app.data(&browser, "prod").await.status, 401);
    // A caller that has gone away loses the response, too.
    outage.app.connect(&browser, "prod").await;
    outage.store.set(Mode::Slow(Duration::from_millis(300)));
    let gone = tokio::time::timeout(Duration::from_millis(450), outage.disconnect()).await;
    assert!(gone.is_err(), "the connection was read, and is being ended");
    outage.store.set(Mode::Works);
    until_revoked(&outage.app.org).await;
    outage.until_counted(DISCONNECTED, 2).await;
}

#[actix_web::test]
async fn the_end_of_an_unreadable_connection_ends() {
    let outage = Outage::start().await;
    let browser = outage.app.browser("1");
    outage.app.connect(&browser, "prod").await;
    outage.store.set(Mode::GarblesOwned);
    let loads = outage.store.owned_loads();
    let ended = tokio::time::timeout(Duration::from_secs(5), outage.disconnect()).await;
    assert!(!ended.expect("it ends").unwrap(), "an unreadable connection counts for nothing");
    assert!(outage.store.owned_loads() - loads < 5);
    outage.store.set(Mode::Works);
    assert_eq!(outage.app.data(&browser, "prod").await.status, 200, "it stays");
}

/// Another process's clock was an hour ahead when the owner connected.
#[actix_web::test]
async fn a_clock_that_was_ahead_keeps_no_owner_from_connecting_again() {
    let outage = Outage::start().await;
    let browser = outage.app.browser("1");
    outage.app.connect(&browser, "prod").await;
    let (record, store) = (outage.records().await.remove(0), outage.store.records());
    let grant = store.load_owned(record.key).await.unwrap().unwrap().1.unwrap();
    let mut ahead = record;
    ahead.connected_at = SystemTime::now() + Duration::from_secs(3_600);
    let _ = store.connect_owner(ahead, grant, Duration::ZERO).await.unwrap();
    outage.app.connect(&browser, "prod").await;
    assert_eq!(outage.app.data(&browser, "prod").await.status, 200);
    assert!(outage.disconnect().await.unwrap());
}

/// Another process seals the record under a key that this one does not have yet.
#[actix_web::test]
async fn an_end_that_waits_for_the_store_outlasts_a_rotation_of_keys() {
    let outage = Outage::start().await;
    outage.app.connect(&outage.app.browser("1"), "prod").await;
    outage.store.set(Mode::FailsToEnd);
    assert!(outage.disconnect().await.unwrap_err().is_transient());
    let former = outage.records().await.remove(0).sealed;
    let (sender, mut resealed) = tokio::sync::mpsc::unbounded_channel();
    let (_listener, url) = reserve();
    let rotating = settings_for(&outage.app.org, &url)
        .keys(format!("{NEWER_KEYS} {KEYS}"))
        .store(Arc::new(outage.store.clone()))
        .on_event(move |event| {
            if *event == AuthEvent::OlderKeysUnused {
                let _ = sender.send(());
            }
        });
    let rotating = rotating.build().await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), resealed.recv()).await.expect("the keys rotate");
    assert_ne!(outage.records().await.remove(0).sealed, former);
    rotating.shutdown().await;
    outage.store.set(Mode::Works);
    outage.until_counted(DISCONNECTED, 1).await;
    assert!(outage.records().await.is_empty());
}

#[actix_web::test]
async fn a_late_end_leaves_a_newer_connection_alone() {
    let outage = Outage::start().await;
    let browser = outage.app.browser("1");
    outage.app.connect(&browser, "prod").await;
    outage.store.set(Mode::FailsToEnd);
    assert!(outage.disconnect().await.unwrap_err().is_transient());
    outage.app.connect(&browser, "prod").await;
    let loads = outage.store.owned_loads();
    outage.store.set(Mode::Works);
    until(|| outage.store.owned_loads() > loads, "the end is tried again").await;
    assert_eq!(outage.app.data(&browser, "prod").await.body, ADA);
    assert_eq!((outage.count(CONNECTED), outage.count(DISCONNECTED)), (2, 0));
}

/// The owner is told of a failure, and the connection stands: its events and revocations are those of any other.
#[actix_web::test]
async fn a_connection_whose_response_is_lost_revokes_what_it_replaced() {
    let outage = Outage::start().await;
    let (app, browser) = (&outage.app, outage.app.browser("1"));
    app.connect(&browser, "prod").await;
    let callback = app.callback_of(&browser, "prod").await;
    outage.lose_callback(&browser, &callback).await;
    outage.until_counted(CONNECTED, 2).await;
    until_left(&app.org, 1).await;
    app.org.expire_access_tokens();
    assert_eq!(app.data(&browser, "prod").await.body, ADA, "the new tokens are valid");

    // Another Salesforce user under the same name.
    app.org.sign_in(&app.org.user(BEN));
    let callback = app.callback_of(&browser, "prod").await;
    outage.lose_callback(&browser, &callback).await;
    until_revoked(&app.org).await;
    app.org.expire_access_tokens();
    assert_eq!(app.data(&browser, "prod").await.body, BEN);
    assert_eq!(app.org.live_refresh_tokens(&app.org.user(BEN)).len(), 1);
}

/// The login is undone, and another browser of the user has its tokens by then.
#[actix_web::test]
async fn a_login_whose_response_is_lost_revokes_what_it_replaced() {
    let outage = Outage::start().await;
    let (app, first, second) = (&outage.app, Client::new(), Client::new());
    assert_eq!(first.visit(&app.url("/whoami")).await.body, ADA);
    let callback = second.visit_until(&app.url("/whoami"), super::app::CALLBACK).await;
    outage.lose_callback(&second, callback.as_str()).await;
    until_left(&app.org, 1).await;
    app.org.expire_access_tokens();
    assert_eq!(first.visit(&app.url("/whoami")).await.body, ADA, "the new tokens are valid");
}

/// The store had not carried a write out when the owner ended the connection, and does it later.
#[actix_web::test]
async fn a_connection_that_is_stored_late_stays_ended() {
    let outage = Outage::start().await;
    let browser = outage.app.browser("1");
    outage.app.connect(&browser, "prod").await;
    let key = outage.records().await.remove(0).key;
    let (record, grant) = outage.store.records().load_owned(key).await.unwrap().unwrap();
    let late = async |record: &OwnedRecord| {
        let grant = grant.clone().unwrap();
        outage.store.records().connect_owner(record.clone(), grant, Duration::ZERO).await
    };
    let user = outage.app.org.user(ADA);
    assert!(outage.disconnect().await.unwrap());
    let stored = late(&record).await;
    assert!(matches!(stored, Err(StoreError::AlreadyExists)), "{stored:?}");
    assert!(outage.records().await.is_empty());
    assert_ne!(outage.app.data(&browser, "prod").await.status, 200);
    until(|| outage.app.org.live_refresh_tokens(&user).is_empty(), "revoked").await;

    // The owner connects again at once, and the first one comes late again.
    outage.app.connect(&browser, "prod").await;
    assert!(matches!(late(&record).await, Err(StoreError::AlreadyExists)));
    assert_eq!(outage.app.data(&browser, "prod").await.body, ADA);

    // One that was ended before the store had it.
    let of = OwnerKey::new(AppKey::from_client_id(&outage.app.org.client_id()), &owner("9"));
    let keys = (of, OwnedKey::new(of, &name("prod")));
    let sealed = Sealed::from_bytes(b"first".to_vec());
    let first = OwnedRecord::new(keys, record.grant, sealed, SystemTime::now(), record.expires_at);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let was_there = outage.app.salesforce.disconnect_owner(&owner("9"), &name("prod")).await.unwrap();
    assert!(!was_there);
    assert!(matches!(late(&first).await, Err(StoreError::AlreadyExists)));
}
