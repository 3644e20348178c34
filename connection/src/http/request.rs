//! [`Request`]: one HTTP request.

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

/// One HTTP request.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The timeout of the whole exchange, connecting included.
    pub(crate) deadline: Duration,
    /// Largest body of the response, after decompression.
    pub(crate) max_bytes: usize,
    /// Replaces `body`.
    pub(crate) upload: Option<Upload>,
    /// Whether the caller reads the body of a successful response. The deadline then limits the wait for the response's
    /// head and each later wait; a body slower than a kibibyte per second ends in an error.
    pub(crate) unread: bool,
    /// Whether that body is a stream of events, which has no lowest rate.
    pub(crate) is_event_stream: bool,
    /// Whether the URL is one of an API host that the program named. All other URLs have to be on an allowed host.
    pub(crate) to_api_host: bool,
    /// Whether a redirect is returned as a response. It is followed in no case.
    pub(crate) returns_redirects: bool,
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
            is_event_stream: false,
            to_api_host: false,
            returns_redirects: false,
        }
    }

    /// Creates a POST request with form fields.
    pub(crate) fn form<'a>(url: Url, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut request = Self::get(url);
        request.method = Method::POST;
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into();
        request
    }
}
