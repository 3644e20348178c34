//! A deadline on every call of a store, whoever wrote it: a store that hangs must cost a 503, not a worker.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    EndedLogin, GrantRecord, LeaseHolder, LoginKey, LoginRecord, OnceKey, Store, StoreError, StoreFuture,
    Subject, Swap,
};
use crate::grant::{GrantKey, Version};

/// Below the two seconds within which a protected page answers when its store is down.
const DEADLINE: Duration = Duration::from_millis(1_500);

/// A store whose calls end in time.
#[derive(Clone)]
pub(crate) struct Deadline(Arc<dyn Store>);

/// The store did not answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} ms", DEADLINE.as_millis())]
struct NoAnswer;

impl Deadline {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn within<'a, T: 'a>(call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
    Box::pin(async move {
        match tokio::time::timeout(DEADLINE, call).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Unavailable(NoAnswer.into())),
        }
    })
}

impl Store for Deadline {
    fn create_login<'a>(
        &'a self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'a, Option<GrantRecord>> {
        within(self.0.create_login(key, login, grant))
    }

    fn login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, Option<(LoginRecord, GrantRecord)>> {
        within(self.0.login(key))
    }

    fn touch_login<'a>(
        &'a self,
        key: LoginKey,
        seen_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'a, bool> {
        within(self.0.touch_login(key, seen_at, expires_at))
    }

    fn end_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, EndedLogin> {
        within(self.0.end_login(key))
    }

    fn put_grant<'a>(&'a self, grant: GrantRecord) -> StoreFuture<'a, Option<GrantRecord>> {
        within(self.0.put_grant(grant))
    }

    fn grant<'a>(&'a self, key: GrantKey) -> StoreFuture<'a, Option<GrantRecord>> {
        within(self.0.grant(key))
    }

    fn replace_grant<'a>(&'a self, expected: Version, next: GrantRecord) -> StoreFuture<'a, Swap> {
        within(self.0.replace_grant(expected, next))
    }

    fn end_grant<'a>(
        &'a self,
        key: GrantKey,
        expected: Option<Version>,
    ) -> StoreFuture<'a, Option<GrantRecord>> {
        within(self.0.end_grant(key, expected))
    }

    fn logins<'a>(&'a self, of: Subject) -> StoreFuture<'a, Vec<(LoginKey, LoginRecord)>> {
        within(self.0.logins(of))
    }

    fn grants<'a>(&'a self, of: Subject) -> StoreFuture<'a, Vec<GrantRecord>> {
        within(self.0.grants(of))
    }

    fn consume<'a>(&'a self, once: OnceKey, lifetime: Duration) -> StoreFuture<'a, bool> {
        within(self.0.consume(once, lifetime))
    }

    fn acquire_lease<'a>(
        &'a self,
        key: GrantKey,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'a, bool> {
        within(self.0.acquire_lease(key, holder, lifetime))
    }

    fn release_lease<'a>(&'a self, key: GrantKey, holder: LeaseHolder) -> StoreFuture<'a, ()> {
        within(self.0.release_lease(key, holder))
    }
}
