//! Connections of owners while the client id and secret of the app rotate.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::app::{AccountsApp, name, owner};
use crate::support::{
    ADA,
    failing::{FailingStore, Mode},
    reserve,
};
use actix_salesforce::{
    SalesforceBuilder,
    store::{GrantFilter, OwnedFilter, OwnedRecord, Sealed, Store as _},
};
use salesforce_fake_org::FakeOrg;
use serde_json::json;

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
const ID: &str = "3MVG9Rotated";
const SECRET: &str = "R0TATED";

/// An org, a store and an address that outlive the runs of an app.
struct Deployment {
    org: Arc<FakeOrg>,
    store: FailingStore,
    address: String,
}

impl Deployment {
    async fn start() -> Self {
        let org = FakeOrg::start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let (listener, _) = reserve();
        let address = listener.local_addr().unwrap().to_string();
        Self { org: Arc::new(org), store: FailingStore::default(), address }
    }

    async fn run(&self, settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> AccountsApp {
        let listener = std::net::TcpListener::bind(&self.address).unwrap();
        let store = Arc::new(self.store.clone());
        AccountsApp::on(listener, Arc::clone(&self.org), |builder| settings(builder.keys(KEYS).store(store)))
            .await
    }

    async fn run_with_old(&self) -> AccountsApp {
        self.run(|builder| builder).await
    }

    async fn run_with_both(&self) -> AccountsApp {
        let rotated = json!({ "rotated_credentials": { "client_id": ID, "client_secret": SECRET } });
        self.org.set_policy(&rotated).unwrap();
        let (id, secret) = (self.org.client_id(), self.org.client_secret());
        self.run(|builder| {
            let builder = builder.client_id(ID).client_secret(SECRET);
            builder.previous_client_id(id).previous_client_secret(secret)
        })
        .await
    }
}

#[actix_web::test]
async fn a_callback_of_the_previous_client_id_that_comes_twice_connects_once() {
    let deployment = Deployment::start().await;
    let app = deployment.run_with_old().await;
    let browser = app.browser("1");
    let callback = app.callback_of(&browser, "prod").await;
    drop(app);
    let app = deployment.run_with_both().await;
    let (browser, again) = (browser.copy(), browser.copy());
    for browser in [&browser, &again] {
        let page = browser.open(&callback).await;
        assert_eq!((page.status, page.header("location")), (303, "/connected"), "{page:?}");
    }
    assert_eq!(app.org.token_calls("authorization_code"), 1);
    assert_eq!(app.data(&browser, "prod").await.body, ADA);
}

/// In a rolling deploy a process that knows the former client id only may connect last.
#[actix_web::test]
async fn an_end_reaches_the_records_of_both_client_ids_although_the_store_fails() {
    let deployment = Deployment::start().await;
    let app = deployment.run_with_both().await;
    app.connect(&app.browser("1"), "prod").await;
    drop(app);
    let app = deployment.run_with_old().await;
    app.connect(&app.browser("1"), "prod").await;
    drop(app);
    let records = async || {
        let all = OwnedFilter::Grants(GrantFilter::All);
        deployment.store.records().list_owned(all).await.unwrap().len()
    };
    assert_eq!(records().await, 2);
    let app = deployment.run_with_both().await;
    deployment.store.set(Mode::LosesEnds);
    let error = app.salesforce.disconnect_owner(&owner("1"), &name("prod")).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(records().await, 0);
}

/// What the owner connected under the other client id before is ended, however late, and what comes after it stays.
#[actix_web::test]
async fn a_connection_ends_that_of_the_other_client_id_and_no_later_one() {
    let deployment = Deployment::start().await;
    let app = deployment.run_with_old().await;
    app.connect(&app.browser("1"), "prod").await;
    drop(app);
    let all = OwnedFilter::Grants(GrantFilter::All);
    let records = async || deployment.store.records().list_owned(all).await.unwrap();
    let key = records().await.remove(0).key;
    let (of_old, grant_of_old) = deployment.store.records().load_owned(key).await.unwrap().unwrap();
    let grant_of_old = grant_of_old.unwrap();
    let app = deployment.run_with_both().await;
    app.connect(&app.browser("1"), "prod").await;
    until(async || records().await.len() == 1, "the former one ends").await;
    let of_new = records().await.remove(0);
    assert_ne!(of_new.key, of_old.key);

    // The former one is back, the store fails, and a process that knows the former client id only connects meanwhile.
    let connect = async |record: &OwnedRecord| {
        let (store, record) = (deployment.store.records(), record.clone());
        let _ = store.connect_owner(record, grant_of_old.clone(), Duration::ZERO).await.unwrap();
    };
    let keys = (of_old.owner, of_old.key);
    let back = OwnedRecord::new(keys, of_old.grant, of_old.sealed, SystemTime::now(), of_old.expires_at);
    connect(&back).await;
    let browser = app.browser("1");
    let callback = app.callback_of(&browser, "prod").await;
    deployment.store.set(Mode::FailsOnceConnected);
    let page = browser.open(&callback).await;
    assert_eq!(page.status, 303, "{page:?}");
    let connected_at = back.connected_at + Duration::from_secs(60);
    let sealed = Sealed::from_bytes(b"later".to_vec());
    let later = OwnedRecord::new(keys, back.grant, sealed, connected_at, back.expires_at);
    connect(&later).await;
    let loads = deployment.store.owned_loads();
    deployment.store.set(Mode::Works);
    until(async || deployment.store.owned_loads() > loads, "the end is tried again").await;
    assert!(records().await.contains(&later));
}

async fn until(is_so: impl AsyncFn() -> bool, what: &str) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(15), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
