//! `/sobjects/X/ID/Field`: the bytes of a file.

use serde_json::Value;

use super::response::{Body, Response, Result};
use crate::data::schema::{Field, Object};
use crate::data::{ApiError, Inner};

/// The file with the type that its record says; that of the others is unverified.
pub(super) fn download(data: &Inner, object: &'static Object, id: &str, field: &Field) -> Result {
    let bytes = data.blob(object, id, field)?.ok_or_else(ApiError::not_found)?;
    let kind: Vec<&Field> = object.field("ContentType").into_iter().collect();
    let record = data.record(object, id, &kind)?;
    let kind = record.get("ContentType").and_then(Value::as_str).unwrap_or("application/octetstream");
    Ok(Response { status: 200, headers: Vec::new(), body: Body::Bytes(kind.to_owned(), bytes) })
}
