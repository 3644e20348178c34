//! The users of the org.

use serde::{Deserialize, Serialize};

use crate::granted::Granted;

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
    #[serde(default)]
    pub(crate) rights: Rights,
}

/// What an app may ask about a user, besides permission sets, which are records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rights {
    /// The name of the profile.
    pub(crate) profile: String,
    /// Whether the user has "View Setup and Configuration". `None`: users of [`ADMINISTRATOR`] have it.
    pub(crate) view_setup: Option<bool>,
    /// `user_type` of identity and userinfo.
    pub(crate) user_type: String,
    /// The custom permissions that this user has besides those of all users.
    pub(crate) custom_permissions: Vec<String>,
    /// What the user's permission sets grant. It counts for users of [`MINIMUM_ACCESS`]; others may do everything.
    pub(crate) granted: Granted,
}

/// The profile that users have by default.
pub(crate) const ADMINISTRATOR: &str = "System Administrator";

/// The profile that grants nothing by itself (Salesforce Help, "Standard Profiles").
#[cfg(feature = "embedded")]
pub(crate) const MINIMUM_ACCESS: &str = "Minimum Access - Salesforce";

impl Default for Rights {
    fn default() -> Self {
        Self {
            profile: ADMINISTRATOR.into(),
            view_setup: None,
            user_type: "STANDARD".into(),
            custom_permissions: Vec::new(),
            granted: Granted::default(),
        }
    }
}

#[cfg(feature = "embedded")]
impl Rights {
    /// Whether the user may read permission sets and their assignments (OBJ: PermissionSetAssignment, "Special Access
    /// Rules").
    pub(crate) fn may_view_setup(&self) -> bool {
        self.view_setup.unwrap_or(self.profile == ADMINISTRATOR)
    }
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
    pub(crate) fn kind(&self) -> &str {
        if self.guest { "GUEST" } else { &self.rights.user_type }
    }

    /// `UserType` of the record, where Salesforce writes the same kinds in other words (SOAP: User).
    #[cfg(feature = "embedded")]
    pub(crate) fn record_type(&self) -> String {
        match self.kind() {
            "STANDARD" => "Standard".into(),
            "POWER_PARTNER" => "PowerPartner".into(),
            "CUSTOMER_SUCCESS" => "CustomerSuccess".into(),
            "POWER_CUSTOMER_SUCCESS" => "PowerCustomerSuccess".into(),
            "CSN_ONLY" => "CsnOnly".into(),
            "GUEST" => "Guest".into(),
            other => other.to_owned(),
        }
    }
}
