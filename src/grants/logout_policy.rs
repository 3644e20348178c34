//! [`RevokeOnLogout`]: what a logout does to the grant.

use std::{fmt, str::FromStr};

/// What a user's logout does to the grant and its tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokeOnLogout {
    /// `never`: the login ends. The grant stays stored, even without a login, for work outside of requests
    /// ([`Salesforce::user_connection`](crate::Salesforce::user_connection)); it ends with `SALESFORCE_MAX_LIFETIME`, or
    /// when an operator revokes it. The end of an owner's connection leaves it stored, too.
    Never,
    /// `last`: the last logout of a grant deletes it and revokes its tokens, unless an owner uses it. The default.
    #[default]
    Last,
    /// `always`: each logout ends all logins of the grant, in other browsers too. That deletes the grant and revokes its
    /// tokens, unless an owner uses it.
    Always,
}

impl RevokeOnLogout {
    const ALL: [Self; 3] = [Self::Never, Self::Last, Self::Always];

    fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Last => "last",
            Self::Always => "always",
        }
    }
}

/// A text other than `never`, `last` and `always`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give never, last or always")]
pub struct InvalidRevokeOnLogout;

impl FromStr for RevokeOnLogout {
    type Err = InvalidRevokeOnLogout;

    fn from_str(text: &str) -> Result<Self, InvalidRevokeOnLogout> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text.trim()).ok_or(InvalidRevokeOnLogout)
    }
}

impl fmt::Display for RevokeOnLogout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What ends together with a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// Nothing: the grant stays, even without a login.
    Login,
    /// The grant, if this was its last login.
    LastGrant,
    /// All logins of the grant, and the grant with the last of them.
    AllLogins,
}

impl Ends {
    /// For the logout of a user.
    pub(super) fn by_user(policy: RevokeOnLogout) -> Self {
        match policy {
            RevokeOnLogout::Always => Self::AllLogins,
            RevokeOnLogout::Last | RevokeOnLogout::Never => Self::of_one(policy),
        }
    }

    /// For the end of this one login, which no user asked for in its own browser: an operator, Salesforce's single logout,
    /// or a login that replaces it.
    pub(super) fn of_one(policy: RevokeOnLogout) -> Self {
        match policy {
            RevokeOnLogout::Never => Self::Login,
            RevokeOnLogout::Last | RevokeOnLogout::Always => Self::LastGrant,
        }
    }
}

/// Whether a login is ended only if it is this app's: several apps may share a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AppCheck {
    /// The login is known to be this app's: its id was sealed in a cookie, or it was listed.
    NotNeeded,
    /// An operator named the key: a login of another app stays.
    First,
}
