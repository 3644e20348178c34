//! [`RawRequest`]: a request to any resource of the instance.

use std::{fmt, str::FromStr, sync::Arc};

use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use crate::{
    connection::Connection,
    error::{InvalidRequest, Result},
    http::response::Response,
    request::{
        decode,
        path::{InvalidPath, ResourcePath},
        retry::Idempotency,
        send::{ApiRequest, MAX_RESPONSE_BYTES},
    },
};

/// Headers that only the connection may set: token, host, and framing of the body.
pub(crate) const OWN_HEADERS: [&str; 12] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// A request to any resource of the instance, created by [`Connection::request`].
#[must_use = "nothing is sent before `send` is called"]
pub struct RawRequest {
    connection: Connection,
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
    idempotent: Option<bool>,
    max_bytes: usize,
    /// `None`: the instance.
    api_host: Option<Arc<Url>>,
    /// The first error of a setter, reported by `send`.
    error: Option<InvalidRequest>,
}

/// Omits path, query and body, which may contain data.
impl fmt::Debug for RawRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

impl RawRequest {
    pub(crate) fn new(connection: Connection, method: &str, path: String) -> Self {
        Self {
            connection,
            method: method.to_owned(),
            path,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            idempotent: None,
            max_bytes: MAX_RESPONSE_BYTES,
            api_host: None,
            error: None,
        }
    }

    pub(crate) fn for_api_host(mut self, origin: &Arc<Url>) -> Self {
        self.api_host = Some(Arc::clone(origin));
        self
    }

    /// Adds a parameter to the URL's query. Name and value are percent-encoded.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets a header, for example `If-Modified-Since` or `Sforce-Duplicate-Rule-Header`.
    ///
    /// The headers for token, host, cookies and framing of the body are reserved for the connection: setting one is an
    /// error of [`send`](Self::send).
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::from_str(name), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) if !OWN_HEADERS.contains(&name.as_str()) => {
                self.headers.insert(name, value);
            }
            _ => self.error = self.error.or(Some(InvalidRequest::Header)),
        }
        self
    }

    /// Sets the body to a value, written as JSON, and its content type.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match decode::body(value) {
            Ok(body) => self.body("application/json", body),
            Err(error) => {
                self.error = self.error.or(Some(error));
                self
            }
        }
    }

    /// Sets the body and its content type.
    pub fn body(self, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        let mut request = self.header(CONTENT_TYPE.as_str(), content_type);
        request.body = bytes.into();
        request
    }

    /// Sets whether the request may take effect twice without harm, so that it is retried after a lost response.
    ///
    /// Overrides [`Retry::idempotent`](crate::request::Retry::idempotent) of the connection. Default: `true` for GET, HEAD,
    /// PUT and DELETE, `false` for POST, PATCH and the resource that runs anonymous Apex code. A retried DELETE that finds
    /// no record has succeeded.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// Sets the largest response that is read, in bytes after decompression. Default: 32 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sends the request and reads the whole response.
    ///
    /// Returns any response with status 2xx or 304. An expired token is refreshed, and failures are retried as the
    /// connection's [`Retry`](crate::request::Retry) says.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::Error;
    ///
    /// let first = sf.get("sobjects/Account/describe").send().await?;
    /// let changed = first.header("last-modified").unwrap_or_default();
    /// let second = sf.get("sobjects/Account/describe").header("If-Modified-Since", changed).send().await?;
    /// assert_eq!((first.status(), second.status()), (200, 304));
    ///
    /// match sf.get("sobjects/Nonsense").send().await {
    ///     Err(Error::Api { status, errors, .. }) => assert_eq!((status, &*errors[0].code), (404, "NOT_FOUND")),
    ///     other => println!("{other:?}"),
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// - [`Error::InvalidRequest`](crate::Error::InvalidRequest) before anything is sent
    /// - [`Error::LoginRequired`](crate::Error::LoginRequired) if the login has ended
    /// - [`Error::LoginRefused`](crate::Error::LoginRefused) or [`Error::ServiceUser`](crate::Error::ServiceUser) if
    ///   Salesforce refuses a new token
    /// - [`Error::Unavailable`](crate::Error::Unavailable) if an expired token cannot be refreshed at the moment
    /// - [`Error::InvalidResponse`](crate::Error::InvalidResponse) if a login page came instead of data
    /// - [`Error::ConcurrencyLimit`](crate::Error::ConcurrencyLimit) and
    ///   [`Error::QuotaReserved`](crate::Error::QuotaReserved) if a limit of the [`Client`](crate::Client) is reached
    /// - [`Error::Http`](crate::Error::Http) if no response arrived
    /// - [`Error::Api`](crate::Error::Api), [`Error::ApiAccessDenied`](crate::Error::ApiAccessDenied),
    ///   [`Error::LimitExceeded`](crate::Error::LimitExceeded),
    ///   [`Error::MultipleChoices`](crate::Error::MultipleChoices) or
    ///   [`Error::PreconditionFailed`](crate::Error::PreconditionFailed) if Salesforce rejected the request
    pub async fn send(self) -> Result<RawResponse> {
        let (connection, request) = self.into_request()?;
        Ok(RawResponse(connection.send(request).await?))
    }

    fn into_request(self) -> Result<(Connection, ApiRequest)> {
        if let Some(error) = self.error {
            return Err(error.into());
        }
        let host = match &self.api_host {
            // The host has no versioned resources of the org.
            Some(_) if !self.path.starts_with('/') => return Err(InvalidPath::Relative.into()),
            Some(host) => Url::clone(host),
            None => self.connection.instance_url()?,
        };
        let mut path = ResourcePath::parse(&self.path, self.connection.api_version(), &host)?;
        for (name, value) in &self.query {
            path.push_query(name, value);
        }
        let method =
            Method::from_str(&self.method.to_ascii_uppercase()).map_err(|_| InvalidRequest::Method)?;
        if matches!(method, Method::CONNECT | Method::TRACE) {
            return Err(InvalidRequest::Method.into());
        }
        let mut request = ApiRequest::new(method, path);
        request.headers.extend(self.headers);
        request.body = self.body;
        request.max_bytes = self.max_bytes;
        request.api_host = self.api_host;
        // `tooling/executeAnonymous` is a GET that runs Apex code.
        let runs_code = self.path.to_ascii_lowercase().contains("executeanonymous");
        request.idempotency = match self.idempotent {
            Some(true) => Idempotency::Forced,
            Some(false) => Idempotency::NoRetry,
            None if runs_code => Idempotency::NoRetry,
            None => request.idempotency,
        };
        Ok((self.connection, request))
    }
}

/// The response to a [`RawRequest`]: status 2xx, or 304 to a conditional request.
///
/// `Debug` omits the body.
#[derive(Debug)]
pub struct RawResponse(Response);

impl RawResponse {
    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status.as_u16()
    }

    /// Returns the value of a header. `None` if it is missing or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.get(name)?.to_str().ok()
    }

    /// Returns the body.
    pub fn bytes(&self) -> &Bytes {
        &self.0.body
    }

    /// Reads the body as JSON, independent of its content type.
    ///
    /// # Errors
    /// [`Error::InvalidResponse`](crate::Error::InvalidResponse) if the body is not JSON or does not fit `T`. The error
    /// contains the position and no part of the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(decode::json(&self.0.body)?)
    }
}
