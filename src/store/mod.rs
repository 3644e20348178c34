//! Where grants, logins and positions of consumers are stored.
//!
//! What a [`Store`] holds:
//!
//! | record | key | what it is | it ends |
//! |---|---|---|---|
//! | grant | [`GrantKey`]: app, org, user | what Salesforce gave: tokens, sealed before the store sees them, and a [`GrantVersion`] | with the last login or owner that uses it, or without tokens as a broken grant at its time |
//! | login | [`LoginKey`]: a hash of the id that the browser holds | one browser that may use a grant | by `delete_login`, with its grant, or at its time |
//! | owned connection | [`OwnedKey`]: owner and name | a user of the app itself that may use a grant | by `disconnect_owner`; without its grant it stays and needs reconnecting |
//! | tombstone | that of the deleted login or owned connection | keeps a delayed write from bringing it back | after [`TOMBSTONE`] |
//! | one-time value | [`OneTimeKey`] | a value that counts once, such as a state | at its time |
//! | lease | [`LeaseName`] | a lock with a holder | by `release_lease`, or at its time |
//! | position; optional | [`ConsumerKey`] | how far a consumer of events is | at no time |
//!
//! Every operation is atomic. The contract suite (`store::contract`, feature `test-util`) checks a store against the
//! documentation of its operations.
//!
//! # A store of the app's own
//!
//! Implement [`Store`] and pass it to [`SalesforceBuilder::store`](crate::SalesforceBuilder::store). Start from
//! `src/store/memory.rs` (first its `State`), which has every operation in a few lines, and run the contract suite in a
//! test. All operations but those of positions are required. By what they are for:
//!
//! | for | operations |
//! |---|---|
//! | a request of a user who is logged in | [`load_login`](Store::load_login), [`touch_login`](Store::touch_login) |
//! | a login and a logout | [`consume_once`](Store::consume_once), [`create_login`](Store::create_login), [`delete_login`](Store::delete_login) |
//! | a refresh | [`acquire_lease`](Store::acquire_lease), [`load_grant`](Store::load_grant), [`compare_and_swap_grant`](Store::compare_and_swap_grant), [`delete_grant`](Store::delete_grant), [`break_grant`](Store::break_grant), [`release_lease`](Store::release_lease) |
//! | tokens without a browser | [`put_grant`](Store::put_grant) |
//! | connections of the app's own users | [`connect_owner`](Store::connect_owner), [`load_owned`](Store::load_owned), [`disconnect_owner`](Store::disconnect_owner), [`list_owned`](Store::list_owned), [`reseal_owned`](Store::reseal_owned) |
//! | consumers of events; optional | [`load_position`](Store::load_position), [`compare_and_swap_position`](Store::compare_and_swap_position) |
//! | operators | [`list_logins`](Store::list_logins), [`list_grants`](Store::list_grants) |

#[cfg(any(test, feature = "test-util"))]
pub mod contract;
mod deadline;
#[cfg(any(feature = "redis", feature = "sqlite", feature = "postgres"))]
mod encoding;
mod key;
mod login_proof;
mod memory;
mod owner;
mod position;
mod record;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "redis", feature = "sqlite", feature = "postgres"))]
mod runtime;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
mod url;

#[cfg(feature = "redis")]
pub use self::redis::RedisStore;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use self::sql::SqlStore;
pub(crate) use self::{
    deadline::{AvailabilityObserver, StoreTiming},
    url::{OpenError, StoreUrl},
};
pub use self::{
    key::{AppKey, GrantKey, GrantVersion, InvalidGrantKey, LeaseHolder, LeaseName, LoginKey, OneTimeKey},
    login_proof::LoginProof,
    memory::MemoryStore,
    owner::{
        ConnectedOwner, ConnectionName, DisconnectedOwner, InvalidOwner, OwnedFilter, OwnedKey, OwnedRecord,
        Owner, OwnerKey,
    },
    position::{ConsumerKey, PositionRecord, PositionSwap},
    record::{GrantRecord, LoginRecord, Sealed},
    url::OpenedStore,
};

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;

use salesforce_connection::{OrgId, UserRef};

/// How long a store remembers that a login or a connection was deleted, ten minutes, so that a delayed `create_login` or
/// `connect_owner` cannot restore it.
/// Longer than any command can be delayed on its way to a store.
pub const TOMBSTONE: Duration = Duration::from_secs(600);

