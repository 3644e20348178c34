//! What follows the response to a token request, or another process's finding that none helps: the grant is stored, deleted, or
//! left as it is.

use std::sync::Arc;

use super::{
    super::{AuthEvent, GrantError, GrantManagerConfig, GrantTokens, broken::BrokenGrant, pending_write},
    Done, Refresh,
};
use crate::store::SwapOutcome;
use salesforce_connection::{
    Secret,
    oauth::{OAuthError, TokenResponse},
};

impl Refresh {
    /// Ends the refresh without a token request: a new token would be rejected like this one.
    pub(super) async fn rejected_elsewhere(&self) -> Result<Done, GrantError> {
        if let Some(newer) = self.newer().await? {
            return Ok(Done::Stored(newer));
        }
        let (now, timing) = (self.manager.config.clock.instant(), self.timing());
        let look_again = timing.cool_down;
        self.entry.rejected_elsewhere(self.from.version, now, timing.rejected_pauses(), look_again);
        Ok(Done::Unchanged)
    }

    /// Stores the new refresh token of a response that is invalid otherwise, and fails: the old refresh token is used, and
    /// the new one renews the grant after the cool-down.
    pub(super) async fn store_rotated(
        &self,
        refresh_token: Secret,
        error: OAuthError,
    ) -> Result<Done, GrantError> {
        let config = &self.manager.config;
        let next = self.from.with_refresh_token(refresh_token, config.clock.now());
        let next = next.map_err(|fault| self.unavailable(fault))?;
        let version = next.version;
        match self.store(next).await? {
            Done::Stored(stored) if stored.version == version => {
                let now = config.clock.instant();
                let until = now.checked_add(self.timing().cool_down).unwrap_or(now);
                self.entry.set_unusable(version, until);
                Err(self.unavailable(error))
            }
            done => Ok(done),
        }
    }

    /// Ends the grant: its refresh token is invalid or revoked, or its user may not use the app any more.
    pub(super) async fn token_refused(
        &self,
        error: Option<OAuthError>,
        response_was_lost: bool,
    ) -> Result<GrantTokens, GrantError> {
        let user = self.from.key.user();
        // Another process may have used the token first. Its stored grant is the outcome then.
        if let Some(newer) = self.newer().await? {
            self.manager.config.events.emit(&AuthEvent::ReuseSuspected(user));
            return Ok(newer);
        }
        let reason = error.as_ref().and_then(OAuthError::description);
        let code = error.as_ref().and_then(OAuthError::error_code).map(str::to_owned);
        let found = if error.is_none() { Some("the grant has no refresh token") } else { reason };
        let needs_reconnecting = self.end_grant(code.clone(), found).await? && self.keeps_broken();
        tracing::info!(grant = %self.from.key, code, reason, "Salesforce refused the refresh token");
        // The token of a signed request ends with each session in Salesforce.
        if !self.is_of_canvas() {
            self.manager.config.events.emit(&AuthEvent::GrantRevoked {
                user,
                response_was_lost,
                reason,
                code,
                needs_reconnecting,
            });
        }
        match error {
            // A new login most often helps after `invalid_grant`. After the other codes it fails for the same reason.
            Some(error) if !error.is_invalid_grant() => Err(GrantError::Refused(Arc::new(error))),
            _ => Err(GrantError::LoginOver),
        }
    }

    fn is_of_canvas(&self) -> bool {
        self.manager.config.apps.is_canvas(self.from.key.app())
    }

    fn keeps_broken(&self) -> bool {
        // The token of a signed request cannot be reconnected: the next frame brings another one.
        !self.manager.config.keep_broken.is_zero() && !self.is_of_canvas()
    }

