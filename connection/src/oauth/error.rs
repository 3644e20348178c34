//! What can go wrong at an OAuth endpoint.

use std::time::Duration;

use serde::Deserialize;

use crate::http::{error::HttpError, response::Response};

/// Why an OAuth endpoint did not do what it was asked. Never contains a token, a code, a body or a description.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// The server refused, with an error code (RFC 6749 section 5.2, and Salesforce's own).
    #[error("Salesforce refused: {code} (status {status})")]
    #[non_exhaustive]
    Refused {
        /// The code, in lower snake case.
        code: String,
        /// The HTTP status.
        status: u16,
        /// Another request with the same refresh token is on its way ("already being processed").
        busy: bool,
    },
    /// The server answered with a status and nothing that explains it.
    #[error("Salesforce answered with status {status}")]
    #[non_exhaustive]
    Status {
        /// The HTTP status.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The server's answer cannot be used.
    #[error("Salesforce's answer cannot be used: {0}")]
    InvalidResponse(#[from] InvalidTokenResponse),
    /// There is no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The login host's keys could not be fetched a moment ago. Nothing was sent.
    #[error("the login host's keys could not be fetched a moment ago")]
    #[non_exhaustive]
    CoolingDown {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Client credentials were asked for at a shared login host. Nothing was sent.
    #[error("client credentials are given at a My Domain only (https://yourcompany.my.salesforce.com)")]
    NeedsMyDomain,
    /// An assertion could not be signed. Nothing was sent.
    #[error("the assertion could not be signed")]
    Signing,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTokenResponse {
    /// Not the JSON that was expected: HTML, cut off, a member twice or of the wrong type.
    #[error("it is not the expected JSON")]
    Malformed,
    /// No access token in it, or an empty one.
    #[error("it holds no access token")]
    NoToken,
    /// A token type that is not Bearer (RFC 6749 section 7.1).
    #[error("its token type is not Bearer")]
    TokenType,
    /// An `instance_url` that is missing or not Salesforce's.
    #[error("its instance_url is missing or not on the allow-list (see SALESFORCE_ALLOWED_ORIGINS)")]
    InstanceUrl,
    /// An identity URL that is missing, not Salesforce's, or without ids.
    #[error("its identity URL is missing or not one of Salesforce's")]
    Identity,
    /// A `signature` that does not fit the client secret.
    #[error("its signature does not fit the client secret (SALESFORCE_CLIENT_SECRET)")]
    Signature,
}

impl OAuthError {
    /// The error code, when the server refused.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the code, refresh token or assertion is not (or no longer) good.
    pub fn is_invalid_grant(&self) -> bool {
        self.refusal() == Some("invalid_grant") && !self.is_busy()
    }

    /// Whether another request with the same refresh token is on its way.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Refused { busy: true, .. })
    }

    /// Whether the access token used is not (or no longer) good (`Bad_OAuth_Token`, or 401).
    pub fn is_bad_token(&self) -> bool {
        self.refusal() == Some("bad_oauth_token") || matches!(self, Self::Status { status: 401, .. })
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { code, busy, .. } => {
                *busy
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
            // HTML with status 200 is a maintenance page more often than not.
            Self::InvalidResponse(fault) => *fault == InvalidTokenResponse::Malformed,
            Self::CoolingDown { .. } => true,
            Self::NeedsMyDomain | Self::Signing => false,
        }
    }

    /// Whether the server may have done what was asked although no answer came: a refresh token may be spent.
    pub fn is_response_lost(&self) -> bool {
        match self {
            Self::Http(error) => !error.was_not_sent(),
            // A 200 that cannot be read comes after the work was done.
            Self::InvalidResponse(_) => true,
            // A gateway says so after it passed the request on (RFC 9110 sections 15.6.3 and 15.6.5).
            Self::Status { status: 502 | 504, .. } => true,
            _ => false,
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::CoolingDown { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// What an answer that is not a success says. A server that is down or overloaded says nothing about a token,
    /// whatever its body looks like.
    pub(crate) fn of(answer: &Response) -> Self {
        let status = answer.status.as_u16();
        let unexplained = Self::Status { status, retry_after: answer.retry_after() };
        if status >= 500 || status == 429 {
            return unexplained;
        }
        let body = serde_json::from_slice::<ErrorResponse>(&answer.body)
            .ok()
            .or_else(|| ErrorResponse::from_form(&answer.body));
        let code = match &body {
            Some(body) => clean(&body.error),
            None => clean(bare_word(&answer.body).unwrap_or_default()),
        };
        if code.is_empty() {
            return unexplained;
        }
        let busy = body
            .and_then(|body| body.error_description)
            .is_some_and(|text| text.to_ascii_lowercase().contains("already being processed"));
        Self::Refused { code, status, busy }
    }
}

#[derive(Deserialize)]
struct ErrorResponse {
    error: String,
    error_description: Option<String>,
}

impl ErrorResponse {
    /// The url-encoded form, in which the revocation endpoint was seen to answer. Nothing else may be in the body:
    /// links in a page have such pairs too.
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
        Some(Self { error: error?, error_description })
    }
}

/// Identity and userinfo answer with one bare word, such as `Bad_OAuth_Token`.
fn bare_word(body: &[u8]) -> Option<&str> {
    let word = std::str::from_utf8(body).ok()?.trim();
    let plain = word.len() <= 40 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain.then_some(word)
}

/// A code as it may be shown and compared: lower snake case, short. Anything else in it is dropped.
fn clean(code: &str) -> String {
    code.chars()
        .take(64)
        .filter_map(|c| match c {
            '-' => Some('_'),
            c if c.is_ascii_alphanumeric() || c == '_' => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}