/// The future that every store operation returns.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Stores grants and logins.
///
/// Implementations must not block the thread. A caller waits 1.5 seconds for an operation (11 seconds for a listing);
/// after that the operation counts as [`StoreError::Unavailable`] and may still take effect. An expired record is
/// absent in every response.
///
/// An operation that failed may still take effect later. A deleted login stays deleted, even if a delayed creation of it
/// arrives afterwards, and so does a connection of an owner.
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// Creates a login and stores the grant that it uses, in one step.
    ///
    /// Creates `login` under `key` and replaces any grant of the same [`GrantKey`] with `grant`. Other logins of that
    /// grant stay and use the new one. Returns the grant that was replaced.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] if `key` is in use, or was deleted within the last ten minutes. Nothing is changed
    /// then: a login is never overwritten.
    fn create_login<'a>(
        &'a self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'a, Option<GrantRecord>>;

    /// Returns the login under `key` together with its grant, or `None` if either is absent: deleted, expired, or never
    /// created.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if a record exists but cannot be read, for example one of a newer version. After `None`
    /// the caller removes the browser's cookie.
    fn load_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, Option<(LoginRecord, GrantRecord)>>;

    /// Sets `last_used_at` and `expires_at` of a login. Returns `false` if the login is absent, and does not create it.
    ///
    /// An `expires_at` that has passed ends the login. Its grant stays, even if this was the last one.
    fn touch_login<'a>(
        &'a self,
        key: LoginKey,
        last_used_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'a, bool>;

    /// Deletes a login, and its grant in the same step if no other login and no owner uses it.
    ///
    /// For the next ten minutes no login can be created under `key`, even if there was none.
    fn delete_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, DeletedLogin>;

    /// Stores a grant without a login, and returns the grant that it replaced.
    ///
    /// For grants that a program obtained without a browser and wants to find again.
    fn put_grant<'a>(&'a self, grant: GrantRecord) -> StoreFuture<'a, Option<GrantRecord>>;

    /// Returns the grant under `key`.
    fn load_grant<'a>(&'a self, key: GrantKey) -> StoreFuture<'a, Option<GrantRecord>>;

    /// Replaces the grant of the same key with `next` if the stored grant still has the version `expected`.
    ///
    /// Returns [`SwapOutcome::Stored`] too if the very same record (equal `version` and equal `sealed`) is already
    /// stored, so that a caller whose response was lost can repeat the operation. A record with the same version and
    /// other bytes comes from another process and stays: [`SwapOutcome::Conflict`].
    fn compare_and_swap_grant<'a>(
        &'a self,
        expected: GrantVersion,
        next: GrantRecord,
    ) -> StoreFuture<'a, SwapOutcome>;

    /// Deletes a grant and all its logins in one step, if the grant still has the version `expected` (`None`: any
    /// version). Returns the deleted grant.
    ///
    /// The connections of owners stay, without a grant: the app shows them as in need of reconnecting.
    fn delete_grant<'a>(
        &'a self,
        key: GrantKey,
        expected: Option<GrantVersion>,
    ) -> StoreFuture<'a, Option<GrantRecord>>;

    /// Replaces a grant with `broken`, a record of the same key without tokens, and deletes all its logins in one step, if
    /// the grant still has the version `expected`. Returns whether it did.
    ///
    /// `broken` expires at its `expires_at`, even if the grant would have lasted longer, but not while an owner uses
    /// it: the connections of owners stay. It is a grant like any other for all other operations: the next
    /// [`create_login`](Self::create_login) replaces it. Its version has an epoch that no other grant has, so that a
    /// delayed [`compare_and_swap_grant`](Self::compare_and_swap_grant) never replaces it.
    fn break_grant<'a>(&'a self, expected: GrantVersion, broken: GrantRecord) -> StoreFuture<'a, bool>;

    /// Stores a connection of an owner and the grant that it uses, in one step.
    ///
    /// Replaces a connection under the same key, and any grant of the same [`GrantKey`]. If the connection used another
    /// grant before, that one is [disconnected](Self::disconnect_owner), with this `keep_unused`. While an owner uses a
    /// grant, the grant expires no earlier than the owner's record, whatever replaces it.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] if the stored connection has a later `connected_at`, or if one was
    /// [disconnected](Self::disconnect_owner) within the last ten minutes at a later time than the `connected_at` of this
    /// one: it was delayed. Nothing is changed then. Of two with the same millisecond the second counts.
    fn connect_owner<'a>(
        &'a self,
        owned: OwnedRecord,
        grant: GrantRecord,
        keep_unused: Duration,
    ) -> StoreFuture<'a, ConnectedOwner>;

    /// Returns the connection under `key` together with its grant; without one if the grant is absent.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if either record is unreadable.
    fn load_owned<'a>(&'a self, key: OwnedKey)
    -> StoreFuture<'a, Option<(OwnedRecord, Option<GrantRecord>)>>;

    /// Deletes a connection of an owner if what is sealed in it is still `expected`, and its grant in the same step if no
    /// login and no other owner uses it.
    ///
    /// So a late end of a connection never ends a newer one of the same name.
    ///
    /// A grant that is still used expires with the last of its logins and owners again, but no earlier than
    /// `keep_unused` after its [`updated_at`](GrantRecord::updated_at). Until then it stays even if nothing uses it.
    /// Zero: it is not kept.
    ///
    /// `ended_at` is when the owner asked for the end, by the clock that `connected_at` is from. The store remembers it for
    /// ten minutes, also if no connection is there, but not if it is another one.
    fn disconnect_owner<'a>(
        &'a self,
        key: OwnedKey,
        expected: Sealed,
        keep_unused: Duration,
        ended_at: SystemTime,
    ) -> StoreFuture<'a, DisconnectedOwner>;

    /// Returns the connections of owners that `filter` selects.
    fn list_owned<'a>(&'a self, filter: OwnedFilter) -> StoreFuture<'a, Vec<OwnedRecord>>;

    /// Replaces what is sealed in a connection if it is still `expected`. Returns whether it did.
    fn reseal_owned<'a>(&'a self, key: OwnedKey, expected: Sealed, next: Sealed) -> StoreFuture<'a, bool>;

    /// Returns the logins that `filter` selects.
    fn list_logins<'a>(&'a self, filter: GrantFilter) -> StoreFuture<'a, Vec<(LoginKey, LoginRecord)>>;

    /// Returns the grants that `filter` selects.
    fn list_grants<'a>(&'a self, filter: GrantFilter) -> StoreFuture<'a, Vec<GrantRecord>>;

    /// Marks a one-time value as used. Returns `true` to the first caller, and `false` to every other caller until
    /// `lifetime` has passed.
    fn consume_once<'a>(&'a self, once: OneTimeKey, lifetime: Duration) -> StoreFuture<'a, bool>;

    /// Acquires the lease `name` for `lifetime`, or renews it if `holder` has it already.
    ///
    /// Returns `false` if another holder has it.
    fn acquire_lease<'a>(
        &'a self,
        name: LeaseName,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'a, bool>;

    /// Releases the lease `name` if `holder` has it.
    fn release_lease<'a>(&'a self, name: LeaseName, holder: LeaseHolder) -> StoreFuture<'a, ()>;

    /// Returns the position of a consumer of events; `None` if none is stored.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] if this store has no positions, which is the default: consumers are refused at the start
    /// then. [`StoreError::Corrupt`] if the record is unreadable.
    fn load_position<'a>(&'a self, key: ConsumerKey) -> StoreFuture<'a, Option<PositionRecord>> {
        let _ = key;
        Box::pin(std::future::ready(Err(StoreError::Unsupported("positions of consumers"))))
    }

    /// Replaces the position of the same key with `next` if the stored record still has the version `expected`; `None`: if
    /// there is no record.
    ///
    /// So a process that was paused never moves a position back. Returns [`PositionSwap::Stored`] too if the very same
    /// record (equal `version` and equal `sealed`) is already stored, so that a caller whose response was lost can repeat
    /// the operation. A record never expires, and is never deleted.
    ///
    /// # Errors
    /// As [`load_position`](Self::load_position).
    fn compare_and_swap_position<'a>(
        &'a self,
        expected: Option<u64>,
        next: PositionRecord,
    ) -> StoreFuture<'a, PositionSwap> {
        let _ = (expected, next);
        Box::pin(std::future::ready(Err(StoreError::Unsupported("positions of consumers"))))
    }
}

