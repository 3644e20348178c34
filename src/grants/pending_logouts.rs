//! [`PendingLogouts`]: the logins that have ended, and whose deletion the store does not have yet.

use std::{collections::HashSet, sync::Mutex};

use tokio::sync::Semaphore;

use crate::{base::lock::lock, store::LoginKey};

/// Maximum number of concurrent retries to store a logout, so that a store that recovers is not overloaded.
const MAX_WRITES: usize = 16;

/// The logins whose deletion is not stored yet. This process rejects them.
///
/// Their number is bounded by the number of logins: an id comes out of a sealed cookie, so a client cannot invent one.
pub(super) struct PendingLogouts {
    keys: Mutex<HashSet<LoginKey>>,
    pub(super) writes: Semaphore,
}

impl Default for PendingLogouts {
    fn default() -> Self {
        Self { keys: Mutex::default(), writes: Semaphore::new(MAX_WRITES) }
    }
}

impl PendingLogouts {
    pub(super) fn has(&self, key: &LoginKey) -> bool {
        lock(&self.keys).contains(key)
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.keys).len()
    }

    /// Adds a login. Returns `false` if it is pending already.
    pub(super) fn add(&self, key: LoginKey) -> bool {
        lock(&self.keys).insert(key)
    }

    pub(super) fn remove(&self, key: &LoginKey) {
        lock(&self.keys).remove(key);
    }
}
