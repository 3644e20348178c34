//! The health report.

use super::*;
use crate::{
    grants::health::{KeyHealth, OutageKind, PendingWork, StoreStatus},
    store::{
        ConnectedOwner, DeletedLogin, DisconnectedOwner, GrantKey, GrantRecord, GrantVersion, LeaseHolder,
        LeaseName, LoginRecord, OneTimeKey, OwnedFilter, OwnedKey, OwnedRecord, Sealed, StoreError,
        StoreFuture, SwapOutcome,
    },
};

/// A store of which no operation ever ends, or every operation fails.
#[derive(Debug)]
struct BrokenStore {
    hangs: bool,
}

impl BrokenStore {
    fn fail<T: Send + 'static>(&self) -> StoreFuture<'_, T> {
        if self.hangs {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(Err(StoreError::Unavailable("on demand".into()))))
    }
}

impl Store for BrokenStore {
    fn create_login(
        &self,
        _: LoginKey,
        _: LoginRecord,
        _: GrantRecord,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        self.fail()
    }
    fn load_login(&self, _: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        self.fail()
    }
    fn touch_login(&self, _: LoginKey, _: SystemTime, _: SystemTime) -> StoreFuture<'_, bool> {
        self.fail()
    }
    fn delete_login(&self, _: LoginKey) -> StoreFuture<'_, DeletedLogin> {
        self.fail()
    }
    fn put_grant(&self, _: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        self.fail()
    }
    fn load_grant(&self, _: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
        self.fail()
    }
    fn compare_and_swap_grant(&self, _: GrantVersion, _: GrantRecord) -> StoreFuture<'_, SwapOutcome> {
        self.fail()
    }
    fn delete_grant(&self, _: GrantKey, _: Option<GrantVersion>) -> StoreFuture<'_, Option<GrantRecord>> {
        self.fail()
    }
    fn break_grant(&self, _: GrantVersion, _: GrantRecord) -> StoreFuture<'_, bool> {
        self.fail()
    }
    fn connect_owner(&self, _: OwnedRecord, _: GrantRecord, _: Duration) -> StoreFuture<'_, ConnectedOwner> {
        self.fail()
    }
    fn load_owned(&self, _: OwnedKey) -> StoreFuture<'_, Option<(OwnedRecord, Option<GrantRecord>)>> {
        self.fail()
    }
    fn disconnect_owner(
        &self,
        _: OwnedKey,
        _: Sealed,
        _: Duration,
        _: SystemTime,
    ) -> StoreFuture<'_, DisconnectedOwner> {
        self.fail()
    }
    fn list_owned(&self, _: OwnedFilter) -> StoreFuture<'_, Vec<OwnedRecord>> {
        self.fail()
    }
    fn reseal_owned(&self, _: OwnedKey, _: Sealed, _: Sealed) -> StoreFuture<'_, bool> {
        self.fail()
    }
    fn list_logins(&self, _: GrantFilter) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        self.fail()
    }
    fn list_grants(&self, _: GrantFilter) -> StoreFuture<'_, Vec<GrantRecord>> {
        self.fail()
    }
    fn consume_once(&self, _: OneTimeKey, _: Duration) -> StoreFuture<'_, bool> {
        self.fail()
    }
    fn acquire_lease(&self, _: LeaseName, _: LeaseHolder, _: Duration) -> StoreFuture<'_, bool> {
        self.fail()
    }
    fn release_lease(&self, _: LeaseName, _: LeaseHolder) -> StoreFuture<'_, ()> {
        self.fail()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_names_the_last_outage_and_serializes() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let health = manager.health().await;
    assert!(health.store.status == StoreStatus::Reachable && health.last_token_outage.is_none());
    assert_eq!(health.keys, KeyHealth { count: 1, older_key_seen: false });
    assert_eq!(health.pending, PendingWork { token_writes: 0, logouts: 0 });

    let id = fleet.log_in(&manager, &fleet.ada()).await;
    let grant = manager.login(&id).await.unwrap().unwrap();
    fleet.org.faults().refresh(salesforce_fake_org::Fault::Status(500));
    assert!(grant.refresh_version(grant.current().unwrap().version).await.is_err());
    let requests = fleet.org.token_calls("refresh_token");
    let health = manager.health().await;
    assert_eq!(health.last_token_outage.map(|outage| outage.kind), Some(OutageKind::TokenEndpoint));
    assert_eq!(fleet.org.token_calls("refresh_token"), requests, "no request to Salesforce");

    let json = serde_json::to_value(&health).unwrap();
    assert_eq!(json["store"]["status"], "reachable");
    assert_eq!(json["last_token_outage"]["kind"], "token_endpoint");
    assert!(json["last_token_outage"]["at"].is_u64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_hangs_or_fails_is_reported_in_time() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    for (hangs, status) in [(true, StoreStatus::TimedOut), (false, StoreStatus::Unavailable)] {
        let manager = fleet.process_over(Arc::new(BrokenStore { hangs }), Clock::system());
        let started = std::time::Instant::now();
        let health = manager.health().await;
        assert_eq!(health.store.status, status);
        // Twice the bound, because the machine may be busy.
        assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
        // The logout is retried, and pending meanwhile.
        manager.log_out_later(Secret::new("id"));
        for _ in 0..200 {
            if manager.health().await.pending.logouts == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(manager.health().await.pending.logouts, 1);
    }
}
