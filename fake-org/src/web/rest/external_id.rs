//! `/sobjects/X/ExternalIdField/Value`: read, upsert, delete by external id. And `/sobjects/X/ID/Relationship`.

use serde_json::{Value, json};

use super::blob;
use super::records::{created, object, shown, wanted};
use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::base::ids;
use crate::data::schema::{Field, Kind, Object};
use crate::data::{ApiError, Inner};

/// What the last part of the path names.
pub(super) enum Match {
    None,
    One(String),
    /// Several records: 300 and their paths, not an error array.
    Many(Vec<String>),
}

pub(super) fn key(object: &'static Object, name: &str) -> std::result::Result<&'static Field, ApiError> {
    object
        .field(name)
        .filter(|field| field.external_id || field.name == "Id")
        .ok_or_else(|| ApiError::no_external_id(name))
}

pub(super) fn find(data: &Inner, object: &Object, field: &Field, value: &str) -> Result<Match> {
    if field.name == "Id" {
        data.record(object, value, &[])?;
        return Ok(Match::One(value.to_owned()));
    }
    let mut ids = data.ids_by_key(object, field, value)?;
    Ok(match ids.len() {
        0 => Match::None,
        1 => ids.pop().map_or(Match::None, Match::One),
        _ => Match::Many(ids),
    })
}

fn choices(request: &RestRequest<'_>, object: &Object, ids: &[String]) -> Response {
    let paths: Vec<Value> = ids.iter().map(|id| json!(request.record_path(object.name, id))).collect();
    Response::json(300, Value::Array(paths))
}

pub(super) fn retrieve(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(1))?;
    if object.field(request.part(2)).is_none() && ids::normalize(request.part(2)).is_some() {
        return related(request, data, object);
    }
    let field = key(object, request.part(2))?;
    let fields = wanted(object, request.param("fields"))?;
    match find(data, object, field, request.part(3))? {
        Match::None => Err(ApiError::not_found().into()),
        Match::One(id) => Ok(Response::json(200, Value::Object(shown(request, data, object, &id, &fields)?))),
        Match::Many(ids) => Ok(choices(request, object, &ids)),
    }
}

/// A parent as a record, children as a query result, a file as its bytes.
fn related(request: &RestRequest<'_>, data: &Inner, object: &'static Object) -> Result {
    let (id, name) = (request.part(2), request.part(3));
    if let Some(field) = object.field(name).filter(|field| field.kind == Kind::Base64) {
        return blob::download(data, object, id, field);
    }
    if let Some((lookup, parent)) = data.schema.relationship(object, name) {
        let record = data.record(object, id, &[lookup])?;
        let Some(parent_id) = record.get(lookup.name).and_then(Value::as_str) else {
            return Err(ApiError::not_found().into());
        };
        let fields = wanted(parent, request.param("fields"))?;
        return Ok(Response::json(200, Value::Object(shown(request, data, parent, parent_id, &fields)?)));
    }
    let Some((child, lookup)) = data.schema.child(object, name) else {
        return Err(ApiError::not_found().into());
    };
    data.record(object, id, &[])?;
    let fields = wanted(child, request.param("fields"))?;
    let id = ids::normalize(id).unwrap_or_default();
    let mut records = Vec::new();
    for child_id in data.ids_by_key(child, lookup, &id)? {
        records.push(Value::Object(shown(request, data, child, &child_id, &fields)?));
    }
    Ok(Response::json(200, json!({ "totalSize": records.len(), "done": true, "records": records })))
}

pub(super) fn upsert(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(1))?;
    let field = key(object, request.part(2))?;
    let value = request.part(3);
    let mut record = request.record()?;
    if record.keys().any(|key| key.eq_ignore_ascii_case(field.name)) {
        return Err(ApiError::bad(
            "INVALID_FIELD",
            format!("The {} field should not be specified in the sobject data.", field.name),
        )
        .into());
    }
    match find(data, object, field, value)? {
        Match::Many(ids) => Ok(choices(request, object, &ids)),
        Match::None if request.param("updateOnly") == Some("true") => Err(ApiError::not_found().into()),
        Match::None => {
            record.insert(field.name.to_owned(), typed(field, value));
            let id = data.create(object, &record, request.writer())?;
            let body = json!({ "id": id, "success": true, "errors": [], "created": true });
            Ok(created(request, object, &id, body))
        }
        Match::One(id) => {
            data.update(object, &id, &record, request.writer())?;
            // 200 with a body from version 46.0, before that 204.
            if request.version < 46 {
                return Ok(Response::empty(204));
            }
            let id = ids::normalize(&id).unwrap_or(id);
            Ok(Response::json(200, json!({ "id": id, "success": true, "errors": [], "created": false })))
        }
    }
}

/// A key of the path as the field's type.
fn typed(field: &Field, value: &str) -> Value {
    match field.kind {
        Kind::Int | Kind::Double | Kind::Currency => value.parse::<f64>().map_or(json!(value), |n| json!(n)),
        _ => json!(value),
    }
}

pub(super) fn delete(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(1))?;
    let field = key(object, request.part(2))?;
    match find(data, object, field, request.part(3))? {
        Match::None => Err(ApiError::not_found().into()),
        Match::Many(ids) => Ok(choices(request, object, &ids)),
        Match::One(id) => {
            data.delete(object, &id, request.writer())?;
            Ok(Response::empty(204))
        }
    }
}
