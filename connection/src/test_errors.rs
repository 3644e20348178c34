//! Errors for tests of crates that build on this one, which cannot create non-exhaustive variants.

use std::{sync::Arc, time::Duration};

#[cfg(feature = "bulk")]
use crate::{bulk::JobState, id::SalesforceId};
use crate::{
    error::{ApiError, Error, InvalidRequest},
    oauth::error::{OAuthError, known_description},
    token::BrokenConnection,
    user_ref::UserRef,
};

/// Returns an error of Salesforce with this status.
pub fn api(status: u16) -> Error {
    Error::Api { status, errors: Vec::new(), retry_after: None, response: None }
}

/// Returns an error of Salesforce with this status, code and message.
pub fn api_entry(status: u16, code: &str, message: &str) -> Error {
    let entry = ApiError {
        code: code.to_owned(),
        message: message.to_owned(),
        fields: Vec::new(),
        duplicates: None,
        reference: None,
    };
    Error::Api { status, errors: vec![entry], retry_after: None, response: None }
}

/// Returns an error of the token endpoint with this code.
pub fn oauth(code: &str) -> OAuthError {
    OAuthError::ErrorResponse { code: code.to_owned(), status: 400, in_progress: false, description: None }
}

/// Returns the same with a description of Salesforce. An unknown one is left out, as in a response.
pub fn oauth_described(code: &str, description: &str) -> OAuthError {
    let (code, description) = (code.to_owned(), known_description(description));
    OAuthError::ErrorResponse { code, status: 400, in_progress: false, description }
}

/// Returns a connection that Salesforce refused because its user is inactive.
fn broken_connection() -> Option<BrokenConnection> {
    let user = UserRef::new("00D000000000001EAA".parse().ok()?, "005000000000001AAA".parse().ok()?);
    let mut broken = BrokenConnection::new(user, std::time::SystemTime::UNIX_EPOCH);
    broken.code = Some("inactive_user".to_owned());
    broken.login_path = Some("/auth/salesforce/login".to_owned());
    Some(broken)
}

/// Returns one error of each kind that has fields.
pub fn all() -> Vec<Error> {
    let broken = broken_connection().map(|broken| Error::NeedsReconnecting(Arc::new(broken)));
    let mut all = vec![
        Error::LoginRequired,
        Error::LoginRefused(Arc::new(oauth("inactive_user"))),
        Error::OrgNotAllowed,
        Error::Unavailable { retry_after: Duration::from_secs(7), source: "down".into() },
        api(404),
        api(403),
        api(400),
        api(502),
        api(500),
        api_entry(400, "INVALID_FIELD", "No such column 'Nope' on entity 'Account'"),
        api_entry(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Close date is in the past."),
        api_entry(403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "The users password has expired"),
        Error::ApiAccessDenied { status: 403, errors: Vec::new() },
        Error::LimitExceeded { status: 403, errors: Vec::new(), retry_after: None },
        Error::ConcurrencyLimit { limit: 1 },
        Error::MultipleChoices { candidates: Vec::new() },
        InvalidRequest::TooManyCalls { limit: 25 }.into(),
    ];
    all.extend("00D000000000001EAA".parse().map(Error::OrgLoginRequired));
    if let (Ok(org), Ok(user)) = ("00D000000000001EAA".parse(), "005000000000001AAA".parse()) {
        let within = std::time::Duration::from_secs(300);
        all.push(Error::fresh_login_required(crate::UserRef::new(org, user), within, None));
    }
    all.extend(broken);
    all
}

/// Returns the error of a job that ended in this state, with a message of Salesforce.
#[cfg(feature = "bulk")]
pub fn job_failed(id: SalesforceId, state: JobState, message: Option<&str>) -> Error {
    let errors = message.map(|message| ApiError {
        code: "InvalidBatch".to_owned(),
        message: message.to_owned(),
        fields: Vec::new(),
        duplicates: None,
        reference: None,
    });
    Error::JobFailed { id, state, errors: errors.into_iter().collect() }
}

/// Returns the error of a job that was not waited for any longer.
#[cfg(feature = "bulk")]
pub fn job_timed_out(id: SalesforceId) -> Error {
    Error::JobTimedOut { id }
}
