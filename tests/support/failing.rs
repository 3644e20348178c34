//! A store that fails, hangs or loses responses on demand, around the memory store.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use actix_salesforce::store::{
    ConnectedOwner, ConsumerKey, DeletedLogin, DisconnectedOwner, GrantFilter, GrantKey, GrantRecord,
    GrantVersion, LeaseHolder, LeaseName, LoginKey, LoginRecord, MemoryStore, OneTimeKey, OwnedFilter,
    OwnedKey, OwnedRecord, PositionRecord, PositionSwap, Sealed, Store, StoreError, StoreFuture, SwapOutcome,
};

/// How the store behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    Works,
    /// Every call fails at once.
    Fails,
    /// No operation ever ends.
    Hangs,
    /// Every operation ends, so much later.
    Slow(Duration),
    /// New logins are not taken; all else works.
    FailsToCreate,
    /// New logins and connections are taken, and their responses lost; all else works.
    LosesCreations,
    /// Renewed tokens are not taken; all else works.
    FailsToReplace,
    /// No login is read; all else works.
    FailsToLoad,
    /// Connections of owners are unreadable; all else works.
    GarblesOwned,
    /// No one-time value is taken; all else works.
    FailsToConsume,
    /// Every call takes effect, and fails.
    LosesResponses,
    /// What ends logins and grants takes effect, and fails; all else works.
    LosesEnds,
    /// Nothing is ended; all else works.
    FailsToEnd,
    /// The next connection of an owner is taken, and [`Fails`](Self::Fails) follows.
    FailsOnceConnected,
}

/// Shared by all its clones.
#[derive(Debug, Clone, Default)]
pub struct FailingStore {
    inner: Arc<MemoryStore>,
    mode: Arc<Mutex<Mode>>,
    once_calls: Arc<AtomicUsize>,
    owned_loads: Arc<AtomicUsize>,
}

impl FailingStore {
    pub fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// What is stored, whatever the mode.
    pub fn records(&self) -> &MemoryStore {
        &self.inner
    }

    /// The same, to be shared.
    pub fn shared_records(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.inner)
    }

    /// How often a one-time value was to be taken.
    pub fn once_calls(&self) -> usize {
        self.once_calls.load(Ordering::SeqCst)
    }

    /// How often a connection of an owner was to be read.
    pub fn owned_loads(&self) -> usize {
        self.owned_loads.load(Ordering::SeqCst)
    }

    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap()
    }

    /// As [`guard`](Self::guard), for what ends something.
    fn guard_end<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce() -> StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        match self.mode() {
            Mode::LosesEnds => losing(call()),
            Mode::FailsToEnd => Box::pin(failed()),
            _ => self.guard(false, call),
        }
    }

    /// As [`guard`](Self::guard), for what makes a login or a connection.
    fn guard_creation<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce() -> StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        match self.mode() {
            Mode::LosesCreations => losing(call()),
            Mode::FailsToCreate => Box::pin(failed()),
            _ => self.guard(false, call),
        }
    }

    fn guard<'a, T: Send + 'a>(
        &'a self,
        replaces: bool,
        call: impl FnOnce() -> StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        match self.mode() {
            Mode::Hangs => Box::pin(std::future::pending()),
            Mode::Slow(delay) => {
                let call = call();
                Box::pin(async move {
                    tokio::time::sleep(delay).await;
                    call.await
                })
            }
            Mode::Fails => Box::pin(failed()),
            Mode::FailsToReplace if replaces => Box::pin(failed()),
            Mode::LosesResponses => losing(call()),
            Mode::Works
            | Mode::FailsToCreate
            | Mode::FailsToReplace
            | Mode::FailsToLoad
            | Mode::GarblesOwned
            | Mode::FailsToConsume
            | Mode::LosesCreations
            | Mode::LosesEnds
            | Mode::FailsToEnd
            | Mode::FailsOnceConnected => call(),
        }
    }
}

/// Takes effect, and fails.
fn losing<'a, T: Send + 'a>(call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
    Box::pin(async move {
        call.await?;
        failed().await
    })
}

async fn failed<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("on demand".into()))
}

impl Store for FailingStore {
    fn create_login<'a>(
        &'a self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'a, Option<GrantRecord>> {
        self.guard_creation(move || self.inner.create_login(key, login, grant))
    }

    fn load_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, Option<(LoginRecord, GrantRecord)>> {
        if self.mode() == Mode::FailsToLoad {
            return Box::pin(failed());
        }
        self.guard(false, move || self.inner.load_login(key))
    }

