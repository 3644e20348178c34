//! [`BrokenGrant`]: what stays of a grant that Salesforce refuses for good, so that its user can be asked to reconnect.
//!
//! It stands in the grant's place in the store, without tokens and without logins, for as long as the settings say. The
//! next login of the same user replaces it. Its epoch is new: a late refresh of the former grant finds another version
//! than it expects, and never revives it.

use std::{fmt, sync::Arc, time::SystemTime};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{GrantError, GrantHandle, GrantManager, GrantTokens, tokens::UnreadableGrant};
use crate::{
    base::{
        random::{self, NoRandomness},
        seal::{KeyRing, Purpose, SealError},
    },
    store::{ConnectionName, GrantKey, GrantRecord, GrantVersion, Sealed},
};
use salesforce_connection::{
    UserRef,
    oauth::LoginHost,
    token::{AccessToken, BrokenConnection, TokenError, TokenSource},
};

/// Returns the path of this app at which users log in at a host; `None` if the app has no login route.
pub(crate) type LoginPath = Arc<dyn Fn(&LoginHost) -> Option<String> + Send + Sync>;

/// What stays of a grant that Salesforce refuses for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrokenGrant {
    pub(super) key: GrantKey,
    pub(super) host: LoginHost,
    /// Salesforce's error code.
    pub(super) code: Option<String>,
    /// Salesforce's known description, or what this crate found.
    pub(super) reason: Option<String>,
    pub(super) since: SystemTime,
}

/// The sealed content of its record.
#[derive(Serialize, Deserialize)]
struct Content {
    broken: Details,
}

#[derive(Serialize, Deserialize)]
struct Details {
    host: String,
    code: Option<String>,
    reason: Option<String>,
}

/// Why the record of a broken grant was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSealed {
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl BrokenGrant {
    /// Seals it as the first version of a new epoch.
    pub(super) fn seal(&self, keys: &KeyRing, expires_at: SystemTime) -> Result<GrantRecord, NotSealed> {
        let version = GrantVersion { epoch: u64::from_be_bytes(random::bytes()?), revision: 0 };
        Ok(self.seal_as(version, keys, expires_at)?)
    }

    /// Seals it as this version.
    pub(super) fn seal_as(
        &self,
        version: GrantVersion,
        keys: &KeyRing,
        expires_at: SystemTime,
    ) -> Result<GrantRecord, SealError> {
        let (code, reason) = (self.code.clone(), self.reason.clone());
        let content = Content { broken: Details { host: self.host.as_url().to_string(), code, reason } };
        let plain = serde_json::to_vec(&content).map_err(|_| SealError)?;
        let sealed = keys.seal(Purpose::Grant, &super::tokens::associated_data(self.key, version), &plain)?;
        Ok(GrantRecord {
            key: self.key,
            version,
            sealed: Sealed::from_bytes(sealed),
            updated_at: self.since,
            expires_at,
        })
    }

    /// Reads the opened content of a record. `None`: it is of another kind.
    pub(super) fn parse(record: &GrantRecord, plain: &[u8]) -> Option<Self> {
        let Content { broken: Details { host, code, reason } } = serde_json::from_slice(plain).ok()?;
        Some(Self { key: record.key, host: host.parse().ok()?, code, reason, since: record.updated_at })
    }
}

impl GrantManager {
    /// Returns what the record says of a broken grant; `None` if the grant has tokens, or does not open.
    pub(super) fn open_broken(&self, record: &GrantRecord) -> Option<Arc<BrokenGrant>> {
        match GrantTokens::open(&self.config.keys, record) {
            Err(UnreadableGrant::Broken(broken)) => Some(broken),
            _ => None,
        }
    }

    /// Returns what a job or an operator is told about a broken grant.
    pub(crate) fn connection_of(&self, broken: &BrokenGrant) -> BrokenConnection {
        let mut connection = BrokenConnection::new(broken.key.user(), broken.since);
        connection.code.clone_from(&broken.code);
        connection.reason.clone_from(&broken.reason);
        connection.login_path = (self.config.login_path)(&broken.host);
        connection
    }
}

/// The tokens of a user for work outside of a request: there is no browser to send to the login, so that an error says why
/// the grant ended, and where the user logs in.
#[derive(Clone)]
pub(crate) struct JobGrant {
    pub(crate) grant: GrantHandle,
    /// What its owner calls the connection, if it has one.
    pub(crate) owned: Option<ConnectionName>,
}

impl fmt::Debug for JobGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.grant.fmt(f)
    }
}

impl JobGrant {
    fn explained(&self, error: GrantError) -> TokenError {
        match (&error, self.grant.broken(self.owned.as_ref())) {
            (GrantError::LoginOver | GrantError::Refused(_), Some(connection)) => {
                TokenError::NeedsReconnecting(Arc::new(connection))
            }
            _ => error.into(),
        }
    }
}

impl TokenSource for JobGrant {
    fn user(&self) -> UserRef {
        self.grant.user()
    }

    fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
        Ok(Arc::clone(&self.grant.current().map_err(|error| self.explained(error))?.access))
    }

    fn refresh<'a>(
        &'a self,
        rejected: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>> {
        Box::pin(async {
            let refreshed = self.grant.refresh_version(super::tokens::version_of(rejected)).await;
            Ok(Arc::clone(&refreshed.map_err(|error| self.explained(error))?.access))
        })
    }

    fn rejected_again<'a>(&'a self, fresh: &'a AccessToken) -> BoxFuture<'a, ()> {
        self.grant.rejected_again(fresh)
    }

    fn is_revoked(&self) -> BoxFuture<'_, bool> {
        self.grant.is_revoked()
    }
}
