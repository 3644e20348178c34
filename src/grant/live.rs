//! A grant as it is used: opened, with its header made once.

use std::{fmt, sync::Arc, time::SystemTime};

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::{GrantKey, Version};
use crate::store::{GrantRecord, KeyRing, Purpose, SealError, Sealed};
use salesforce_connection::{
    Secret,
    oauth::{InvalidTokenResponse, LoginHost, Scopes, TokenResponse},
    token::{AccessToken, Generation},
};

/// The tokens of one version of a grant. Shared, never copied: a request clones the `Arc` around it.
pub(crate) struct LiveGrant {
    pub(crate) key: GrantKey,
    pub(crate) version: Version,
    pub(crate) access_token: Secret,
    /// What requests use: header, instance and scopes.
    pub(crate) access: Arc<AccessToken>,
    pub(crate) refresh_token: Option<Secret>,
    pub(crate) identity_url: Url,
    pub(crate) host: LoginHost,
    pub(crate) profile: Profile,
    pub(crate) updated_at: SystemTime,
}

/// Names for people to read, as they were at the login.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) username: Option<String>,
    pub(crate) display_name: Option<String>,
}

impl fmt::Debug for LiveGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveGrant")
            .field("key", &self.key)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Content<'a> {
    access_token: &'a str,
    refresh_token: Option<&'a str>,
    instance_url: &'a str,
    identity_url: &'a str,
    host: &'a str,
    scopes: Scopes,
    profile: Profile,
}

/// A record that does not open, or does not hold what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a grant in the store cannot be opened: its key is gone, or it was tampered with")]
pub(crate) struct UnreadableGrant;

impl LiveGrant {
    /// The grant of a first token answer.
    pub(crate) fn new(
        key: GrantKey,
        version: Version,
        tokens: TokenResponse,
        host: LoginHost,
        profile: Profile,
        updated_at: SystemTime,
    ) -> Result<Self, InvalidTokenResponse> {
        Ok(Self {
            key,
            version,
            access: access(&tokens.access_token, tokens.instance_url, tokens.scopes, version)?,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            identity_url: tokens.identity.url,
            host,
            profile,
            updated_at,
        })
    }

    /// The grant after a refresh. Without a new refresh token the old one stays (RFC 6749 section 6).
    pub(crate) fn renewed(
        &self,
        tokens: TokenResponse,
        now: SystemTime,
    ) -> Result<Self, InvalidTokenResponse> {
        let mut next =
            Self::new(self.key, self.version.next(), tokens, self.host.clone(), self.profile.clone(), now)?;
        if next.refresh_token.is_none() {
            next.refresh_token.clone_from(&self.refresh_token);
        }
        Ok(next)
    }

    pub(crate) fn seal(&self, keys: &KeyRing, expires_at: SystemTime) -> Result<GrantRecord, SealError> {
        let content = Content {
            access_token: self.access_token.expose(),
            refresh_token: self.refresh_token.as_ref().map(Secret::expose),
            instance_url: self.access.instance_url().as_str(),
            identity_url: self.identity_url.as_str(),
            host: self.host.as_url().as_str(),
            scopes: self.access.scopes().clone(),
            profile: self.profile.clone(),
        };
        let plain = Zeroizing::new(serde_json::to_vec(&content).map_err(|_| SealError)?);
        let sealed = keys.seal(Purpose::Grant, &place(self.key, self.version), &plain)?;
        Ok(GrantRecord {
            key: self.key,
            version: self.version,
            sealed: Sealed::from_bytes(sealed),
            updated_at: self.updated_at,
            expires_at,
        })
    }

    pub(crate) fn open(keys: &KeyRing, record: &GrantRecord) -> Result<Self, UnreadableGrant> {
        let place = place(record.key, record.version);
        let plain =
            keys.open(Purpose::Grant, &place, record.sealed.as_bytes()).map_err(|_| UnreadableGrant)?;
        let content: Content<'_> = serde_json::from_slice(&plain).map_err(|_| UnreadableGrant)?;
        let access_token = Secret::new(content.access_token);
        Ok(Self {
            key: record.key,
            version: record.version,
            access: access(
                &access_token,
                content.instance_url.parse().map_err(|_| UnreadableGrant)?,
                content.scopes,
                record.version,
            )
            .map_err(|_| UnreadableGrant)?,
            access_token,
            refresh_token: content.refresh_token.map(Secret::new),
            identity_url: content.identity_url.parse().map_err(|_| UnreadableGrant)?,
            host: content.host.parse().map_err(|_| UnreadableGrant)?,
            profile: content.profile,
            updated_at: record.updated_at,
        })
    }
}

/// The token of this version, as requests use it.
fn access(
    token: &Secret,
    instance_url: Url,
    scopes: Scopes,
    version: Version,
) -> Result<Arc<AccessToken>, InvalidTokenResponse> {
    let generation = Generation(u128::from(version.lineage) << 64 | u128::from(version.revision));
    Ok(Arc::new(AccessToken::new(token, instance_url, scopes)?.with_generation(generation)))
}

/// Returns the version whose token this is.
pub(super) fn version_of(token: &AccessToken) -> Version {
    let Generation(generation) = token.generation();
    Version { lineage: (generation >> 64) as u64, revision: generation as u64 }
}

/// What the sealed bytes are bound to: moved to another record, or to another version of the same, they do not open.
fn place(key: GrantKey, version: Version) -> Vec<u8> {
    format!("{key} {} {}", version.lineage, version.revision).into_bytes()
}
