//! JSON bodies of writes.

use axum::http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::data::{Record, Refusal};
use crate::web::call::Call;

/// The record in the body.
pub(super) fn record(call: &Call) -> Result<Record, Refusal> {
    let content_type = call.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|value| !value.to_ascii_lowercase().contains("json")) {
        return Err(Refusal::new(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            format!("Content-Type: '{}' is not supported", content_type.unwrap_or_default()),
        ));
    }
    match serde_json::from_slice::<Value>(&call.body) {
        Ok(Value::Object(record)) => Ok(record),
        Ok(other) => Err(Refusal::bad(
            "JSON_PARSER_ERROR",
            format!(
                "Can not deserialize SObject out of {}",
                if other.is_array() { "START_ARRAY" } else { "VALUE" }
            ),
        )),
        Err(error) => Err(Refusal::bad(
            "JSON_PARSER_ERROR",
            format!("Unexpected character at [line:{}, column:{}]", error.line(), error.column()),
        )),
    }
}