    /// Takes the tokens from the grant and ends its logins, or deletes it, as the settings say. Returns true unless the
    /// user logged in again meanwhile, or the grant was deleted.
    async fn end_grant(&self, code: Option<String>, reason: Option<&str>) -> Result<bool, GrantError> {
        let GrantManagerConfig { store, keys, clock, keep_broken, .. } = &self.manager.config;
        let (key, version) = (self.from.key, self.from.version);
        if !self.keeps_broken() {
            let deleted = store.delete_grant(key, Some(version)).await;
            return deleted.map(|deleted| deleted.is_some()).map_err(|error| self.unavailable(error));
        }
        let (host, reason, since) = (self.from.host.clone(), reason.map(str::to_owned), clock.now());
        let broken = BrokenGrant { key, host, code, reason, since };
        let record = broken.seal(keys, since.checked_add(*keep_broken).unwrap_or(since));
        let record = record.map_err(|error| self.unavailable(error))?;
        let is_broken = store.break_grant(version, record).await.map_err(|error| self.unavailable(error))?;
        if is_broken {
            self.entry.set_broken(version, Arc::new(broken));
        }
        Ok(is_broken)
    }

    /// Ends the grant: the response names another user, in its identity URL or its ID token, and is never used.
    ///
    /// The login ends, because its refresh token is already used, and continuing could show one user another user's data.
    pub(super) async fn identity_mismatch(&self, tokens: TokenResponse) -> Result<GrantTokens, GrantError> {
        tracing::error!(grant = %self.from.key, "refresh response names another user; the login ends");
        self.manager.revoke_tokens_later(tokens);
        // Another process refreshed the grant. Its tokens are valid, and may share this refresh token.
        if let Some(newer) = self.newer().await? {
            return Ok(newer);
        }
        let ended = self.end_grant(None, Some("the response to a refresh named another user")).await?;
        if ended {
            self.manager.revoke_later(&self.from);
        }
        let user = self.from.key.user();
        self.manager.config.events.emit(&AuthEvent::GrantRevoked {
            user,
            response_was_lost: false,
            reason: None,
            code: None,
            needs_reconnecting: ended && self.keeps_broken(),
        });
        Err(GrantError::LoginOver)
    }

    /// Stores the new tokens in place of the version that they replace.
    pub(super) async fn store(&self, next: GrantTokens) -> Result<Done, GrantError> {
        let now = self.manager.config.clock.now();
        let expires_at = now.checked_add(self.manager.config.lifetimes.absolute).unwrap_or(now);
        let record =
            next.seal(&self.manager.config.keys, expires_at).map_err(|error| self.unavailable(error))?;
        match pending_write::write(&self.manager, self.from.version, &record).await {
            Ok(SwapOutcome::Stored) => {
                let rotated = next.refresh_token != self.from.refresh_token;
                if next.access_token != self.from.access_token {
                    self.manager.config.events.emit(&AuthEvent::Refreshed { user: next.key.user(), rotated });
                }
                Ok(Done::Stored(next))
            }
            // The grant was deleted meanwhile and must not come back. The new tokens belong to no login.
            Ok(SwapOutcome::NotFound) => {
                self.manager.revoke_later(&next);
                Err(GrantError::LoginOver)
            }
            // The user logged in again meanwhile, or another process refreshed the grant too.
            Ok(SwapOutcome::Conflict(stored)) => {
                let theirs = self.manager.open(&stored);
                // Without rotation every version of a login has the same refresh token, which the stored grant now uses. If
                // that one does not open, only a refresh token that is new is certainly not used by it.
                let known = match &theirs {
                    Ok(theirs) => theirs,
                    Err(_) => &self.from,
                };
                // If both were made from the same token, revoking one may revoke both.
                if next.refresh_token != known.refresh_token && stored.version != next.version {
                    self.manager.revoke_later(&next);
                }
                theirs.map(Done::Stored).map_err(|unreadable| self.login_over(unreadable))
            }
            Err(error) => {
                tracing::error!(grant = %next.key, %error, "storing a refreshed token failed; it is retried");
                self.manager.config.events.emit(&AuthEvent::TokenWritePending(next.key.into()));
                Ok(Done::NotStored(next, Box::new(record)))
            }
        }
    }
}
