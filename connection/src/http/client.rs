//! [`HttpClient`]: sends every request to Salesforce.
//!
//! Contacts allowed hosts only, follows no redirect, sends no cookie, and limits time and bytes (counted after
//! decompression).

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_LENGTH, LOCATION},
};

use crate::http::{
    allowed_hosts::AllowedHosts,
    error::HttpError,
    proxy::{self, Proxies, Proxy, ProxyAuthenticationRequired},
    request::Request,
    response::Response,
    streaming_body::StreamingBody,
};

/// Largest response in bytes outside of the REST API: tokens, identity, keys. Real ones have a few kilobytes.
pub(crate) const MAX_SMALL_RESPONSE_BYTES: usize = 1024 * 1024;
/// Timeout of a token or identity request, connecting included: a user waits for it in the browser.
pub const SHORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest allocation in bytes for an announced `Content-Length`, enough for a page of records. A server that announces
/// more has to send it first.
const MAX_PREALLOCATION: usize = 2 * 1024 * 1024;

/// A connection pool with its allowed hosts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpClient {
    client: Client,
    /// For tokens and keys. The same client unless they have another proxy.
    token_client: Client,
    allowed_hosts: Arc<AllowedHosts>,
    proxies: Proxies,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl HttpClient {
    pub(crate) fn new(allowed_hosts: Arc<AllowedHosts>, proxies: Proxies) -> Result<Self, HttpError> {
        let client = Self::with_proxy(proxies.api.as_ref())?;
        let token_client = match proxies.tokens == proxies.api {
            true => client.clone(),
            false => Self::with_proxy(proxies.tokens.as_ref())?,
        };
        Ok(Self { client, token_client, allowed_hosts, proxies })
    }

    /// Returns a client for gRPC: HTTP/2 without an upgrade, with the proxy of the API.
    ///
    /// A connection whose peer does not respond to a PING is closed: 30 and 20 seconds, of which NATs and load
    /// balancers that forget connections silently are the reason (pub-sub-api-node-client issue 96).
    #[cfg(feature = "events")]
    pub(crate) fn grpc_client(&self) -> Result<Client, HttpError> {
        let builder = Self::builder()
            .http2_prior_knowledge()
            .http2_keep_alive_interval(Duration::from_secs(30))
            .http2_keep_alive_timeout(Duration::from_secs(20))
            .http2_keep_alive_while_idle(true)
            // gRPC says itself how messages are compressed.
            .no_gzip();
        let builder = proxy::set(builder, self.proxies.api.as_ref())?;
        builder.build().map_err(|error| HttpError::Build(error.into()))
    }

    /// Returns the proxy of all requests but those for tokens.
    #[cfg(feature = "events")]
    pub(crate) fn api_proxy(&self) -> Option<&Proxy> {
        self.proxies.api.as_ref()
    }

    fn builder() -> reqwest::ClientBuilder {
        Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(55))
            .tcp_keepalive(Duration::from_secs(60))
            .user_agent(concat!("salesforce-connection/", env!("CARGO_PKG_VERSION")))
    }

    fn with_proxy(proxy: Option<&Proxy>) -> Result<Client, HttpError> {
        let builder = Self::builder();
        proxy::set(builder, proxy)?.build().map_err(|error| HttpError::Build(error.into()))
    }

    /// Returns a client with the same hosts and proxies but a separate connection pool.
    pub(crate) fn with_separate_pool(&self) -> Result<Self, HttpError> {
        Self::new(Arc::clone(&self.allowed_hosts), self.proxies.clone())
    }

    /// Returns the hosts that this client may contact.
    pub(crate) fn allowed_hosts(&self) -> &Arc<AllowedHosts> {
        &self.allowed_hosts
    }

    /// Sends one request and reads the whole response, unless the request asks for an unread body.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, HttpError> {
        self.send_noting(request, None).await
    }

    /// Sends one request, and notes the `Location` of a redirect, which is an error here too.
    pub(crate) async fn send_noting(
        &self,
        request: Request,
        location: Option<&OnceLock<String>>,
    ) -> Result<Response, HttpError> {
        if !request.to_api_host {
            self.allowed_hosts.check(&request.url)?;
        }
        let Request { method, url, headers, body, deadline, max_bytes, upload, .. } = request;
        let Request { unread, is_event_stream, returns_redirects, .. } = request;
        let (client, proxy) = match proxy::is_for_tokens(&url) {
            true => (&self.token_client, self.proxies.tokens.as_ref()),
            false => (&self.client, self.proxies.api.as_ref()),
        };
        let exchange = async {
            let request = client.request(method, url).headers(headers);
            let request = match upload {
                None => request.body(body),
                Some(upload) => request.header(CONTENT_LENGTH, upload.length).body(upload.body()),
            };
            let sent = request.send().await;
            let mut response = sent.map_err(HttpError::from_sending)?;
            let status = response.status();
            if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED && proxy.is_some() {
                return Err(HttpError::Connect(ProxyAuthenticationRequired.into()));
            }
            // Status 300 and 304 are responses, whatever headers they have.
            let is_redirect = status.is_redirection() && !matches!(status.as_u16(), 300 | 304);
            if is_redirect
                && !returns_redirects
                && let Some(target) = response.headers().get(LOCATION)
            {
                if let (Some(location), Ok(target)) = (location, target.to_str()) {
                    let _ = location.set(target.to_owned());
                }
                return Err(HttpError::Redirect(status.as_u16()));
            }
            if unread && status.is_success() {
                let headers = response.headers().clone();
                let new = if is_event_stream { StreamingBody::events } else { StreamingBody::new };
                let unread = Some(new(response, deadline));
                return Ok(Response { status, headers, body: Bytes::new(), unread });
            }
            let length = response.content_length();
            if length.is_some_and(|length| length > max_bytes as u64) {
                return Err(HttpError::TooLarge);
            }
            let announced = length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
            let mut bytes = BytesMut::with_capacity(announced.min(MAX_PREALLOCATION));
            let headers = std::mem::take(response.headers_mut());
            let mut body = StreamingBody::new(response, deadline);
            while let Some(chunk) = body.try_next().await? {
                if bytes.len() + chunk.len() > max_bytes {
                    return Err(HttpError::TooLarge);
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(Response { status, headers, body: bytes.freeze(), unread: None })
        };
        let sent = tokio::time::timeout(deadline, exchange).await.unwrap_or(Err(HttpError::Timeout));
        sent.map_err(|error| error.through(proxy))
    }
}
