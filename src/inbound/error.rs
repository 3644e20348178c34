//! [`CallError`]: the one JSON form in which requests of Salesforce are refused.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde_json::{Value, json};

use salesforce_connection::Error;

/// Why a request of Salesforce gets no result. As a response: `{"code": …, "message": …}`, and never a redirect.
///
/// Handlers that take a [`SalesforceCall`](super::SalesforceCall) return it, so that Apex and flows find one form
/// whatever fails: `?` makes one of each [`Error`]. [`openapi_components`](Self::openapi_components) describes it.
///
/// | code | status | meaning |
/// |---|---|---|
/// | `invalid_call` | 401 | the request does not prove its sender. The reason is in the log only |
/// | `login_required` | 403 | the calling user has no connection to this app: log in to it once |
/// | `not_permitted` | 403 | Salesforce gives the app no token for the calling user |
/// | `org_not_allowed` | 403 | the settings do not let the org in |
/// | `unavailable` | 503 | Salesforce or the store is down; with `Retry-After` |
/// | others | 4xx, 5xx | those of [`Error::code`] |
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The request does not prove that it comes from a sender of the settings.
    #[error("the request does not prove its sender")]
    Refused,
    /// The calling user has no connection to this app.
    #[error("the calling user has no connection to this app. The user has to log in to it once")]
    LoginRequired,
    /// Salesforce gives the app no token for the calling user, or one of another user.
    #[error("Salesforce gives this app no token for the calling user")]
    NotPermitted,
    /// A request to Salesforce, or the store, failed.
    #[error(transparent)]
    Salesforce(Error),
}

/// `Debug` is the same as `Display`: no value of a request is in it.
impl std::fmt::Debug for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A connection that has ended is a missing one: only a login of its user helps.
impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        match error {
            Error::NeedsReconnecting(_) => Self::LoginRequired,
            error if error.needs_login() => Self::LoginRequired,
            Error::ServiceUser(_) | Error::LoginRefused(_) => Self::NotPermitted,
            error => Self::Salesforce(error),
        }
    }
}

impl CallError {
    /// Returns the machine-readable code of the response.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused => "invalid_call",
            Self::LoginRequired => "login_required",
            Self::NotPermitted => "not_permitted",
            Self::Salesforce(error) => error.code(),
        }
    }

    /// Returns the `components` for the app's OpenAPI 3.0 document: the schema `CallError`, and the responses
    /// `CallRefused` (401), `CallForbidden` (403) and `CallUnavailable` (503) with it.
    ///
    /// An External Service needs each response in the document: one that is not declared is an exception without the
    /// message (Salesforce Help "External Services").
    pub fn openapi_components() -> Value {
        let response = |description: &str| {
            json!({
                "description": description,
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/CallError" } } },
            })
        };
        json!({
            "schemas": {
                "CallError": {
                    "type": "object",
                    "required": ["code", "message"],
                    "properties": { "code": { "type": "string" }, "message": { "type": "string" } },
                },
            },
            "responses": {
                "CallRefused": response("The request does not prove its sender"),
                "CallForbidden": response("The calling user has no connection to this app, or may not use it"),
                "CallUnavailable": response("Try again later"),
            },
        })
    }
}

impl ResponseError for CallError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Refused => StatusCode::UNAUTHORIZED,
            Self::LoginRequired | Self::NotPermitted => StatusCode::FORBIDDEN,
            Self::Salesforce(error) => error.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let message = match self {
            Self::Salesforce(error) => error.status_code().canonical_reason().unwrap_or_default().to_owned(),
            error => error.to_string(),
        };
        let mut response = match self {
            // With `Retry-After` where it has one.
            Self::Salesforce(error) => error.error_response(),
            _ => HttpResponse::build(self.status_code())
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .finish(),
        };
        if matches!(self, Self::Refused) {
            // RFC 6750 section 3, without a reason.
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        response
            .set_body(json!({ "code": self.code(), "message": message }).to_string())
            .map_into_boxed_body()
    }
}
