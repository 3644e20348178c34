//! The response of a resource. Errors are an array of one, with `fields` when there are any.

use axum::http::{HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::xml;
use crate::base::api_version::LATEST;
use crate::data::{ApiError, DataError};
use crate::web::http_response::{self, HttpResponse};

/// Status, headers and body, before they become HTTP or a part of a composite response.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Empty,
    Json(Value),
    Csv(String),
    /// A file and its type.
    Bytes(String, Vec<u8>),
}

/// What handlers give.
pub(super) type Result<T = Response> = std::result::Result<T, DataError>;

impl Response {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Json(body) }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    pub(super) fn csv(text: String) -> Self {
        Self { status: 200, headers: Vec::new(), body: Body::Csv(text) }
    }

    pub(super) fn file(status: u16, content_type: &str, bytes: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body: Body::Bytes(content_type.to_owned(), bytes) }
    }

    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, json!([{ "message": message, "errorCode": code }]))
    }

    pub(super) fn with(mut self, header: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((header.into(), value.into()));
        self
    }

    pub(super) fn is_success(&self) -> bool {
        self.status < 400
    }

    /// The body as a part of another one.
    pub(super) fn into_value(self) -> Value {
        match self.body {
            Body::Empty => Value::Null,
            Body::Json(value) => value,
            Body::Csv(text) => Value::String(text),
            Body::Bytes(_, bytes) => Value::String(BASE64.encode(bytes)),
        }
    }

    /// JSON in lines and indented (`X-PrettyPrint: 1`).
    pub(super) fn pretty(mut self) -> Self {
        if let Body::Json(value) = &self.body
            && let Ok(text) = serde_json::to_vec_pretty(value)
        {
            self.body = Body::Bytes("application/json;charset=UTF-8".into(), text);
        }
        self
    }

    /// JSON as XML, where [`xml::is_wanted`].
    pub(super) fn formatted(mut self, as_xml: bool) -> Self {
        if let Body::Json(value) = &self.body
            && as_xml
        {
            self.body =
                Body::Bytes("application/xml;charset=UTF-8".into(), xml::document(value).into_bytes());
        }
        self
    }

    pub(super) fn into_reply(mut self) -> HttpResponse {
        let mut reply = match self.body {
            Body::Empty => http_response::empty(self.status),
            Body::Json(value) => http_response::json(self.status, &value),
            Body::Csv(text) => http_response::of(self.status, "text/csv;charset=UTF-8", text),
            Body::Bytes(kind, bytes) => {
                self.headers.insert(0, ("content-type".into(), kind));
                http_response::of(self.status, "application/octet-stream", bytes)
            }
        };
        for (name, value) in self.headers {
            let field = HeaderName::try_from(name).ok().zip(HeaderValue::from_str(&value).ok());
            if let Some((name, value)) = field {
                reply.headers_mut().insert(name, value);
            }
        }
        reply
    }
}

impl From<ApiError> for Response {
    fn from(refusal: ApiError) -> Self {
        let mut item = json!({ "message": refusal.message, "errorCode": refusal.code });
        if !refusal.fields.is_empty() {
            item["fields"] = json!(refusal.fields);
        }
        if let Some((object, ids)) = refusal.duplicates {
            item["duplicateResult"] = duplicates(object, &ids);
        }
        Self::json(refusal.status, json!([item]))
    }
}

impl From<DataError> for Response {
    fn from(error: DataError) -> Self {
        Self::from(refusal(error))
    }
}

/// What a duplicate rule found, as far as the guide shows it; the names of the rules are the standard ones.
fn duplicates(object: &str, ids: &[String]) -> Value {
    let records: Vec<Value> = ids
        .iter()
        .map(|id| {
            let url = format!("/services/data/v{LATEST}.0/sobjects/{object}/{id}");
            let record = json!({ "attributes": { "type": object, "url": url }, "Id": id });
            json!({ "additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record })
        })
        .collect();
    json!({
        "allowSave": true, "duplicateRule": format!("Standard_{object}_Duplicate_Rule"),
        "duplicateRuleEntityType": object, "errorMessage": "Use one of these records?",
        "matchResults": [{
            "entityType": object, "errors": [], "matchEngine": "FuzzyMatchEngine", "matchRecords": records,
            "rule": format!("Standard_{object}_Match_Rule_v1_0"), "size": ids.len(), "success": true,
        }],
    })
}

/// A failure as a refusal; what is no refusal is the emulator's own fault.
pub(super) fn refusal(error: DataError) -> ApiError {
    match error {
        DataError::Refused(refusal) => refusal,
        DataError::Sqlite(error) => ApiError::new(500, "UNKNOWN_EXCEPTION", format!("fake org: {error}")),
    }
}

/// An error within a collection: the code's key is `statusCode` there.
pub(super) fn item_error(error: DataError) -> Value {
    let refusal = refusal(error);
    json!({ "statusCode": refusal.code, "message": refusal.message, "fields": refusal.fields })
}
