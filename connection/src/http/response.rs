//! A response that was read.

use std::{fmt, time::Duration};

use bytes::Bytes;
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

use crate::http::streaming_body::StreamingBody;

/// See [`Response::retry_after`].
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// A whole answer with any status but a redirect.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body, where it was not read.
    pub(crate) unread: Option<StreamingBody>,
}

/// Without the body, which may hold tokens.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Response {
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
