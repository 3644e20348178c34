//! Grants: what Salesforce gave for one (app, organization, user), and the engine that keeps it alive.

mod cell;
mod engine;
mod error;
mod hold;
pub(crate) mod keep_alive;
mod kept;
mod live;
mod logins;
mod logout;
mod machine;
#[cfg(test)]
mod model;
mod note;
mod overview;
mod refresh;
mod retry;
#[cfg(test)]
mod tests;
mod touch;

pub use self::overview::{GrantInfo, LoginInfo};
pub(crate) use self::{
    engine::{Engine, EngineParts, GrantHandle, Lifetimes},
    error::GrantError,
    live::{LiveGrant, Profile},
    logins::{LogInError, NewLogin},
};

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use salesforce_connection::{InvalidId, OrgId, UserId};

/// Names a grant: which app, which organization, which user. Never an e-mail address or a user name, which change
/// hands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantKey {
    app: AppKey,
    org: OrgId,
    user: UserId,
}

impl GrantKey {
    /// The key of the grant that `user` of `org` gave to `app`.
    pub fn new(app: AppKey, org: OrgId, user: UserId) -> Self {
        Self { app, org, user }
    }

    /// The app the grant was given to.
    pub fn app(&self) -> AppKey {
        self.app
    }

    /// The organization whose data the grant opens.
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// The user the grant acts for.
    pub fn user(&self) -> UserId {
        self.user
    }
}

/// `app:org:user`, safe to log and to use as a key in a store.
impl fmt::Display for GrantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.app, self.org, self.user)
    }
}

impl fmt::Debug for GrantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names an app (a client id) in a store without repeating the client id: the first 8 bytes of its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppKey([u8; 8]);

impl AppKey {
    /// The key of the app with this client id.
    pub fn of_client_id(client_id: &str) -> Self {
        let digest = Sha256::digest(client_id.as_bytes());
        let mut key = [0; 8];
        key.copy_from_slice(&digest[..8]);
        Self(key)
    }

    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that should be an `app:org:user` key and is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a grant key of the form app:org:user")]
pub struct InvalidGrantKey(#[source] Option<InvalidId>);

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
        Ok(Self {
            app: AppKey(app.to_be_bytes()),
            org: org.parse().map_err(|error| InvalidGrantKey(Some(error)))?,
            user: user.parse().map_err(|error| InvalidGrantKey(Some(error)))?,
        })
    }
}

/// Which tokens a record holds. Two records of one grant with the same version hold the same tokens.
///
/// A login starts a new `lineage` (a random number), so that a version of before a logout can never be mistaken for
/// one of after it; each refresh adds one to `revision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    /// Random, chosen at the login that made the grant.
    pub lineage: u64,
    /// 0 at the login, one more with each refresh.
    pub revision: u64,
}

impl Version {
    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self { revision: self.revision.saturating_add(1), ..self }
    }

    /// Whether this is a later refresh of the very login that `other` comes from.
    pub fn is_after(self, other: Self) -> bool {
        self.lineage == other.lineage && self.revision > other.revision
    }
}
