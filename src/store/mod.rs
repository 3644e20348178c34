//! Where grants and logins live.
//!
//! A [`Store`] holds two kinds of records. A *grant* is what Salesforce gave for one (app, organization, user): its
//! tokens, sealed before they get here, and a [`Version`]. A *login* is one browser that may use a grant, under a key
//! that is a hash of what the browser holds. Every operation is atomic, and each says what must never happen; the
//! contract suite (`store::contract`, feature `test-util`) checks a store against all of it.

#[cfg(any(test, feature = "test-util"))]
pub mod contract;
#[cfg(any(feature = "redis", feature = "sqlite", feature = "postgres"))]
mod fields;
mod guarded;
#[cfg(any(feature = "redis", feature = "sqlite", feature = "postgres"))]
mod home;
mod memory;
mod open;
#[cfg(feature = "redis")]
mod redis;
mod seal;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;

pub use self::memory::MemoryStore;
#[cfg(feature = "redis")]
pub use self::redis::RedisStore;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use self::sql::SqlStore;
pub(crate) use self::{
    open::{Location, OpenError},
    seal::{KeyRing, Purpose, SealError},
};

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use crate::grant::{GrantKey, Version};
use salesforce_connection::{OrgId, Secret, UserId};

/// How long what was ended is remembered: longer than any command may be on its way.
const TOMBSTONE: Duration = Duration::from_secs(600);

/// The future that every store operation returns.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A place that keeps grants and logins.
///
/// Implementations never block the thread. An answer that takes more than 1.5 seconds (a listing: 11) is not waited
/// for: it counts as [`StoreError::Unavailable`], and what was asked may still take effect. "Gone" and "expired" are
/// the same thing: a record past its expiry is absent in every answer.
///
/// A call that was reported as failed may still take effect later. A login that was asked to end stays ended, even if
/// its delayed creation arrives afterwards.
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// Records a login and the grant it uses, in one step.
    ///
    /// Creates `login` under `key`, and puts `grant` in place of whatever grant of the same [`GrantKey`] there was;
    /// the other logins of that grant stay and use the new one. Returns the grant that was replaced.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when `key` is taken, or was ended a moment ago: nothing was changed. A login is never
    /// overwritten.
    fn create_login<'a>(
        &'a self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'a, Option<GrantRecord>>;

    /// The login under `key` together with its grant, or `None` when either is absent.
    fn login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, Option<(LoginRecord, GrantRecord)>>;

    /// Notes that a login was used: sets `seen_at` and `expires_at`. Never creates or revives one; an absent login
    /// gives `false`.
    fn touch_login<'a>(
        &'a self,
        key: LoginKey,
        seen_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'a, bool>;

    /// Ends a login. When it was the last one of its grant, the grant ends with it, in the same step. For ten minutes,
    /// and also when there was no such login, none can be created under `key`.
    fn end_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, EndedLogin>;

    /// Puts a grant without a login in place of whatever grant of its key there was, and returns that one. For grants
    /// that a program obtained by hand and wants to find again.
    fn put_grant<'a>(&'a self, grant: GrantRecord) -> StoreFuture<'a, Option<GrantRecord>>;

    /// The grant under `key`.
    fn grant<'a>(&'a self, key: GrantKey) -> StoreFuture<'a, Option<GrantRecord>>;

    /// Puts `next` in place of the grant of the same key, if that one still has the version `expected`.
    ///
    /// Repeating a swap that took effect (the same `next.version` with the same `next.sealed` is stored already)
    /// answers [`Swap::Done`], so that a caller who lost the answer may ask again. The same version with other bytes is
    /// someone else's and stays: [`Swap::Moved`].
    fn replace_grant<'a>(&'a self, expected: Version, next: GrantRecord) -> StoreFuture<'a, Swap>;

    /// Ends a grant and all its logins in one step, if it still has the version `expected` (`None`: whatever its
    /// version). Returns what was ended, `None` when there was nothing to end.
    fn end_grant<'a>(
        &'a self,
        key: GrantKey,
        expected: Option<Version>,
    ) -> StoreFuture<'a, Option<GrantRecord>>;

    /// The logins of a user or of an organization.
    fn logins<'a>(&'a self, of: Subject) -> StoreFuture<'a, Vec<(LoginKey, LoginRecord)>>;

    /// The grants of a user or of an organization.
    fn grants<'a>(&'a self, of: Subject) -> StoreFuture<'a, Vec<GrantRecord>>;

    /// Marks a one-time value as used. `true` for the first caller, `false` for every later one until `lifetime` has
    /// passed.
    fn consume<'a>(&'a self, once: OnceKey, lifetime: Duration) -> StoreFuture<'a, bool>;

    /// Takes the right to refresh the grant under `key` for `lifetime`, or renews it for a `holder` that has it.
    /// `false` when another holder has it.
    fn acquire_lease<'a>(
        &'a self,
        key: GrantKey,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'a, bool>;

    /// Gives the right to refresh back. Nothing happens when `holder` does not have it (any more).
    fn release_lease<'a>(&'a self, key: GrantKey, holder: LeaseHolder) -> StoreFuture<'a, ()>;
}

