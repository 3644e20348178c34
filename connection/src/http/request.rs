//! One outbound request.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use url::{Url, form_urlencoded};

use crate::http::{
    client::{MAX_SMALL_RESPONSE_BYTES, SHORT_TIMEOUT},
    streaming_body::Upload,
};

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
            deadline: SHORT_TIMEOUT,
            max_bytes: MAX_SMALL_RESPONSE_BYTES,
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
