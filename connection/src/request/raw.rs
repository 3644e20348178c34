//! Requests to anything on the instance.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    connection::Connection,
    error::{InvalidRequest, Result},
    http::response::Response,
    request::{
        decode,
        path::ResourcePath,
        retry::Idempotency,
        send::{ApiRequest, MAX_RESPONSE_BYTES},
    },
};

/// Headers that belong to the connection: the token, the host, and how bytes are framed.
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

/// A request to any resource of the instance, made by [`Connection::request`].
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
    /// The first mistake in what was set.
    mistake: Option<InvalidRequest>,
}

/// Without path, query and body, which may hold data.
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
            mistake: None,
        }
    }

    /// Adds a parameter to the URL's query, percent-encoded.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets a header, for example `If-Modified-Since` or `Sforce-Duplicate-Rule-Header`. The token, the host and how
    /// the body is framed are the connection's own: setting those is an error of [`send`](Self::send).
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::from_str(name), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) if !OWN_HEADERS.contains(&name.as_str()) => {
                self.headers.insert(name, value);
            }
            _ => self.mistake = self.mistake.or(Some(InvalidRequest::Header)),
        }
        self
    }

    /// Sets the body to a value written as JSON.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match decode::body(value) {
            Ok(body) => self.body("application/json", body),
            Err(error) => {
                self.mistake = self.mistake.or(Some(error));
                self
            }
        }
    }

    /// Sets the body to these bytes.
    pub fn body(self, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        let mut request = self.header(CONTENT_TYPE.as_str(), content_type);
        request.body = bytes.into();
        request
    }

    /// Whether the request may take effect twice without harm, so that it is sent again when its answer is lost.
    ///
    /// This overrides the connection's [`Retry::idempotent`](crate::request::retry::Retry::idempotent). Where neither says anything it
    /// is so for GET, HEAD, PUT and DELETE, and not for POST and PATCH. The resource that runs Apex code is never sent
    /// again unless it is said here. A DELETE that was sent again and finds nothing has succeeded.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// The largest answer that is read, in bytes after decompression; 32 MiB by default.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sends the request.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::Error;
    ///
    /// let answer = sf.get("sobjects/Account/describe").send().await?;
    /// let changed = answer.header("last-modified").unwrap_or_default();
    /// let again = sf.get("sobjects/Account/describe").header("If-Modified-Since", changed).send().await?;
    /// assert_eq!((answer.status(), again.status()), (200, 304));
    ///
    /// match sf.get("sobjects/Nonsense").send().await {
    ///     Err(Error::Api { status, errors, .. }) => assert_eq!((status, &*errors[0].code), (404, "NOT_FOUND")),
    ///     other => println!("{other:?}"),
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidRequest`](crate::error::Error::InvalidRequest) before anything is sent;
    /// [`Error::LoginRequired`](crate::error::Error::LoginRequired) when the login is over;
    /// [`Error::Unavailable`](crate::error::Error::Unavailable) when an expired token cannot be renewed right now;
    /// [`Error::Http`](crate::error::Error::Http) when no answer came; otherwise what Salesforce said:
    /// [`Error::Api`](crate::error::Error::Api), [`Error::ApiAccessDenied`](crate::error::Error::ApiAccessDenied),
    /// [`Error::LimitExceeded`](crate::error::Error::LimitExceeded),
    /// [`Error::MultipleChoices`](crate::error::Error::MultipleChoices).
    pub async fn send(self) -> Result<RawResponse> {
        let (connection, call) = self.into_call()?;
        Ok(RawResponse(connection.send(call).await?))
    }

    fn into_call(self) -> Result<(Connection, ApiRequest)> {
        if let Some(mistake) = self.mistake {
            return Err(mistake.into());
        }
        let instance = self.connection.instance_url()?;
        let mut path = ResourcePath::parse(&self.path, self.connection.api_version(), &instance)?;
        for (name, value) in &self.query {
            path.push_query(name, value);
        }
        let method =
            Method::from_str(&self.method.to_ascii_uppercase()).map_err(|_| InvalidRequest::Method)?;
        if matches!(method, Method::CONNECT | Method::TRACE) {
            return Err(InvalidRequest::Method.into());
        }
        let mut call = ApiRequest::new(method, path);
        call.headers.extend(self.headers);
        call.body = self.body;
        call.max_bytes = self.max_bytes;
        let runs_code = self.path.to_ascii_lowercase().contains("executeanonymous");
        call.idempotency = match self.idempotent {
            Some(true) => Idempotency::Forced,
            Some(false) => Idempotency::NoRetry,
            None if runs_code => Idempotency::NoRetry,
            None => call.idempotency,
        };
        Ok((self.connection, call))
    }
}

/// The answer to a [`RawRequest`]: a success, or 304 to a conditional request.
///
/// `Debug` leaves the body out.
#[derive(Debug)]
pub struct RawResponse(Response);

impl RawResponse {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status.as_u16()
    }

    /// A header's value, unless it is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.get(name)?.to_str().ok()
    }

    /// The body.
    pub fn bytes(&self) -> &Bytes {
        &self.0.body
    }

    /// The body, read as JSON, whatever its content type.
    ///
    /// # Errors
    /// [`Error::InvalidResponse`](crate::error::Error::InvalidResponse) when it is no JSON or does not fit `T`. The error says
    /// where, and repeats nothing of the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(decode::json(&self.0.body)?)
    }
}
