//! Reads and classifies the error responses of Salesforce.

use std::time::Duration;

use reqwest::StatusCode;

use crate::{
    error::{
        Error, RejectedResponse,
        passing::{Passing, contains, is_declined},
    },
    http::{error::HttpError, response::Response},
    id::SalesforceId,
    request::{
        error_body::{self, MAX_ENTRIES, errors},
        misdirected,
        path::ResourcePath,
        retry::Failure,
    },
};

/// An error response.
#[derive(Debug)]
pub(crate) struct ErrorResponse {
    pub(crate) class: ErrorClass,
    pub(crate) error: Error,
}

impl ErrorResponse {
    /// Classifies the response of an API host: it has no code of its instance for an expired token, only status 401.
    pub(crate) fn of_api_host(self) -> Self {
        match self.error {
            Error::Api { status: 401, errors, .. } => Self {
                class: ErrorClass::TokenExpired,
                error: Error::ApiAccessDenied { status: 401, errors },
            },
            error => Self { class: self.class, error },
        }
    }
}

/// The reaction to an error response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// The access token has expired or was revoked: refresh it and send the request again.
    TokenExpired,
    /// Any other error. The retry policy (`retry.rs`) decides by the failure whether the request is sent again.
    Other(Failure),
    /// The record does not exist.
    NotFound,
}

/// Reads a response to a request for `path` with a status other than 2xx.
pub(crate) fn of(response: &Response, path: &ResourcePath) -> ErrorResponse {
    let status = response.status.as_u16();
    let retry_after = response.retry_after();
    let is_redirect = misdirected::is_redirect(response);
    let mut read = if path.is_apex_rest() && (is_redirect || matches!(status, 300 | 406 | 412)) {
        // A class may respond with any status. Here Salesforce's own meaning would hide what the class says.
        let error = Error::Api { status, errors: errors(&response.body), retry_after, response: None };
        ErrorResponse { class: ErrorClass::Other(Failure::Final), error }
    } else if is_redirect {
        let error = Error::Http(HttpError::Redirect(status));
        return ErrorResponse { class: ErrorClass::Other(Failure::Final), error };
    } else {
        read(status, &response.body, retry_after)
    };
    if has_lost_session(response, path) {
        let error = Error::ApiAccessDenied { status, errors: Vec::new() };
        read = ErrorResponse { class: ErrorClass::TokenExpired, error };
    }
    if let Error::Api { response: stored, .. } = &mut read.error {
        *stored = Some(Box::new(RejectedResponse::new(response)));
    }
    read
}

/// Returns whether a 401 without an error of Salesforce is about the session: below `/services/data`, where no class
/// responds.
pub(crate) fn has_lost_session(response: &Response, path: &ResourcePath) -> bool {
    let is_bare = || {
        let read = read(401, &response.body, None);
        read.class != ErrorClass::TokenExpired
            && matches!(&read.error, Error::Api { errors, .. } if errors.is_empty())
    };
    response.status == StatusCode::UNAUTHORIZED && path.is_data() && is_bare()
}

/// Returns whether an error body has this code.
pub(crate) fn has_code(body: &[u8], code: &str) -> bool {
    contains(body, code) && errors(body).iter().any(|entry| entry.code == code)
}

/// Reads a status other than 2xx and its body.
pub(crate) fn read(status: u16, body: &[u8], retry_after: Option<Duration>) -> ErrorResponse {
    if status == 300 {
        return ErrorResponse {
            class: ErrorClass::Other(Failure::Final),
            error: Error::MultipleChoices { candidates: candidates(body) },
        };
    }
    let errors = errors(body);
    let has = |code: &str| errors.iter().any(|entry| entry.code == code);
    let has_message = |text: &str| errors.iter().any(|entry| entry.message.contains(text));

    if has("REQUEST_LIMIT_EXCEEDED") {
        let error = Error::LimitExceeded { status, errors, retry_after };
        return ErrorResponse { class: ErrorClass::Other(Failure::Final), error };
    }
    let is_session_rejected = match status {
        401 => {
            has_message("not valid for use with the REST API")
                || contains(body, "Connected app is not attached to Agent")
                || has_message("INVALID_HEADER_TYPE")
        }
        403 => [
            "API_DISABLED_FOR_ORG",
            "API_CURRENTLY_DISABLED",
            "RESTAPINOTENABLED",
            "CLIENT_NOT_ACCESSIBLE_FOR_USER",
        ]
        .into_iter()
        .any(has),
        _ => false,
    };
    if is_session_rejected {
        return ErrorResponse {
            class: ErrorClass::Other(Failure::Final),
            error: Error::ApiAccessDenied { status, errors },
        };
    }
    // An Apex class may respond with 401 for any reason, so that only Salesforce's own codes cause a refresh. They are
    // searched in the text, since they come as JSON, as XML and, from identity URLs, as plain text.
    let is_expired = match status {
        401 => contains(body, "INVALID_SESSION_ID") || contains(body, "INVALID_AUTH_HEADER"),
        403 => errors.is_empty() && contains(body, "Bad_OAuth_Token"),
        _ => false,
    };
    if is_expired {
        // The error that the caller gets if a new token is rejected as well.
        return ErrorResponse {
            class: ErrorClass::TokenExpired,
            error: Error::ApiAccessDenied { status, errors },
        };
    }
    // Status 412 also means that a batch was halted before this subrequest.
    if status == 412 && !has("BATCH_PROCESSING_HALTED") {
        return ErrorResponse { class: ErrorClass::Other(Failure::Final), error: Error::PreconditionFailed };
    }
    let class = match Passing::of(status, &errors, body) {
        Some(Passing::Busy | Passing::Failed) => ErrorClass::Other(Failure::Busy { retry_after }),
        Some(Passing::RowLocked) => ErrorClass::Other(Failure::RowLocked),
        None if status == 404 => ErrorClass::NotFound,
        None if is_declined(status, &errors, body) => ErrorClass::Other(Failure::Busy { retry_after }),
        None => ErrorClass::Other(Failure::Final),
    };
    ErrorResponse { class, error: Error::Api { status, errors, retry_after, response: None } }
}

