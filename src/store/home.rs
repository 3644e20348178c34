//! Where a store's connections live.
//!
//! actix gives each worker a runtime of its own, and ends them at shutdown. A connection belongs to the runtime that
//! made it, so one made by a worker would die with it, and one made by `main` would stand still while `main` waits for
//! the last refresh. So a store with connections keeps a thread of its own for them. A call runs to its end there even
//! when its caller goes away: nothing is left half said on a connection that others use.

use std::time::Duration;

use super::{StoreError, StoreFuture};
use crate::background::Background;

/// How long a call may take. Two of them fit into the time in which a protected page answers.
const DEADLINE: Duration = Duration::from_secs(1);

/// The thread of a store.
#[derive(Debug)]
pub(crate) struct Home(Background);

/// The store did not answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} ms", DEADLINE.as_millis())]
struct NoAnswer;

impl Home {
    pub(crate) fn start() -> Result<Self, StoreError> {
        Background::start().map(Self).map_err(|error| StoreError::Unavailable(error.into()))
    }

    /// Runs a call there, within the deadline.
    pub(crate) fn call<'a, T: Send + 'static>(
        &'a self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        self.within(DEADLINE, work)
    }

    /// Runs work that nobody waits for.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Nothing may run for ever there: the end of the program waits for it.
        self.0.spawner().spawn(async move {
            let _ = tokio::time::timeout(DEADLINE * 4, work).await;
        });
    }

    /// Runs longer work there: opening the store, listing many records.
    pub(crate) fn within<'a, T: Send + 'static>(
        &'a self,
        deadline: Duration,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            let work = async move {
                let answer = tokio::time::timeout(deadline, work).await;
                answer.unwrap_or_else(|_| Err(StoreError::Unavailable(NoAnswer.into())))
            };
            self.0.run(work).await.unwrap_or_else(|stopped| Err(StoreError::Unavailable(stopped.into())))
        })
    }
}
