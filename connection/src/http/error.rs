//! [`HttpError`]: why a request has no response.

use std::error::Error as StdError;

use crate::http::{
    allowed_hosts::HostNotAllowed,
    api_hosts::InvalidApiHost,
    proxy::{Proxy, ThroughProxy},
};

/// Why a request has no response. Repeats no URL, header or body.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The host is not on the allow-list.
    #[error(transparent)]
    HostNotAllowed(#[from] HostNotAllowed),
    /// A name that is no API host of Salesforce.
    #[error(transparent)]
    InvalidApiHost(#[from] InvalidApiHost),
    /// The connection could not be opened. Nothing was sent.
    #[error("connecting to Salesforce failed")]
    Connect(#[source] Box<dyn StdError + Send + Sync>),
    /// The timeout passed. The request may have taken effect.
    #[error("Salesforce did not respond in time")]
    Timeout,
    /// The response's body arrived at less than one kibibyte per second.
    #[error("Salesforce sends its response too slowly")]
    TooSlow,
    /// The connection was lost after the request was sent. The request may have taken effect.
    #[error("the connection to Salesforce was lost before the response was complete")]
    ConnectionLost(#[source] Box<dyn StdError + Send + Sync>),
    /// The response's body is larger than the limit of the request.
    #[error("the response is too large")]
    TooLarge,
    /// The response is a redirect with this status. Redirects are never followed.
    #[error("the response is a redirect (status {0}), which is never followed")]
    Redirect(u16),
    /// The response's body could not be decompressed.
    #[error("the response could not be decompressed")]
    Undecodable(#[source] Box<dyn StdError + Send + Sync>),
    /// The HTTP client could not be created on this machine.
    #[error("the HTTP client could not be created")]
    Build(#[source] Box<dyn StdError + Send + Sync>),
}

crate::debug::debug_as_display!(HttpError);

impl HttpError {
    pub(crate) fn from_sending(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_connect() { Self::Connect(error.into()) } else { Self::ConnectionLost(error.into()) }
    }

    /// Names the proxy that the request went through in the cause.
    pub(crate) fn through(self, proxy: Option<&Proxy>) -> Self {
        match self {
            Self::Connect(cause) => Self::Connect(ThroughProxy::name(proxy, cause)),
            Self::ConnectionLost(cause) => Self::ConnectionLost(ThroughProxy::name(proxy, cause)),
            other => other,
        }
    }

    pub(crate) fn from_reading(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if is_bad_gzip(&error) { Self::Undecodable(error.into()) } else { Self::ConnectionLost(error.into()) }
    }

    /// Returns whether the server certainly did not receive the request.
    pub fn was_not_sent(&self) -> bool {
        matches!(self, Self::HostNotAllowed(_) | Self::InvalidApiHost(_) | Self::Connect(_) | Self::Build(_))
    }

    /// Returns whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Timeout | Self::TooSlow | Self::ConnectionLost(_))
    }
}

/// Returns whether the body arrived but cannot be decompressed.
///
/// `reqwest` reports every error of a body as a decoding error. If the connection failed, another error stands between
/// that and the I/O error.
fn is_bad_gzip(error: &reqwest::Error) -> bool {
    use std::io::{
        Error,
        ErrorKind::{InvalidData, InvalidInput},
    };
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<Error>())
        .is_some_and(|error| matches!(error.kind(), InvalidData | InvalidInput))
}
