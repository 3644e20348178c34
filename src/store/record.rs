//! The records that a store holds.

use std::{fmt, sync::Arc, time::SystemTime};

use super::{GrantKey, GrantVersion, LoginProof};

/// One browser that may use a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginRecord {
    /// The grant that the login uses.
    pub grant: GrantKey,
    /// When the user logged in.
    pub created_at: SystemTime,
    /// When the login was last used, accurate to about a minute.
    pub last_used_at: SystemTime,
    /// From this time on the login is absent.
    pub expires_at: SystemTime,
    /// Binds the record to its login. `None` in a record of a version that had no proofs.
    pub proof: Option<LoginProof>,
}

impl LoginRecord {
    /// Makes a login that was last used when it was created, without a proof. A store that reads one back sets
    /// `last_used_at` and `proof` afterwards.
    pub fn new(grant: GrantKey, created_at: SystemTime, expires_at: SystemTime) -> Self {
        Self { grant, created_at, last_used_at: created_at, expires_at, proof: None }
    }
}

/// The tokens that Salesforce gave for one (app, organization, user), sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantRecord {
    /// Which grant.
    pub key: GrantKey,
    /// Which tokens of it.
    pub version: GrantVersion,
    /// The tokens and what belongs to them, sealed. Opaque to the store.
    pub sealed: Sealed,
    /// When the tokens were obtained.
    pub updated_at: SystemTime,
    /// From this time on the grant is absent. At least as late as the expiry of each of its logins.
    pub expires_at: SystemTime,
}

impl GrantRecord {
    /// Makes a record of these tokens.
    pub fn new(
        key: GrantKey,
        version: GrantVersion,
        sealed: Sealed,
        updated_at: SystemTime,
        expires_at: SystemTime,
    ) -> Self {
        Self { key, version, sealed, updated_at, expires_at }
    }
}

/// Sealed bytes. They open only with the app's keys and only in the record that they were sealed for.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Arc<[u8]>);

impl Sealed {
    /// Restores sealed bytes from stored [bytes](Self::as_bytes).
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} sealed bytes]", self.0.len())
    }
}
