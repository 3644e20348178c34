//! Who can change what a page reports, and where.

use std::borrow::Cow;

use super::{LoginFailure, PageKind, oauth_errors};

/// Who can change it, and where in Salesforce's Setup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fix {
    pub(super) who: Who,
    pub(super) place: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    You,
    Administrator,
    Developer,
    Salesforce,
}

impl Who {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::You => "You",
            Self::Administrator => "An administrator of your Salesforce organization",
            Self::Developer => "The people who run this app",
            Self::Salesforce => "Salesforce",
        }
    }
}

/// Returns who can change what the page reports; `None` for pages that report no failure of a login.
pub(super) fn of(kind: &PageKind) -> Option<Fix> {
    let PageKind::LoginFailed(failure) = kind else { return None };
    let by = |who| Some(Fix { who, place: None });
    match failure {
        LoginFailure::Denied { code, description } => {
            Some(oauth_errors::find(*code, *description).refusal.fix)
        }
        LoginFailure::CredentialsRejected => Some(oauth_errors::CREDENTIALS.fix),
        LoginFailure::OrgNotAllowed
        | LoginFailure::SandboxNotAllowed
        | LoginFailure::InstanceNotAllowed
        | LoginFailure::WrongClock
        | LoginFailure::NotStored { retry_after: None }
        | LoginFailure::IdentityMismatch => by(Who::Developer),
        LoginFailure::TokenEndpoint { .. } => by(Who::Salesforce),
        _ => None,
    }
}

impl Fix {
    /// Returns the texts: who, and where.
    pub(super) fn texts(self) -> (Cow<'static, str>, Option<Cow<'static, str>>) {
        (self.who.text().into(), self.place.map(Into::into))
    }
}
