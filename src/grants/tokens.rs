//! [`GrantTokens`]: the opened tokens of a grant, with the header of requests.

use std::{fmt, sync::Arc, time::SystemTime};

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::broken::BrokenGrant;
use crate::{
    base::seal::{KeyRing, Purpose, SealError},
    store::{GrantKey, GrantRecord, GrantVersion, Sealed},
};
use salesforce_connection::{
    Secret,
    oauth::{InvalidTokenResponse, KnownGrant, LoginHost, Scopes, TokenResponse},
    token::{AccessToken, Generation},
};

/// The tokens of one version of a grant. Requests share them through an `Arc`.
pub(crate) struct GrantTokens {
    pub(crate) key: GrantKey,
    pub(crate) version: GrantVersion,
    pub(crate) access_token: Secret,
    /// What requests use: header, instance and scopes.
    pub(crate) access: Arc<AccessToken>,
    pub(crate) refresh_token: Option<Secret>,
    pub(crate) identity_url: Url,
    pub(crate) host: LoginHost,
    pub(crate) profile: Profile,
    pub(crate) updated_at: SystemTime,
}

/// Names for display, as they were at the login.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) username: Option<String>,
    pub(crate) display_name: Option<String>,
}

impl Profile {
    /// Creates the names of a user as they are stored: without control characters and those that change the direction of
    /// the text around them, and no longer than names can be.
    pub(crate) fn new(username: Option<String>, display_name: Option<String>) -> Self {
        Self {
            username: username.map(|name| clean(&name)),
            display_name: display_name.map(|name| clean(&name)),
        }
    }
}

fn clean(name: &str) -> String {
    /// Longer than any name in Salesforce: a user name has 80 characters, a full name 121.
    const MAX_CHARACTERS: usize = 255;

    let is_shown = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    name.chars().filter(is_shown).take(MAX_CHARACTERS).collect()
}

impl fmt::Debug for GrantTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantTokens")
            .field("key", &self.key)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// The sealed content of a record.
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

/// Why a stored grant is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnreadableGrant {
    /// The record does not open, or its content is invalid.
    #[error("opening a stored grant failed: its key is missing, or it was changed")]
    Sealed,
    /// The settings do not have the client id that it was given to.
    #[error("the stored grant belongs to a client id that the settings do not have")]
    UnknownApp,
    /// Its login host or its instance is not allowed.
    #[error("the stored grant belongs to a host that is not allowed")]
    HostNotAllowed,
    /// The settings do not let users of its org in, or its login host may not speak for that org.
    #[error("the stored grant belongs to an organization that is not allowed")]
    OrgNotAllowed,
    /// Salesforce refused the grant for good: it has no tokens any more.
    #[error("the stored grant needs reconnecting")]
    Broken(Arc<BrokenGrant>),
}

impl GrantTokens {
    /// Makes the grant of the first token response.
    pub(crate) fn new(
        key: GrantKey,
        version: GrantVersion,
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

    /// Makes the grant after a refresh. Without a new refresh token the old one stays valid (RFC 6749 section 6).
    pub(crate) fn refreshed(
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

    /// Makes the grant after a refresh whose response has a new refresh token and is invalid otherwise.
    pub(crate) fn with_refresh_token(
        &self,
        token: Secret,
        now: SystemTime,
    ) -> Result<Self, InvalidTokenResponse> {
        Ok(Self { refresh_token: Some(token), updated_at: now, ..self.same_tokens()? })
    }

    /// Makes the next version with the same tokens, to seal them again.
    pub(super) fn same_tokens(&self) -> Result<Self, InvalidTokenResponse> {
        let (version, old) = (self.version.next(), &self.access);
        Ok(Self {
            key: self.key,
            version,
            access: access(&self.access_token, old.instance_url().clone(), old.scopes().clone(), version)?,
            access_token: self.access_token.clone(),
            refresh_token: self.refresh_token.clone(),
            identity_url: self.identity_url.clone(),
            host: self.host.clone(),
            profile: self.profile.clone(),
            updated_at: self.updated_at,
        })
    }

    /// Returns what a response to a refresh may lack.
    pub(super) fn known(&self, token_host: Option<Url>) -> KnownGrant {
        let (identity, access) = (self.identity_url.clone(), &self.access);
        let mut known = KnownGrant::new(
            self.key.user(),
            identity,
            access.instance_url().clone(),
            access.scopes().clone(),
        );
        known.token_host = token_host;
        known
    }

    /// Seals the tokens for the store.
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
        let sealed = keys.seal(Purpose::Grant, &associated_data(self.key, self.version), &plain)?;
        Ok(GrantRecord {
            key: self.key,
            version: self.version,
            sealed: Sealed::from_bytes(sealed),
            updated_at: self.updated_at,
            expires_at,
        })
    }

    /// Returns whether the keys open a stored record, also one without tokens, of a broken grant.
    pub(crate) fn is_opened_by(keys: &KeyRing, record: &GrantRecord) -> bool {
        !matches!(Self::open(keys, record), Err(UnreadableGrant::Sealed))
    }

    /// Opens a stored record.
    pub(crate) fn open(keys: &KeyRing, record: &GrantRecord) -> Result<Self, UnreadableGrant> {
        let bound_to = associated_data(record.key, record.version);
        let plain = keys
            .open(Purpose::Grant, &bound_to, record.sealed.as_bytes())
            .map_err(|_| UnreadableGrant::Sealed)?;
        let content: Content<'_> = serde_json::from_slice(&plain).map_err(|_| {
            let broken = BrokenGrant::parse(record, &plain);
            broken.map_or(UnreadableGrant::Sealed, |broken| UnreadableGrant::Broken(Arc::new(broken)))
        })?;
        let access_token = Secret::new(content.access_token);
        Ok(Self {
            key: record.key,
            version: record.version,
            access: access(
                &access_token,
                content.instance_url.parse().map_err(|_| UnreadableGrant::Sealed)?,
                content.scopes,
                record.version,
            )
            .map_err(|_| UnreadableGrant::Sealed)?,
            access_token,
            refresh_token: content.refresh_token.map(Secret::new),
            identity_url: content.identity_url.parse().map_err(|_| UnreadableGrant::Sealed)?,
            host: content.host.parse().map_err(|_| UnreadableGrant::Sealed)?,
            profile: content.profile,
            updated_at: record.updated_at,
        })
    }
}

/// Returns the token of this version, as requests use it.
pub(super) fn access(
    token: &Secret,
    instance_url: Url,
    scopes: Scopes,
    version: GrantVersion,
) -> Result<Arc<AccessToken>, InvalidTokenResponse> {
    let generation = Generation(u128::from(version.epoch) << 64 | u128::from(version.revision));
    Ok(Arc::new(AccessToken::new(token, instance_url, scopes)?.with_generation(generation)))
}

/// Returns the version that a token belongs to.
pub(super) fn version_of(token: &AccessToken) -> GrantVersion {
    let Generation(generation) = token.generation();
    GrantVersion { epoch: (generation >> 64) as u64, revision: generation as u64 }
}

/// Returns what the sealed bytes are bound to. In another record, or another version of the same, they do not open.
pub(super) fn associated_data(key: GrantKey, version: GrantVersion) -> Vec<u8> {
    format!("{key} {} {}", version.epoch, version.revision).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_cut() {
        let profile =
            Profile::new(Some("ada\n\u{202e}\u{61c}x\u{200b}\u{ad}\u{e0041}".into()), Some("ä".repeat(300)));
        assert_eq!(profile.username.as_deref(), Some("adax"));
        assert_eq!(profile.display_name.map(|name| name.chars().count()), Some(255));
    }
}
