//! Revokes tokens at Salesforce in the background (RFC 7009).

use std::sync::Arc;

use url::Url;

use super::{AuthEvent, GrantManager, GrantTokens};
use salesforce_connection::{
    Secret,
    oauth::{LoginHost, TokenResponse},
};

impl GrantManager {
    /// Revokes the tokens of a grant. Retries a few times (RFC 7009 section 2.2.1).
    ///
    /// Does nothing for the token of a signed request: it is that of the user's own session at Salesforce, which goes on.
    pub(super) fn revoke_later(&self, tokens: &GrantTokens) {
        if self.config.apps.is_canvas(tokens.key.app()) {
            return;
        }
        let token = tokens.refresh_token.clone().unwrap_or_else(|| tokens.access_token.clone());
        self.revoke_token_later(tokens.access.instance_url().clone(), token);
    }

    /// Revokes tokens that belong to no grant.
    pub(super) fn revoke_tokens_later(&self, tokens: TokenResponse) {
        self.revoke_token_later(tokens.instance_url, tokens.refresh_token.unwrap_or(tokens.access_token));
    }

    /// Revokes the tokens of a login that is refused, at the host where the user logged in: the instance of an org that may
    /// not log in is not contacted. That this host revokes the tokens of every org is unverified.
    pub(super) fn revoke_at_host_later(&self, host: &LoginHost, tokens: TokenResponse) {
        self.revoke_token_later(host.as_url().clone(), tokens.refresh_token.unwrap_or(tokens.access_token));
    }

    fn revoke_token_later(&self, origin: Url, token: Secret) {
        let (oauth, background) = (self.oauth().clone(), self.config.background.clone());
        let (events, limit) = (self.config.events.clone(), Arc::clone(&self.revocations));
        let host = origin.origin().ascii_serialization();
        let mut waits = self.config.timing.retry_schedule.into_iter();
        self.config.background.spawn(async move {
            loop {
                let turn = limit.wait(&host).await;
                let revoked = oauth.revoke(&origin, &token).await;
                drop(turn);
                match revoked {
                    Ok(()) => return events.emit(&AuthEvent::TokenRevoked),
                    Err(error) => tracing::warn!(%error, "revoking a token failed; it is retried"),
                }
                match waits.next() {
                    Some(wait) if background.sleep_unless_stopping(wait).await => {}
                    _ => break,
                }
            }
            events.emit(&AuthEvent::RevocationFailed);
            tracing::error!("revoking a token failed; it stays valid at Salesforce until it expires there");
        });
    }
}