/// Returns the ids in the body of a response with status 300: `["/services/data/v66.0/sobjects/Account/001…", …]`.
fn candidates(body: &[u8]) -> Vec<SalesforceId> {
    let paths = std::str::from_utf8(body).ok().and_then(|body| error_body::elements(body, MAX_ENTRIES));
    let paths = paths.into_iter().flatten().filter_map(error_body::text);
    paths.filter_map(|path| path.rsplit('/').next()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::error_body::MAX_TEXT;

    fn class(status: u16, body: &str) -> ErrorClass {
        read(status, body.as_bytes(), None).class
    }

    fn array(code: &str, message: &str) -> String {
        format!(r#"[{{"message":"{message}","errorCode":"{code}"}}]"#)
    }

    #[test]
    fn only_an_expired_token_causes_a_refresh() {
        let expired = array("INVALID_SESSION_ID", "Session expired or invalid");
        for (status, body) in [
            (401, expired.as_str()),
            (401, r#"[{"errorCode":"INVALID_AUTH_HEADER","message":"INVALID_JWT_FORMAT"}]"#),
            (401, "<Errors><Error><errorCode>INVALID_SESSION_ID</errorCode></Error></Errors>"),
            (403, "Bad_OAuth_Token"),
            (403, "<html>Bad_OAuth_Token</html>"),
        ] {
            assert_eq!(class(status, body), ErrorClass::TokenExpired, "{status} {body}");
        }
        let wrong_kind = array("INVALID_SESSION_ID", "This session is not valid for use with the REST API");
        for (status, body) in [
            (401, wrong_kind.as_str()),
            (401, "Connected app is not attached to Agent"),
            (
                401,
                r#"[{"errorCode":"INVALID_SESSION_ID","message":"Connected app is not attached to Agent"}]"#,
            ),
            (401, r#"[{"errorCode":"INVALID_AUTH_HEADER","message":"INVALID_HEADER_TYPE"}]"#),
            (401, r#"{"reason":"rejected by an Apex class"}"#),
            (401, ""),
            (403, r#"[{"errorCode":"API_DISABLED_FOR_ORG","message":"x"}]"#),
            (403, r#"[{"errorCode":"API_CURRENTLY_DISABLED","message":"x"}]"#),
            (403, r#"[{"errorCode":"INSUFFICIENT_ACCESS","message":"Bad_OAuth_Token"}]"#),
            (404, "Bad_Id"),
            (400, &expired),
        ] {
            assert_ne!(class(status, body), ErrorClass::TokenExpired, "{status} {body}");
        }
        assert!(matches!(
            read(401, wrong_kind.as_bytes(), None).error,
            Error::ApiAccessDenied { status: 401, .. }
        ));
    }

    #[test]
    fn the_api_limit_is_a_separate_error_and_not_retried() {
        let body = array("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.");
        for (status, body) in [(403, body.as_str()), (503, &body)] {
            let response = read(status, body.as_bytes(), None);
            assert_eq!(response.class, ErrorClass::Other(Failure::Final), "{body}");
            assert!(matches!(response.error, Error::LimitExceeded { .. }) && response.error.is_transient());
        }
    }

    /// Only a limit pauses an org: one query that the edge declines by its text must not refuse those of others.
    #[test]
    fn a_declined_request_is_not_a_limit() {
        for body in ["Access Declined", "<html>Access_Declined</html>"] {
            let response = read(400, body.as_bytes(), None);
            assert_eq!(response.class, ErrorClass::Other(Failure::Busy { retry_after: None }), "{body}");
            assert!(matches!(response.error, Error::Api { status: 400, .. }), "{body}");
        }
        let own = array("INVALID_FIELD", "Access Declined");
        assert_eq!(class(400, &own), ErrorClass::Other(Failure::Final));
    }

    #[test]
    fn passing_failures_are_retried_only_if_that_does_no_harm() {
        let unknown = array("UNKNOWN_EXCEPTION", "An unexpected error occurred.");
        for (status, body, is_retried) in [
            (406, "", true),
            (406, "\r\n", true),
            (406, "not acceptable", false),
            (500, unknown.as_str(), true),
            (500, "", false),
            (400, &unknown, false),
        ] {
            let expected = if is_retried { Failure::Busy { retry_after: None } } else { Failure::Final };
            assert_eq!(class(status, body), ErrorClass::Other(expected), "{status} {body}");
        }
    }

    #[test]
    fn every_shape_of_error_body_is_read() {
        let long = format!(r#"[{{"errorCode":"{}","message":"{}"}}]"#, "X".repeat(9999), "ä".repeat(9999));
        for (body, codes) in [
            (
                r#"[{"message":"m","errorCode":"A","fields":["F"]},{"message":"m","errorCode":"B"}]"#,
                vec!["A", "B"],
            ),
            (r#"[{"message":"m","statusCode":"A","fields":null}]"#, vec!["A"]),
            (r#"{"error":"invalid_grant","error_description":"m"}"#, vec!["invalid_grant"]),
            (r#"{"errorCode":"A","message":"m"}"#, vec!["A"]),
            (r#"[{"errorCode":"A <script>\r\n","message":"m"}]"#, vec!["Ascript"]),
            ("<html>down</html>", vec![]),
            ("[]", vec![]),
            ("{}", vec![]),
            ("[[[[", vec![]),
            (r#"["a text", "and another"]"#, vec![]),
            ("", vec![]),
            (&long, vec![&"X".repeat(100)]),
        ] {
            let error = read(400, body.as_bytes(), None).error;
            assert_eq!(error.status(), Some(400));
            let found: Vec<_> = error.api_errors().iter().map(|entry| entry.code.as_str()).collect();
            assert_eq!(found, codes, "{body:.80}");
            assert!(error.api_errors().iter().all(|entry| entry.message.len() <= MAX_TEXT));
        }
    }

    #[test]
    fn all_matches_of_an_external_id_are_reported() {
        let body = br#"["/services/data/v66.0/sobjects/Account/001D000000IqhSL","/services/data/x"]"#;
        let Error::MultipleChoices { candidates } = read(300, body, None).error else { panic!() };
        assert_eq!(candidates, ["001D000000IqhSL".parse().unwrap()]);
    }

    #[test]
    fn a_rejected_duplicate_reports_the_matches_and_prints_no_field() {
        let body = br#"[{"duplicateResult":{"allowSave":true,"duplicateRule":"Rule","matchResults":[{"matchRecords":[
            {"matchConfidence":100.0,"record":{"attributes":{"type":"Contact"},"Id":"003D000000QV9n2","Name":"canary"}},
            {"record":{"Name":"no id"}}]},{}]},"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?"}]"#;
        let error = read(400, body, None).error;
        let found = error.api_errors()[0].duplicates.as_ref().unwrap();
        assert!(found.rule == "Rule" && found.allow_save);
        assert_eq!((found.records.len(), found.records[0].object.as_str()), (1, "Contact"));
        assert_eq!(found.records[0].id, "003D000000QV9n2".parse().unwrap());
        assert_eq!(found.records[0].fields["Name"], "canary");
        assert!(!format!("{error:?} {found:?}").contains("canary"));
        let odd = br#"[{"errorCode":"DUPLICATES_DETECTED","message":"m","duplicateResult":[1]}]"#;
        assert_eq!(read(400, odd, None).error.api_errors()[0].code, "DUPLICATES_DETECTED");
    }

    #[test]
    fn status_412_is_precondition_failed() {
        for body in ["", "[]", r#"[{"errorCode":"PRECONDITION_FAILED","message":"m"}]"#] {
            assert!(matches!(read(412, body.as_bytes(), None).error, Error::PreconditionFailed), "{body}");
        }
        let halted = array("BATCH_PROCESSING_HALTED", "m");
        assert!(matches!(read(412, halted.as_bytes(), None).error, Error::Api { status: 412, .. }));
    }

    #[test]
    fn an_error_prints_neither_messages_nor_bodies() {
        for body in
            [array("STRING_TOO_LONG", "canary"), "canary".to_owned(), r#"{"canary":"canary"}"#.to_owned()]
        {
            let error = read(400, body.as_bytes(), None).error;
            assert!(!format!("{error} {error:?} {error:#?}").contains("canary"), "{error:?}");
        }
        let body = br#"[{"errorCode":"REQUIRED_FIELD_MISSING","message":"m","fields":["LastName"]}]"#;
        assert_eq!(
            read(400, body, None).error.to_string(),
            "Salesforce rejected the request (status 400 REQUIRED_FIELD_MISSING on LastName)"
        );
    }
}
