//! Which errors of Salesforce pass by themselves: one table for retries, for waits and for [`Error::is_transient`].
//!
//! [`Error::is_transient`]: crate::Error::is_transient

use crate::error::{Error, RejectedResponse, api_error::ApiError};

/// An error that passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// Salesforce is busy: the request may have taken effect.
    Busy,
    /// Salesforce failed for no lasting reason, as is reported of the edge (406 without a body) and of the API (500
    /// `UNKNOWN_EXCEPTION`): the request may have taken effect. Retried here, but not transient for callers: the code is
    /// what the page explains.
    Failed,
    /// Another transaction holds the row: nothing was written.
    RowLocked,
}

impl Passing {
    /// Reads status, codes and the beginning of the body. `None`: the same request would fail again.
    pub(crate) fn of(status: u16, errors: &[ApiError], body: &[u8]) -> Option<Self> {
        match status {
            429 | 502 | 503 | 504 => Some(Self::Busy),
            406 if errors.is_empty() && body.trim_ascii().is_empty() => Some(Self::Failed),
            500 if has(errors, "UNKNOWN_EXCEPTION") => Some(Self::Failed),
            404 => None,
            _ => is_locked(errors).then_some(Self::RowLocked),
        }
    }
}

/// Returns whether another transaction holds the row: `UNABLE_TO_LOCK_ROW`.
pub(crate) fn is_locked(errors: &[ApiError]) -> bool {
    has(errors, "UNABLE_TO_LOCK_ROW")
}

/// Returns whether Salesforce's edge declined the request, without an error array: a query by its text, or a burst of
/// concurrent requests. The response does not say which, so that it concerns this request and not the org.
pub(crate) fn is_declined(status: u16, errors: &[ApiError], body: &[u8]) -> bool {
    status == 400
        && errors.is_empty()
        && (contains(body, "Access Declined") || contains(body, "Access_Declined"))
}

/// Returns whether the first 4 KiB of the body contain `text`.
pub(crate) fn contains(body: &[u8], text: &str) -> bool {
    let beginning = &body[..body.len().min(4096)];
    memchr::memmem::find(beginning, text.as_bytes()).is_some()
}

impl Error {
    /// Returns whether a request without a text that the edge could decline for good may succeed later.
    #[cfg(feature = "bulk")]
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Api { status, errors, response, .. } => {
                let body = body(response.as_deref());
                Passing::of(*status, errors, body).is_some() || is_declined(*status, errors, body)
            }
            _ => self.is_transient(),
        }
    }
}

/// Returns the body with which a request was rejected.
pub(super) fn body(response: Option<&RejectedResponse>) -> &[u8] {
    response.map(|response| &response.bytes()[..]).unwrap_or_default()
}

fn has(errors: &[ApiError], code: &str) -> bool {
    errors.iter().any(|entry| entry.code == code)
}
