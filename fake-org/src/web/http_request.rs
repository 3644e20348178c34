//! A request as handlers see it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use axum::http::{HeaderMap, Method, Uri};

use crate::request::Host;
use crate::state::Org;

/// Marks a refresh whose token another request is working on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parallel;

/// Marks a request that came in below the path of an Experience Cloud site.
#[derive(Clone, Debug)]
pub(crate) struct Site(pub(crate) String);

/// Method, parameters, headers and the org.
#[derive(Debug)]
pub(crate) struct HttpRequest {
    pub(crate) org: Arc<Org>,
    pub(crate) host: Host,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) parallel: bool,
    /// The path of the site it came in on; empty elsewhere.
    pub(crate) site: String,
    form: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

impl FromRequest<Arc<Org>> for HttpRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, org: &Arc<Org>) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        // The body is in memory already, it cannot fail.
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        Ok(Self {
            org: Arc::clone(org),
            host: parts.extensions.get::<Host>().copied().unwrap_or(Host::Login),
            form: form(&parts.headers, &body),
            query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
            site: parts.extensions.remove::<Site>().map_or_else(String::new, |site| site.0),
            parallel: parts.extensions.get::<Parallel>().is_some(),
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body,
        })
    }
}

impl HttpRequest {
    /// A non-empty parameter, of the form or else of the query.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.form_param(name).or_else(|| self.query_param(name))
    }

    pub(crate) fn form_param(&self, name: &str) -> Option<&str> {
        find(&self.form, name)
    }

    pub(crate) fn query_param(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// The token of `Authorization: Bearer …`; `OAuth …` means the same to Salesforce.
    pub(crate) fn bearer(&self) -> Option<&str> {
        bearer(&self.headers)
    }

    /// A header that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let all = self.headers.get_all(COOKIE);
        all.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';')).find_map(
            |pair| {
                let (key, value) = pair.trim().split_once('=')?;
                (key == name).then_some(value)
            },
        )
    }

    /// The host the request came in on: an origin, and the path of a site.
    pub(crate) fn origin(&self) -> String {
        format!("{}{}", self.org.origins().of(self.host), self.site)
    }
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth")).then_some(token.trim())
}

/// The fields of a form body; nothing for other content types.
pub(crate) fn form(headers: &HeaderMap, body: &[u8]) -> Vec<(String, String)> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        pairs(body)
    } else {
        Vec::new()
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}
