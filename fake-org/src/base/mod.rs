//! What everything stands on: time, ids, randomness. Knows nothing of Salesforce's protocol.

pub(crate) mod clock;
pub(crate) mod duration;
pub(crate) mod ids;
pub(crate) mod random;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose data stay valid even when a holder panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
