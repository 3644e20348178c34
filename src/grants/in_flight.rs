//! Marks in the store that a refresh token is about to be sent.
//!
//! A lease expires by itself, so that the death of a process blocks no other. But a live process may be unable to renew
//! its lease while the store is unavailable, and may have a new token that is not stored yet. The next holder of the
//! lease would then send the old token, which is already used, and Salesforce would revoke the whole token family. The
//! marker outlives the lease: a process that finds the marker of another one gives it time to store its token.
//!
//! A marker is a lease ([`LeaseName::InFlight`]) on one version of the grant. If the token was sent and no response came,
//! the marker stays with the holder [`IN_DOUBT`]: the token is in doubt, and [`refresh_policy`](super::refresh_policy)
//! limits how often it may be sent. A process does not wait for such a marker, but needs [`LeaseName::RetrySlot`] to send
//! the token. When the marker expires, only the processes that sent the token still know about the doubt.
//!
//! In the same way a process marks a version whose access token was [rejected](super::rejected) although it was new. Its
//! holder is [`REJECTED`], and the slot lasts as long as the pause.

use std::time::Duration;

use tokio::time::sleep;

use super::GrantManager;
use crate::store::{GrantKey, GrantVersion, LeaseHolder, LeaseName, StoreError};

/// What the store said about a token that is about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// No other process has sent the token.
    Fresh,
    /// Another process was about to send the token, and has neither stored a new one nor given up within the grace
    /// period. It may have died. Whether the token is used is unknown.
    HeldByOther,
    /// The token was sent and no response came. This process may send it now, once.
    InDoubt,
    /// The token was sent a moment ago and no response came. It must not be sent now.
    RetryLater,
    /// The access token of this version was rejected although it was new. The pause after that is not over.
    Rejected,
}

/// The holder of the marker on a token in doubt.
const IN_DOUBT: LeaseHolder = LeaseHolder(1);

/// The holder of the marker on a version whose new access token was rejected.
const REJECTED: LeaseHolder = LeaseHolder(2);

/// Writes the marker on the token of this version.
///
/// `rests`: whether this process found that a new access token of this version was rejected, and the pause after that is
/// not over. The slot of the pause is this process's own then.
pub(super) async fn write(
    manager: &GrantManager,
    key: GrantKey,
    version: GrantVersion,
    rests: impl Fn() -> bool,
) -> Result<Marker, StoreError> {
    let (store, timing) = (&manager.config.store, &manager.config.timing);
    let (name, lifetime) = (LeaseName::InFlight(key, version), timing.in_flight_lifetime);
    let mut left = timing.in_flight_grace;
    while !store.acquire_lease(name, manager.id, lifetime).await? {
        // Succeeds too if the other process has just removed its marker. Treating that as doubt is safe.
        if store.acquire_lease(name, IN_DOUBT, lifetime).await? {
            if !take_retry_slot(manager, key, version).await? {
                return Ok(Marker::RetryLater);
            }
            store.release_lease(name, IN_DOUBT).await?;
            store.acquire_lease(name, manager.id, lifetime).await?;
            return Ok(Marker::InDoubt);
        }
        if store.acquire_lease(name, REJECTED, lifetime).await? {
            if rests() || !take_retry_slot(manager, key, version).await? {
                return Ok(Marker::Rejected);
            }
            store.release_lease(name, REJECTED).await?;
            continue;
        }
        if left.is_zero() {
            return Ok(Marker::HeldByOther);
        }
        sleep(timing.poll_interval).await;
        left = left.saturating_sub(timing.poll_interval);
    }
    Ok(Marker::Fresh)
}

/// Removes the marker: the token was not used, or its successor is stored.
pub(super) async fn remove(
    manager: &GrantManager,
    key: GrantKey,
    version: GrantVersion,
) -> Result<(), StoreError> {
    manager.config.store.release_lease(LeaseName::InFlight(key, version), manager.id).await
}

/// Marks the token as in doubt, so that the next process to refresh sends it at most once.
pub(super) async fn leave_in_doubt(
    manager: &GrantManager,
    key: GrantKey,
    version: GrantVersion,
) -> Result<(), StoreError> {
    // The slot first, so that no process finds both the marker and a free slot.
    take_retry_slot(manager, key, version).await?;
    remove(manager, key, version).await?;
    let lifetime = manager.config.timing.in_flight_lifetime;
    manager.config.store.acquire_lease(LeaseName::InFlight(key, version), IN_DOUBT, lifetime).await?;
    Ok(())
}

/// Marks a version as rejected: no process refreshes it within `pause`.
pub(super) async fn mark_rejected(
    manager: &GrantManager,
    key: GrantKey,
    version: GrantVersion,
    pause: Duration,
) -> Result<(), StoreError> {
    let (store, lifetime) = (&manager.config.store, manager.config.timing.in_flight_lifetime.max(pause));
    // Otherwise another process is refreshing it already, or has marked it.
    if store.acquire_lease(LeaseName::InFlight(key, version), REJECTED, lifetime).await? {
        store.acquire_lease(LeaseName::RetrySlot(key, version), manager.id, pause).await?;
    }
    Ok(())
}

/// Returns true if no other process has sent the token in doubt within the cool-down. (For this process its cool-down
/// ensures that.)
async fn take_retry_slot(
    manager: &GrantManager,
    key: GrantKey,
    version: GrantVersion,
) -> Result<bool, StoreError> {
    let cool_down = manager.config.timing.cool_down;
    manager.config.store.acquire_lease(LeaseName::RetrySlot(key, version), manager.id, cool_down).await
}
