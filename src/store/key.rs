//! The names of stored records: grants, logins, one-time values, leases.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ConsumerKey;
use crate::base::hex::digits;
use salesforce_connection::{InvalidId, Secret, UserRef};

/// Names a grant: which app, which organization, which user.
///
/// Made of ids only: e-mail addresses and user names can pass from one user to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantKey {
    app: AppKey,
    user: UserRef,
}

impl GrantKey {
    /// Names the grant that `user` gave to `app`.
    pub fn new(app: AppKey, user: UserRef) -> Self {
        Self { app, user }
    }

    /// Returns the app that the grant was given to.
    pub fn app(&self) -> AppKey {
        self.app
    }

    /// Returns the user whose data the grant opens, with the user's organization.
    pub fn user(&self) -> UserRef {
        self.user
    }
}

impl From<GrantKey> for UserRef {
    fn from(key: GrantKey) -> Self {
        key.user
    }
}

/// `app:organization:user`, safe to log and to use as a key in a store.
impl fmt::Display for GrantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.app, f)?;
        for id in [self.user.organization_id.as_str(), self.user.user_id.as_str()] {
            f.write_char(':')?;
            f.write_str(id)?;
        }
        Ok(())
    }
}

impl fmt::Debug for GrantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names an app in a store: the first 8 bytes of the SHA-256 of its client id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppKey([u8; 8]);

impl AppKey {
    /// Names the app with this client id.
    pub fn from_client_id(client_id: &str) -> Self {
        Self(first_8_bytes(Sha256::digest(client_id.as_bytes()).into()))
    }
}

impl fmt::Display for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(&self.0).try_for_each(|digit| f.write_char(digit))
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a [`GrantKey`] of the form `app:organization:user`.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid grant key: the form is app:organization:user")]
pub struct InvalidGrantKey(#[source] Option<InvalidId>);

crate::base::error_chain::debug_as_display!(InvalidGrantKey);

impl FromStr for GrantKey {
    type Err = InvalidGrantKey;

    fn from_str(text: &str) -> Result<Self, InvalidGrantKey> {
        let mut parts = text.splitn(3, ':');
        let (Some(app), Some(org), Some(user)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidGrantKey(None));
        };
        if app.len() != 16 || !app.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidGrantKey(None));
        }
        let app = u64::from_str_radix(app, 16).map_err(|_| InvalidGrantKey(None))?;
        let org = org.parse().map_err(|error| InvalidGrantKey(Some(error)))?;
        let user = user.parse().map_err(|error| InvalidGrantKey(Some(error)))?;
        Ok(Self { app: AppKey(app.to_be_bytes()), user: UserRef::new(org, user) })
    }
}

/// Which tokens a grant record holds. Two records of one grant with the same version hold the same tokens.
///
/// A login starts a new `epoch`, so that a version from before a logout is never mistaken for one after it. Each refresh
/// adds one to `revision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GrantVersion {
    /// A random number, chosen at the login that made the grant.
    // The serialized name is that of the first release.
    #[serde(rename = "lineage")]
    pub epoch: u64,
    /// 0 at the login, plus one for each refresh.
    pub revision: u64,
}

impl GrantVersion {
    /// Returns the version that follows this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self { revision: self.revision.saturating_add(1), ..self }
    }

    /// Returns true if this is a later refresh of the login that `other` comes from.
    pub fn is_after(self, other: Self) -> bool {
        self.epoch == other.epoch && self.revision > other.revision
    }
}

/// Names a login in a store: the SHA-256 of the opaque id in the login cookie.
///
/// It is no credential: the id cannot be computed from it, so a reader of the store cannot act as a user.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoginKey([u8; 32]);

impl LoginKey {
    /// Names the login with this opaque id.
    pub fn from_login_id(id: &Secret) -> Self {
        Self(Sha256::digest(id.expose().as_bytes()).into())
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

/// A short id for logs: the first 8 bytes in hexadecimal. It cannot be used as a key.
impl fmt::Debug for LoginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(&self.0[..8]).try_for_each(|digit| f.write_char(digit))
    }
}

/// Names a value that may be used once: its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OneTimeKey([u8; 32]);

