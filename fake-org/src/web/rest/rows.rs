//! `/sobjects/X` and `/sobjects/X/ID`.

use serde_json::{Value, json};

use super::answer::{Answer, Result};
use super::ask::Ask;
use super::conditional;
use crate::data::schema::{Field, Kind, Object};
use crate::data::{Inner, Record, Refusal};

/// The object of a path. An unknown one is an unknown resource.
pub(super) fn object(data: &Inner, name: &str) -> std::result::Result<&'static Object, Refusal> {
    data.schema.object(name).ok_or_else(Refusal::not_found)
}

pub(super) fn create(ask: &Ask<'_>, data: &mut Inner) -> Result {
    let object = object(data, ask.part(1))?;
    let id = data.create(object, &ask.record()?, ask.writer())?;
    Ok(created(ask, object, &id, json!({ "id": id, "success": true, "errors": [] })))
}

/// 201 with the record's place.
pub(super) fn created(ask: &Ask<'_>, object: &Object, id: &str, body: Value) -> Answer {
    Answer::json(201, body).with("location", ask.record_path(object.name, id))
}

pub(super) fn retrieve(ask: &Ask<'_>, data: &mut Inner) -> Result {
    let object = object(data, ask.part(1))?;
    let fields = wanted(object, ask.param("fields"))?;
    let conditions = conditional::read(ask, data, object, ask.part(2))?;
    if let Some(answer) = conditions.answer {
        return Ok(answer);
    }
    let record = shown(ask, data, object, ask.part(2), &fields)?;
    let answer = Answer::json(200, Value::Object(record)).with("last-modified", conditions.last_modified);
    Ok(match conditions.etag {
        Some(etag) => answer.with("etag", etag),
        None => answer,
    })
}

/// The record with `attributes` and `Id`.
pub(super) fn shown(
    ask: &Ask<'_>,
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
    let url = ask.record_path(object.name, &id);
    for field in with_id.iter().filter(|field| field.kind == Kind::Base64) {
        if let Some(place) = record.get_mut(field.name).filter(|place| !place.is_null()) {
            *place = json!(format!("{}/{}", ask.record_path(object.name, &id), field.name));
        }
    }
    record.shift_insert(0, "attributes".into(), json!({ "type": object.name, "url": url }));
    Ok(record)
}

/// `fields=A,B`; all without it.
pub(super) fn wanted(
    object: &'static Object,
    list: Option<&str>,
) -> std::result::Result<Vec<&'static Field>, Refusal> {
    let Some(list) = list else { return Ok(object.fields.iter().collect()) };
    list.split(',').map(str::trim).map(|name| field(object, name)).collect()
}

pub(super) fn field(object: &'static Object, name: &str) -> std::result::Result<&'static Field, Refusal> {
    object.field(name).ok_or_else(|| {
        Refusal::bad("INVALID_FIELD", format!("No such column '{name}' on sobject of type {}", object.name))
    })
}

pub(super) fn update(ask: &Ask<'_>, data: &mut Inner) -> Result {
    let object = object(data, ask.part(1))?;
    if let Some(answer) = conditional::write(ask, data, object, ask.part(2))? {
        return Ok(answer);
    }
    data.update(object, ask.part(2), &ask.record()?, ask.writer())?;
    Ok(Answer::empty(204))
}

pub(super) fn delete(ask: &Ask<'_>, data: &mut Inner) -> Result {
    let object = object(data, ask.part(1))?;
    if let Some(answer) = conditional::write(ask, data, object, ask.part(2))? {
        return Ok(answer);
    }
    data.delete(object, ask.part(2), ask.writer())?;
    Ok(Answer::empty(204))
}
