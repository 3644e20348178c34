//! `/composite/sobjects`: up to 200 records in one request. Always 200, with one item per record in their order.

use serde_json::{Value, json};

use super::external_id::{Match, find, key};
use super::records::object;
use super::response::{Response, Result, item_error};
use super::rest_request::RestRequest;
use crate::base::ids;
use crate::data::schema::{Field, Object};
use crate::data::{ApiError, DataError, Inner, Record};

const MOST: usize = 200;
const CHUNKS: usize = 10;

pub(super) fn create(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let (records, all_or_none) = records(request)?;
    each(data, records, all_or_none, |data, mut record| {
        let object = type_of(data, &mut record)?;
        let id = data.create(object, &record, request.writer())?;
        Ok(json!({ "id": id, "success": true, "errors": [] }))
    })
}

pub(super) fn update(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let (records, all_or_none) = records(request)?;
    each(data, records, all_or_none, |data, mut record| {
        let object = type_of(data, &mut record)?;
        let id = take(&mut record, "Id").ok_or_else(|| {
            // The wording is unverified.
            ApiError::bad("MISSING_ARGUMENT", "Id not specified in an update call").about("Id")
        })?;
        data.update(object, &id, &record, request.writer())?;
        Ok(json!({ "id": ids::normalize(&id), "success": true, "errors": [] }))
    })
}

pub(super) fn upsert(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let (records, all_or_none) = records(request)?;
    let object = object(data, request.part(2))?;
    let field = key(object, request.part(3))?;
    each(data, records, all_or_none, |data, mut record| {
        let of = type_of(data, &mut record)?;
        if of.name != object.name {
            return Err(
                ApiError::bad("INVALID_TYPE", format!("expected {}, not {}", object.name, of.name)).into()
            );
        }
        let (id, created) = upsert_one(request, data, object, field, record)?;
        Ok(json!({ "id": id, "success": true, "errors": [], "created": created }))
    })
}

/// Creates or changes the record that the external id in it names.
pub(super) fn upsert_one(
    request: &RestRequest<'_>,
    data: &mut Inner,
    object: &'static Object,
    field: &'static Field,
    mut record: Record,
) -> Result<(String, bool)> {
    let given = record.iter().find(|(name, _)| name.eq_ignore_ascii_case(field.name)).map(|(_, v)| v.clone());
    let value = match given {
        Some(Value::String(text)) if !text.is_empty() => text,
        Some(Value::Number(number)) => number.to_string(),
        // An upsert by Id without one makes a new record.
        _ if field.name == "Id" => {
            take(&mut record, "Id");
            return Ok((data.create(object, &record, request.writer())?, true));
        }
        _ => return Err(ApiError::bad("MISSING_ARGUMENT", format!("{} not specified", field.name)).into()),
    };
    match find(data, object, field, &value)? {
        Match::None => Ok((data.create(object, &record, request.writer())?, true)),
        Match::One(id) => {
            take(&mut record, field.name);
            data.update(object, &id, &record, request.writer())?;
            Ok((ids::normalize(&id).unwrap_or(id), false))
        }
        Match::Many(_) => Err(ApiError::bad(
            "DUPLICATE_EXTERNAL_ID",
            format!("{}: more than one record found for external id field", field.name),
        )
        .into()),
    }
}

pub(super) fn delete(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let list: Vec<Record> = request
        .param("ids")
        .unwrap_or_default()
        .split(',')
        .filter(|id| !id.trim().is_empty())
        .map(|id| Record::from_iter([("Id".to_owned(), json!(id.trim()))]))
        .collect();
    checked_count(list.len())?;
    let all_or_none = request.param("allOrNone") == Some("true");
    each(data, list, all_or_none, |data, mut record| {
        let id = take(&mut record, "Id").unwrap_or_default();
        let malformed = || ApiError::bad("MALFORMED_ID", format!("malformed id {id}")).about("Id");
        let long = ids::normalize(&id).ok_or_else(malformed)?;
        let object = data.schema.object_of(&long).ok_or_else(malformed)?;
        data.delete(object, &long, request.writer())?;
        Ok(json!({ "id": long, "success": true, "errors": [] }))
    })
}

/// The records of the body, and whether one failure undoes all.
fn records(request: &RestRequest<'_>) -> Result<(Vec<Record>, bool)> {
    let mut body = request.record()?;
    let all_or_none = body.get("allOrNone").and_then(Value::as_bool).unwrap_or(false);
    let Some(Value::Array(items)) = body.shift_remove("records") else {
        return Err(ApiError::bad("MISSING_ARGUMENT", "records is required").into());
    };
    checked_count(items.len())?;
    let records: Option<Vec<Record>> = items
        .into_iter()
        .map(|item| if let Value::Object(record) = item { Some(record) } else { None })
        .collect();
    let records =
        records.ok_or_else(|| ApiError::bad("JSON_PARSER_ERROR", "records holds something else"))?;
    // Consecutive records of one type are one chunk.
    let mut types: Vec<_> =
        records.iter().map(|record| record.get("attributes").and_then(|a| a.get("type"))).collect();
    types.dedup();
    if types.len() > CHUNKS {
        return Err(
            ApiError::bad("LIMIT_EXCEEDED", format!("record list has more than {CHUNKS} chunks")).into()
        );
    }
    Ok((records, all_or_none))
}

fn checked_count(count: usize) -> Result<()> {
    if count > MOST {
        // The wording is unverified.
        let text = format!("record limit reached. cannot submit more than {MOST} records into this call");
        return Err(ApiError::bad("EXCEEDED_ID_LIMIT", text).into());
    }
    Ok(())
}

/// The object named in `attributes.type`, which is taken out.
pub(super) fn type_of(data: &Inner, record: &mut Record) -> Result<&'static Object> {
    let attributes = record.shift_remove("attributes").unwrap_or_default();
    let name = attributes["type"].as_str().unwrap_or_default();
    let unknown = || ApiError::bad("INVALID_TYPE", format!("sObject type '{name}' is not supported."));
    Ok(data.schema.object(name).ok_or_else(unknown)?)
}

pub(super) fn take(record: &mut Record, name: &str) -> Option<String> {
    let key = record.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    record.shift_remove(&key)?.as_str().map(String::from)
}

/// Works through the records. With `allOrNone` one failure undoes the others and says so in their items.
fn each(
    data: &mut Inner,
    records: Vec<Record>,
    all_or_none: bool,
    mut work: impl FnMut(&mut Inner, Record) -> Result<Value>,
) -> Result {
    let items = data.all_or_none(|data| {
        let results: Vec<std::result::Result<Value, DataError>> =
            records.into_iter().map(|record| work(data, record)).collect();
        let undo = all_or_none && results.iter().any(std::result::Result::is_err);
        let items: Vec<Value> = results
            .into_iter()
            .map(|result| match result {
                Ok(_) if undo => failed(json!({
                    "statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                    "message": "Record rolled back because not all records were valid and the request was using AllOrNone header",
                    "fields": [],
                })),
                Ok(item) => item,
                Err(error) => failed(item_error(error)),
            })
            .collect();
        Ok((items, !undo))
    })?;
    Ok(Response::json(200, Value::Array(items)))
}

fn failed(error: Value) -> Value {
    json!({ "success": false, "errors": [error] })
}
