//! A note in the store that a refresh token is about to be sent.
//!
//! A lease ends by itself, so that a process that dies keeps nobody waiting. But a process that lives may be unable to
//! renew it, when the store is away for a while, and come back with a renewed token that is not stored yet. Whoever
//! takes the lease over would then send the old token, which is spent, and Salesforce would end everything. The note
//! lasts longer than the lease: whoever finds one that another process left gives that process a moment to store what
//! it has.
//!
//! A note is a lease too, under a name that only the one version of the grant has. When a token was sent and no answer
//! came, the note stays, in nobody's name: the token is in doubt, and [`retry`](super::retry) says how often it may be
//! sent then. Nobody has to wait for such a note, but for their turn, which is one more lease. It lasts as long as any
//! note; after that only the processes that met the doubt remember it.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::{Engine, GrantKey, Version, retry::COOL_DOWN};
use crate::{
    grant::AppKey,
    store::{LeaseHolder, StoreError},
};

/// How long a note lasts: longer than most outages of a store.
const LIFETIME: Duration = Duration::from_secs(600);
/// How long another process is given. One that holds a token tries to store it more often.
pub(super) const GRACE: Duration = Duration::from_millis(2_500);
/// How often it is looked whether the note has gone.
const POLL: Duration = Duration::from_millis(100);

/// What stood in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// Nothing, or what this process wrote: the token was not sent by anybody else.
    Ours,
    /// Another process was about to send the token, and neither stored an answer nor gave up within the time it was
    /// given. It may have died; whether the token is spent nobody knows.
    Theirs,
    /// The token was sent, here or elsewhere, and no answer came. It may be sent now, once.
    InDoubt,
    /// Likewise, and a moment ago: it is not sent now.
    NotNow,
}

/// In whose name a note stands whose token is in doubt.
const NOBODY: LeaseHolder = LeaseHolder(1);

/// Writes the note on the token of this version.
pub(super) async fn write(engine: &Engine, key: GrantKey, version: Version) -> Result<Note, StoreError> {
    let (name, store) = (name(SENT, key, version), &engine.parts.store);
    let mut left = GRACE;
    while !store.acquire_lease(name, engine.id, LIFETIME).await? {
        // (Or the other note was taken back just now. To call that a doubt errs on the safe side.)
        if store.acquire_lease(name, NOBODY, LIFETIME).await? {
            if !take_turn(engine, key, version).await? {
                return Ok(Note::NotNow);
            }
            store.release_lease(name, NOBODY).await?;
            store.acquire_lease(name, engine.id, LIFETIME).await?;
            return Ok(Note::InDoubt);
        }
        if left.is_zero() {
            return Ok(Note::Theirs);
        }
        sleep(POLL).await;
        left = left.saturating_sub(POLL);
    }
    Ok(Note::Ours)
}

/// Takes the note back: the token was not spent, or what came of it is stored.
pub(super) async fn remove(engine: &Engine, key: GrantKey, version: Version) -> Result<(), StoreError> {
    engine.parts.store.release_lease(name(SENT, key, version), engine.id).await
}

/// The token was sent and no answer came: whoever is next is to know, in whatever process.
pub(super) async fn leave_in_doubt(
    engine: &Engine,
    key: GrantKey,
    version: Version,
) -> Result<(), StoreError> {
    // First, so that nobody finds the note and their turn.
    take_turn(engine, key, version).await?;
    remove(engine, key, version).await?;
    engine.parts.store.acquire_lease(name(SENT, key, version), NOBODY, LIFETIME).await?;
    Ok(())
}

/// Whether no other process sent the token in doubt a moment ago. (What this process did its cool-down knows.)
async fn take_turn(engine: &Engine, key: GrantKey, version: Version) -> Result<bool, StoreError> {
    engine.parts.store.acquire_lease(name(TURN, key, version), engine.id, COOL_DOWN).await
}

const SENT: &[u8] = b"refresh token sent";
const TURN: &[u8] = b"refresh token in doubt sent";

fn name(what: &[u8], key: GrantKey, version: Version) -> GrantKey {
    let mut digest = Sha256::new();
    digest.update(what);
    digest.update(key.app().as_bytes());
    digest.update(version.lineage.to_be_bytes());
    digest.update(version.revision.to_be_bytes());
    let digest = digest.finalize();
    let mut app = [0; 8];
    app.copy_from_slice(&digest[..8]);
    GrantKey::new(AppKey::from_bytes(app), key.org(), key.user())
}
