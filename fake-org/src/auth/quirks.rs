//! What real orgs do now and then, as settings that stay until they are changed.

use serde::{Deserialize, Serialize};

/// How the old instance responds to data requests after the data moved.
///
/// In JSON `"invalid_session"`, `"not_found"`, `"url_not_reset"` or `{"redirect":301}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OldInstance {
    /// 401 `INVALID_SESSION_ID`.
    #[default]
    InvalidSession,
    /// A redirect to the same path at the new instance. Which status Salesforce sends is unverified.
    Redirect(u16),
    /// 404 with the HTML page "URL No Longer Exists".
    NotFound,
    /// 400 `URL_NOT_RESET`. The status is unverified.
    UrlNotReset,
}

/// Whether valid tokens are accepted by the APIs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ApiAccess {
    #[default]
    Allowed,
    /// Sessions are locked to another address: 401 as of an expired token, also on userinfo and identity (unverified).
    IpLocked,
    /// 401 "This session is not valid for use with the REST API", as of a token without the scope `api`.
    MissingScope,
    /// The same, by API access control: the user may not use this app's API.
    AccessControl,
    /// 403 `INVALID_OPERATION_WITH_EXPIRED_PASSWORD`. The text is the one of the SOAP API (unverified).
    ExpiredPassword,
    /// 403: the user must log in with a second factor. Code and text are unverified.
    MfaRequired,
    /// 403: the user must accept terms in the browser. Code and text are unverified.
    TermsRequired,
    /// 403 `API_DISABLED_FOR_ORG`.
    Disabled,
}

impl ApiAccess {
    /// Status, code and message of the rejection.
    pub(crate) fn rejection(self) -> Option<(u16, &'static str, &'static str)> {
        Some(match self {
            Self::Allowed => return None,
            Self::IpLocked => (401, "INVALID_SESSION_ID", "Session expired or invalid"),
            Self::MissingScope | Self::AccessControl => {
                (401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
            }
            Self::ExpiredPassword => (
                403,
                "INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
                "The users password has expired, you must call SetPassword before attempting any other API operations",
            ),
            Self::MfaRequired => (403, "MFA_REQUIRED", "Multi-factor authentication is required"),
            Self::TermsRequired => {
                (403, "TERMS_OF_USE_REQUIRED", "The user must accept the terms of use in the browser")
            }
            Self::Disabled => {
                (403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.")
            }
        })
    }
}

/// An error of the token endpoint, in Salesforce's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenError {
    pub(crate) error: String,
    #[serde(default)]
    pub(crate) description: String,
}

/// The parameter `iss` of callbacks (RFC 9207).
///
/// In JSON `"none"`, `"login_host"`, `"my_domain"` or `{"url":"https://…"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallbackIssuer {
    #[default]
    None,
    /// The host that the authorize request came in on.
    LoginHost,
    /// The instance host.
    MyDomain,
    /// Any text.
    Url(String),
}

/// What the failed records of a bulk job come as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailedResults {
    #[default]
    Csv,
    /// 204.
    NoContent,
    /// 200 without a body, also without the header line.
    Empty,
}

/// The languages that messages can be in.
pub(crate) const LANGUAGES: [&str; 4] = ["en_US", "de", "fr", "ja"];
