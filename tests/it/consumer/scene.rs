//! An org whose accounts change, a store, and processes that run a consumer over it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::support::{ADA, failing::FailingStore, settings_for};
use actix_salesforce::{
    Connection, Salesforce, SalesforceBuilder,
    admin::{ConsumerHealth, ConsumerState},
    consumer::Consumer,
    events::{Change, Delivery, Patch, StartFrom},
    store::{ConsumerKey, MemoryStore, PositionRecord, Store},
    token::ServiceUser,
};
use salesforce_fake_org::FakeOrg;
use serde_json::json;

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
pub(super) const NAME: &str = "crm-sync";
pub(super) const TOPIC: &str = "/data/AccountChangeEvent";
/// The lifetime of a lease in tests, and a little more.
pub(super) const CRASH: Duration = Duration::from_secs(8);

#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Account {
    pub(super) name: Patch<String>,
}

/// The handler's own error.
#[derive(Debug, thiserror::Error)]
#[error("on demand")]
pub(super) struct OnDemand;

/// The names of accounts that were handled, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Handled(Arc<Mutex<Vec<String>>>);

impl Handled {
    pub(super) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn add(&self, name: impl Into<String>) {
        self.0.lock().unwrap().push(name.into());
    }

    /// Waits until so many names are there, and returns all.
    pub(super) async fn until(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} events are handled"), || self.names().len() >= count).await;
        self.names()
    }
}

pub(super) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn name(delivery: &Delivery<Change<Account>>) -> String {
    match &delivery.event {
        Change::Created(Account { name: Patch::Set(name) })
        | Change::Updated(Account { name: Patch::Set(name) }) => name.clone(),
        other => format!("{other:?}"),
    }
}

pub(super) struct Scene {
    pub(super) org: FakeOrg,
    pub(super) store: Arc<dyn Store>,
    /// What is stored, if the store may fail.
    records: Arc<dyn Store>,
    pub(super) handled: Handled,
    service: Salesforce,
}

impl Scene {
    pub(super) async fn start() -> Self {
        Self::around(org().await, Arc::new(MemoryStore::new())).await
    }

    pub(super) async fn around(org: FakeOrg, store: Arc<dyn Store>) -> Self {
        Self::over(org, Arc::clone(&store), store).await
    }

    pub(super) async fn failing(store: &FailingStore) -> Self {
        Self::over(org().await, Arc::new(store.clone()), store.shared_records()).await
    }

    async fn over(org: FakeOrg, store: Arc<dyn Store>, records: Arc<dyn Store>) -> Self {
        let service = with_service(settings_for(&org, "http://127.0.0.1:8080"), &org).build().await.unwrap();
        Self { org, store, records, handled: Handled::default(), service }
    }

    pub(super) fn settings(&self) -> SalesforceBuilder {
        let settings = settings_for(&self.org, "http://127.0.0.1:8080").keys(KEYS);
        with_service(settings, &self.org).store(Arc::clone(&self.store))
    }

    /// A process that runs this consumer.
    pub(super) async fn process(&self, consumer: Consumer) -> Salesforce {
        self.settings().consumer(consumer.with_test_timing()).build().await.unwrap()
    }

    /// The connection that creates accounts and publishes, beside all processes.
    pub(super) async fn connection(&self) -> Connection {
        self.service.service_connection().await.unwrap()
    }

    /// The consumer that notes the names of accounts.
    pub(super) fn consumer(&self) -> Consumer {
        let handled = self.handled.clone();
        Consumer::new(NAME, TOPIC, StartFrom::Earliest).on(
            "Account",
            move |delivery: Delivery<Change<Account>>, _: Connection| {
                handled.add(name(&delivery));
                std::future::ready(Ok::<(), OnDemand>(()))
            },
        )
    }

    /// Creates accounts with these names, one change each.
    pub(super) async fn create(&self, names: &[&str]) {
        let sf = self.connection().await;
        for name in names {
            sf.sobject("Account").create(&json!({ "Name": name })).await.unwrap();
        }
    }

    pub(super) fn key(&self) -> ConsumerKey {
        ConsumerKey::new(NAME, self.org.organization_id().parse().unwrap(), TOPIC)
    }

    pub(super) async fn record(&self) -> Option<PositionRecord> {
        self.store.load_position(self.key()).await.unwrap()
    }

    /// The version of the record, also while the store fails.
    pub(super) async fn stored_version(&self) -> u64 {
        let record = self.records.load_position(self.key()).await.unwrap();
        record.map_or(0, |record| record.version)
    }

    /// Waits until the position was written after this version.
    pub(super) async fn written_after(&self, version: u64) -> PositionRecord {
        let started = Instant::now();
        loop {
            if let Some(record) = self.record().await.filter(|record| record.version > version) {
                return record;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "the position is written");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

pub(super) async fn org() -> FakeOrg {
    let objects = ["Account", "Contact"];
    FakeOrg::builder().rows(0).execution_user(ADA).change_events(&objects).start().await.unwrap()
}

fn with_service(builder: SalesforceBuilder, org: &FakeOrg) -> SalesforceBuilder {
    let service = ServiceUser::client_credentials(org.instance_url().parse().unwrap());
    builder.service_user(service).pubsub_url(org.pubsub().endpoint())
}

pub(super) async fn health(salesforce: &Salesforce) -> ConsumerHealth {
    salesforce.health().await.consumers.remove(0)
}

/// Waits until the consumer's health is like that.
pub(super) async fn until(salesforce: &Salesforce, what: &str, holds: impl Fn(&ConsumerHealth) -> bool) {
    let started = Instant::now();
    loop {
        let health = health(salesforce).await;
        if holds(&health) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{what}: {health:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) async fn until_running(salesforce: &Salesforce) {
    until(salesforce, "it runs", |health| health.state == ConsumerState::Running).await;
}
