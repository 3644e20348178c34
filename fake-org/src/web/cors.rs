//! Which responses pages of other origins may read (H: CORS for OAuth endpoints). Discovery and keys are readable from
//! everywhere by themselves.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response};

use super::http_request::Site;
use super::http_response;
use crate::auth::settings::Settings;
use crate::request::Host;

/// What the request's origin may do here.
pub(crate) struct Cors {
    origin: HeaderValue,
    preflight: Option<HeaderValue>,
}

impl Cors {
    /// `None`: nothing, or there is no origin.
    pub(crate) fn of(settings: &Settings, host: Host, parts: &Parts) -> Option<Self> {
        let origin = parts.headers.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        let known = settings.cors_origins.iter().any(|known| known.eq_ignore_ascii_case(text));
        let own_host = host != Host::Login || parts.extensions.get::<Site>().is_some();
        let path = parts.uri.path();
        let may = match path {
            "/services/oauth2/userinfo" => known,
            "/services/oauth2/authorize"
            | "/services/oauth2/token"
            | "/services/oauth2/revoke"
            | "/services/oauth2/introspect"
            | "/services/oauth2/pkce/generator" => known && own_host && settings.cors_for_oauth,
            _ => known && (path.starts_with("/services/data") || path.starts_with("/services/apexrest/")),
        };
        let asks =
            parts.method == Method::OPTIONS && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let none = || HeaderValue::from_static("");
        let wanted = || parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned().unwrap_or_else(none);
        may.then(|| Self { origin: origin.clone(), preflight: asks.then(wanted) })
    }

    /// Returns the response to a preflight, if the request is one. Its status and what it allows beyond the request are
    /// unverified.
    pub(crate) fn preflight(&self) -> Option<Response<Body>> {
        let headers = self.preflight.clone()?;
        let mut response = self.allow(http_response::empty(200));
        let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, headers);
        Some(response)
    }

    /// Returns the response, readable for the origin.
    pub(crate) fn allow(&self, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.append(VARY, HeaderValue::from_static("Origin"));
        response
    }
}
