//! Carrying out faults: responses sent instead of the genuine one, and genuine responses corrupted.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER,
};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use super::body;
use super::disconnect::{Disconnect, Place};
use crate::base::clock::machine_now;
use crate::fault::error_body::error_body;
use crate::fault::{Fault, Route};

/// What becomes of a request.
pub(super) enum Outcome {
    Response(Response<Body>),
    /// Reset the connection without a byte.
    Disconnect,
}

impl Outcome {
    /// The response's status; 0 without a response.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Response(response) => response.status().as_u16(),
            Self::Disconnect => 0,
        }
    }
}

/// Returns the response to send instead of handling the request; `None`: handle it.
pub(super) fn replacement(fault: &Fault, route: Option<&Route>) -> Option<Outcome> {
    let json = "application/json;charset=UTF-8";
    Some(Outcome::Response(match fault {
        Fault::Slow
        | Fault::Delay(_)
        | Fault::ResetMidStatus
        | Fault::ResetMidHead
        | Fault::ResetMidBody
        | Fault::ResetAfterBody
        | Fault::LoseResponse
        | Fault::ShortBody
        | Fault::Truncated
        | Fault::Drip
        | Fault::MergeJson(_)
        | Fault::DateSkew(_)
        | Fault::DuplicateCallback
        | Fault::ManyHeaders(_) => return None,
        Fault::ResetBeforeRead | Fault::ResetBeforeResponse => return Some(Outcome::Disconnect),
        Fault::Status(status) => of(*status, json, error_body(*status, route).to_string()),
        Fault::Maintenance => of(503, "text/html;charset=UTF-8", MAINTENANCE),
        Fault::Html => of(
            200,
            "text/html;charset=UTF-8",
            "<!DOCTYPE html><html><body><p>Not what you asked for</p></body></html>",
        ),
        Fault::Garbage => of(200, json, vec![b'{', 0xff, 0xfe, 0x00, b'"', 0xc3, 0x28, b'}', b']', 0x80]),
        Fault::Empty200 => of(200, json, ""),
        Fault::GzipBomb(size) => gzipped(body::gzip_bomb(*size)),
        Fault::BadGzip => gzipped(Body::from("{\"this\":\"is not gzip\"}")),
        Fault::Endless => of(200, json, body::endless()),
        Fault::Redirect { status, location } => {
            let mut response = of(*status, "text/html;charset=UTF-8", "");
            set(&mut response, LOCATION, location);
            response
        }
        Fault::Json(value) => of(200, json, value.to_string()),
        Fault::RawBody { status, content_type, body } => of(*status, content_type, body.0.clone()),
        Fault::DeepJson => {
            const DEPTH: usize = 200_000;
            of(200, json, format!("{}0{}", "{\"a\":[".repeat(DEPTH / 2), "]}".repeat(DEPTH / 2)))
        }
        Fault::RetryAfter { status, seconds } => {
            let mut response = of(*status, json, error_body(*status, route).to_string());
            set(&mut response, RETRY_AFTER, &seconds.to_string());
            response
        }
        Fault::OauthError { error, description, status } => {
            of(*status, json, json!({ "error": error, "error_description": description }).to_string())
        }
        Fault::ApiError { status, code, message } => {
            of(*status, json, json!([{ "message": message, "errorCode": code }]).to_string())
        }
    }))
}

