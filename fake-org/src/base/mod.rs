//! What everything stands on: time, ids, randomness. Knows nothing of Salesforce's protocol.

#[cfg(feature = "embedded")]
pub(crate) mod api_version;
#[cfg(feature = "embedded")]
pub(crate) mod clock;
pub(crate) mod duration;
#[cfg(feature = "embedded")]
pub(crate) mod ids;
#[cfg(feature = "embedded")]
pub(crate) mod random;

#[cfg(feature = "embedded")]
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose data stay valid even when a holder panicked.
#[cfg(feature = "embedded")]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
