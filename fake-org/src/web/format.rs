//! JSON, XML or a form: the OAuth and identity endpoints write all three.

use axum::http::StatusCode;
use axum::http::header::ACCEPT;
use serde_json::{Map, Value, json};

use super::html::escape;
use super::http_request::HttpRequest;
use super::http_response::{self, HttpResponse};
use crate::auth::error::OauthError;

/// An error in the format that was asked for (jsforce reads revoke's as a form; elsewhere it was seen as JSON).
pub(crate) fn formatted_error(http: &HttpRequest, error: &OauthError) -> HttpResponse {
    let members = json!({ "error": error.error, "error_description": error.description });
    let mut response = formatted(http, "OAuth", members.as_object().unwrap_or(&Map::new()));
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    http_response::no_store(response)
}

/// The members in the format of the parameter `format`, else of `Accept`, else as JSON. With `callback`, JSON
/// becomes a script (JSONP).
pub(crate) fn formatted(http: &HttpRequest, root: &str, members: &Map<String, Value>) -> HttpResponse {
    let accept = http.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = http.param("format").unwrap_or(match accept.split([',', ';']).next().unwrap_or_default() {
        "application/xml" | "text/xml" => "xml",
        "application/x-www-form-urlencoded" => "urlencoded",
        _ => "json",
    });
    match format {
        "urlencoded" => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(members.iter().map(|(key, value)| (key.as_str(), text(value))));
            http_response::of(200, "application/x-www-form-urlencoded;charset=UTF-8", form.finish())
        }
        "xml" => {
            let namespace = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
            let inside: String = members.iter().map(|(name, value)| element(name, value)).collect();
            let body =
                format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{root} {namespace}>{inside}</{root}>");
            http_response::of(200, "application/xml;charset=UTF-8", body)
        }
        _ => {
            let json = Value::Object(members.clone());
            match script_function(http) {
                Some(function) => {
                    http_response::of(200, "text/javascript;charset=UTF-8", format!("{function}({json});"))
                }
                None if http.headers.get("x-prettyprint").is_some_and(|value| value == "1") => {
                    http_response::of(200, "application/json;charset=UTF-8", format!("{json:#}"))
                }
                None => http_response::json(200, &json),
            }
        }
    }
}

/// The function that JSONP asks for; only what cannot be anything but a name.
pub(crate) fn script_function(http: &HttpRequest) -> Option<&str> {
    http.param("callback")
        .filter(|name| name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_.$".contains(&c)))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

fn element(name: &str, value: &Value) -> String {
    match value {
        Value::Null => format!("<{name} xsi:nil=\"true\"/>"),
        Value::Object(members) => {
            let inside: String = members.iter().map(|(name, value)| element(name, value)).collect();
            format!("<{name}>{inside}</{name}>")
        }
        value => format!("<{name}>{}</{name}>", escape(&text(value))),
    }
}
