//! The app's credentials: those of today and, while they rotate, those from before.
//!
//! A refresh token is valid with the client id that it was issued to (RFC 6749 section 6). The key of a grant names that
//! id, in the records of all versions of this crate. So each token is sent with its own credentials, and none is tried
//! with both.

use super::{GrantManager, canvas::canvas_key};
use crate::store::{AppKey, GrantKey};
use salesforce_connection::{
    Secret, UserRef,
    oauth::{OAuthApp, OAuthClient, OAuthError},
};

/// The clients of the app, one per set of credentials.
pub(crate) struct Apps {
    current: Keyed,
    previous: Option<Keyed>,
}

/// A client, and how the store names its app.
struct Keyed {
    key: AppKey,
    /// For the tokens of signed requests.
    canvas: AppKey,
    client: OAuthClient,
}

impl Keyed {
    fn new(client: OAuthClient) -> Self {
        let id = &client.app().client_id;
        Self { key: AppKey::from_client_id(id), canvas: canvas_key(id), client }
    }
}

impl Apps {
    /// `current` has today's credentials.
    pub(crate) fn new(current: OAuthClient, previous: Option<OAuthApp>) -> Self {
        let Some(previous) = previous else { return Self { current: Keyed::new(current), previous: None } };
        // With which of the two secrets Salesforce signs a response during the overlap is unverified. Both are the app's.
        let accepting = |client: OAuthClient, secret: Option<Secret>| match secret {
            Some(secret) => client.accepting_signatures_of(secret),
            None => client,
        };
        let (new, old) = (current.app().client_secret.clone(), previous.client_secret.clone());
        let previous = accepting(current.with_app(previous), new);
        Self { current: Keyed::new(accepting(current, old)), previous: Some(Keyed::new(previous)) }
    }

    /// The credentials of new logins.
    pub(super) fn current(&self) -> &OAuthClient {
        &self.current.client
    }

    pub(super) fn current_key(&self) -> AppKey {
        self.current.key
    }

    /// The name of the app for the tokens of new signed requests.
    pub(super) fn current_canvas_key(&self) -> AppKey {
        self.current.canvas
    }

    /// Returns whether this names the app for tokens of signed requests.
    pub(super) fn is_canvas(&self, app: AppKey) -> bool {
        self.all().any(|known| known.canvas == app)
    }

    fn all(&self) -> impl Iterator<Item = &Keyed> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// Returns whether these are the credentials from before a rotation.
    pub(super) fn is_previous(&self, app: AppKey) -> bool {
        self.previous.as_ref().is_some_and(|previous| previous.key == app)
    }

    /// The names of the app in the store, today's first, without those for signed requests.
    pub(super) fn keys(&self) -> impl Iterator<Item = AppKey> {
        self.all().map(|known| known.key)
    }

    /// Returns the client with the credentials of this name; `None` if the settings do not have them (any more).
    pub(super) fn get(&self, app: AppKey) -> Option<&OAuthClient> {
        self.all().find(|known| known.key == app || known.canvas == app).map(|known| &known.client)
    }
}

impl GrantManager {
    /// Returns the keys that grants of this user can have: one for each of the app's credentials, and one each for signed
    /// requests.
    pub(crate) fn grant_keys(&self, user: UserRef) -> Vec<GrantKey> {
        self.config
            .apps
            .all()
            .flat_map(|app| [app.key, app.canvas])
            .map(|app| GrantKey::new(app, user))
            .collect()
    }
}

impl GrantManager {
    /// Returns whether the settings have the credentials that this grant was given to.
    pub(super) fn owns(&self, key: GrantKey) -> bool {
        self.config.apps.get(key.app()).is_some()
    }
}

impl GrantManager {
    /// Returns whether this is a grant of an ordinary login to this app, and no token of a signed request.
    pub(super) fn owns_login_of(&self, key: GrantKey) -> bool {
        self.owns(key) && !self.config.apps.is_canvas(key.app())
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
