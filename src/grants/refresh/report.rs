//! What the log and the listeners learn about the outcome of a refresh.

use super::{
    super::{AuthEvent, GrantError, GrantTokens},
    Refresh,
};
use crate::base::error_chain::ErrorChain;
use salesforce_connection::oauth::OAuthError;

impl Refresh {
    /// Reports the outcome: span, log, health and events.
    pub(super) fn report(&self, refreshed: &Result<GrantTokens, GrantError>) {
        match refreshed {
            Ok(live) => {
                self.span.record("outcome", "refreshed");
                tracing::info!(grant = %live.key, revision = live.version.revision, "token refreshed");
            }
            Err(GrantError::LoginOver) => {
                self.span.record("outcome", "over");
                tracing::warn!(grant = %self.from.key, "grant revoked or deleted");
            }
            Err(GrantError::Refused(error)) => {
                self.span.record("outcome", "over");
                tracing::warn!(grant = %self.from.key, %error, "grant refused: the login is over");
            }
            Err(GrantError::CredentialsOver) => {
                self.span.record("outcome", "credentials over");
                tracing::error!(
                    grant = %self.from.key,
                    "refreshing a token failed: Salesforce no longer accepts SALESFORCE_PREVIOUS_CLIENT_ID or its secret. Users \
                     of this grant log in again. Correct the settings, or leave them out if the overlap is over"
                );
                self.manager.config.events.emit(&AuthEvent::RefreshFailed(self.from.key.into()));
            }
            Err(error @ GrantError::Unavailable { source, .. }) => {
                self.span.record("outcome", "unavailable");
                tracing::error!(grant = %self.from.key, %error, cause = %ErrorChain(&**source), "refreshing a token failed");
                match source.downcast_ref::<OAuthError>() {
                    Some(rejected) if rejected.is_app_rejected() => tracing::error!(
                        "Salesforce rejects this app. Check SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET, and the flows \
                         that the app in Salesforce allows. Users stay logged in meanwhile"
                    ),
                    Some(rejected) if rejected.is_ip_restricted() => tracing::error!(
                        "Salesforce does not allow the address of this machine, or not at this hour. Add the address to the IP \
                         ranges of the app and of the user's profile, or set SALESFORCE_TOKEN_PROXY to a proxy with an allowed \
                         address. Users stay logged in meanwhile"
                    ),
                    _ => {}
                }
                let config = &self.manager.config;
                self.manager.last_outage.record(&error.clone().into(), config.clock.now());
                config.events.emit(&AuthEvent::RefreshFailed(self.from.key.into()));
            }
        }
    }
}
