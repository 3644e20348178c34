//! Why there is no response.

use std::error::Error as StdError;

use crate::http::allowed_hosts::HostNotAllowed;

/// Why there is no answer. Names no URL, no header and no body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The target is not one that may be contacted.
    #[error(transparent)]
    HostNotAllowed(#[from] HostNotAllowed),
    /// No connection could be made: the server did not get a byte of the request.
    #[error("Salesforce could not be reached")]
    Connect(#[source] Box<dyn StdError + Send + Sync>),
    /// The deadline passed. The server may have done what was asked.
    #[error("Salesforce did not answer in time")]
    Timeout,
    /// The answer's body came so slowly that it would never end.
    #[error("Salesforce sends its answer too slowly")]
    TooSlow,
    /// The connection broke after the request was sent. The server may have done what was asked.
    #[error("the connection to Salesforce broke before the answer was complete")]
    ConnectionLost(#[source] Box<dyn StdError + Send + Sync>),
    /// The answer's body is larger than what is read.
    #[error("the answer is larger than what is read")]
    TooLarge,
    /// The server sent a redirect, which is never followed.
    #[error("the answer is a redirect (status {0}), which is never followed")]
    Redirect(u16),
    /// The answer's body could not be decompressed.
    #[error("the answer could not be decompressed")]
    Undecodable(#[source] Box<dyn StdError + Send + Sync>),
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be set up")]
    Build(#[source] Box<dyn StdError + Send + Sync>),
}

impl HttpError {
    pub(crate) fn from_sending(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_connect() { Self::Connect(error.into()) } else { Self::ConnectionLost(error.into()) }
    }

    pub(crate) fn from_reading(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if is_bad_gzip(&error) { Self::Undecodable(error.into()) } else { Self::ConnectionLost(error.into()) }
    }

    /// Whether the server certainly did not get the request.
    pub fn was_not_sent(&self) -> bool {
        matches!(self, Self::HostNotAllowed(_) | Self::Connect(_) | Self::Build(_))
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Timeout | Self::TooSlow | Self::ConnectionLost(_))
    }
}

/// Whether the body arrived but cannot be decompressed. reqwest calls every error of a body one of decoding; one of the
/// connection has another error between itself and the I/O error.
fn is_bad_gzip(error: &reqwest::Error) -> bool {
    use std::io::{
        Error,
        ErrorKind::{InvalidData, InvalidInput},
    };
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<Error>())
        .is_some_and(|error| matches!(error.kind(), InvalidData | InvalidInput))
}
