//! Why a request failed: its status, its code, and how it follows from an error.

use std::{error::Error as StdError, sync::Arc};

use actix_web::http::StatusCode;

use salesforce_connection::{Error, frontdoor::FrontdoorDenied, oauth::OAuthError};

/// Why a request failed.
///
/// Several reasons may share a [code](Self::code). A page names the reason; what Salesforce wrote is in the log only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestFailure {
    /// The org has used all of its API requests.
    ApiLimitReached,
    /// The org has used most of its API requests; the rest is reserved for connections of normal priority.
    QuotaReserved,
    /// Too many requests of this process wait for the org.
    ConcurrencyLimit,
    /// Another request has locked the record.
    RecordLocked,
    /// Salesforce does not respond, or responds that it is unavailable.
    SalesforceUnavailable,
    /// The store is unavailable, or the access token cannot be refreshed right now.
    Unavailable,
    /// Salesforce does not allow the address of the app's machine, or not at this hour.
    IpRestricted,
    /// Salesforce did not confirm a write, which may have taken effect.
    Unconfirmed,
    /// The record does not exist, or its id is invalid.
    NotFound,
    /// The user lacks a permission.
    Forbidden,
    /// Salesforce ended the connection of the user for whom the request worked.
    NeedsReconnecting,
    /// The user may not use the API.
    ApiAccessDenied,
    /// The app lacks the scope `web`, which opening a page of Salesforce needs.
    WebScopeMissing,
    /// Salesforce opens no page for the user, who may use the API only.
    ApiOnlyUser,
    /// The user's Salesforce password has expired.
    PasswordExpired,
    /// Salesforce wants a second factor from the user.
    MfaRequired,
    /// The user has to accept terms of Salesforce.
    TermsNotAccepted,
    /// Salesforce rejected the request because the app is wrong: a query, an object, a field, or a permission for it.
    ProgramMistake,
    /// Salesforce rejected the request.
    Refused,
    /// The request is invalid and was not sent to Salesforce.
    Invalid,
    /// Several records match where one is expected.
    MultipleChoices,
    /// The record has changed since it was read.
    PreconditionFailed,
    /// A job of the Bulk API failed or was aborted.
    JobFailed,
    /// A job of the Bulk API is still running.
    JobTimedOut,
    /// Salesforce sent an invalid response.
    BadGateway,
    /// The app's settings are wrong or incomplete.
    NotSetUp,
    /// The app failed.
    Internal,
}

