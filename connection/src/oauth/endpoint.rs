//! [`Endpoint`]: sends the requests of the crate `oauth2` with this crate's HTTP client.

use std::{sync::OnceLock, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse, http};
use serde::de::IgnoredAny;
use url::Url;

use crate::{
    http::{
        allowed_hosts::HostNotAllowed,
        client::{HttpClient, SHORT_TIMEOUT},
        request::Request,
    },
    oauth::{
        error::{InvalidTokenResponse, OAuthError},
        thin_response,
        token_response::with_token_type,
    },
};

/// Largest token or identity response in bytes. One with an ID token and long JWT tokens has some 10 KiB; its members are
/// stored and held, so that it must stay far below the general limit.
pub(crate) const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// Sends requests of the crate `oauth2`.
///
/// Any status except 200 becomes an [`OAuthError`] here, because the errors of `oauth2` omit the status and contain the
/// body.
pub(crate) struct Endpoint {
    http: HttpClient,
    /// The timeout of the exchange, connecting and the whole response included.
    timeout: Duration,
    /// The `Location` of a redirect.
    location: OnceLock<String>,
    /// Whether a response may lack what the grant knows already.
    takes_thin: bool,
}

impl Endpoint {
    pub(crate) fn new(http: HttpClient) -> Self {
        Self::with_timeout(SHORT_TIMEOUT, http)
    }

    pub(crate) fn with_timeout(timeout: Duration, http: HttpClient) -> Self {
        Self { http, timeout, location: OnceLock::new(), takes_thin: false }
    }

    /// Takes responses that lack what the grant knows already.
    pub(crate) fn taking_thin_responses(self) -> Self {
        Self { takes_thin: true, ..self }
    }

    /// Returns the `Location` of the redirect that this endpoint sent instead of a response. It is not to be trusted.
    pub(crate) fn location(&self) -> Option<&str> {
        self.location.get().map(String::as_str)
    }
}

impl<'c> AsyncHttpClient<'c> for Endpoint {
    type Error = OAuthError;
    type Future = BoxFuture<'c, Result<HttpResponse, OAuthError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let url =
                Url::parse(&parts.uri.to_string()).map_err(|_| OAuthError::Http(HostNotAllowed.into()))?;
            let mut request = Request::get(url);
            request.method = parts.method;
            request.headers = parts.headers;
            request.body = Bytes::from(body);
            request.deadline = self.timeout;
            request.max_bytes = MAX_RESPONSE_BYTES;
            let received = self.http.send_noting(request, Some(&self.location)).await?;
            if !received.status.is_success() {
                return Err(OAuthError::from_response(&received));
            }
            if let Some(error) = OAuthError::from_success(&received) {
                return Err(error);
            }
            // `oauth2` reads the first JSON value of the body and ignores what follows it.
            if received.status != http::StatusCode::OK
                || serde_json::from_slice::<IgnoredAny>(&received.body).is_err()
            {
                return Err(InvalidTokenResponse::Malformed.into());
            }
            let completed = if self.takes_thin { thin_response::complete(&received.body) } else { None };
            let body = completed.as_deref().unwrap_or(&received.body);
            let mut response = HttpResponse::new(with_token_type(body).into_owned());
            *response.headers_mut() = received.headers;
            Ok(response)
        })
    }
}
