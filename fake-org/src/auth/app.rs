//! The registered app: what names it. Everything that changes while the org runs: `settings.rs`.

use serde::{Deserialize, Serialize};

/// The registered app. One per org for now.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// The path of an Experience Cloud site, with a leading slash: users log in there too.
    pub(crate) site: Option<String>,
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
            site: None,
        }
    }
}
