//! A note in the store that a refresh token is about to be sent.
//!
//! A lease ends by itself, so that a process that dies keeps nobody waiting. But a process that lives may be unable to
//! renew it, when the store is away for a while, and come back with a renewed token that is not stored yet. Whoever takes
//! the lease over would then send the old token, which is spent, and Salesforce would end everything. The note lasts
//! longer than the lease: whoever finds one that another process left gives that process a moment to store what it has.
//!
//! A note is a lease too, under a name that only the one version of the grant has.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::{Engine, GrantKey, Version};
use crate::{grant::AppKey, store::StoreError};

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
}

/// Writes the note on the token of this version.
pub(super) async fn write(engine: &Engine, key: GrantKey, version: Version) -> Result<Note, StoreError> {
    let name = name(key, version);
    let mut left = GRACE;
    while !engine.parts.store.acquire_lease(name, engine.id, LIFETIME).await? {
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
    engine.parts.store.release_lease(name(key, version), engine.id).await
}

fn name(key: GrantKey, version: Version) -> GrantKey {
    let mut digest = Sha256::new();
    digest.update(b"refresh token sent");
    digest.update(key.app().as_bytes());
    digest.update(version.lineage.to_be_bytes());
    digest.update(version.revision.to_be_bytes());
    let digest = digest.finalize();
    let mut app = [0; 8];
    app.copy_from_slice(&digest[..8]);
    GrantKey::new(AppKey::from_bytes(app), key.org(), key.user())
}
