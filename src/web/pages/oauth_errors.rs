//! Salesforce's OAuth error codes: the status of each, and which message explains it.
//!
//! Sources: Salesforce Help "OAuth 2.0 Authorization Errors", Mobile SDK `OAuthErrorCode`. Of all that Salesforce sends
//! with an error, a page shows only a code that is listed here.

use actix_web::http::StatusCode;

use super::texts::oauth::{self, Refusal};

/// An error code of the authorization endpoint or the token endpoint.
#[derive(Debug)]
pub(super) struct OAuthErrorCode {
    /// The code in lower snake case. `None` for codes that are not listed.
    pub(super) code: Option<&'static str>,
    pub(super) status: StatusCode,
    pub(super) refusal: Refusal,
}

const fn entry(code: &'static str, status: StatusCode, refusal: Refusal) -> OAuthErrorCode {
    OAuthErrorCode { code: Some(code), status, refusal }
}

#[rustfmt::skip]
static KNOWN: &[OAuthErrorCode] = &[
    entry("access_denied", StatusCode::FORBIDDEN, oauth::ACCESS_DENIED),
    entry("oauth_app_blocked", StatusCode::FORBIDDEN, oauth::APP_BLOCKED),
    entry("app_blocked", StatusCode::FORBIDDEN, oauth::APP_BLOCKED),
    entry("fail_close_app_blocked", StatusCode::FORBIDDEN, oauth::APP_UNCHECKED),
    entry("oauth_app_access_denied", StatusCode::FORBIDDEN, oauth::APP_NOT_ALLOWED),
    entry("invalid_app_access", StatusCode::FORBIDDEN, oauth::APP_NOT_APPROVED),
    entry("no_access", StatusCode::FORBIDDEN, oauth::APP_NOT_ALLOWED),
    entry("invalid_client", StatusCode::FORBIDDEN, oauth::APP_NOT_INSTALLED),
    entry("oauth_ec_app_not_found", StatusCode::FORBIDDEN, oauth::APP_UNKNOWN_IN_ORG),
    entry("app_not_found", StatusCode::FORBIDDEN, oauth::APP_UNKNOWN_IN_ORG),
    entry("installation_error", StatusCode::FORBIDDEN, oauth::INSTALLATION_FAILED),
    entry("oauth_approval_error_generic", StatusCode::FORBIDDEN, oauth::NO_REASON),
    entry("oauth_policy_not_found", StatusCode::FORBIDDEN, oauth::POLICY_MISSING),
    entry("ecapp_policy_not_found", StatusCode::FORBIDDEN, oauth::POLICY_MISSING),
    entry("oauth_flow_disabled", StatusCode::FORBIDDEN, oauth::FLOW_DISABLED),
    entry("invalid_session_level", StatusCode::FORBIDDEN, oauth::SESSION_LEVEL),
    entry("inactive_user", StatusCode::FORBIDDEN, oauth::INACTIVE_USER),
    entry("inactive_org", StatusCode::FORBIDDEN, oauth::INACTIVE_ORG),
    entry("invalid_grant", StatusCode::FORBIDDEN, oauth::INVALID_GRANT),
    entry("rate_limit_exceeded", StatusCode::TOO_MANY_REQUESTS, oauth::RATE_LIMIT),
    entry("login_error", StatusCode::FORBIDDEN, oauth::LOGIN_ERROR),
    entry("immediate_unsuccessful", StatusCode::FORBIDDEN, oauth::LOGIN_NEEDED),
    entry("invalid_scope", StatusCode::BAD_REQUEST, oauth::INVALID_SCOPE),
    entry("invalid_request", StatusCode::BAD_REQUEST, oauth::INVALID_REQUEST),
    entry("invalid_client_id", StatusCode::BAD_REQUEST, oauth::APP_UNKNOWN),
    entry("unsupported_response_type", StatusCode::BAD_REQUEST, oauth::INVALID_REQUEST),
    entry("unsupported_grant_type", StatusCode::BAD_REQUEST, oauth::FLOW_DISABLED_AT_HOST),
    entry("redirect_uri_mismatch", StatusCode::BAD_REQUEST, oauth::REDIRECT_URI_MISMATCH),
    entry("redirect_uri_missing", StatusCode::BAD_REQUEST, oauth::REDIRECT_URI_MISSING),
    entry("invalid_basic_auth_header", StatusCode::INTERNAL_SERVER_ERROR, oauth::INVALID_CREDENTIALS),
    entry("invalid_dpop_proof", StatusCode::BAD_REQUEST, oauth::INVALID_REQUEST),
    entry("use_dpop_nonce", StatusCode::BAD_REQUEST, oauth::INVALID_REQUEST),
    entry("bad_jti_claim", StatusCode::BAD_REQUEST, oauth::INVALID_REQUEST),
    entry("server_error", StatusCode::BAD_GATEWAY, oauth::SERVER_ERROR),
    entry("unknown_error", StatusCode::BAD_GATEWAY, oauth::SERVER_ERROR),
    entry("system_down", StatusCode::SERVICE_UNAVAILABLE, oauth::SERVICE_UNAVAILABLE),
    entry("service_unavailable", StatusCode::SERVICE_UNAVAILABLE, oauth::SERVICE_UNAVAILABLE),
];

static UNKNOWN: OAuthErrorCode =
    OAuthErrorCode { code: None, status: StatusCode::BAD_REQUEST, refusal: oauth::UNKNOWN };

/// The credentials of the app are wrong: the token endpoint says so.
pub(super) const CREDENTIALS: Refusal = oauth::INVALID_CREDENTIALS;

