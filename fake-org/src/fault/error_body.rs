//! Errors as the endpoints write them.

use serde_json::{Value, json};

use super::Route;

/// An error body as that endpoint writes it.
pub(crate) fn error_body(status: u16, route: Option<&Route>) -> Value {
    if matches!(route, Some(Route::Api | Route::Query)) {
        let (code, message) = match status {
            400 => ("UNKNOWN_EXCEPTION", "Bad request"),
            401 => ("INVALID_SESSION_ID", "Session expired or invalid"),
            403 => ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
            404 => ("NOT_FOUND", "The requested resource does not exist"),
            500 => (
                "UNKNOWN_EXCEPTION",
                "An unexpected error occurred. Please include this ErrorId if you contact support: 1234567890-12345 (-1234567890)",
            ),
            _ => ("SERVER_UNAVAILABLE", "Server unavailable"),
        };
        return json!([{ "message": message, "errorCode": code }]);
    }
    let (error, description) = match status {
        400 => ("invalid_grant", "authentication failure"),
        401 => ("invalid_client", "invalid client credentials"),
        429 => ("rate_limit_exceeded", "number of logins exceeded"),
        503 => ("service_unavailable", "service unavailable"),
        _ => ("server_error", "server error"),
    };
    json!({ "error": error, "error_description": description })
}
