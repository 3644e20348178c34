//! The one outbound client: every request to Salesforce goes through it.
//!
//! It contacts allowed origins only, follows no redirect, sends no cookie, and bounds time and bytes (counted after
//! decompression).

mod outbound;
#[cfg(test)]
pub(crate) mod scripted;
mod streams;
#[cfg(test)]
mod tests;

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Method, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
};
use url::{Url, form_urlencoded};

pub use self::outbound::NotAllowed;
pub(crate) use self::outbound::Outbound;
pub(crate) use self::streams::{Pieces, Unread, Upload};

/// The largest answer that is no API page: tokens, identity, keys.
pub(crate) const SMALL_ANSWER: usize = 1024 * 1024;
/// How long a token or identity call may take altogether.
pub(crate) const SHORT_DEADLINE: Duration = Duration::from_secs(10);

/// See [`Answer::retry_after`].
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// So much memory is taken at once for an answer that announces its length: a page, and no more.
const TRUSTED_LENGTH: usize = 2 * 1024 * 1024;

/// A connection pool and the rules for whom it may contact. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpClient {
    client: Client,
    outbound: Arc<Outbound>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// One request.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// For the whole exchange, connecting included.
    pub(crate) deadline: Duration,
    /// For the answer's body, after decompression.
    pub(crate) max_bytes: usize,
    /// Instead of `body`.
    pub(crate) upload: Option<Upload>,
    /// Whether the body of a success is left to the caller to read. The deadline is then for its beginning, and for
    /// each wait after that; what comes slower than a kibibyte a second is cut off.
    pub(crate) unread: bool,
}

impl Request {
    pub(crate) fn get(url: Url) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method: Method::GET,
            url,
            headers,
            body: Bytes::new(),
            deadline: SHORT_DEADLINE,
            max_bytes: SMALL_ANSWER,
            upload: None,
            unread: false,
        }
    }

    /// A POST of form fields.
    pub(crate) fn form<'a>(url: Url, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut request = Self::get(url);
        request.method = Method::POST;
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into();
        request
    }
}

/// A whole answer with any status but a redirect.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body, where it was not read.
    pub(crate) unread: Option<Unread>,
}

/// Without the body, which may hold tokens.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// How long the server asks to wait (RFC 9110 section 10.2.3; the form in seconds only), a day at most: nobody
    /// waits longer for anything here, and times can be reckoned with.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        if seconds.is_empty() || !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // What is out of all measure is too large for a number as well.
        Some(Duration::from_secs(seconds.parse().unwrap_or(u64::MAX)).min(LONGEST_RETRY_AFTER))
    }
}

impl HttpClient {
    pub(crate) fn new(outbound: Arc<Outbound>) -> Result<Self, HttpError> {
        let client = Client::builder()
            .user_agent(concat!("actix-salesforce/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(55))
            .tcp_keepalive(Duration::from_secs(60))
            .build()
            .map_err(|error| HttpError::SetUp(error.into()))?;
        Ok(Self { client, outbound })
    }

    /// Whom this client may contact.
    pub(crate) fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// Sends one request and reads the whole answer.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, HttpError> {
        self.outbound.check(&request.url)?;
        let Request { method, url, headers, body, deadline, max_bytes, upload, unread } = request;
        let exchange = async {
            let request = self.client.request(method, url).headers(headers);
            let request = match upload {
                None => request.body(body),
                Some(upload) => request.header(CONTENT_LENGTH, upload.length).body(upload.body()),
            };
            let sent = request.send().await;
            let mut response = sent.map_err(HttpError::from_sending)?;
            let status = response.status();
            if status.is_redirection() && response.headers().contains_key(reqwest::header::LOCATION) {
                return Err(HttpError::Redirect(status.as_u16()));
            }
            if unread && status.is_success() {
                let headers = response.headers().clone();
                let unread = Some(Unread::new(response, deadline));
                return Ok(Answer { status, headers, body: Bytes::new(), unread });
            }
            let length = response.content_length();
            if length.is_some_and(|length| length > max_bytes as u64) {
                return Err(HttpError::TooLarge);
            }
            let announced = length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
            let mut bytes = BytesMut::with_capacity(announced.min(TRUSTED_LENGTH));
            while let Some(chunk) = response.chunk().await.map_err(HttpError::from_reading)? {
                if bytes.len() + chunk.len() > max_bytes {
                    return Err(HttpError::TooLarge);
                }
                bytes.extend_from_slice(&chunk);
            }
            let headers = std::mem::take(response.headers_mut());
            Ok(Answer { status, headers, body: bytes.freeze(), unread: None })
        };
        tokio::time::timeout(deadline, exchange).await.unwrap_or(Err(HttpError::Timeout))
    }
}

/// Why there is no answer. Names no URL, no header and no body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The target is not one that may be contacted.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
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
    LostAnswer(#[source] Box<dyn StdError + Send + Sync>),
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
    SetUp(#[source] Box<dyn StdError + Send + Sync>),
}

impl HttpError {
    fn from_sending(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_connect() { Self::Connect(error.into()) } else { Self::LostAnswer(error.into()) }
    }

    fn from_reading(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if is_bad_gzip(&error) { Self::Undecodable(error.into()) } else { Self::LostAnswer(error.into()) }
    }

    /// Whether the server certainly did not get the request.
    pub fn never_sent(&self) -> bool {
        matches!(self, Self::NotAllowed(_) | Self::Connect(_) | Self::SetUp(_))
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Timeout | Self::TooSlow | Self::LostAnswer(_))
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
