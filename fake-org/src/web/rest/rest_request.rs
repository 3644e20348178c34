//! A request to a resource: of a client, or a part of a composite one.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{multipart, xml};
use crate::data::{ApiError, Record, Writer};
use crate::soql::{Requester, Scope};
use crate::state::Org;
use crate::user::User;

/// A request and its user.
#[derive(Debug)]
pub(super) struct RestRequest<'a> {
    pub(super) org: &'a Org,
    pub(super) user: &'a User,
    pub(super) version: u32,
    pub(super) method: Method,
    /// Below the version, decoded part by part.
    pub(super) path: Vec<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    query: Vec<(String, String)>,
}

impl<'a> RestRequest<'a> {
    /// `target` is path and query below the version: `sobjects/Account/001…?fields=Name`.
    pub(super) fn new(
        org: &'a Org,
        user: &'a User,
        version: u32,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let path = path.strip_prefix('/').unwrap_or(path);
        // Resources respond with and without a trailing slash.
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parts: Vec<String> =
            path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
        if parts.len() == 1 && parts.first().is_some_and(String::is_empty) {
            parts.clear();
        }
        // A format at the end is cut off, also where it was meant as part of a key.
        if let Some(last) = parts.last_mut() {
            for suffix in [".json", ".xml", ".inc"] {
                if let Some(bare) = last.strip_suffix(suffix) {
                    *last = bare.to_owned();
                }
            }
        }
        let method = real_method(method, &query);
        Self { org, user, version, method, path: parts, headers, body, query }
    }

    /// A request within this one, of the same user.
    pub(super) fn sub(
        &self,
        version: u32,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        Self::new(self.org, self.user, version, method, target, headers, body)
    }

    pub(super) fn part(&self, place: usize) -> &str {
        self.path.get(place).map_or("", String::as_str)
    }

    /// A non-empty parameter.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// An option in a header like `allowSave=true; includeRecordDetails=true`.
    pub(super) fn header_option(&self, header: &str, option: &str) -> Option<&str> {
        self.header(header)?.split([',', ';']).find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case(option).then_some(value.trim())
        })
    }

    pub(super) fn now(&self) -> i64 {
        self.org.clock.now()
    }

    /// The user who sends a query.
    pub(super) fn requester(&self, scope: Scope) -> Requester<'_> {
        Requester { scope, now: self.now(), user_id: &self.user.id }
    }

    pub(super) fn writer(&self) -> Writer<'_> {
        let allow = self.header_option("sforce-duplicate-rule-header", "allowSave");
        Writer {
            user_id: &self.user.id,
            now: self.now(),
            allow_duplicates: allow.is_some_and(|value| value.eq_ignore_ascii_case("true")),
            client: self.header_option("sforce-call-options", "client").unwrap_or_default(),
        }
    }

    /// The version's root, `/services/data/v66.0`.
    pub(super) fn root(&self) -> String {
        format!("/services/data/v{}.0", self.version)
    }

    /// The path of a record, as `attributes.url` has it.
    pub(super) fn record_path(&self, object: &str, id: &str) -> String {
        format!("{}/sobjects/{object}/{id}", self.root())
    }

    /// The body as JSON.
    fn json(&self) -> Result<Value, ApiError> {
        let content_type = self.header("content-type");
        if content_type.is_some_and(|value| !value.to_ascii_lowercase().contains("json")) {
            return Err(ApiError::new(
                415,
                "UNSUPPORTED_MEDIA_TYPE",
                format!("Content-Type: '{}' is not supported", content_type.unwrap_or_default()),
            ));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            ApiError::bad(
                "JSON_PARSER_ERROR",
                format!("Unexpected character at [line:{}, column:{}]", error.line(), error.column()),
            )
        })
    }

    /// A record or another object in the body, in JSON or XML.
    pub(super) fn record(&self) -> Result<Record, ApiError> {
        if self.header("content-type").is_some_and(xml::is_xml) {
            return object(xml::read(&self.body)?);
        }
        self.json_object()
    }

    /// The JSON object in the body, or in the one of several parts that is no file, with the files of the others. For
    /// resources that know no XML: composite requests and graphs, as the guide has it, and jobs of Bulk API 2.0.
    pub(super) fn json_object(&self) -> Result<Record, ApiError> {
        if let Some(boundary) = self.header("content-type").and_then(multipart::boundary) {
            return multipart::record(&self.body, &boundary);
        }
        object(self.json()?)
    }
}

fn object(body: Value) -> Result<Record, ApiError> {
    match body {
        Value::Object(record) => Ok(record),
        other => Err(ApiError::bad(
            "JSON_PARSER_ERROR",
            format!(
                "Can not deserialize SObject out of {}",
                if other.is_array() { "START_ARRAY" } else { "VALUE" }
            ),
        )),
    }
}

/// `POST …?_HttpMethod=PATCH`, for clients without PATCH; HEAD is a GET whose body is not sent.
fn real_method(method: Method, query: &[(String, String)]) -> Method {
    if method == Method::HEAD {
        return Method::GET;
    }
    let tunnelled =
        query.iter().any(|(key, value)| key == "_HttpMethod" && value.eq_ignore_ascii_case("PATCH"));
    if method == Method::POST && tunnelled { Method::PATCH } else { method }
}
