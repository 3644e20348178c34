//! [`DeadlineStore`]: bounds the time of each store operation, and reports when a store becomes unavailable or recovers.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tracing::{Instrument as _, debug_span};

use super::{
    ConnectedOwner, ConsumerKey, DeletedLogin, DisconnectedOwner, GrantFilter, GrantKey, GrantRecord,
    GrantVersion, LeaseHolder, LeaseName, LoginKey, LoginRecord, OneTimeKey, OwnedFilter, OwnedKey,
    OwnedRecord, PositionRecord, PositionSwap, Sealed, Store, StoreError, StoreFuture, SwapOutcome,
};
use crate::base::{error_chain::ErrorChain, lock::lock};

/// How long store operations may take. The values and their reasons are in `grants::Timing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreTiming {
    /// Maximum time of an operation.
    pub(crate) call: Duration,
    /// Maximum time of a listing.
    pub(crate) listing: Duration,
    /// A store counts as recovered only after this long without a failure.
    pub(crate) recovery_period: Duration,
}

/// Receives the news that a store became unavailable or recovered.
pub(crate) trait AvailabilityObserver: Send + Sync + 'static {
    /// Called at the first failure.
    fn store_unavailable(&self);
    /// Called after a recovery period without a failure.
    fn store_recovered(&self);
}

/// Wraps a store that the app brought, or one of ours.
pub(super) struct DeadlineStore {
    store: Arc<dyn Store>,
    timing: StoreTiming,
    /// Whether operations are bounded here. Our stores bound their operations themselves, where they run.
    has_deadline: bool,
    observer: Box<dyn AvailabilityObserver>,
    unavailable: AtomicBool,
    /// When an operation last failed. Read only while the store is unavailable.
    failed_at: Mutex<Option<Instant>>,
}

/// The store did not respond in time.
#[derive(Debug, thiserror::Error)]
#[error("no response within {} ms", .0.as_millis())]
struct TimedOut(Duration);

impl DeadlineStore {
    /// Wraps a store of the app: each operation gets a deadline.
    pub(super) fn new(
        store: Arc<dyn Store>,
        timing: StoreTiming,
        observer: impl AvailabilityObserver,
    ) -> Self {
        Self {
            store,
            timing,
            has_deadline: true,
            observer: Box::new(observer),
            unavailable: AtomicBool::new(false),
            failed_at: Mutex::new(None),
        }
    }

    /// Wraps a store whose operations have a deadline already: only its availability is observed.
    #[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
    pub(super) fn observing(
        store: Arc<dyn Store>,
        timing: StoreTiming,
        observer: impl AvailabilityObserver,
    ) -> Self {
        Self { has_deadline: false, ..Self::new(store, timing, observer) }
    }

    fn call<'a, T: 'a>(&'a self, name: &'static str, operation: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        self.within(self.timing.call, name, operation)
    }

    fn listing<'a, T: 'a>(&'a self, name: &'static str, operation: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        self.within(self.timing.listing, name, operation)
    }

    fn within<'a, T: 'a>(
        &'a self,
        deadline: Duration,
        name: &'static str,
        operation: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        let span = debug_span!("salesforce.store", call = name);
        let observed = async move {
            let result = if self.has_deadline {
                let result = tokio::time::timeout(deadline, operation).await;
                result.unwrap_or_else(|_| Err(StoreError::Unavailable(TimedOut(deadline).into())))
            } else {
                operation.await
            };
            match &result {
                Err(error @ StoreError::Unavailable(_)) => self.record_failure(error),
                _ if self.unavailable.load(Ordering::Relaxed) => self.record_success(),
                _ => {}
            }
            result
        };
        if span.is_disabled() { Box::pin(observed) } else { Box::pin(observed.instrument(span)) }
    }

    fn record_failure(&self, error: &StoreError) {
        *lock(&self.failed_at) = Some(Instant::now());
        if !self.unavailable.swap(true, Ordering::Relaxed) {
            tracing::error!(store = ?self.store, error = %ErrorChain(error), "store unavailable");
            self.observer.store_unavailable();
        }
    }

    fn record_success(&self) {
        let failed_at = *lock(&self.failed_at);
        let recovered = failed_at.is_none_or(|at| at.elapsed() >= self.timing.recovery_period);
        if recovered && self.unavailable.swap(false, Ordering::Relaxed) {
            tracing::info!(store = ?self.store, "store recovered");
            self.observer.store_recovered();
        }
    }
}

impl fmt::Debug for DeadlineStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

