//! Responses in Salesforce's forms.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, LOCATION, PRAGMA, SET_COOKIE,
};
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

use crate::auth::error::OauthError;

pub(crate) type HttpResponse = Response<Body>;

pub(crate) fn of(status: u16, content_type: &'static str, body: impl Into<Body>) -> HttpResponse {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(crate) fn json(status: u16, value: &Value) -> HttpResponse {
    of(status, "application/json;charset=UTF-8", value.to_string())
}

pub(crate) fn html(status: u16, page: String) -> HttpResponse {
    let mut response = of(status, "text/html;charset=UTF-8", page);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Bare words, as identity and userinfo report errors: labelled HTML, no markup.
pub(crate) fn word(status: u16, word: &'static str) -> HttpResponse {
    of(status, "text/html;charset=UTF-8", word)
}

pub(crate) fn empty(status: u16) -> HttpResponse {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

pub(crate) fn redirect(status: u16, location: &str) -> HttpResponse {
    let mut response = empty(status);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    no_store(response)
}

pub(crate) fn no_store(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// Pages of every origin may read it (H: CORS for OAuth endpoints).
pub(crate) fn everywhere(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

pub(crate) fn with_cookie(mut response: HttpResponse, cookie: &str) -> HttpResponse {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// `{"error":…,"error_description":…}`.
pub(crate) fn oauth_error(error: &OauthError) -> HttpResponse {
    let body = serde_json::json!({ "error": error.error, "error_description": error.description });
    no_store(json(error.status, &body))
}
