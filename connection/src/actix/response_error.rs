//! [`Error`] as a response of an actix app.

use actix_web::{HttpResponse, ResponseError, http::StatusCode, http::header};

#[cfg(feature = "events")]
use crate::events::PubSubError;
use crate::{
    error::{Error, InvalidRequest},
    oauth::error::OAuthError,
};

impl Error {
    /// Returns the machine-readable code of the JSON error response, for example `login_required`.
    pub fn code(&self) -> &'static str {
        status_and_code(self).1
    }
}

/// Responds with status, `Retry-After` and `{"error": code, "message": …}`, without details of the error.
///
/// The middleware of the crate `actix-salesforce` replaces the body with a page or a message for the user.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        status_and_code(self).0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code) = status_and_code(self);
        let message = status.canonical_reason().unwrap_or_default();
        let mut response = HttpResponse::build(status);
        response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = self.retry_after().map_or(2, |after| after.as_secs().max(1));
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.json(serde_json::json!({ "error": code, "message": message }))
    }
}

fn status_and_code(error: &Error) -> (StatusCode, &'static str) {
    if matches!(error, Error::NeedsReconnecting(_)) {
        return (StatusCode::FORBIDDEN, "needs_reconnecting");
    }
    if error.needs_login() {
        return (StatusCode::UNAUTHORIZED, "login_required");
    }
    if error.retry_after().is_some() || error.is_transient() {
        return (StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    if error.is_program_mistake() {
        return (StatusCode::INTERNAL_SERVER_ERROR, "internal");
    }
    match error {
        Error::Internal(_)
        | Error::Bind(_)
        | Error::InvalidRequest(
            InvalidRequest::Body(_)
            | InvalidRequest::Record
            | InvalidRequest::Condition
            | InvalidRequest::Csv
            | InvalidRequest::Method
            | InvalidRequest::Header
            | InvalidRequest::CallOption(_)
            | InvalidRequest::Scopes(_)
            | InvalidRequest::ActionInput(_)
            | InvalidRequest::ApiVersion(_)
            | InvalidRequest::GraphQl(_),
        ) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        #[cfg(feature = "events")]
        Error::Events(PubSubError::Unfit { .. } | PubSubError::TooLarge { .. }) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal")
        }
        // The code or the token is invalid, expired or revoked.
        Error::OAuth(error) if error.is_invalid_grant() => (StatusCode::BAD_REQUEST, "refused"),
        Error::MiddlewareMissing
        | Error::ApiHostDenied(_)
        | Error::InvalidRequest(InvalidRequest::ApiHost(_))
        | Error::ServiceUser(_)
        | Error::NoServiceUser
        | Error::OAuth(OAuthError::NeedsMyDomain | OAuthError::Signing) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "not_set_up")
        }
        Error::LoginRefused(_) => (StatusCode::FORBIDDEN, "denied"),
        // The code and the app's credentials are valid: an administrator has to allow the address, or the hour.
        Error::OAuth(error) if error.is_ip_restricted() => (StatusCode::FORBIDDEN, "denied"),
        Error::OrgNotAllowed => (StatusCode::FORBIDDEN, "org_not_allowed"),
        Error::FreshLoginRequired { .. } => (StatusCode::UNAUTHORIZED, "fresh_login_required"),
        Error::OrgLoginRequired(_) => (StatusCode::FORBIDDEN, "org_login_required"),
        Error::ApiAccessDenied { .. } | Error::FrontdoorDenied(_) => (StatusCode::FORBIDDEN, "forbidden"),
        // No record can have an invalid id. Its most frequent cause is a mistyped link.
        Error::RowNotFound | Error::InvalidRequest(InvalidRequest::Id(_)) => {
            (StatusCode::NOT_FOUND, "not_found")
        }
        Error::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid"),
        Error::GraphQl(failure) if failure.is_refused() => (StatusCode::BAD_REQUEST, "refused"),
        Error::MultipleChoices { .. } => (StatusCode::CONFLICT, "multiple_choices"),
        #[cfg(feature = "bulk")]
        Error::JobFailed { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "job_failed"),
        #[cfg(feature = "bulk")]
        Error::JobTimedOut { .. } => (StatusCode::GATEWAY_TIMEOUT, "job_unfinished"),
        Error::PreconditionFailed => (StatusCode::CONFLICT, "changed"),
        // The user did nothing wrong: the program reads too many queries at a time, or too slowly.
        Error::CursorClosed { .. } => (StatusCode::BAD_GATEWAY, "bad_gateway"),
        _ => match error.status() {
            Some(404) => (StatusCode::NOT_FOUND, "not_found"),
            Some(403) => (StatusCode::FORBIDDEN, "forbidden"),
            Some(400..=499) => (StatusCode::BAD_REQUEST, "refused"),
            _ => (StatusCode::BAD_GATEWAY, "bad_gateway"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(description: &'static str) -> Error {
        let (code, description) = ("invalid_grant".to_owned(), Some(description));
        OAuthError::ErrorResponse { code, status: 400, in_progress: false, description }.into()
    }

    #[test]
    fn a_login_that_salesforce_refuses_to_an_address_is_denied_and_no_outage() {
        for description in ["ip restricted", "ip restricted or invalid login hours"] {
            let error = refused(description);
            assert_eq!((error.status_code(), error.code()), (StatusCode::FORBIDDEN, "denied"), "{error:?}");
        }
        let error = refused("expired authorization code");
        assert_eq!((error.status_code(), error.code()), (StatusCode::BAD_REQUEST, "refused"), "{error:?}");
    }
}
