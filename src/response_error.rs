//! How an [`Error`] becomes a response without the middleware: a status, a code and nothing secret.

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde_json::json;

use crate::{Error, InvalidRequest, oauth::OAuthError};

/// Sends the fitting status and `{"error": code, "message": text}`, where the text is the status's canonical reason. An
/// outage brings `Retry-After`.
///
/// The middleware of actix-salesforce replaces this response by a page or by JSON with a text for users.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        classify(self).0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code) = classify(self);
        let mut response = HttpResponse::build(status);
        // Not cached, not framed, not sniffed, no referrer (RFC 9700 sections 4.2 and 4.16).
        response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::X_FRAME_OPTIONS, "DENY"))
            .insert_header((
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
            ));
        if status == StatusCode::SERVICE_UNAVAILABLE
            && let Some(after) = self.retry_after()
        {
            response.insert_header((header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1))));
        }
        response.json(json!({ "error": code, "message": status.canonical_reason() }))
    }
}

impl Error {
    /// Returns the machine-readable code of this error, as the member `error` of JSON responses has it.
    ///
    /// | code | status | when |
    /// |---|---|---|
    /// | `login_required` | 401 | [`needs_login`](Self::needs_login) |
    /// | `unavailable` | 503 | [`is_transient`](Self::is_transient), or there is a [`retry_after`](Self::retry_after) |
    /// | `forbidden` | 403 | Salesforce denies the user the action or the API |
    /// | `not_found` | 404 | the record does not exist, a query found no row, or an id is invalid |
    /// | `refused` | 400 | Salesforce rejected the request with another status of 400 to 499, or a code or token with `invalid_grant` |
    /// | `invalid` | 400 | the request is invalid and was not sent |
    /// | `multiple_choices` | 409 | several records match where one is expected |
    /// | `changed` | 409 | the record has changed since it was read |
    /// | `job_failed` | 422 | a job of the Bulk API failed |
    /// | `job_unfinished` | 504 | a job of the Bulk API is still running |
    /// | `bad_gateway` | 502 | Salesforce sent an invalid response |
    /// | `not_set_up` | 500 | the app's settings are wrong or incomplete |
    /// | `internal` | 500 | the app failed |
    ///
    /// Where the middleware handles a request with an unsafe method, a response that was lost has the code
    /// `unconfirmed` and the status 504 instead: the write may have taken effect.
    pub fn code(&self) -> &'static str {
        classify(self).1
    }
}

fn classify(error: &Error) -> (StatusCode, &'static str) {
    const INTERNAL: (StatusCode, &str) = (StatusCode::INTERNAL_SERVER_ERROR, "internal");
    const NOT_SET_UP: (StatusCode, &str) = (StatusCode::INTERNAL_SERVER_ERROR, "not_set_up");
    const REFUSED: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "refused");
    const FORBIDDEN: (StatusCode, &str) = (StatusCode::FORBIDDEN, "forbidden");
    const NOT_FOUND: (StatusCode, &str) = (StatusCode::NOT_FOUND, "not_found");

    if error.needs_login() {
        return (StatusCode::UNAUTHORIZED, "login_required");
    }
    if error.retry_after().is_some() || error.is_transient() {
        return (StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    match error {
        // These come from the app's own code, not from the request.
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
            | InvalidRequest::Scopes(_),
        ) => INTERNAL,
        // The code or the token of the request is invalid, expired or revoked.
        Error::OAuth(error) if error.is_invalid_grant() => REFUSED,
        Error::NotMounted
        | Error::ServiceUser(_)
        | Error::NoServiceUser
        | Error::OAuth(OAuthError::NeedsMyDomain | OAuthError::Signing) => NOT_SET_UP,
        Error::SessionRefused { .. } => FORBIDDEN,
        // An invalid id belongs to no record: most often the path of a link was mistyped.
        Error::RowNotFound | Error::InvalidRequest(InvalidRequest::Id(_)) => NOT_FOUND,
        Error::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid"),
        Error::MultipleChoices { .. } => (StatusCode::CONFLICT, "multiple_choices"),
        #[cfg(feature = "bulk")]
        Error::JobFailed { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "job_failed"),
        #[cfg(feature = "bulk")]
        Error::JobUnfinished { .. } => (StatusCode::GATEWAY_TIMEOUT, "job_unfinished"),
        Error::Changed => (StatusCode::CONFLICT, "changed"),
        _ => match error.status() {
            Some(404) => NOT_FOUND,
            Some(403) => FORBIDDEN,
            Some(400..=499) => REFUSED,
            _ => (StatusCode::BAD_GATEWAY, "bad_gateway"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Result, Revision, SalesforceId, oauth::AnswerFault, soql::SoqlDate};

    #[test]
    fn invalid_text_of_a_request_is_a_client_error_with_a_question_mark_alone() {
        fn revision(text: &str) -> Result<Revision> {
            Ok(text.parse()?)
        }
        fn date(text: &str) -> Result<SoqlDate> {
            Ok(text.parse()?)
        }
        fn id(text: &str) -> Result<SalesforceId> {
            Ok(text.parse()?)
        }
        assert!(revision("\"v1\"").is_ok() && date("2026-11-26").is_ok() && id("001x00000012Q9P").is_ok());
        assert_eq!(revision("yesterday").unwrap_err().status_code(), StatusCode::BAD_REQUEST);
        assert_eq!(date("yesterday").unwrap_err().status_code(), StatusCode::BAD_REQUEST);
        assert_eq!(id("yesterday").unwrap_err().status_code(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn an_error_of_an_oauth_endpoint_gets_a_fitting_status() {
        let refused = |code: &str, busy| OAuthError::Refused { code: code.to_owned(), status: 400, busy };
        let down = |retry_after| OAuthError::Status { status: 503, retry_after };
        let minute = std::time::Duration::from_secs(60);
        for (error, status, retry_after) in [
            (refused("invalid_grant", false), 400, None),
            (refused("invalid_grant", true), 503, Some("5")),
            (refused("invalid_client", false), 502, None),
            (down(None), 503, Some("5")),
            (down(Some(minute)), 503, Some("60")),
            (OAuthError::Status { status: 401, retry_after: Some(minute) }, 502, None),
            (AnswerFault::InstanceUrl.into(), 502, None),
            (OAuthError::NeedsMyDomain, 500, None),
        ] {
            let error = Error::from(error);
            let response = error.error_response();
            assert_eq!(response.status().as_u16(), status, "{error:?}");
            let header = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!(header, retry_after, "{error:?}");
        }
    }

    #[actix_web::test]
    async fn the_response_has_the_code_and_the_security_headers() {
        let response = Error::LoginRequired.error_response();
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("content-security-policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
        ] {
            assert_eq!(response.headers().get(name).unwrap(), value);
        }
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, json!({ "error": "login_required", "message": "Unauthorized" }));
    }
}
