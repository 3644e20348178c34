//! The registered app: what names it. Everything that changes while the org runs: `settings.rs`.

use serde::{Deserialize, Serialize};

use super::error::OauthError;
use super::settings::{FirstCredentials, Settings};

/// The registered app. One per org for now.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// The paths of Experience Cloud sites, with a leading slash: users log in there too.
    pub(crate) sites: Vec<String>,
}

/// A consumer key and its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientCredentials {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

/// Which of the app's credentials a request came with, and a code or a token belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CredentialSet {
    /// Those that the app was made with.
    #[default]
    First,
    /// Those of a rotation.
    Rotated,
}

impl App {
    /// Returns the set with this client id, and its secret.
    pub(crate) fn find_set<'a>(
        &'a self,
        settings: &'a Settings,
        id: &str,
    ) -> Result<(CredentialSet, &'a str), OauthError> {
        if let Some(rotated) = settings.rotated_credentials.as_ref().filter(|rotated| rotated.client_id == id)
        {
            return Ok((CredentialSet::Rotated, &rotated.client_secret));
        }
        if id != self.client_id {
            return Err(OauthError::unknown_client());
        }
        // Which of the two Salesforce sends once the overlap is over is unverified.
        match settings.first_credentials {
            FirstCredentials::Accepted => Ok((CredentialSet::First, &self.client_secret)),
            FirstCredentials::InvalidClientId => Err(OauthError::unknown_client()),
            FirstCredentials::InvalidClient => Err(OauthError::bad_secret()),
        }
    }

    /// Returns the id and the secret of a set.
    pub(crate) fn credentials(&self, settings: &Settings, set: CredentialSet) -> ClientCredentials {
        let rotated = settings.rotated_credentials.clone().filter(|_| set == CredentialSet::Rotated);
        rotated.unwrap_or_else(|| ClientCredentials {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
        })
    }
}

/// A subject token of another identity provider, and the username it stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subject {
    pub(crate) token: String,
    pub(crate) username: String,
}

impl Default for App {
    fn default() -> Self {
        Self {
            name: "Example App".into(),
            client_id: "3MVG9FakeOrg.ExternalClientApp_nTK2Wzvd0UJxGw7VbYcQe5RmPz1SaLh8Xo4Df6Kj9Ti3".into(),
            client_secret: "FAKE0RG5ECRET7C1B9E2D4A6F80313579BDF02468ACE13579BDF02468ACE0123".into(),
            sites: Vec::new(),
        }
    }
}
