//! Who can change what a page reports, and where.

use std::borrow::Cow;

use super::{
    AccessRefusal, LoginFailure, PageKind, RequestFailure, oauth_errors,
    texts::{oauth, requests},
};

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

pub(super) const API_ENABLED: &str =
    "Users > Permission Sets (or Profiles), System Permissions, \"API Enabled\"";
const API_ONLY: &str = "Users > Permission Sets (or Profiles), System Permissions, \"API Only User\"";
const API_REQUESTS: &str = "Company Settings > Company Information, \"API Requests, Last 24 Hours\"";
const PERMISSION_SETS: &str = "Users > Permission Sets (or Profiles)";
const SCOPES: &str =
    "Apps > External Client Apps > External Client App Manager, the app's OAuth settings, \"OAuth Scopes\"";

/// Returns who can change what the page reports; `None` for pages that report nothing to be changed.
pub(super) fn of(kind: &PageKind) -> Option<Fix> {
    match kind {
        PageKind::LoginFailed(failure) => of_login(failure),
        PageKind::NotAllowed { refusal, .. } => of_refusal(refusal),
        PageKind::RequestFailed { failure, salesforce_code, .. } => {
            requests::find(*salesforce_code).map(|known| known.fix).or_else(|| of_request(*failure))
        }
        _ => None,
    }
}

fn of_login(failure: &LoginFailure) -> Option<Fix> {
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

fn of_refusal(refusal: &AccessRefusal) -> Option<Fix> {
    match refusal {
        AccessRefusal::Permission(_) | AccessRefusal::PermissionSet(_) => in_setup(PERMISSION_SETS),
        AccessRefusal::Profile | AccessRefusal::UserType => in_setup("Users > Users, the user's profile"),
        AccessRefusal::Scope(_) | AccessRefusal::Unreadable(_) => by(Who::Developer),
        AccessRefusal::NotConfirmed | AccessRefusal::NoFacts => by(Who::You),
        AccessRefusal::Organization | AccessRefusal::Rule(_) => None,
    }
}

fn of_request(failure: RequestFailure) -> Option<Fix> {
    match failure {
        RequestFailure::ApiLimitReached | RequestFailure::QuotaReserved => in_setup(API_REQUESTS),
        RequestFailure::Forbidden => in_setup(PERMISSION_SETS),
        RequestFailure::IpRestricted => in_setup(oauth::PROFILE),
        RequestFailure::ApiAccessDenied => in_setup(API_ENABLED),
        RequestFailure::ApiOnlyUser => in_setup(API_ONLY),
        RequestFailure::WebScopeMissing => Some(Fix { who: Who::Developer, place: Some(SCOPES) }),
        RequestFailure::PasswordExpired
        | RequestFailure::MfaRequired
        | RequestFailure::TermsNotAccepted
        | RequestFailure::Refused
        | RequestFailure::Invalid
        | RequestFailure::PreconditionFailed => by(Who::You),
        RequestFailure::SalesforceUnavailable | RequestFailure::BadGateway => by(Who::Salesforce),
        RequestFailure::Unavailable
        | RequestFailure::ProgramMistake
        | RequestFailure::MultipleChoices
        | RequestFailure::JobFailed
        | RequestFailure::NotSetUp
        | RequestFailure::Internal => by(Who::Developer),
        // Time changes these, and a record that is missing has no place.
        RequestFailure::ConcurrencyLimit
        | RequestFailure::RecordLocked
        | RequestFailure::Unconfirmed
        | RequestFailure::NotFound
        | RequestFailure::NeedsReconnecting
        | RequestFailure::JobTimedOut => None,
    }
}

fn by(who: Who) -> Option<Fix> {
    Some(Fix { who, place: None })
}

fn in_setup(place: &'static str) -> Option<Fix> {
    Some(Fix { who: Who::Administrator, place: Some(place) })
}

impl Fix {
    /// Returns the texts: who, and where.
    pub(super) fn texts(self) -> (Cow<'static, str>, Option<Cow<'static, str>>) {
        (self.who.text().into(), self.place.map(Into::into))
    }
}
