//! The users of the org.

use serde::{Deserialize, Serialize};

/// The password of every sample user. It is printed on the login page.
pub(crate) const PASSWORD: &str = "fake-org-1";

/// A user who can sign in. A plain description: what changes later (deactivated, tokens)
/// is in the handle of the org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub(crate) id: String,
    pub(crate) organization_id: String,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    /// The guest user of a site, who cannot log in.
    #[serde(default)]
    pub(crate) guest: bool,
}

impl User {
    /// The 18-character user id, `005…`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The 18-character organization id, `00D…`.
    #[must_use]
    pub fn organization_id(&self) -> &str {
        &self.organization_id
    }

    /// The name to sign in with.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The e-mail address. Not unique: two sample users share one.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// First and last name.
    #[must_use]
    pub fn display_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    /// The password all users of a fake org start with. A user who registers at a site or resets it there
    /// has another.
    #[must_use]
    pub fn password(&self) -> &str {
        PASSWORD
    }

    /// The identity URL: on the host that was used to log in.
    #[cfg(feature = "embedded")]
    pub(crate) fn identity_url(&self, origin: &str) -> String {
        format!("{origin}/id/{}/{}", self.organization_id, self.id)
    }

    /// `user_type` of identity and userinfo.
    #[cfg(feature = "embedded")]
    pub(crate) fn kind(&self) -> &'static str {
        if self.guest { "GUEST" } else { "STANDARD" }
    }
}
