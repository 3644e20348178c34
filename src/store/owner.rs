//! Owners: users, teams or tenants of the app itself that may use a grant, without a login.

use std::{fmt, str::FromStr, time::SystemTime};

use sha2::{Digest as _, Sha256};

use super::{AppKey, GrantFilter, GrantKey, GrantRecord, Sealed};

/// Longest text that names an owner, in bytes. Fits each kind of id that apps have, and keeps the records small.
const MAX_OWNER_BYTES: usize = 128;
/// Longest name of a connection, in bytes. It stands in links and forms.
const MAX_NAME_BYTES: usize = 64;

/// A user, a team or a tenant of the app itself, as the app names it: 1 to 128 bytes without control characters.
///
/// Use an id that never passes to another user, such as the primary key of the app's own table.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(String);

/// What an owner calls one of its connections, such as `prod`: 1 to 64 letters, digits, `.`, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionName(String);

/// A text that names no owner or no connection. Repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOwner {
    /// The owner is empty, too long, or has control characters.
    #[error("an owner has 1 to {MAX_OWNER_BYTES} bytes and no control characters")]
    Owner,
    /// The name of the connection is empty, too long, or has other characters.
    #[error("the name of a connection has 1 to {MAX_NAME_BYTES} letters, digits, `.`, `-` and `_`")]
    Name,
}

impl From<InvalidOwner> for salesforce_connection::Error {
    fn from(error: InvalidOwner) -> Self {
        Self::internal(error)
    }
}

impl Owner {
    /// Names an owner.
    ///
    /// # Errors
    /// The text is empty, has more than 128 bytes, or control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidOwner> {
        let text = text.into();
        if text.is_empty() || text.len() > MAX_OWNER_BYTES || text.chars().any(char::is_control) {
            return Err(InvalidOwner::Owner);
        }
        Ok(Self(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Without the text: it may be an address or a name.
impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({} bytes)", self.0.len())
    }
}

impl FromStr for Owner {
    type Err = InvalidOwner;

    fn from_str(text: &str) -> Result<Self, InvalidOwner> {
        Self::new(text)
    }
}

impl ConnectionName {
    /// Names a connection.
    ///
    /// # Errors
    /// The text is empty, has more than 64 bytes, or other characters than letters, digits, `.`, `-` and `_`.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidOwner> {
        let text = text.into();
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if text.is_empty() || text.len() > MAX_NAME_BYTES || !is_plain {
            return Err(InvalidOwner::Name);
        }
        Ok(Self(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `default`, for apps whose owners have one connection each.
impl Default for ConnectionName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Debug for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ConnectionName {
    type Err = InvalidOwner;

    fn from_str(text: &str) -> Result<Self, InvalidOwner> {
        Self::new(text)
    }
}

/// Names all connections of an owner in a store: a SHA-256 of app and owner, so that the store has no text of the app.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerKey([u8; 32]);

impl OwnerKey {
    /// Names the connections of this owner of this app.
    pub fn new(app: AppKey, owner: &Owner) -> Self {
        Self(digest(&["actix-salesforce owner", &app.to_string(), owner.as_str()]))
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

/// Names one connection of an owner in a store: a SHA-256 of the owner's key and the connection's name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnedKey([u8; 32]);

impl OwnedKey {
    /// Names this connection of this owner.
    pub fn new(owner: OwnerKey, name: &ConnectionName) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"actix-salesforce owned connection");
        digest.update(owner.0);
        digest.update(name.as_str());
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

/// Each text with its length in front, so that no two lists have the same digest.
fn digest(texts: &[&str]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}

macro_rules! short_debug {
    ($($key:ident),*) => {$(
        /// A short id for logs: the first 8 bytes in hexadecimal.
        impl fmt::Debug for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    )*};
}
short_debug!(OwnerKey, OwnedKey);

/// One connection of an owner: the right to use a grant under a name, until the app ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedRecord {
    /// Which connection.
    pub key: OwnedKey,
    /// Whose it is.
    pub owner: OwnerKey,
    /// The grant that it uses.
    pub grant: GrantKey,
    /// Owner and name, sealed. Opaque to the store.
    pub sealed: Sealed,
    /// When it was connected.
    pub connected_at: SystemTime,
    /// From this time on the record is absent: long after the app that made it.
    pub expires_at: SystemTime,
}

impl OwnedRecord {
    /// Makes a record of a connection.
    pub fn new(
        (owner, key): (OwnerKey, OwnedKey),
        grant: GrantKey,
        sealed: Sealed,
        connected_at: SystemTime,
        expires_at: SystemTime,
    ) -> Self {
        Self { key, owner, grant, sealed, connected_at, expires_at }
    }
}

/// Which connections of owners to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnedFilter {
    /// Those of one owner.
    Owner(OwnerKey),
    /// Those that use one of these grants.
    Grants(GrantFilter),
}

impl OwnedFilter {
    /// Returns true if the filter selects this record.
    pub(super) fn selects(self, record: &OwnedRecord) -> bool {
        match self {
            Self::Owner(owner) => record.owner == owner,
            Self::Grants(grants) => grants.selects(&record.grant),
        }
    }
}

/// What [`Store::connect_owner`](super::Store::connect_owner) replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct ConnectedOwner {
    /// The grant of the same key that was replaced.
    pub replaced: Option<GrantRecord>,
    /// The grant that the connection used before, if it was deleted: no login and no owner used it any more. Its tokens
    /// are to be revoked.
    pub deleted: Option<GrantRecord>,
}

impl ConnectedOwner {
    /// Names what was replaced and what was deleted.
    pub fn new(replaced: Option<GrantRecord>, deleted: Option<GrantRecord>) -> Self {
        Self { replaced, deleted }
    }
}

/// What [`Store::disconnect_owner`](super::Store::disconnect_owner) did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum DisconnectedOwner {
    /// The connection is absent.
    NotFound,
    /// The connection is another than the expected one, or was sealed again. Nothing was changed.
    Changed,
    /// The connection was deleted. Its grant is in use elsewhere, kept unused, or absent.
    GrantKept(GrantKey),
    /// The connection was deleted, and with it its grant, which no login and no other owner used. Its tokens are to be
    /// revoked.
    GrantDeleted(GrantRecord),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_have_128_bytes_and_names_64_plain_characters() {
        assert!(Owner::new("ü".repeat(64)).is_ok());
        for bad in ["", "a\nb", &"x".repeat(129), &"ü".repeat(65)] {
            assert_eq!(Owner::new(bad), Err(InvalidOwner::Owner), "{bad:?}");
        }
        assert!(ConnectionName::new("prod-EU_1.2").is_ok() && ConnectionName::new("x".repeat(64)).is_ok());
        for bad in ["", "a b", "ü", "a/b", &"x".repeat(65)] {
            assert_eq!(ConnectionName::new(bad), Err(InvalidOwner::Name), "{bad:?}");
        }
        assert!(!format!("{:?}", Owner::new("ada@example.com").unwrap()).contains("ada"));
    }

    #[test]
    fn no_two_connections_have_one_key() {
        let key = |app: &str, owner: &str, name: &str| {
            let owner = OwnerKey::new(AppKey::from_client_id(app), &Owner::new(owner).unwrap());
            OwnedKey::new(owner, &ConnectionName::new(name).unwrap())
        };
        let keys = [
            key("app", "ada", "prod"),
            key("app", "ada", "test"),
            key("app", "adap", "rod"),
            key("other", "ada", "prod"),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(keys[index + 1..].iter().all(|other| other != one));
        }
        assert_eq!(key("app", "ada", "prod"), keys[0]);
    }
}