    fn touch_login<'a>(
        &'a self,
        key: LoginKey,
        last_used_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'a, bool> {
        self.guard(false, move || self.inner.touch_login(key, last_used_at, expires_at))
    }

    fn delete_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, DeletedLogin> {
        self.guard_end(move || self.inner.delete_login(key))
    }

    fn put_grant<'a>(&'a self, grant: GrantRecord) -> StoreFuture<'a, Option<GrantRecord>> {
        self.guard(false, move || self.inner.put_grant(grant))
    }

    fn load_grant<'a>(&'a self, key: GrantKey) -> StoreFuture<'a, Option<GrantRecord>> {
        self.guard(false, move || self.inner.load_grant(key))
    }

    fn compare_and_swap_grant<'a>(
        &'a self,
        expected: GrantVersion,
        next: GrantRecord,
    ) -> StoreFuture<'a, SwapOutcome> {
        self.guard(true, move || self.inner.compare_and_swap_grant(expected, next))
    }

    fn delete_grant<'a>(
        &'a self,
        key: GrantKey,
        expected: Option<GrantVersion>,
    ) -> StoreFuture<'a, Option<GrantRecord>> {
        self.guard_end(move || self.inner.delete_grant(key, expected))
    }

    fn break_grant<'a>(&'a self, expected: GrantVersion, broken: GrantRecord) -> StoreFuture<'a, bool> {
        self.guard_end(move || self.inner.break_grant(expected, broken))
    }

    fn connect_owner<'a>(
        &'a self,
        owned: OwnedRecord,
        grant: GrantRecord,
        keep_unused: Duration,
    ) -> StoreFuture<'a, ConnectedOwner> {
        if self.mode() == Mode::FailsOnceConnected {
            self.set(Mode::Fails);
            return self.inner.connect_owner(owned, grant, keep_unused);
        }
        self.guard_creation(move || self.inner.connect_owner(owned, grant, keep_unused))
    }

    fn load_owned<'a>(
        &'a self,
        key: OwnedKey,
    ) -> StoreFuture<'a, Option<(OwnedRecord, Option<GrantRecord>)>> {
        self.owned_loads.fetch_add(1, Ordering::SeqCst);
        if self.mode() == Mode::GarblesOwned {
            return Box::pin(async { Err(StoreError::Corrupt("on demand".into())) });
        }
        self.guard(false, move || self.inner.load_owned(key))
    }

    fn disconnect_owner<'a>(
        &'a self,
        key: OwnedKey,
        expected: Sealed,
        keep_unused: Duration,
        ended_at: SystemTime,
    ) -> StoreFuture<'a, DisconnectedOwner> {
        self.guard_end(move || self.inner.disconnect_owner(key, expected, keep_unused, ended_at))
    }

    fn list_owned<'a>(&'a self, filter: OwnedFilter) -> StoreFuture<'a, Vec<OwnedRecord>> {
        self.guard(false, move || self.inner.list_owned(filter))
    }

    fn reseal_owned<'a>(&'a self, key: OwnedKey, expected: Sealed, next: Sealed) -> StoreFuture<'a, bool> {
        self.guard(false, move || self.inner.reseal_owned(key, expected, next))
    }

    fn list_logins<'a>(&'a self, of: GrantFilter) -> StoreFuture<'a, Vec<(LoginKey, LoginRecord)>> {
        self.guard(false, move || self.inner.list_logins(of))
    }

    fn list_grants<'a>(&'a self, of: GrantFilter) -> StoreFuture<'a, Vec<GrantRecord>> {
        self.guard(false, move || self.inner.list_grants(of))
    }

    fn consume_once<'a>(&'a self, once: OneTimeKey, lifetime: Duration) -> StoreFuture<'a, bool> {
        self.once_calls.fetch_add(1, Ordering::SeqCst);
        if self.mode() == Mode::FailsToConsume {
            return Box::pin(failed());
        }
        self.guard(false, move || self.inner.consume_once(once, lifetime))
    }

    fn acquire_lease<'a>(
        &'a self,
        name: LeaseName,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'a, bool> {
        self.guard(false, move || self.inner.acquire_lease(name, holder, lifetime))
    }

    fn release_lease<'a>(&'a self, name: LeaseName, holder: LeaseHolder) -> StoreFuture<'a, ()> {
        self.guard(false, move || self.inner.release_lease(name, holder))
    }

    fn load_position<'a>(&'a self, key: ConsumerKey) -> StoreFuture<'a, Option<PositionRecord>> {
        self.guard(false, move || self.inner.load_position(key))
    }

    fn compare_and_swap_position<'a>(
        &'a self,
        expected: Option<u64>,
        next: PositionRecord,
    ) -> StoreFuture<'a, PositionSwap> {
        self.guard(true, move || self.inner.compare_and_swap_position(expected, next))
    }
}
