//! `/composite/sobjects/X`: many records by id; one that is not there is null.

use serde_json::{Value, json};

use super::records::{field, object, shown};
use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::data::{ApiError, Inner};

const MOST: usize = 2_000;

pub(super) fn retrieve(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(2))?;
    let (ids, fields) = if request.method == axum::http::Method::POST {
        let body = request.record()?;
        (list(body.get("ids")), list(body.get("fields")))
    } else {
        (split(request.param("ids")), split(request.param("fields")))
    };
    if ids.is_empty() || fields.is_empty() {
        return Err(ApiError::bad("MISSING_ARGUMENT", "ids and fields are required").into());
    }
    if ids.len() > MOST {
        return Err(
            ApiError::bad("EXCEEDED_ID_LIMIT", format!("cannot retrieve more than {MOST} records")).into()
        );
    }
    let fields: Vec<_> =
        fields.iter().map(|name| field(object, name)).collect::<std::result::Result<_, _>>()?;
    let records: Vec<Value> = ids
        .iter()
        .map(|id| shown(request, data, object, id, &fields).map_or(Value::Null, Value::Object))
        .collect();
    Ok(Response::json(200, json!(records)))
}

fn list(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).cloned().unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(String::from).collect()
}

fn split(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(String::from)
        .collect()
}
