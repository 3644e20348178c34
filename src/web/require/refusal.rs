//! Why a rule refuses a user.

/// Why a rule of [`RequireLogin`](crate::RequireLogin) refuses a user who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessRefusal {
    /// The grant lacks this scope.
    Scope(String),
    /// The user belongs to another org.
    Organization,
    /// The user is of another kind.
    UserType,
    /// The user lacks this custom permission.
    Permission(String),
    /// The user lacks this permission set.
    PermissionSet(String),
    /// The user has another profile.
    Profile,
    /// A rule of the app's own returned `false`; with the text of [`reason`](crate::RequireLogin::reason).
    Rule(Option<String>),
    /// What a rule needs to know cannot be read. Names what is missing.
    Unreadable(String),
    /// Salesforce did not ask the user to log in again although it was asked to: `auth_time` in the ID token is too old.
    NotConfirmed,
    /// The login has no facts of the type that a handler takes ([`LoginFacts`](crate::LoginFacts)).
    NoFacts,
}

impl AccessRefusal {
    /// A code for programs: the member `reason` of the JSON response.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Scope(_) => "scope",
            Self::Organization => "organization",
            Self::UserType => "user_type",
            Self::Permission(_) => "permission",
            Self::PermissionSet(_) => "permission_set",
            Self::Profile => "profile",
            Self::Rule(_) => "rule",
            Self::Unreadable(_) => "unreadable",
            Self::NotConfirmed => "not_confirmed",
            Self::NoFacts => "no_facts",
        }
    }

    /// What is missing, for the log.
    pub(crate) fn missing(&self) -> Option<&str> {
        match self {
            Self::Scope(what)
            | Self::Permission(what)
            | Self::PermissionSet(what)
            | Self::Unreadable(what)
            | Self::Rule(Some(what)) => Some(what),
            _ => None,
        }
    }
}