/// Which records to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrantFilter {
    /// Those of one user.
    User(UserRef),
    /// Those of all users of one organization.
    Org(OrgId),
    /// All records.
    All,
}

impl GrantFilter {
    /// Returns true if the filter selects the records of this grant.
    pub fn selects(self, key: &GrantKey) -> bool {
        match self {
            Self::User(user) => key.user() == user,
            Self::Org(org) => key.user().organization_id == org,
            Self::All => true,
        }
    }
}

/// What [`Store::delete_login`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum DeletedLogin {
    /// The login is absent.
    NotFound,
    /// The login was deleted. Other logins still use its grant.
    GrantKept(GrantKey),
    /// The login was deleted, and with it its grant, which had no other login. Its tokens are to be revoked.
    GrantDeleted(GrantRecord),
}

/// What [`Store::compare_and_swap_grant`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum SwapOutcome {
    /// The new record is stored.
    Stored,
    /// Another record is stored: the one that is returned. Nothing was changed.
    Conflict(GrantRecord),
    /// The grant is absent. Nothing was stored.
    NotFound,
}

/// Why a store operation failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The key to create is in use.
    #[error("a record with this key already exists")]
    AlreadyExists,
    /// The store cannot be reached, or did not respond in time.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored record is unreadable. The user counts as logged out, and the browser keeps its cookie.
    #[error("a stored record is unreadable")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store does not implement an optional operation. Use another store.
    #[error("this store does not implement {0}: use memory, SQLite, Postgres or Redis, or implement them")]
    Unsupported(&'static str),
}

crate::base::error_chain::debug_as_display!(StoreError);

impl StoreError {
    /// Returns whether the same operation may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<StoreError> for salesforce_connection::Error {
    fn from(error: StoreError) -> Self {
        let is_transient = error.is_transient();
        Self::store(error, is_transient)
    }
}
