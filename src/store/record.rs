//! How the stores write times and versions, and the checks of what they read back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{GrantRecord, LoginRecord, Sealed, StoreError, io::corrupt};
use crate::grant::{GrantKey, Version};

/// The form of the records. A record of another form counts as unreadable and is left alone, so that two versions of a
/// program can share a store while one replaces the other.
pub(super) const FORMAT: i64 = 1;

/// A record that this version cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("a record of another version of this program")]
    Format,
    #[error("a record whose {0} makes no sense")]
    Field(&'static str),
}

impl From<Unreadable> for StoreError {
    fn from(error: Unreadable) -> Self {
        corrupt(error)
    }
}

/// Microseconds since 1970: fine enough to tell two logins apart, and exact in Lua's numbers until the year 2255.
pub(super) fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn time(micros: i64, field: &'static str) -> Result<SystemTime, Unreadable> {
    let micros = u64::try_from(micros).map_err(|_| Unreadable::Field(field))?;
    UNIX_EPOCH.checked_add(Duration::from_micros(micros)).ok_or(Unreadable::Field(field))
}

/// How long it is from now to `end`, in milliseconds: 0 or less when it is over.
///
/// Stores are told durations, and count them on their own clock. So machines whose clocks differ still agree on what has
/// expired; only the times that people read differ.
pub(super) fn lifetime(end: SystemTime) -> i64 {
    match end.duration_since(SystemTime::now()) {
        Ok(left) => millis(left),
        Err(_) => 0,
    }
}

/// A duration in whole milliseconds, at least one.
pub(super) fn millis(duration: Duration) -> i64 {
    // A century is for ever, and no store overflows on it.
    const LONGEST: i64 = 100 * 366 * 24 * 3600 * 1000;
    i64::try_from(duration.as_millis()).unwrap_or(LONGEST).clamp(1, LONGEST)
}

/// What a store read of a grant.
pub(super) struct GrantRow {
    pub(super) key: GrantKey,
    pub(super) version: Version,
    pub(super) sealed: Vec<u8>,
    pub(super) updated_at: i64,
    pub(super) expires_at: i64,
}

impl TryFrom<GrantRow> for GrantRecord {
    type Error = Unreadable;

    fn try_from(row: GrantRow) -> Result<Self, Unreadable> {
        Ok(Self {
            key: row.key,
            version: row.version,
            sealed: Sealed::from_bytes(row.sealed),
            updated_at: time(row.updated_at, "time")?,
            expires_at: time(row.expires_at, "expiry")?,
        })
    }
}

/// What a store read of a login.
pub(super) struct LoginRow {
    pub(super) grant: GrantKey,
    pub(super) created_at: i64,
    pub(super) seen_at: i64,
    pub(super) expires_at: i64,
}

impl TryFrom<LoginRow> for LoginRecord {
    type Error = Unreadable;

    fn try_from(row: LoginRow) -> Result<Self, Unreadable> {
        Ok(Self {
            grant: row.grant,
            created_at: time(row.created_at, "time")?,
            seen_at: time(row.seen_at, "time")?,
            expires_at: time(row.expires_at, "expiry")?,
        })
    }
}

/// A grant's key as it was written.
pub(super) fn grant_key(text: &str) -> Result<GrantKey, Unreadable> {
    text.parse().map_err(|_| Unreadable::Field("grant"))
}
