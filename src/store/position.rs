//! Positions of consumers: which consumer of which topic, and how far it is.

use std::{fmt, time::SystemTime};

use sha2::{Digest as _, Sha256};

use super::Sealed;
use crate::base::hex::digits;
use salesforce_connection::OrgId;

/// Names a consumer in a store: a SHA-256 of its name, its org and its topic.
///
/// The app's client id is not part of it, so that a rotation of credentials leaves the position where it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerKey([u8; 32]);

impl ConsumerKey {
    /// Names this consumer of a topic of this org.
    pub fn new(name: &str, org: OrgId, topic: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"actix-salesforce consumer");
        // Each text with its length in front, so that no two lists have the same digest.
        for text in [name, org.as_str(), topic] {
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        }
        Self(digest.finalize().into())
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Restores a key from stored [bytes](Self::as_bytes).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A short id for logs: the first 8 bytes in hexadecimal.
impl fmt::Debug for ConsumerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(&self.0[..8]).try_for_each(|digit| fmt::Write::write_char(f, digit))
    }
}

/// How far a consumer is in its topic.
///
/// It never expires: a consumer that starts after a long time has to learn that its position is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PositionRecord {
    /// Which consumer.
    pub key: ConsumerKey,
    /// 1 for the first record of a consumer, and one more with each write.
    pub version: u64,
    /// The position, sealed. Opaque to the store.
    pub sealed: Sealed,
    /// When it was written.
    pub updated_at: SystemTime,
}

impl PositionRecord {
    /// Makes a record of this position.
    pub fn new(key: ConsumerKey, version: u64, sealed: Sealed, updated_at: SystemTime) -> Self {
        Self { key, version, sealed, updated_at }
    }
}

/// What [`Store::compare_and_swap_position`](super::Store::compare_and_swap_position) did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum PositionSwap {
    /// The new record is stored.
    Stored,
    /// Another record is stored: the one that is returned. Nothing was changed.
    Conflict(PositionRecord),
    /// A record was expected and there is none. Nothing was stored.
    NotFound,
}
