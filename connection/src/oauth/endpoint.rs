//! The `oauth2` crate's way to our HTTP client.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse, http};
use serde::de::IgnoredAny;
use url::Url;

use crate::{
    http::{allowed_hosts::HostNotAllowed, client::HttpClient, request::Request},
    oauth::error::{InvalidTokenResponse, OAuthError},
};

/// Sends what the `oauth2` crate asks for. Any status but 200 becomes a typed error here already, because the crate
/// would keep neither the status nor the body to itself.
pub(crate) struct Endpoint(pub(crate) HttpClient);

impl<'c> AsyncHttpClient<'c> for Endpoint {
    type Error = OAuthError;
    type Future = BoxFuture<'c, Result<HttpResponse, OAuthError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let url =
                Url::parse(&parts.uri.to_string()).map_err(|_| OAuthError::Http(HostNotAllowed.into()))?;
            let mut outgoing = Request::get(url);
            outgoing.method = parts.method;
            outgoing.headers = parts.headers;
            outgoing.body = Bytes::from(body);
            let answer = self.0.send(outgoing).await?;
            if !answer.status.is_success() {
                return Err(OAuthError::of(&answer));
            }
            // The crate would read the first JSON value of the body and not look at what comes after it.
            if answer.status != http::StatusCode::OK
                || serde_json::from_slice::<IgnoredAny>(&answer.body).is_err()
            {
                return Err(InvalidTokenResponse::Malformed.into());
            }
            let mut response = HttpResponse::new(answer.body.to_vec());
            *response.headers_mut() = answer.headers;
            Ok(response)
        })
    }
}
