//! The app's credentials: those of today and, while they rotate, those from before.
//!
//! A refresh token is valid with the client id that it was issued to (RFC 6749 section 6). The key of a grant names that
//! id, in the records of all versions of this crate. So each token is sent with its own credentials, and none is tried
//! with both.

use super::GrantManager;
use crate::store::{AppKey, GrantKey};
use salesforce_connection::{
    Secret,
    oauth::{OAuthApp, OAuthClient, OAuthError},
};

/// The clients of the app, one per set of credentials.
pub(crate) struct Apps {
    current: (AppKey, OAuthClient),
    previous: Option<(AppKey, OAuthClient)>,
}

impl Apps {
    /// `current` has today's credentials.
    pub(crate) fn new(current: OAuthClient, previous: Option<OAuthApp>) -> Self {
        let keyed = |client: OAuthClient| (AppKey::from_client_id(&client.app().client_id), client);
        let Some(previous) = previous else { return Self { current: keyed(current), previous: None } };
        // With which of the two secrets Salesforce signs a response during the overlap is unverified. Both are the app's.
        let accepting = |client: OAuthClient, secret: Option<Secret>| match secret {
            Some(secret) => client.accepting_signatures_of(secret),
            None => client,
        };
        let (new, old) = (current.app().client_secret.clone(), previous.client_secret.clone());
        let previous = accepting(current.with_app(previous), new);
        Self { current: keyed(accepting(current, old)), previous: Some(keyed(previous)) }
    }

    /// The credentials of new logins.
    pub(super) fn current(&self) -> &OAuthClient {
        &self.current.1
    }

    pub(super) fn current_key(&self) -> AppKey {
        self.current.0
    }

    /// Returns whether these are the credentials from before a rotation.
    pub(super) fn is_previous(&self, app: AppKey) -> bool {
        self.previous.as_ref().is_some_and(|(key, _)| *key == app)
    }

    /// The names of the app in the store, today's first.
    pub(super) fn keys(&self) -> impl Iterator<Item = AppKey> {
        [Some(self.current.0), self.previous.as_ref().map(|(key, _)| *key)].into_iter().flatten()
    }

    /// Returns the client with the credentials of this name; `None` if the settings do not have them (any more).
    pub(super) fn get(&self, app: AppKey) -> Option<&OAuthClient> {
        let all = std::iter::once(&self.current).chain(&self.previous);
        all.into_iter().find(|(key, _)| *key == app).map(|(_, client)| client)
    }
}

impl GrantManager {
    /// Returns whether the settings have the credentials that this grant was given to.
    pub(super) fn owns(&self, key: GrantKey) -> bool {
        self.config.apps.get(key.app()).is_some()
    }
}

/// Returns whether Salesforce no longer knows the credentials. Which of the codes it sends after the overlap of a rotation
/// is unverified.
pub(super) fn are_credentials_over(error: &OAuthError) -> bool {
    match error.error_code() {
        Some("invalid_client_id") => true,
        Some(_) => error.is_credentials_rejected(),
        None => false,
    }
}