impl RequestFailure {
    /// The status of the response.
    pub fn status(self) -> StatusCode {
        match self {
            Self::ApiLimitReached
            | Self::QuotaReserved
            | Self::ConcurrencyLimit
            | Self::RecordLocked
            | Self::SalesforceUnavailable
            | Self::Unavailable
            | Self::IpRestricted => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unconfirmed | Self::JobTimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden
            | Self::NeedsReconnecting
            | Self::ApiAccessDenied
            | Self::WebScopeMissing
            | Self::ApiOnlyUser
            | Self::PasswordExpired
            | Self::MfaRequired
            | Self::TermsNotAccepted => StatusCode::FORBIDDEN,
            Self::Refused | Self::Invalid => StatusCode::BAD_REQUEST,
            Self::MultipleChoices | Self::PreconditionFailed => StatusCode::CONFLICT,
            Self::JobFailed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::NotSetUp | Self::Internal | Self::ProgramMistake => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The member `error` of the JSON response: [`Error::code`](crate::Error::code), or `unconfirmed` for a write
    /// whose outcome is unknown.
    pub fn code(self) -> &'static str {
        match self {
            Self::ApiLimitReached
            | Self::QuotaReserved
            | Self::ConcurrencyLimit
            | Self::RecordLocked
            | Self::SalesforceUnavailable
            | Self::Unavailable
            | Self::IpRestricted => "unavailable",
            Self::Unconfirmed => "unconfirmed",
            Self::NotFound => "not_found",
            Self::Forbidden
            | Self::ApiAccessDenied
            | Self::WebScopeMissing
            | Self::ApiOnlyUser
            | Self::PasswordExpired
            | Self::MfaRequired
            | Self::TermsNotAccepted => "forbidden",
            Self::NeedsReconnecting => "needs_reconnecting",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::MultipleChoices => "multiple_choices",
            Self::PreconditionFailed => "changed",
            Self::JobFailed => "job_failed",
            Self::JobTimedOut => "job_unfinished",
            Self::BadGateway => "bad_gateway",
            Self::NotSetUp => "not_set_up",
            Self::Internal | Self::ProgramMistake => "internal",
        }
    }

    /// The reason for an error. A request with a safe method changes nothing.
    pub(super) fn of(error: &Error, is_safe: bool) -> Self {
        if !is_safe && may_have_taken_effect(error) {
            return Self::Unconfirmed;
        }
        match (error.code(), error) {
            ("unavailable", Error::LimitExceeded { .. }) => Self::ApiLimitReached,
            ("unavailable", Error::QuotaReserved { .. }) => Self::QuotaReserved,
            ("unavailable", Error::ConcurrencyLimit { .. }) => Self::ConcurrencyLimit,
            ("unavailable", Error::Api { errors, .. })
                if errors.iter().any(|entry| entry.code == "UNABLE_TO_LOCK_ROW") =>
            {
                Self::RecordLocked
            }
            ("unavailable", Error::Http(_) | Error::Api { .. } | Error::OAuth(_)) => {
                Self::SalesforceUnavailable
            }
            ("unavailable", Error::Unavailable { source, .. }) if is_ip_restricted(&**source) => {
                Self::IpRestricted
            }
            ("unavailable", _) => Self::Unavailable,
            ("not_found", _) => Self::NotFound,
            ("forbidden", Error::ApiAccessDenied { .. }) => {
                duty_of_user(error).unwrap_or(Self::ApiAccessDenied)
            }
            ("forbidden", Error::FrontdoorDenied(FrontdoorDenied::Scope)) => Self::WebScopeMissing,
            ("forbidden", Error::FrontdoorDenied(FrontdoorDenied::Session)) => Self::ApiOnlyUser,
            ("needs_reconnecting", _) => Self::NeedsReconnecting,
            ("forbidden", _) => duty_of_user(error).unwrap_or(Self::Forbidden),
            ("refused", _) => Self::Refused,
            ("invalid", _) => Self::Invalid,
            ("multiple_choices", _) => Self::MultipleChoices,
            ("changed", _) => Self::PreconditionFailed,
            ("job_failed", _) => Self::JobFailed,
            ("job_unfinished", _) => Self::JobTimedOut,
            ("not_set_up", _) => Self::NotSetUp,
            ("internal", Error::Api { .. }) => Self::ProgramMistake,
            ("internal", _) => Self::Internal,
            _ => Self::BadGateway,
        }
    }
}

/// Returns what Salesforce wants from the user before it serves another request.
///
/// `INVALID_OPERATION_WITH_EXPIRED_PASSWORD` is documented (SOAP API Developer Guide "ExceptionCode"); the codes for a
/// second factor and for terms are unverified.
fn duty_of_user(error: &Error) -> Option<RequestFailure> {
    error.api_errors().iter().find_map(|entry| match entry.code.as_str() {
        "INVALID_OPERATION_WITH_EXPIRED_PASSWORD" => Some(RequestFailure::PasswordExpired),
        "MFA_REQUIRED" | "TWO_FACTOR_REQUIRED" | "LOGIN_CHALLENGE_ISSUED" | "LOGIN_CHALLENGE_PENDING" => {
            Some(RequestFailure::MfaRequired)
        }
        "TERMS_NOT_ACCEPTED" | "MUST_ACCEPT_TERMS" | "USER_MUST_ACCEPT_TERMS" => {
            Some(RequestFailure::TermsNotAccepted)
        }
        _ => None,
    })
}

/// Returns whether Salesforce refuses the requests of this machine because of its address. Requests that wait for one
/// refresh share its error.
fn is_ip_restricted(source: &(dyn StdError + 'static)) -> bool {
    let shared = source.downcast_ref::<Arc<dyn StdError + Send + Sync>>();
    let error = shared.map_or(source, |shared| &**shared);
    error.downcast_ref().is_some_and(OAuthError::is_ip_restricted)
}

/// Whether a request was sent and its outcome is unknown: the response was lost, or came from a gateway that got none.
fn may_have_taken_effect(error: &Error) -> bool {
    match error {
        Error::Http(error) => !error.was_not_sent(),
        Error::Api { status, .. } => matches!(status, 502 | 504),
        _ => false,
    }
}
