//! [`OAuthError`]: why a request to an OAuth endpoint failed.

use std::{fmt, time::Duration};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{
    http::{error::HttpError, response::Response},
    oauth::refresh::was_not_processed,
};

/// The codes with which Salesforce refuses a grant for good, other than `invalid_grant` (Salesforce Help "OAuth 2.0
/// Authorization Errors", Mobile SDK `OAuthErrorCode`). That refreshes fail with each of them is unverified.
///
/// Those that name the app or its policy say that the org of the user no longer has it, not that a setting of this app is
/// wrong: the client id was known there before.
const REFUSALS: [&str; 12] = [
    "access_denied",
    "app_blocked",
    "app_not_found",
    "ecapp_policy_not_found",
    "inactive_org",
    "inactive_user",
    "invalid_app_access",
    "no_access",
    "oauth_app_access_denied",
    "oauth_app_blocked",
    "oauth_ec_app_not_found",
    "oauth_policy_not_found",
];

/// The descriptions that are part of an error, in lower case (Salesforce Help "OAuth 2.0 Authorization Errors"). They are
/// constants of Salesforce. Others may contain what the user or the org must not find in a log.
const DESCRIPTIONS: [&str; 29] = [
    "app must be installed into org",
    "audience is invalid",
    "audience validation failed",
    "authentication failure",
    "authentication failure - invalid password",
    "client identifier invalid",
    "end-user denied authorization",
    "expired access/refresh token",
    "expired authorization code",
    "grant type not supported",
    "invalid assertion",
    "invalid client credentials",
    "invalid code verifier",
    "ip restricted",
    "ip restricted or invalid login hours",
    "missing required code challenge",
    "no client credentials user enabled",
    "no valid scopes defined",
    "number of logins exceeded",
    "organization is locked, closed, or suspended",
    "redirect_uri must match configuration",
    "request not supported on this domain",
    "the requested scope is invalid, unknown, or malformed",
    "this app is blocked by admin",
    "token handler not found",
    "token handler validation failed",
    "user hasn't approved this consumer",
    "user is inactive",
    "user is not admin approved to access this app",
];

/// The descriptions with which `invalid_grant` says nothing about the grant: the request came from an address, or at an
/// hour, that a profile, the org or the app does not allow (Salesforce Help "OAuth 2.0 Authorization Errors"). That the
/// grant works again from an allowed address is unverified; ending it would lose it for a wrong entry in a list.
const RESTRICTIONS: [&str; 2] = ["ip restricted", "ip restricted or invalid login hours"];

/// The description with which `invalid_client` says nothing about the app's credentials.
pub(crate) const APP_NOT_INSTALLED: &str = "app must be installed into org";

/// The description in an error's text.
struct Description(Option<&'static str>);

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |text| write!(f, ": {text}"))
    }
}

/// Why a request to an OAuth endpoint failed. Never contains a token, a code, a body or an unknown description.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// An error response with a code: one of RFC 6749 section 5.2 or of Salesforce's additional ones.
    #[error("Salesforce rejected the request: {code} (status {status}){}", Description(*description))]
    #[non_exhaustive]
    ErrorResponse {
        /// The error code, in lower snake case.
        code: String,
        /// The HTTP status.
        status: u16,
        /// Whether another request with the same refresh token is in progress ("already being processed").
        in_progress: bool,
        /// Salesforce's description, if it is a known one. It tells the meanings of `invalid_grant` apart.
        description: Option<&'static str>,
    },
    /// A response with an error status and without an error code.
    #[error("Salesforce responded with status {status}")]
    #[non_exhaustive]
    Status {
        /// The HTTP status.
        status: u16,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// A successful response with invalid content.
    #[error("invalid response of Salesforce: {0}")]
    InvalidResponse(#[from] InvalidTokenResponse),
    /// No response arrived.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Fetching the login host's keys failed a moment ago. Nothing was sent.
    #[error("fetching the login host's keys failed a moment ago")]
    #[non_exhaustive]
    CoolingDown {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The client credentials flow, or a token exchange, at a shared login host. Nothing was sent.
    #[error("this flow requires a My Domain. Use https://yourcompany.my.salesforce.com as the login host")]
    NeedsMyDomain,
    /// Signing the JWT assertion failed. Nothing was sent.
    #[error("signing the JWT assertion failed")]
    Signing,
}

crate::debug::debug_as_display!(OAuthError);

/// Why the content of a response is invalid. Never repeats it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTokenResponse {
    /// Invalid JSON: HTML, truncated, a member twice or of the wrong type.
    #[error("the body is not the expected JSON")]
    Malformed,
    /// A missing or empty access token, or one that a header cannot contain.
    #[error("the access token is missing or invalid")]
    NoToken,
    /// A token of more than 16 KiB.
    #[error("a token is too long")]
    TooLong,
    /// A token type other than Bearer (RFC 6749 section 7.1).
    #[error("the token type is not Bearer")]
    TokenType,
    /// A missing or malformed `instance_url`.
    #[error("the instance_url is missing or invalid")]
    InstanceUrl,
    /// An `instance_url` on a host that is not allowed. The log names its origin.
    #[error(
        "the host of the instance_url is not allowed. Add its origin to the allowed hosts (for actix-salesforce: \
         SALESFORCE_ALLOWED_ORIGINS) if it is correct"
    )]
    InstanceNotAllowed,
    /// A missing identity URL, or one with an invalid host or invalid ids.
    ///
    /// Also the identity of another user than the expected one.
    #[error("the identity URL is missing or invalid")]
    Identity,
    /// A `signature` that does not match the client secret.
    #[error("the signature does not match the client secret. Check the secret (SALESFORCE_CLIENT_SECRET)")]
    Signature,
}

