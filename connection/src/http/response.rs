//! [`Response`]: an HTTP response.

use std::{fmt, time::Duration};

use bytes::Bytes;
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

use crate::http::streaming_body::StreamingBody;

/// Longest `Retry-After` that is passed on. No caller waits longer, and times can be added to it without overflow.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// A response with any status except a redirect.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body, if the request asked to leave it unread; `body` is empty then.
    pub(crate) unread: Option<StreamingBody>,
}

/// Omits the body, which may contain tokens.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Response {
    /// Returns how long the server asks to wait (RFC 9110 section 10.2.3), at most a day.
    ///
    /// Reads the form in seconds; a date is ignored.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        if seconds.is_empty() || !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // The text has digits only, so that parsing fails only for numbers above the maximum.
        Some(Duration::from_secs(seconds.parse().unwrap_or(u64::MAX)).min(MAX_RETRY_AFTER))
    }
}
