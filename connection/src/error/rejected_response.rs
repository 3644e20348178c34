//! [`RejectedResponse`]: the response with which a request was rejected.

use std::fmt;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use crate::{error::Result, http::response::Response, request::decode};

/// Longest body in bytes that is stored of a rejected request. Far above what a class of Apex REST says about an error,
/// and small enough that errors may be collected.
const MAX_BODY: usize = 64 * 1024;

/// The response with which a request was rejected: what an Apex REST class says about the error, for example.
///
/// `Debug` omits body and headers, which may contain data of the request. Returned by
/// [`Error::response`](crate::Error::response).
#[derive(Clone, PartialEq, Eq)]
pub struct RejectedResponse {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    is_complete: bool,
}

impl fmt::Debug for RejectedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectedResponse")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl RejectedResponse {
    pub(crate) fn new(response: &Response) -> Self {
        let length = response.body.len().min(MAX_BODY);
        Self {
            status: response.status.as_u16(),
            headers: response.headers.clone(),
            // Copied, since a slice would hold the whole body.
            body: Bytes::copy_from_slice(&response.body[..length]),
            is_complete: length == response.body.len(),
        }
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the value of a header. `None` if it is missing or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body: all of it, or its first 64 KiB.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// Returns whether [`bytes`](Self::bytes) is the whole body.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Reads the body as JSON, independent of its content type.
    ///
    /// # Errors
    /// [`Error::InvalidResponse`](crate::Error::InvalidResponse) if the body is not JSON or does not fit `T`. The error
    /// contains the position and no part of the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(decode::json(&self.body)?)
    }
}