impl OneTimeKey {
    /// Names this value.
    pub fn from_secret(value: &Secret) -> Self {
        Self(Sha256::digest(value.expose().as_bytes()).into())
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The holder of a lease: a random number, chosen per refresh or per process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseHolder(pub u128);

/// What a lease is for. Leases with different names are independent.
///
/// A store uses [`Display`](fmt::Display) as the key: up to 60 characters of ASCII, the same in all releases. All
/// processes that share a store must agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeaseName {
    /// The right to refresh this grant.
    Refresh(GrantKey),
    /// The refresh token of this version is about to be sent, or was sent and its outcome is unknown.
    InFlight(GrantKey, GrantVersion),
    /// The right to send the refresh token of this version again although its outcome is unknown.
    RetrySlot(GrantKey, GrantVersion),
    /// Salesforce was asked whether this grant is still valid, and is not asked again for now.
    Recheck(GrantKey),
    /// The right to complete the login with this state.
    Login(OneTimeKey),
    /// The right to handle what Salesforce sent under this id.
    Handling(OneTimeKey),
    /// What Salesforce sent under this id was handled.
    Handled(OneTimeKey),
    /// The right to run this consumer of events.
    Consumer(ConsumerKey),
}

impl LeaseName {
    /// Returns the grant that the lease concerns; `None` for a login that is not complete yet, for what Salesforce sent,
    /// and for a consumer.
    pub fn grant(&self) -> Option<GrantKey> {
        match self {
            Self::Refresh(key) | Self::Recheck(key) | Self::InFlight(key, _) | Self::RetrySlot(key, _) => {
                Some(*key)
            }
            Self::Login(_) | Self::Handling(_) | Self::Handled(_) | Self::Consumer(_) => None,
        }
    }
}

/// A refresh lease has the grant's own key; the other names of grants have a hash in place of the app.
impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refresh(key) => key.fmt(f),
            // The labels are those of the first release: processes of two releases share a store during a deployment.
            Self::InFlight(key, version) => hashed(b"refresh token sent", *key, *version).fmt(f),
            Self::RetrySlot(key, version) => hashed(b"refresh token in doubt sent", *key, *version).fmt(f),
            Self::Recheck(key) => {
                hashed(b"grant checked", *key, GrantVersion { epoch: 0, revision: 0 }).fmt(f)
            }
            Self::Login(state) => labelled("login:", &state.0, f),
            Self::Handling(id) => labelled("handling:", &id.0, f),
            Self::Handled(id) => labelled("handled:", &id.0, f),
            Self::Consumer(key) => labelled("consumer:", key.as_bytes(), f),
        }
    }
}

fn labelled(label: &str, key: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(label)?;
    // Half of the hash: 128 bits cannot be guessed, and the key stays short.
    digits(&key[..16]).try_for_each(|digit| f.write_char(digit))
}

fn hashed(label: &[u8], key: GrantKey, version: GrantVersion) -> GrantKey {
    let mut digest = Sha256::new();
    digest.update(label);
    digest.update(key.app.0);
    digest.update(version.epoch.to_be_bytes());
    digest.update(version.revision.to_be_bytes());
    GrantKey::new(AppKey(first_8_bytes(digest.finalize().into())), key.user)
}

fn first_8_bytes(digest: [u8; 32]) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> GrantKey {
        let user = UserRef::new("00D000000000001EAA".parse().unwrap(), "005000000000001AAA".parse().unwrap());
        GrantKey::new(AppKey::from_client_id("app"), user)
    }

    #[test]
    fn a_grant_key_is_read_back_from_its_text() {
        assert_eq!(key().to_string().parse(), Ok(key()));
        for text in
            ["", "a:b", "0123456789abcdef:00D000000000001EAA:x", "x:00D000000000001EAA:005000000000001AAA"]
        {
            assert!(text.parse::<GrantKey>().is_err(), "{text}");
        }
    }

    /// Processes of two releases share a store during a deployment: these texts must never change.
    #[test]
    fn the_stored_names_of_leases_are_those_of_the_first_release() {
        let version = GrantVersion { epoch: 7, revision: 3 };
        let user = "00D000000000001EAA:005000000000001AAA";
        let names = [
            LeaseName::Refresh(key()),
            LeaseName::InFlight(key(), version),
            LeaseName::RetrySlot(key(), version),
        ];
        let stored = names.map(|name| name.to_string());
        assert_eq!(
            stored,
            [
                format!("a172cedcae47474b:{user}"),
                format!("094fd8d6492e56af:{user}"),
                format!("a427b19046833361:{user}")
            ]
        );
        assert!(names.iter().all(|name| name.grant() == Some(key())));
        let serialized = serde_json::to_string(&version).unwrap();
        assert_eq!(serialized, r#"{"lineage":7,"revision":3}"#);
        let org = key().user().organization_id;
        let consumer = LeaseName::Consumer(ConsumerKey::new("crm-sync", org, "/data/ChangeEvents"));
        assert_eq!(consumer.to_string(), "consumer:faf9fe8390d6d6898d19602aa3338a1b");
        assert_eq!(consumer.grant(), None);
    }
}
