//! [`PubSub`]: the HTTP/2 connection of a client to the Pub/Sub API, and the calls on it.

use std::{
    error::Error as StdError,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http_body_util::BodyDataStream;
use tonic::{body::Body, client::GrpcService};

use super::{endpoint::PubSubEndpoint, schemas::SchemaCache};
use crate::http::{
    client::HttpClient,
    error::HttpError,
    proxy::{Proxy, ThroughProxy},
};

/// The Pub/Sub API, as all connections of a client use it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PubSub {
    endpoint: PubSubEndpoint,
    /// Made at the first call, and again after a silent stream.
    client: Arc<Mutex<Option<reqwest::Client>>>,
    schemas: Arc<SchemaCache>,
}

impl fmt::Debug for PubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PubSub").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl PubSub {
    pub(crate) fn new(endpoint: PubSubEndpoint) -> Self {
        Self { endpoint, client: Arc::default(), schemas: Arc::default() }
    }

    /// Returns one with the same schemas and a separate connection.
    pub(crate) fn with_separate_pool(&self) -> Self {
        Self { client: Arc::default(), ..self.clone() }
    }

    pub(crate) fn endpoint(&self) -> &PubSubEndpoint {
        &self.endpoint
    }

    pub(crate) fn schemas(&self) -> &SchemaCache {
        &self.schemas
    }

    /// Returns the connection. It connects when the first call needs it, and again when it was lost.
    pub(crate) fn channel(&self, http: &HttpClient) -> Result<Channel, HttpError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match &*client {
            Some(client) => client.clone(),
            None => client.insert(http.grpc_client()?).clone(),
        };
        Ok(Channel { client, proxy: http.api_proxy().cloned() })
    }

    /// Makes later calls open another connection. Streams on the present one go on.
    pub(crate) fn leave_connection(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Sends the calls of tonic with the HTTP client of this crate: its certificates, its proxy, its timeouts for connecting.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    client: reqwest::Client,
    proxy: Option<Proxy>,
}

impl GrpcService<Body> for Channel {
    type ResponseBody = reqwest::Body;
    type Error = ChannelError;
    type Future = BoxFuture<'static, Result<http::Response<reqwest::Body>, ChannelError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ChannelError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { client, proxy } = self.clone();
        async move {
            let (parts, body) = request.into_parts();
            let url = parts.uri.to_string().parse().map_err(ChannelError::Url)?;
            let mut request = reqwest::Request::new(parts.method, url);
            *request.headers_mut() = parts.headers;
            *request.version_mut() = http::Version::HTTP_2;
            *request.body_mut() = Some(reqwest::Body::wrap_stream(BodyDataStream::new(body)));
            let sent = client.execute(request).await;
            let lost = |error: reqwest::Error| {
                ChannelError::Http(ThroughProxy::name(proxy.as_ref(), error.without_url().into()))
            };
            Ok(sent.map_err(lost)?.into())
        }
        .boxed()
    }
}

/// A call was not sent, or its response did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    #[error("invalid address")]
    Url(#[source] url::ParseError),
    #[error("the connection to the Pub/Sub API failed")]
    Http(#[source] Box<dyn StdError + Send + Sync>),
}