/// What a code means beside one of Salesforce's descriptions: a code alone has several meanings.
#[rustfmt::skip]
static DESCRIBED: &[(&str, &str, OAuthErrorCode)] = &[
    described("invalid_grant", "expired authorization code", StatusCode::FORBIDDEN, oauth::EXPIRED_CODE),
    described("invalid_grant", "invalid code verifier", StatusCode::FORBIDDEN, oauth::CODE_CHALLENGE),
    described("invalid_grant", "ip restricted", StatusCode::FORBIDDEN, oauth::IP_RESTRICTED),
    described("invalid_grant", "ip restricted or invalid login hours", StatusCode::FORBIDDEN, oauth::IP_OR_HOURS),
    described("invalid_request", "missing required code challenge", StatusCode::BAD_REQUEST, oauth::CODE_CHALLENGE),
    described("invalid_client", "invalid client credentials", StatusCode::FORBIDDEN, oauth::INVALID_CREDENTIALS),
];

const fn described(
    code: &'static str,
    description: &'static str,
    status: StatusCode,
    refusal: Refusal,
) -> (&'static str, &'static str, OAuthErrorCode) {
    (code, description, entry(code, status, refusal))
}

/// Returns the entry of a code in this crate's spelling, beside a known description.
pub(super) fn find(code: Option<&str>, description: Option<&str>) -> &'static OAuthErrorCode {
    let Some(code) = code else { return &UNKNOWN };
    let is_it = |known: &&(&str, &str, OAuthErrorCode)| known.0 == code && Some(known.1) == description;
    if let Some((_, _, described)) = DESCRIBED.iter().find(is_it) {
        return described;
    }
    KNOWN.iter().find(|known| known.code == Some(code)).unwrap_or(&UNKNOWN)
}

/// Returns this crate's spelling of a code that Salesforce sent, or `None` for an unknown one.
pub(crate) fn known_code(sent: &str) -> Option<&'static str> {
    find(Some(&normalize(sent)), None).code
}

/// Returns this crate's copy of a description that Salesforce sent, or `None` if it makes no difference. Any site can put
/// a text into a link to the callback, so that no other one is shown.
pub(crate) fn known_description(sent: &str) -> Option<&'static str> {
    // No known description is longer.
    let sent: String = sent.trim().chars().take(64).collect();
    DESCRIBED.iter().map(|(_, known, _)| *known).find(|known| sent.eq_ignore_ascii_case(known))
}

/// Salesforce sends codes in lower and in upper snake case, and `access-denied` with a hyphen.
fn normalize(code: &str) -> String {
    // No listed code is longer.
    code.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::salesforce_errors, *};

    #[test]
    fn each_spelling_of_a_code_is_known() {
        assert_eq!(known_code("access-denied"), Some("access_denied"));
        assert_eq!(find(known_code("OAUTH_APP_BLOCKED"), None).status, StatusCode::FORBIDDEN);
        assert_eq!(known_code("<script>"), None);
    }

    #[test]
    fn each_code_is_listed_once() {
        for (index, entry) in KNOWN.iter().enumerate() {
            assert!(KNOWN[index + 1..].iter().all(|other| other.code != entry.code), "{:?}", entry.code);
            assert_eq!(entry.code.map(normalize).as_deref(), entry.code);
        }
    }

    /// Codes of the token endpoint that belong to flows without this crate's login: of devices, and SAML assertions.
    const OF_OTHER_FLOWS: [&str; 3] = ["authorization_pending", "slow_down", "invalid_assertion_type"];

    /// The errors that reach a user in a login, with the descriptions that Salesforce sends, at the callback and at the token
    /// endpoint.
    fn in_a_login() -> Vec<(String, String)> {
        let documented = salesforce_errors::at(&["authorize.callback", "authorize.page", "token"]);
        let own = documented.iter().filter(|error| !OF_OTHER_FLOWS.contains(&error.error.as_str()));
        let each = |error: &salesforce_errors::Documented| {
            let code = error.error.clone();
            error.descriptions().map(|text| (code.clone(), text.to_owned())).collect::<Vec<_>>()
        };
        own.flat_map(each).collect()
    }

    #[test]
    fn each_error_of_a_login_says_what_happened_who_can_change_it_and_where() {
        use super::super::{PageKind, fix::Who, texts};
        use crate::web::login::failure::LoginFailure;

        let errors = in_a_login();
        assert!(errors.len() > 40, "{errors:?}");
        for (sent, description) in &errors {
            let code = known_code(sent);
            assert!(code.is_some(), "{sent} is not known");
            let failure = LoginFailure::Denied { code, description: known_description(description) };
            let found = find(code, known_description(description));
            let fix = found.refusal.fix;
            // Only what the user or Salesforce itself can change has no place in Setup.
            assert_eq!(fix.place.is_none(), matches!(fix.who, Who::You | Who::Salesforce), "{sent}");
            let texts = texts::texts(&PageKind::LoginFailed(failure));
            assert!(texts.who.is_some() && texts.paragraphs.len() == 2, "{sent}: {texts:?}");
            assert_eq!(texts.place.is_some(), fix.place.is_some(), "{sent}");
        }
        let meanings: std::collections::HashSet<_> = errors
            .iter()
            .filter(|(code, _)| code == "invalid_grant")
            .map(|(code, description)| find(Some(code), known_description(description)).refusal.title)
            .collect();
        assert_eq!(meanings.len(), 5, "the meanings of one code are told apart: {meanings:?}");
        assert_eq!(known_description("<script>ip restricted"), None);
    }
}
