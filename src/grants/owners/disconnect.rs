//! Ends connections of owners, and retries while the store is unavailable.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    super::{AuthEvent, GrantManager, RevokeOnLogout, end_retries::EndRetries, manager::absent_if_corrupt},
    OwnedName,
};
use crate::store::{DisconnectedOwner, GrantKey, GrantRecord, OwnedKey, OwnedRecord, Sealed, StoreError};

/// How often a connection that changes between a read and its end is read. Each change is a login, a refresh or a change of keys.
const MAX_ROUNDS: u32 = 16;

/// The connection was changed each time before it could be ended.
#[derive(Debug, thiserror::Error)]
#[error("the connection of an owner changes faster than it can be ended")]
struct KeepsChanging;

/// A connection as it was read.
pub(super) type Known = (OwnedRecord, Option<GrantRecord>);

/// An end of a connection that is not stored yet.
#[derive(Debug)]
pub(super) struct PendingDisconnect {
    key: OwnedKey,
    /// The connection before its end: a newer one of the same name stays. If the store's response is lost, only this copy
    /// still has the tokens to revoke.
    known: Option<Known>,
    /// When it was asked for. What was connected later stays.
    ended_at: SystemTime,
    /// Whether an attempt failed, which may have taken effect.
    unsure: bool,
}

impl PendingDisconnect {
    /// The end of this connection.
    pub(super) fn of(known: Known, ended_at: SystemTime) -> Self {
        Self { key: known.0.key, known: Some(known), ended_at, unsure: false }
    }
}

/// Returns whether these are records of one connection, which may have been sealed again: under a key, perhaps, that this
/// process does not have.
fn is_same_connection(known: &OwnedRecord, found: &OwnedRecord) -> bool {
    known.grant == found.grant && known.connected_at == found.connected_at
}

impl GrantManager {
    /// Ends a connection. Returns whether there was one. If nothing else uses its grant, the tokens are revoked in the
    /// background.
    ///
    /// # Errors
    /// The store failed. It is retried in the background if the connection was found before: one that could not be read may
    /// be another one by then.
    pub(crate) async fn disconnect_owner(self: &Arc<Self>, owned: &OwnedName) -> Result<bool, StoreError> {
        let mut was_there = false;
        let mut failed = None;
        for app in self.config.apps.keys() {
            let ended_at = self.config.clock.now();
            let mut pending = PendingDisconnect { key: owned.key(app), known: None, ended_at, unsure: false };
            match self.try_disconnect(&mut pending).await {
                Ok(ended) => was_there |= ended,
                Err(error) => {
                    if pending.known.is_some() {
                        self.disconnect_later(pending);
                    }
                    failed = failed.or(Some(error));
                }
            }
        }
        failed.map_or(Ok(was_there), Err)
    }

    /// Ends a connection in the background, unless the owner connects again meanwhile.
    pub(super) fn disconnect_later(self: &Arc<Self>, mut pending: PendingDisconnect) {
        let manager = Arc::clone(self);
        self.config.background.spawn(async move {
            if !pending.unsure && manager.try_disconnect(&mut pending).await.is_ok() {
                return;
            }
            let mut retries = EndRetries::new(&manager, format!("connection {:?}", pending.key));
            while let Some(_permit) = retries.turn().await {
                if retries.is_over(manager.try_disconnect(&mut pending).await.map(drop)) {
                    return;
                }
            }
        });
    }

    /// Ends a connection, unless it is another one than is known. Returns whether it did.
    async fn try_disconnect(self: &Arc<Self>, pending: &mut PendingDisconnect) -> Result<bool, StoreError> {
        let was_unsure = pending.unsure;
        let mut was_absent = false;
        // Again if the record was sealed again, replaced or deleted after it was read.
        for _ in 0..MAX_ROUNDS {
            let loaded = self.config.store.load_owned(pending.key).await;
            let is_unreadable = matches!(loaded, Err(StoreError::Corrupt(_)));
            let found = absent_if_corrupt(loaded)?;
            let is_other = |(record, _): &Known| {
                pending.known.as_ref().is_some_and(|(known, _)| !is_same_connection(known, record))
            };
            let known = match found {
                // Connected since this end began: it stays.
                Some((record, _)) if was_absent && record.connected_at > pending.ended_at => {
                    return Ok(false);
                }
                Some(found) if !is_other(&found) => pending.known.insert(found),
                None if pending.known.is_none() => {
                    // An unreadable one counts for nothing, and stays.
                    if self.forbid_delayed(pending).await? || is_unreadable {
                        return Ok(false);
                    }
                    was_absent = true;
                    continue;
                }
                other => return self.ended_before(pending, other.is_none()).await,
            };
            let (expected, keep_unused) = (known.0.sealed.clone(), self.keep_unused(known.1.as_ref()));
            pending.unsure = true;
            // By a clock that was behind, the end would be before the connection, and would not keep a delayed one away.
            let (store, ended_at) = (&self.config.store, pending.ended_at.max(known.0.connected_at));
            match store.disconnect_owner(pending.key, expected, keep_unused, ended_at).await? {
                DisconnectedOwner::NotFound | DisconnectedOwner::Changed => pending.unsure = was_unsure,
                DisconnectedOwner::GrantKept(grant) => {
                    self.report_disconnected(pending.key, grant);
                    return Ok(true);
                }
                DisconnectedOwner::GrantDeleted(record) => {
                    self.report_disconnected(pending.key, record.key);
                    self.forget(&record);
                    return Ok(true);
                }
            }
        }
        Err(StoreError::Unavailable(KeepsChanging.into()))
    }

    /// Has the store refuse a connection from before this end that may still be on its way. Returns `false` if it is there
    /// now.
    async fn forbid_delayed(&self, pending: &PendingDisconnect) -> Result<bool, StoreError> {
        // No connection has this content.
        let (nothing, store) = (Sealed::from_bytes(Vec::new()), &self.config.store);
        let ended = store.disconnect_owner(pending.key, nothing, Duration::ZERO, pending.ended_at).await?;
        Ok(ended != DisconnectedOwner::Changed)
    }

    /// Returns whether an earlier attempt, whose response was lost, has ended the connection. Revokes the tokens of its
    /// grant then, unless the store still has it. `is_absent`: no other connection is in its place.
    async fn ended_before(
        self: &Arc<Self>,
        pending: &PendingDisconnect,
        is_absent: bool,
    ) -> Result<bool, StoreError> {
        let Some((record, grant)) = pending.known.as_ref().filter(|_| pending.unsure) else {
            return Ok(false);
        };
        if let Some(grant) = grant {
            self.forget_if_gone(grant).await?;
        }
        // Another connection may as well have replaced it, which is no end.
        if is_absent {
            self.report_disconnected(pending.key, record.grant);
        }
        Ok(is_absent)
    }

    /// How long a grant is kept after its last change although no login and no owner uses it: as after a logout.
    pub(super) fn keep_unused(&self, grant: Option<&GrantRecord>) -> Duration {
        match self.config.revoke_on_logout {
            RevokeOnLogout::Last | RevokeOnLogout::Always => Duration::ZERO,
            RevokeOnLogout::Never if grant.is_some_and(|grant| self.open_broken(grant).is_some()) => {
                self.config.keep_broken
            }
            RevokeOnLogout::Never => self.config.lifetimes.absolute,
        }
    }

    fn report_disconnected(&self, key: OwnedKey, grant: GrantKey) {
        tracing::info!(owned = ?key, %grant, "disconnected for an owner of the app");
        self.config.events.emit(&AuthEvent::OwnerDisconnected { user: grant.user() });
    }
}