/// Finds a login in a store: the SHA-256 of the opaque id that the browser's session holds, so that who reads the
/// store cannot act as anyone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoginKey([u8; 32]);

impl LoginKey {
    /// The key of the login with this opaque id.
    pub fn of_id(id: &Secret) -> Self {
        Self(Sha256::digest(id.expose().as_bytes()).into())
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key with these bytes, as [`as_bytes`](Self::as_bytes) gave them.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A short, unambiguous reference for logs: the first 8 bytes in hexadecimal. It cannot be used as a key.
impl fmt::Debug for LoginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Names a value that may be used once: the SHA-256 of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OnceKey([u8; 32]);

impl OnceKey {
    /// The key of this value.
    pub fn of(value: &Secret) -> Self {
        Self(Sha256::digest(value.expose().as_bytes()).into())
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// UserRef holds a lease: a random number per attempt to refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseHolder(pub u128);

/// One browser that may use a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginRecord {
    /// The grant it uses.
    pub grant: GrantKey,
    /// When the person logged in.
    pub created_at: SystemTime,
    /// When the login was last used, on a coarse clock.
    pub seen_at: SystemTime,
    /// From then on the login is absent.
    pub expires_at: SystemTime,
}

impl LoginRecord {
    /// A login that was not used since it began. A store that reads one back sets `seen_at` afterwards.
    pub fn new(grant: GrantKey, created_at: SystemTime, expires_at: SystemTime) -> Self {
        Self { grant, created_at, seen_at: created_at, expires_at }
    }
}

/// A grant as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantRecord {
    /// Which grant.
    pub key: GrantKey,
    /// Which tokens of it.
    pub version: Version,
    /// The tokens and what belongs to them, sealed. Opaque to the store.
    pub sealed: Sealed,
    /// When the tokens were obtained.
    pub updated_at: SystemTime,
    /// From then on the grant is absent. At least as late as the last of its logins.
    pub expires_at: SystemTime,
}

impl GrantRecord {
    /// A grant with these tokens.
    pub fn new(
        key: GrantKey,
        version: Version,
        sealed: Sealed,
        updated_at: SystemTime,
        expires_at: SystemTime,
    ) -> Self {
        Self { key, version, sealed, updated_at, expires_at }
    }
}

/// Sealed bytes: useless without the key ring and outside their record.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Takes back bytes that [`as_bytes`](Self::as_bytes) gave.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to write.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} sealed bytes]", self.0.len())
    }
}

/// Whose records to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// One user of one organization.
    User(OrgId, UserId),
    /// Everyone of one organization.
    Org(OrgId),
    /// Everyone.
    All,
}

/// What [`Store::end_login`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum EndedLogin {
    /// There was no such login.
    Absent,
    /// The login ended; other logins still use its grant.
    OthersRemain(GrantKey),
    /// The login ended and was its grant's last: the grant, which ended too. Its tokens are to be revoked.
    Last(GrantRecord),
}

/// What [`Store::replace_grant`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Swap {
    /// The new record is stored.
    Done,
    /// Someone else moved the grant: what is stored now.
    Moved(GrantRecord),
    /// The grant was ended. Nothing was stored.
    Gone,
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The key to create is taken.
    #[error("a record with this key exists already")]
    Exists,
    /// The store cannot be reached, or did not answer in time.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store answered something that is no record. The record counts as absent.
    #[error("the store holds something that cannot be read")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for salesforce_connection::Error {
    fn from(error: StoreError) -> Self {
        let is_transient = matches!(error, StoreError::Unavailable(_));
        Self::store(error, is_transient)
    }
}
