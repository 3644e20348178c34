//! A store that fails, hangs or loses answers on demand, around the memory store.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use actix_salesforce::{
    GrantKey, Version,
    store::{
        EndedLogin, GrantRecord, LeaseHolder, LoginKey, LoginRecord, MemoryStore, OnceKey, Store, StoreError,
        StoreFuture, Subject, Swap,
    },
};

/// How the store behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    Works,
    /// Every call fails at once.
    Fails,
    /// No call is ever answered.
    Hangs,
    /// Every call is answered, so much later.
    Slow(Duration),
    /// New logins are not taken; all else works.
    FailsToCreate,
    /// Renewed tokens are not taken; all else works.
    FailsToReplace,
    /// Every call takes effect, and fails.
    LosesAnswers,
    /// What ends logins and grants takes effect, and fails; all else works.
    LosesEnds,
}

/// Shared by all its clones.
#[derive(Debug, Clone, Default)]
pub struct FailingStore {
    inner: Arc<MemoryStore>,
    mode: Arc<Mutex<Mode>>,
}

impl FailingStore {
    pub fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// What is stored, whatever the mode.
    pub fn records(&self) -> &MemoryStore {
        &self.inner
    }

    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap()
    }

    /// As [`guard`](Self::guard), for what ends something.
    fn guard_end<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce() -> StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        if self.mode() != Mode::LosesEnds {
            return self.guard(false, call);
        }
        let call = call();
        Box::pin(async move {
            call.await?;
            failed().await
        })
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
            Mode::LosesAnswers => {
                let call = call();
                Box::pin(async move {
                    call.await?;
                    failed().await
                })
            }
            Mode::Works | Mode::FailsToCreate | Mode::FailsToReplace | Mode::LosesEnds => call(),
        }
    }
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
        if self.mode() == Mode::FailsToCreate {
            return Box::pin(failed());
        }
        self.guard(false, move || self.inner.create_login(key, login, grant))
    }

    fn login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, Option<(LoginRecord, GrantRecord)>> {
        self.guard(false, move || self.inner.login(key))
    }

    fn touch_login<'a>(
        &'a self,
        key: LoginKey,
        seen_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'a, bool> {
        self.guard(false, move || self.inner.touch_login(key, seen_at, expires_at))
    }

    fn end_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, EndedLogin> {
        self.guard_end(move || self.inner.end_login(key))
    }

    fn put_grant<'a>(&'a self, grant: GrantRecord) -> StoreFuture<'a, Option<GrantRecord>> {
        self.guard(false, move || self.inner.put_grant(grant))
    }

    fn grant<'a>(&'a self, key: GrantKey) -> StoreFuture<'a, Option<GrantRecord>> {
        self.guard(false, move || self.inner.grant(key))
    }

    fn replace_grant<'a>(&'a self, expected: Version, next: GrantRecord) -> StoreFuture<'a, Swap> {
        self.guard(true, move || self.inner.replace_grant(expected, next))
    }

    fn end_grant<'a>(
        &'a self,
        key: GrantKey,
        expected: Option<Version>,
    ) -> StoreFuture<'a, Option<GrantRecord>> {
        self.guard_end(move || self.inner.end_grant(key, expected))
    }

    fn logins<'a>(&'a self, of: Subject) -> StoreFuture<'a, Vec<(LoginKey, LoginRecord)>> {
        self.guard(false, move || self.inner.logins(of))
    }

    fn grants<'a>(&'a self, of: Subject) -> StoreFuture<'a, Vec<GrantRecord>> {
        self.guard(false, move || self.inner.grants(of))
    }

    fn consume<'a>(&'a self, once: OnceKey, lifetime: Duration) -> StoreFuture<'a, bool> {
        self.guard(false, move || self.inner.consume(once, lifetime))
    }

    fn acquire_lease<'a>(
        &'a self,
        key: GrantKey,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'a, bool> {
        self.guard(false, move || self.inner.acquire_lease(key, holder, lifetime))
    }

    fn release_lease<'a>(&'a self, key: GrantKey, holder: LeaseHolder) -> StoreFuture<'a, ()> {
        self.guard(false, move || self.inner.release_lease(key, holder))
    }
}
