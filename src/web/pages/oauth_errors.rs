//! Salesforce's OAuth error codes: the status of each, and which message explains it.
//!
//! Sources: Salesforce Help "OAuth 2.0 Authorization Errors", Mobile SDK `OAuthErrorCode`. Of all that Salesforce sends
//! with an error, a page shows only a code that is listed here.

use actix_web::http::StatusCode;

use super::{messages::Message, oauth_messages};

/// An error code of the authorization endpoint or the token endpoint.
#[derive(Debug)]
pub(super) struct OAuthErrorCode {
    /// The code in lower snake case. `None` for codes that are not listed.
    pub(super) code: Option<&'static str>,
    pub(super) status: StatusCode,
    pub(super) message: Message,
}

const fn entry(code: &'static str, status: StatusCode, message: Message) -> OAuthErrorCode {
    OAuthErrorCode { code: Some(code), status, message }
}

#[rustfmt::skip]
static KNOWN: &[OAuthErrorCode] = &[
    entry("access_denied", StatusCode::FORBIDDEN, oauth_messages::ACCESS_DENIED),
    entry("oauth_app_blocked", StatusCode::FORBIDDEN, oauth_messages::APP_BLOCKED),
    entry("app_blocked", StatusCode::FORBIDDEN, oauth_messages::APP_BLOCKED),
    entry("fail_close_app_blocked", StatusCode::FORBIDDEN, oauth_messages::APP_UNCHECKED),
    entry("oauth_app_access_denied", StatusCode::FORBIDDEN, oauth_messages::APP_NOT_ALLOWED),
    entry("invalid_app_access", StatusCode::FORBIDDEN, oauth_messages::APP_NOT_APPROVED),
    entry("no_access", StatusCode::FORBIDDEN, oauth_messages::APP_NOT_ALLOWED),
    entry("invalid_client", StatusCode::FORBIDDEN, oauth_messages::APP_NOT_INSTALLED),
    entry("oauth_ec_app_not_found", StatusCode::FORBIDDEN, oauth_messages::APP_UNKNOWN_IN_ORG),
    entry("app_not_found", StatusCode::FORBIDDEN, oauth_messages::APP_UNKNOWN_IN_ORG),
    entry("installation_error", StatusCode::FORBIDDEN, oauth_messages::INSTALLATION_FAILED),
    entry("oauth_approval_error_generic", StatusCode::FORBIDDEN, oauth_messages::NO_REASON),
    entry("oauth_policy_not_found", StatusCode::FORBIDDEN, oauth_messages::POLICY_MISSING),
    entry("ecapp_policy_not_found", StatusCode::FORBIDDEN, oauth_messages::POLICY_MISSING),
    entry("oauth_flow_disabled", StatusCode::FORBIDDEN, oauth_messages::FLOW_DISABLED),
    entry("invalid_session_level", StatusCode::FORBIDDEN, oauth_messages::SESSION_LEVEL),
    entry("inactive_user", StatusCode::FORBIDDEN, oauth_messages::INACTIVE_USER),
    entry("inactive_org", StatusCode::FORBIDDEN, oauth_messages::INACTIVE_ORG),
    entry("invalid_grant", StatusCode::FORBIDDEN, oauth_messages::INVALID_GRANT),
    entry("rate_limit_exceeded", StatusCode::TOO_MANY_REQUESTS, oauth_messages::RATE_LIMIT),
    entry("login_error", StatusCode::FORBIDDEN, oauth_messages::LOGIN_ERROR),
    entry("immediate_unsuccessful", StatusCode::FORBIDDEN, oauth_messages::LOGIN_NEEDED),
    entry("invalid_scope", StatusCode::BAD_REQUEST, oauth_messages::INVALID_SCOPE),
    entry("invalid_request", StatusCode::BAD_REQUEST, oauth_messages::INVALID_REQUEST),
    entry("invalid_client_id", StatusCode::BAD_REQUEST, oauth_messages::APP_UNKNOWN),
    entry("unsupported_response_type", StatusCode::BAD_REQUEST, oauth_messages::INVALID_REQUEST),
    entry("unsupported_grant_type", StatusCode::BAD_REQUEST, oauth_messages::FLOW_DISABLED_AT_HOST),
    entry("redirect_uri_mismatch", StatusCode::BAD_REQUEST, oauth_messages::REDIRECT_URI_MISMATCH),
    entry("redirect_uri_missing", StatusCode::BAD_REQUEST, oauth_messages::REDIRECT_URI_MISSING),
    entry("server_error", StatusCode::BAD_GATEWAY, oauth_messages::SERVER_ERROR),
    entry("unknown_error", StatusCode::BAD_GATEWAY, oauth_messages::SERVER_ERROR),
    entry("system_down", StatusCode::SERVICE_UNAVAILABLE, oauth_messages::SERVICE_UNAVAILABLE),
    entry("service_unavailable", StatusCode::SERVICE_UNAVAILABLE, oauth_messages::SERVICE_UNAVAILABLE),
];

static UNKNOWN: OAuthErrorCode =
    OAuthErrorCode { code: None, status: StatusCode::BAD_REQUEST, message: oauth_messages::UNKNOWN };

/// Returns the entry of a code in this crate's spelling.
pub(super) fn find(code: Option<&str>) -> &'static OAuthErrorCode {
    code.and_then(|code| KNOWN.iter().find(|known| known.code == Some(code))).unwrap_or(&UNKNOWN)
}

/// Returns this crate's spelling of a code that Salesforce sent, or `None` for an unknown one.
pub(crate) fn known_code(sent: &str) -> Option<&'static str> {
    find(Some(&normalize(sent))).code
}

/// Salesforce sends codes in lower and in upper snake case, and `access-denied` with a hyphen.
fn normalize(code: &str) -> String {
    // No listed code is longer.
    code.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_of_a_code_is_known() {
        assert_eq!(known_code("access-denied"), Some("access_denied"));
        assert_eq!(find(known_code("OAUTH_APP_BLOCKED")).status, StatusCode::FORBIDDEN);
        assert_eq!(known_code("<script>"), None);
    }

    #[test]
    fn each_code_is_listed_once() {
        for (index, entry) in KNOWN.iter().enumerate() {
            assert!(KNOWN[index + 1..].iter().all(|other| other.code != entry.code), "{:?}", entry.code);
            assert_eq!(entry.code.map(normalize).as_deref(), entry.code);
        }
    }
}
