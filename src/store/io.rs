//! Where a store's connections live: a thread of their own.
//!
//! A socket belongs to the runtime it was opened on. Opened on an actix worker, it would stand still while a handler of
//! that worker computes, and die with the worker at shutdown, when the last rotated tokens have to be stored.

use std::{fmt, io, thread, time::Duration};

use futures_util::FutureExt as _;
use tokio::{runtime, sync::oneshot};

use super::{StoreError, StoreFuture};

/// How long a store may take for one operation. Protected pages answer within twice that.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);
/// How long a listing may take as a whole; people who administer wait for it, not requests.
pub(super) const LISTING_DEADLINE: Duration = Duration::from_secs(10);
/// How long a start waits for a server that is starting too.
pub(super) const START_DEADLINE: Duration = Duration::from_secs(5);

/// Owns the thread. It ends when this is dropped.
pub(super) struct IoThread {
    handle: runtime::Handle,
    _stop: oneshot::Sender<()>,
}

impl fmt::Debug for IoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IoThread")
    }
}

/// The operation did not end in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {} ms", .0.as_millis())]
pub(super) struct TooSlow(pub(super) Duration);

/// The store's thread is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store was closed")]
struct Closed;

impl IoThread {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new().name("salesforce-store".to_owned()).spawn(move || {
            // An error means that the sender is gone, which says the same.
            let _ = runtime.block_on(stopped);
            // Whoever still looks up a host name must not hold up the end of the program.
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, _stop: stop })
    }

    /// Runs an operation on the thread, to its end even when the caller goes away: half an operation is worse than one
    /// that nobody waits for.
    pub(super) fn run<'a, T: Send + 'static>(
        &'a self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        async move { self.handle.spawn(work).await.unwrap_or_else(|_| Err(unavailable(Closed))) }.boxed()
    }

    /// Runs something on and on until the store is dropped.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle.spawn(work));
    }
}

/// The store cannot be used, and why.
pub(super) fn unavailable(why: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(why))
}

/// The store holds something else than a record.
pub(super) fn corrupt(why: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt(Box::new(why))
}
