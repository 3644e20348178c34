//! Refreshed tokens that are in use but not stored yet, or no longer: they are written until the store has them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::time::sleep;

use super::{AuthEvent, GrantManager, GrantTokens, entry::GrantEntry, tokens::UnreadableGrant};
use crate::store::{GrantRecord, GrantVersion, StoreError, SwapOutcome};

/// Jitter of the waits between retries, in percent.
const JITTER: u32 = 25;

/// Counts the pending writes of this process.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Replaces the version `from` with a refreshed grant, or an older version of the same login: a store that fell back to an
/// earlier state, or that missed a version in between, holds used tokens.
pub(super) async fn write(
    manager: &GrantManager,
    from: GrantVersion,
    record: &GrantRecord,
) -> Result<SwapOutcome, StoreError> {
    let mut expected = from;
    loop {
        match manager.config.store.compare_and_swap_grant(expected, record.clone()).await? {
            // Ends, because each iteration needs a write of another process in between.
            SwapOutcome::Conflict(stored)
                if stored.version != expected && record.version.is_after(stored.version) =>
            {
                expected = stored.version;
            }
            outcome => return Ok(outcome),
        }
    }
}

/// Retries to store a refreshed grant until it is stored or obsolete. Calls `renew_lease` before each further attempt.
pub(super) async fn retry_until_stored<F: Future<Output = ()>>(
    manager: &Arc<GrantManager>,
    entry: &GrantEntry,
    from: GrantVersion,
    record: &GrantRecord,
    renew_lease: impl Fn() -> F,
) {
    let _counted = Counted::new(&manager.pending_write_count);
    let backoff = manager.config.timing.pending_write_backoff();
    for retries in 0_u32.. {
        sleep(backoff.wait(retries, JITTER)).await;
        let read_at = manager.config.clock.instant();
        let outcome = {
            // The semaphore is never closed.
            let _permit = manager.pending_writes.acquire().await;
            write(manager, from, record).await
        };
        match outcome {
            Ok(SwapOutcome::Stored) => {
                tracing::info!(grant = %record.key, "pending token stored");
                manager.config.events.emit(&AuthEvent::TokenWriteRecovered(record.key.into()));
                return;
            }
            Ok(SwapOutcome::NotFound) => return revoke_unstored(manager, entry, record.version),
            Ok(SwapOutcome::Conflict(stored)) => {
                match manager.open(&stored) {
                    Ok(theirs) if theirs.version == record.version => entry.replace(theirs),
                    Ok(theirs) => entry.adopt(theirs, read_at),
                    // Another process found meanwhile that Salesforce refuses the token before it.
                    Err(UnreadableGrant::Broken(broken)) => {
                        revoke_unstored(manager, entry, record.version);
                        entry.set_broken(from, broken);
                    }
                    Err(_) => {}
                }
                return;
            }
            Err(_) => renew_lease().await,
        }
    }
}

/// Revokes tokens that no record will hold any more.
fn revoke_unstored(manager: &GrantManager, entry: &GrantEntry, version: GrantVersion) {
    if let Some(tokens) = entry.current().filter(|tokens| tokens.version == version) {
        manager.revoke_later(&tokens);
        entry.end(Some(version.epoch), manager.config.clock.instant());
    }
}

/// Writes the tokens in use over an older state that the store fell back to. A process that starts later would otherwise
/// load used tokens.
pub(super) async fn repair(
    manager: Arc<GrantManager>,
    entry: Arc<GrantEntry>,
    tokens: Arc<GrantTokens>,
    stored: GrantRecord,
) {
    let key = tokens.key;
    let written = match tokens.seal(&manager.config.keys, stored.expires_at) {
        Ok(record) => write(&manager, stored.version, &record).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match written {
        Ok(outcome) => {
            tracing::warn!(grant = %key, ?outcome, "the store held an older state of a grant and was updated")
        }
        Err(error) => {
            tracing::warn!(grant = %key, %error, "store update failed: it holds an older version of the grant")
        }
    }
    entry.repaired();
}