impl Store for DeadlineStore {
    fn create_login<'a>(
        &'a self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'a, Option<GrantRecord>> {
        self.call("create_login", self.store.create_login(key, login, grant))
    }

    fn load_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, Option<(LoginRecord, GrantRecord)>> {
        self.call("load_login", self.store.load_login(key))
    }

    fn touch_login<'a>(
        &'a self,
        key: LoginKey,
        last_used_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'a, bool> {
        self.call("touch_login", self.store.touch_login(key, last_used_at, expires_at))
    }

    fn delete_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, DeletedLogin> {
        self.call("delete_login", self.store.delete_login(key))
    }

    fn put_grant<'a>(&'a self, grant: GrantRecord) -> StoreFuture<'a, Option<GrantRecord>> {
        self.call("put_grant", self.store.put_grant(grant))
    }

    fn load_grant<'a>(&'a self, key: GrantKey) -> StoreFuture<'a, Option<GrantRecord>> {
        self.call("load_grant", self.store.load_grant(key))
    }

    fn compare_and_swap_grant<'a>(
        &'a self,
        expected: GrantVersion,
        next: GrantRecord,
    ) -> StoreFuture<'a, SwapOutcome> {
        self.call("compare_and_swap_grant", self.store.compare_and_swap_grant(expected, next))
    }

    fn delete_grant<'a>(
        &'a self,
        key: GrantKey,
        expected: Option<GrantVersion>,
    ) -> StoreFuture<'a, Option<GrantRecord>> {
        self.call("delete_grant", self.store.delete_grant(key, expected))
    }

    fn break_grant<'a>(&'a self, expected: GrantVersion, broken: GrantRecord) -> StoreFuture<'a, bool> {
        self.call("break_grant", self.store.break_grant(expected, broken))
    }

    fn connect_owner<'a>(
        &'a self,
        owned: OwnedRecord,
        grant: GrantRecord,
        keep_unused: Duration,
    ) -> StoreFuture<'a, ConnectedOwner> {
        self.call("connect_owner", self.store.connect_owner(owned, grant, keep_unused))
    }

    fn load_owned<'a>(
        &'a self,
        key: OwnedKey,
    ) -> StoreFuture<'a, Option<(OwnedRecord, Option<GrantRecord>)>> {
        self.call("load_owned", self.store.load_owned(key))
    }

    fn disconnect_owner<'a>(
        &'a self,
        key: OwnedKey,
        expected: Sealed,
        keep_unused: Duration,
        ended_at: SystemTime,
    ) -> StoreFuture<'a, DisconnectedOwner> {
        self.call("disconnect_owner", self.store.disconnect_owner(key, expected, keep_unused, ended_at))
    }

    fn list_owned<'a>(&'a self, filter: OwnedFilter) -> StoreFuture<'a, Vec<OwnedRecord>> {
        self.listing("list_owned", self.store.list_owned(filter))
    }

    fn reseal_owned<'a>(&'a self, key: OwnedKey, expected: Sealed, next: Sealed) -> StoreFuture<'a, bool> {
        self.call("reseal_owned", self.store.reseal_owned(key, expected, next))
    }

    fn list_logins<'a>(&'a self, filter: GrantFilter) -> StoreFuture<'a, Vec<(LoginKey, LoginRecord)>> {
        self.listing("list_logins", self.store.list_logins(filter))
    }

    fn list_grants<'a>(&'a self, filter: GrantFilter) -> StoreFuture<'a, Vec<GrantRecord>> {
        self.listing("list_grants", self.store.list_grants(filter))
    }

    fn consume_once<'a>(&'a self, once: OneTimeKey, lifetime: Duration) -> StoreFuture<'a, bool> {
        self.call("consume_once", self.store.consume_once(once, lifetime))
    }

    fn acquire_lease<'a>(
        &'a self,
        name: LeaseName,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'a, bool> {
        self.call("acquire_lease", self.store.acquire_lease(name, holder, lifetime))
    }

    fn release_lease<'a>(&'a self, name: LeaseName, holder: LeaseHolder) -> StoreFuture<'a, ()> {
        self.call("release_lease", self.store.release_lease(name, holder))
    }

    fn load_position<'a>(&'a self, key: ConsumerKey) -> StoreFuture<'a, Option<PositionRecord>> {
        self.call("load_position", self.store.load_position(key))
    }

    fn compare_and_swap_position<'a>(
        &'a self,
        expected: Option<u64>,
        next: PositionRecord,
    ) -> StoreFuture<'a, PositionSwap> {
        self.call("compare_and_swap_position", self.store.compare_and_swap_position(expected, next))
    }
}