/// Corrupts a genuine response, whose body is known.
pub(super) fn corrupt(fault: &Fault, response: Response<Bytes>, disconnect: &Arc<Disconnect>) -> Outcome {
    let (mut parts, bytes) = response.into_parts();
    let half = bytes.slice(..bytes.len() / 2);
    let whole_length = bytes.len();
    let body = match fault {
        Fault::LoseResponse => return Outcome::Disconnect,
        Fault::ResetMidStatus => {
            disconnect.in_head(Place::StatusLine);
            Body::from(bytes)
        }
        Fault::ResetMidHead => {
            disconnect.in_head(Place::Fields);
            Body::from(bytes)
        }
        Fault::ResetMidBody => body::broken_off(half, Some(Arc::clone(disconnect))),
        Fault::ResetAfterBody => {
            parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
            body::then_disconnect(bytes, Arc::clone(disconnect))
        }
        Fault::ShortBody => body::broken_off(half, None),
        Fault::Truncated => {
            parts.headers.remove(CONTENT_LENGTH);
            return Outcome::Response(Response::from_parts(parts, Body::from(half)));
        }
        Fault::Drip => body::drip(bytes),
        Fault::MergeJson(over) => {
            parts.headers.remove(CONTENT_LENGTH);
            let body = match serde_json::from_slice::<Value>(&bytes) {
                Ok(mut value) => {
                    merge(&mut value, over);
                    Body::from(value.to_string())
                }
                Err(_) => Body::from(bytes),
            };
            return Outcome::Response(Response::from_parts(parts, body));
        }
        Fault::DateSkew(seconds) => {
            if let Ok(date) = HeaderValue::from_str(&date(*seconds)) {
                parts.headers.insert(DATE, date);
            }
            Body::from(bytes)
        }
        Fault::DuplicateCallback => {
            if let Some(page) = parts
                .headers
                .get(LOCATION)
                .and_then(|to| to.to_str().ok())
                .map(crate::web::duplicate_callback)
            {
                return Outcome::Response(page);
            }
            Body::from(bytes)
        }
        Fault::ManyHeaders(n) => {
            for i in 0..*n {
                if let Ok(name) = HeaderName::try_from(format!("x-fake-{i}")) {
                    // The map has an upper limit, far beyond any client's.
                    if parts.headers.try_append(name, HeaderValue::from_static("filler")).is_err() {
                        break;
                    }
                }
            }
            Body::from(bytes)
        }
        _ => Body::from(bytes),
    };
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole_length));
    Outcome::Response(Response::from_parts(parts, body))
}

/// Puts members over those of the response; `null` removes, objects merge.
fn merge(value: &mut Value, over: &Value) {
    match (value, over) {
        (Value::Object(members), Value::Object(over)) => {
            for (name, new) in over {
                match new {
                    Value::Null => {
                        members.shift_remove(name);
                    }
                    Value::Object(_) if members.get(name).is_some_and(Value::is_object) => {
                        merge(members.entry(name).or_insert(Value::Null), new);
                    }
                    _ => {
                        members.insert(name.clone(), new.clone());
                    }
                }
            }
        }
        (value, over) => *value = over.clone(),
    }
}

/// A `Date` so many seconds from now, within the years that the format has.
pub(super) fn date(ahead: i64) -> String {
    const LAST: i64 = 253_402_300_799;
    let at = (machine_now() / 1_000).saturating_add(ahead).clamp(0, LAST);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at.unsigned_abs()))
}

fn of(status: u16, content_type: &str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    set(&mut response, CONTENT_TYPE, content_type);
    response
}

fn gzipped(body: Body) -> Response<Body> {
    let mut response = of(200, "application/json;charset=UTF-8", body);
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    // Hostile values that are no header value at all are left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

const MAINTENANCE: &str = "<!DOCTYPE html>\n<html><head><title>Down for maintenance</title></head>\
<body><h1>We are down for maintenance.</h1><p>Sorry for the inconvenience. We'll be back shortly.</p></body></html>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_any_skew_is_one() {
        for ahead in [i64::MIN, -7_200, 0, 7_200, i64::MAX] {
            assert!(httpdate::parse_http_date(&date(ahead)).is_ok(), "{ahead}");
        }
        assert_eq!(date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn merging_overrides_adds_and_removes() {
        let mut value = json!({ "a": 1, "b": { "c": 2, "d": 3 }, "e": 4 });
        merge(&mut value, &json!({ "a": "x", "b": { "c": null }, "e": null, "f": [1] }));
        assert_eq!(value, json!({ "a": "x", "b": { "d": 3 }, "f": [1] }));
    }
}
