//! Locking a mutex that guards plain data.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex` even if a thread panicked while it held the lock.
///
/// Only for data that is consistent after each single statement under the lock. Hold the guard for a few instructions,
/// never across an `await`.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
