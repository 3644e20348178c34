//! What guards every call of a store, whoever wrote it: a deadline, since a store that hangs must cost a 503 and not a
//! worker, and the news when it stops or starts answering.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tracing::{Instrument as _, debug_span};

use super::{
    EndedLogin, GrantRecord, LeaseHolder, LoginKey, LoginRecord, OnceKey, Store, StoreError, StoreFuture,
    Subject, Swap,
};
use crate::{
    error_chain::Chain,
    events::{Event, Events},
    grant::{GrantKey, Version},
};

/// Below the two seconds within which a protected page answers when its store is down.
const DEADLINE: Duration = Duration::from_millis(1_500);
/// Listing many records takes its time, and no page that is protected waits for it: whoever logs everyone out at once
/// must not fail for their number.
const LISTING: Duration = Duration::from_secs(11);

/// A store that fails at some calls only (a Redis that is full reads and does not write) is down until none has failed
/// for so long: or else it would be told of at every call.
const QUIET: Duration = Duration::from_secs(5);

/// A store whose calls end in time.
pub(crate) struct Guarded {
    store: Arc<dyn Store>,
    events: Events,
    down: AtomicBool,
    /// Looked at only while the store is down.
    failed_at: Mutex<Option<Instant>>,
}

/// The store did not answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} ms", .0.as_millis())]
struct NoAnswer(Duration);

impl Guarded {
    pub(crate) fn new(store: Arc<dyn Store>, events: Events) -> Self {
        Self { store, events, down: AtomicBool::new(false), failed_at: Mutex::new(None) }
    }

    fn call<'a, T: 'a>(&'a self, name: &'static str, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        self.within(DEADLINE, name, call)
    }

    fn within<'a, T: 'a>(
        &'a self,
        deadline: Duration,
        name: &'static str,
        call: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        let span = debug_span!("salesforce.store", call = name);
        let guarded = async move {
            let answer = match tokio::time::timeout(deadline, call).await {
                Ok(answer) => answer,
                Err(_) => Err(StoreError::Unavailable(NoAnswer(deadline).into())),
            };
            match &answer {
                Err(error @ StoreError::Unavailable(_)) => self.failed(error),
                _ if self.down.load(Ordering::Relaxed) => self.answered(),
                _ => {}
            }
            answer
        };
        Box::pin(guarded.instrument(span))
    }

    fn failed(&self, error: &StoreError) {
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::error!(store = ?self.store, error = %Chain(error), "the store does not answer");
            self.events.tell(&Event::StoreDown);
        }
    }

    fn answered(&self) {
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = failed_at.is_none_or(|at| at.elapsed() >= QUIET);
        if quiet && self.down.swap(false, Ordering::Relaxed) {
            tracing::info!(store = ?self.store, "the store answers again");
            self.events.tell(&Event::StoreUp);
        }
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

impl Store for Guarded {
    fn create_login<'a>(
        &'a self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'a, Option<GrantRecord>> {
        self.call("create_login", self.store.create_login(key, login, grant))
    }

    fn login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, Option<(LoginRecord, GrantRecord)>> {
        self.call("login", self.store.login(key))
    }

    fn touch_login<'a>(
        &'a self,
        key: LoginKey,
        seen_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'a, bool> {
        self.call("touch_login", self.store.touch_login(key, seen_at, expires_at))
    }

    fn end_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, EndedLogin> {
        self.call("end_login", self.store.end_login(key))
    }

    fn put_grant<'a>(&'a self, grant: GrantRecord) -> StoreFuture<'a, Option<GrantRecord>> {
        self.call("put_grant", self.store.put_grant(grant))
    }

    fn grant<'a>(&'a self, key: GrantKey) -> StoreFuture<'a, Option<GrantRecord>> {
        self.call("grant", self.store.grant(key))
    }

    fn replace_grant<'a>(&'a self, expected: Version, next: GrantRecord) -> StoreFuture<'a, Swap> {
        self.call("replace_grant", self.store.replace_grant(expected, next))
    }

    fn end_grant<'a>(
        &'a self,
        key: GrantKey,
        expected: Option<Version>,
    ) -> StoreFuture<'a, Option<GrantRecord>> {
        self.call("end_grant", self.store.end_grant(key, expected))
    }

    fn logins<'a>(&'a self, of: Subject) -> StoreFuture<'a, Vec<(LoginKey, LoginRecord)>> {
        self.within(LISTING, "logins", self.store.logins(of))
    }

    fn grants<'a>(&'a self, of: Subject) -> StoreFuture<'a, Vec<GrantRecord>> {
        self.within(LISTING, "grants", self.store.grants(of))
    }

    fn consume<'a>(&'a self, once: OnceKey, lifetime: Duration) -> StoreFuture<'a, bool> {
        self.call("consume", self.store.consume(once, lifetime))
    }

    fn acquire_lease<'a>(
        &'a self,
        key: GrantKey,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'a, bool> {
        self.call("acquire_lease", self.store.acquire_lease(key, holder, lifetime))
    }

    fn release_lease<'a>(&'a self, key: GrantKey, holder: LeaseHolder) -> StoreFuture<'a, ()> {
        self.call("release_lease", self.store.release_lease(key, holder))
    }
}
