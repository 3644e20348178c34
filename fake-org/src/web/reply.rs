//! Answers in Salesforce's forms.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, LOCATION, PRAGMA, SET_COOKIE,
};
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

use crate::auth::error::OauthError;

pub(crate) type Reply = Response<Body>;

pub(crate) fn of(status: u16, content_type: &'static str, body: impl Into<Body>) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(crate) fn json(status: u16, value: &Value) -> Reply {
    of(status, "application/json;charset=UTF-8", value.to_string())
}

pub(crate) fn html(status: u16, page: String) -> Reply {
    let mut reply = of(status, "text/html;charset=UTF-8", page);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// Bare words, as identity and userinfo answer errors: labelled HTML, no markup.
pub(crate) fn word(status: u16, word: &'static str) -> Reply {
    of(status, "text/html;charset=UTF-8", word)
}

pub(crate) fn empty(status: u16) -> Reply {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
}

pub(crate) fn redirect(status: u16, location: &str) -> Reply {
    let mut reply = empty(status);
    if let Ok(location) = HeaderValue::from_str(location) {
        reply.headers_mut().insert(LOCATION, location);
    }
    no_store(reply)
}

pub(crate) fn no_store(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    reply
}

/// Pages of every origin may read it (H: CORS for OAuth endpoints).
pub(crate) fn everywhere(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    reply
}

pub(crate) fn with_cookie(mut reply: Reply, cookie: &str) -> Reply {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        reply.headers_mut().append(SET_COOKIE, cookie);
    }
    reply
}

/// `{"error":…,"error_description":…}`.
pub(crate) fn oauth_error(error: &OauthError) -> Reply {
    let body = serde_json::json!({ "error": error.error, "error_description": error.description });
    no_store(json(error.status, &body))
}