crate::debug::debug_as_display!(InvalidTokenResponse);

impl OAuthError {
    /// Returns the error code of an error response.
    pub fn error_code(&self) -> Option<&str> {
        match self {
            Self::ErrorResponse { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Returns Salesforce's description of an error response, if it is one of those that this crate knows.
    pub fn description(&self) -> Option<&'static str> {
        match self {
            Self::ErrorResponse { description, .. } => *description,
            _ => None,
        }
    }

    /// Returns whether Salesforce refuses the grant itself, for good: the token is invalid, or the user, the org or an
    /// administrator ended the access. A new request with the same token fails in the same way. False for
    /// [restrictions of addresses and hours](Self::is_ip_restricted).
    pub fn is_grant_refused(&self) -> bool {
        self.is_invalid_grant()
            || self.is_app_not_installed()
            || self.error_code().is_some_and(|code| REFUSALS.contains(&code))
    }

    /// Returns whether Salesforce rejects the app because of its settings. The grant says nothing about it.
    pub fn is_app_rejected(&self) -> bool {
        !self.is_app_not_installed()
            && matches!(
                self.error_code(),
                Some("invalid_client" | "invalid_client_id" | "unsupported_grant_type")
            )
    }

    /// Returns whether Salesforce refuses the request because of the address that it came from, or the hour ("ip
    /// restricted"). The grant, code or assertion stays valid: the same request may succeed from an allowed address.
    pub fn is_ip_restricted(&self) -> bool {
        self.description().is_some_and(|description| RESTRICTIONS.contains(&description))
    }

    /// Returns whether the org of the user does not have the app, or no longer: it was uninstalled there.
    fn is_app_not_installed(&self) -> bool {
        self.error_code() == Some("invalid_client") && self.description() == Some(APP_NOT_INSTALLED)
    }

    /// Returns whether the code, refresh token or assertion is invalid, expired or revoked (RFC 6749 section 5.2).
    ///
    /// False for [restrictions of addresses and hours](Self::is_ip_restricted), for which Salesforce sends the same code.
    pub fn is_invalid_grant(&self) -> bool {
        self.error_code() == Some("invalid_grant") && !self.is_in_progress() && !self.is_ip_restricted()
    }

    /// Returns whether the token endpoint does not accept the app's credentials: its secret is wrong or missing.
    pub fn is_credentials_rejected(&self) -> bool {
        match self {
            Self::ErrorResponse { code, .. } => code == "invalid_client" && !self.is_app_not_installed(),
            Self::InvalidResponse(error) => *error == InvalidTokenResponse::Signature,
            _ => false,
        }
    }

    /// Returns whether Salesforce is still processing another request with the same refresh token.
    pub fn is_in_progress(&self) -> bool {
        matches!(self, Self::ErrorResponse { in_progress: true, .. })
    }

    /// Returns whether the access token is invalid, expired or revoked (`Bad_OAuth_Token`, or status 401).
    pub fn is_invalid_token(&self) -> bool {
        self.error_code() == Some("bad_oauth_token") || matches!(self, Self::Status { status: 401, .. })
    }

    /// Returns whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::ErrorResponse { code, in_progress, .. } => {
                *in_progress
                    || matches!(
                        code.as_str(),
                        "rate_limit_exceeded"
                            | "server_error"
                            | "service_unavailable"
                            | "system_down"
                            | "unknown_error"
                    )
            }
            Self::Status { status, .. } => *status >= 500 || *status == 429 || *status == 420,
            Self::Http(error) => error.is_transient(),
            // HTML with status 200 is most often a maintenance page.
            Self::InvalidResponse(error) => *error == InvalidTokenResponse::Malformed,
            Self::CoolingDown { .. } => true,
            Self::NeedsMyDomain | Self::Signing => false,
        }
    }

    /// Returns whether the request may have taken effect although no usable response arrived.
    ///
    /// A refresh token that was sent may then be used up.
    pub fn is_response_lost(&self) -> bool {
        match self {
            Self::Http(HttpError::Redirect(status)) => !was_not_processed(*status),
            Self::Http(error) => !error.was_not_sent(),
            // The server sends status 200 after the work is done.
            Self::InvalidResponse(_) => true,
            // A gateway sends these after it forwarded the request (RFC 9110 sections 15.6.3 and 15.6.5).
            Self::Status { status: 502 | 504, .. } => true,
            _ => false,
        }
    }

    /// Returns how long the server asks to wait, or how long a cool-down lasts.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::CoolingDown { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// Reads a response that is not a success.
    ///
    /// An error code with a status of 500 and above, or 429, is ignored: a server that is down or overloaded says nothing
    /// about a token.
    pub(crate) fn from_response(response: &Response) -> Self {
        let status = response.status.as_u16();
        let without_code = Self::Status { status, retry_after: response.retry_after() };
        if status >= 500 || status == 429 {
            return without_code;
        }
        let bytes = without_byte_order_mark(&response.body);
        let body = ErrorBody::from_json(bytes).or_else(|| ErrorBody::from_form(bytes));
        let body = body.or_else(|| {
            let error = bare_word(bytes)?.to_owned();
            Some(ErrorBody { error, error_description: None })
        });
        body.and_then(|body| Self::of_body(body, status)).unwrap_or(without_code)
    }

    /// Reads the error in a response whose status says that the request succeeded. `None`: it has none, or a token.
    ///
    /// RFC 6749 asks for status 400 (section 5.2). A server in front of Salesforce may change it; unverified.
    pub(crate) fn from_success(response: &Response) -> Option<Self> {
        #[derive(Deserialize)]
        struct Token {
            #[serde(rename = "access_token")]
            _token: IgnoredAny,
        }
        let bytes = without_byte_order_mark(&response.body);
        let body = ErrorBody::from_json(bytes)?;
        let has_token = serde_json::from_slice::<Token>(bytes).is_ok();
        if has_token { None } else { Self::of_body(body, response.status.as_u16()) }
    }

    fn of_body(body: ErrorBody, status: u16) -> Option<Self> {
        let code = normalize(&body.error);
        let text = body.error_description.as_ref().and_then(Value::as_str);
        let text = text.unwrap_or_default().to_ascii_lowercase();
        let in_progress = text.contains("already being processed");
        let description = known_description(&text);
        (!code.is_empty()).then_some(Self::ErrorResponse { code, status, in_progress, description })
    }
}

fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// Returns this crate's copy of a description, or `None` for an unknown one.
pub(crate) fn known_description(sent: &str) -> Option<&'static str> {
    let sent = sent.trim().to_ascii_lowercase();
    let known = DESCRIPTIONS.iter().copied().find(|known| sent == *known);
    // More words behind it are unverified. They change nothing about the grant.
    known.or_else(|| sent.starts_with(RESTRICTIONS[0]).then_some(RESTRICTIONS[0]))
}

/// The body of an error response (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    /// Of another type it says nothing. The code counts all the same.
    error_description: Option<Value>,
}

impl ErrorBody {
    fn from_json(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Reads the form-encoded body that the revocation endpoint was seen to send.
    ///
    /// Other members make it invalid, since a link in an HTML page can look like a form, too.
    fn from_form(body: &[u8]) -> Option<Self> {
        let (mut error, mut error_description) = (None, None);
        for (name, value) in url::form_urlencoded::parse(body) {
            let member = match &*name {
                "error" => &mut error,
                "error_description" => &mut error_description,
                _ => return None,
            };
            if member.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        Some(Self { error: error?, error_description: error_description.map(Value::String) })
    }
}

/// Reads a body of one word, such as `Bad_OAuth_Token`, that the identity and userinfo endpoints send.
fn bare_word(body: &[u8]) -> Option<&str> {
    let word = std::str::from_utf8(body).ok()?.trim();
    let is_word = word.len() <= 40 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word.then_some(word)
}

/// Returns an error code in lower snake case, at most 64 characters, without any other characters.
pub(crate) fn normalize(code: &str) -> String {
    code.chars()
        .take(64)
        .filter_map(|c| match c {
            '-' => Some('_'),
            c if c.is_ascii_alphanumeric() || c == '_' => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}
