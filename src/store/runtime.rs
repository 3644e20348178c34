//! [`StoreRuntime`]: the thread of a store's connections.
//!
//! actix gives each worker a runtime and ends the workers at shutdown. A connection belongs to the runtime that made it:
//! one made by a worker would die with the worker, and one made by `main` would stop while `main` waits for the last
//! refresh. So a store with connections has a thread for them. An operation runs to its end there even if its caller is
//! dropped: no half-sent command is left on a connection that others share.

use std::time::Duration;

use super::{StoreError, StoreFuture};
use crate::base::background::BackgroundRuntime;

/// Maximum time of an operation of our stores. Two of them must fit into the two seconds in which a protected page
/// responds.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum time of a listing, which no protected page waits for: it must succeed for many records too.
pub(super) const LISTING_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time of work in the background. The end of the process waits for it, so it must end.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(4);

/// The thread of a store.
#[derive(Debug)]
pub(super) struct StoreRuntime(BackgroundRuntime);

/// The store did not respond in time.
#[derive(Debug, thiserror::Error)]
#[error("no response within {} ms", .0.as_millis())]
struct TimedOut(Duration);

/// Runs an operation within a deadline.
pub(super) async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let result = tokio::time::timeout(deadline, work).await;
    result.unwrap_or_else(|_| Err(StoreError::Unavailable(TimedOut(deadline).into())))
}

/// Runs the rest of an operation that has started at this moment within [`CALL_TIMEOUT`] from then.
#[cfg(feature = "redis")]
pub(super) async fn within_call_since<T>(
    started: tokio::time::Instant,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let result = tokio::time::timeout(CALL_TIMEOUT.saturating_sub(started.elapsed()), work).await;
    result.unwrap_or_else(|_| Err(StoreError::Unavailable(TimedOut(CALL_TIMEOUT).into())))
}

impl StoreRuntime {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self, StoreError> {
        BackgroundRuntime::start().map(Self).map_err(|error| StoreError::Unavailable(error.into()))
    }

    /// Returns the runtime of the thread, for tasks that end with it.
    #[cfg(feature = "redis")]
    pub(super) fn handle(&self) -> tokio::runtime::Handle {
        self.0.spawner().runtime()
    }

    /// Runs an operation within [`CALL_TIMEOUT`], its only deadline.
    pub(super) fn call<'a, T: Send + 'static>(
        &'a self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        self.within(CALL_TIMEOUT, work)
    }

    /// Runs work in the background.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawner().spawn(async move {
            let _ = tokio::time::timeout(BACKGROUND_TIMEOUT, work).await;
        });
    }

    /// Runs work with another deadline than that of an operation.
    pub(super) fn within<'a, T: Send + 'static>(
        &'a self,
        deadline: Duration,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            self.0
                .run(within(deadline, work))
                .await
                .unwrap_or_else(|stopped| Err(StoreError::Unavailable(stopped.into())))
        })
    }
}
