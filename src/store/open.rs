//! Opening the store that an address names.

use std::{io, sync::Arc, time::Duration};

use super::{MemoryStore, Store, StoreError};
use crate::{Secret, clock::Clock};

/// Why a store could not be opened. Never repeats the address, which may hold a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address is malformed.
    #[error("{0}")]
    Address(String),
    /// The address names a store that this build does not have.
    #[error("this build has no such store: build actix-salesforce with its feature `{0}`, or use memory:")]
    Feature(&'static str),
    /// Nothing usable is there.
    #[error("the store cannot be used ({why}); start it, or mend the address", why = innermost(.0))]
    Unreachable(#[source] StoreError),
    /// The machine gave no thread or no file.
    #[error("this machine does not let the store work: {0}")]
    Machine(io::ErrorKind),
}

fn innermost(error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(why) | StoreError::Corrupt(why) => why.to_string(),
        StoreError::Exists => error.to_string(),
    }
}

/// Opens the store at an address as `SALESFORCE_STORE` takes it: `memory:`, `sqlite:PATH`, `redis://…`, `rediss://…` or
/// `postgres://…`.
///
/// A server that does not answer is waited for, for five seconds: app and server are often started together.
///
/// # Errors
/// [`OpenError`] says what is wrong and what to do.
pub async fn open(address: &Secret) -> Result<Arc<dyn Store>, OpenError> {
    open_with(address, &Clock::system()).await
}

/// Whether what this address names outlives the process.
pub(crate) fn is_durable(address: &Secret) -> bool {
    scheme(address) != "memory"
}

fn scheme(address: &Secret) -> &str {
    address.expose().trim().split(':').next().unwrap_or_default()
}

pub(crate) async fn open_with(address: &Secret, clock: &Clock) -> Result<Arc<dyn Store>, OpenError> {
    match scheme(address) {
        "memory" => Ok(Arc::new(MemoryStore::with_clock(clock.clone()))),
        #[cfg(feature = "redis")]
        "redis" | "rediss" => Ok(Arc::new(super::RedisStore::open(address).await?)),
        #[cfg(not(feature = "redis"))]
        "redis" | "rediss" => Err(OpenError::Feature("redis")),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(super::SqlStore::open_sqlite(address).await?)),
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(OpenError::Feature("sqlite")),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Arc::new(super::SqlStore::open_postgres(address).await?)),
        #[cfg(not(feature = "postgres"))]
        "postgres" | "postgresql" => Err(OpenError::Feature("postgres")),
        _ => Err(OpenError::Address(
            "give memory:, sqlite:PATH, redis://…, rediss://… or postgres://… (a store of your own goes to the builder)"
                .to_owned(),
        )),
    }
}

/// Tries until it works or time is up.
#[cfg(any(feature = "redis", feature = "postgres", feature = "sqlite"))]
pub(super) async fn patiently<'a>(
    within: Duration,
    attempt: impl Fn() -> super::StoreFuture<'a, ()>,
) -> Result<(), OpenError> {
    let deadline = std::time::Instant::now() + within;
    loop {
        match attempt().await {
            Ok(()) => return Ok(()),
            Err(error) if std::time::Instant::now() >= deadline => return Err(OpenError::Unreachable(error)),
            Err(error) => tracing::info!(error = %innermost(&error), "the store does not answer yet"),
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
