//! `/sobjects/X` and `/sobjects/X/ID`.

use serde_json::{Value, json};

use super::conditional;
use super::response::{Response, Result};
use super::rest_request::RestRequest;
use super::ui;
use crate::data::schema::{Field, Kind, Object};
use crate::data::{ApiError, Inner, Record};

/// The object of a path. An unknown one is an unknown resource.
pub(super) fn object(data: &Inner, name: &str) -> std::result::Result<&'static Object, ApiError> {
    data.schema.object(name).ok_or_else(ApiError::not_found)
}

pub(super) fn create(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(1))?;
    let record = ui::with_record_type(request, object, request.record()?)?;
    let id = data.create(object, &record, request.writer())?;
    Ok(created(request, object, &id, json!({ "id": id, "success": true, "errors": [] })))
}

/// 201 with the record's place.
pub(super) fn created(request: &RestRequest<'_>, object: &Object, id: &str, body: Value) -> Response {
    Response::json(201, body).with("location", request.record_path(object.name, id))
}

pub(super) fn retrieve(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(1))?;
    let fields = wanted(object, request.param("fields"))?;
    let conditions = conditional::read(request, data, object, request.part(2))?;
    if let Some(response) = conditions.response {
        return Ok(response);
    }
    let record = shown(request, data, object, request.part(2), &fields)?;
    let response = Response::json(200, Value::Object(record)).with("last-modified", conditions.last_modified);
    Ok(match conditions.etag {
        Some(etag) => response.with("etag", etag),
        None => response,
    })
}

/// The record with `attributes` and `Id`.
pub(super) fn shown(
    request: &RestRequest<'_>,
    data: &Inner,
    object: &Object,
    id: &str,
    fields: &[&Field],
) -> Result<Record> {
    let mut with_id = fields.to_vec();
    if let Some(field) = object.field("Id").filter(|_| !fields.iter().any(|field| field.name == "Id")) {
        with_id.push(field);
    }
    let mut record = data.record(object, id, &with_id)?;
    let id = record.get("Id").and_then(Value::as_str).unwrap_or(id).to_owned();
    let url = request.record_path(object.name, &id);
    for field in with_id.iter().filter(|field| field.kind == Kind::Base64) {
        if let Some(place) = record.get_mut(field.name).filter(|place| !place.is_null()) {
            *place = json!(format!("{}/{}", request.record_path(object.name, &id), field.name));
        }
    }
    record.shift_insert(0, "attributes".into(), json!({ "type": object.name, "url": url }));
    Ok(record)
}

/// `fields=A,B`; all without it.
pub(super) fn wanted(
    object: &'static Object,
    list: Option<&str>,
) -> std::result::Result<Vec<&'static Field>, ApiError> {
    let Some(list) = list else { return Ok(object.fields.iter().collect()) };
    list.split(',').map(str::trim).map(|name| field(object, name)).collect()
}

pub(super) fn field(object: &'static Object, name: &str) -> std::result::Result<&'static Field, ApiError> {
    object.field(name).ok_or_else(|| {
        ApiError::bad("INVALID_FIELD", format!("No such column '{name}' on sobject of type {}", object.name))
    })
}

pub(super) fn update(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(1))?;
    if let Some(response) = conditional::write(request, data, object, request.part(2))? {
        return Ok(response);
    }
    data.update(object, request.part(2), &request.record()?, request.writer())?;
    Ok(Response::empty(204))
}

pub(super) fn delete(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(1))?;
    if let Some(response) = conditional::write(request, data, object, request.part(2))? {
        return Ok(response);
    }
    data.delete(object, request.part(2), request.writer())?;
    Ok(Response::empty(204))
}
