//! `/recent`, and which records changed or were deleted in a span of time.

use serde_json::{Value, json};

use super::records::object;
use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::base::clock::{Millis, datetime, moment};
use crate::data::schema::Object;
use crate::data::{ApiError, Inner, parse_datetime};

const DAY: Millis = 86_400_000;

/// Salesforce lists what a user looked at; here it is what the user wrote last.
pub(super) fn recent(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let limit = request.param("limit").and_then(|limit| limit.parse().ok()).unwrap_or(200);
    Ok(Response::json(200, Value::Array(last_written(request, data, None, limit)?)))
}

/// The records this user wrote last, of one object or of all.
pub(super) fn last_written(
    request: &RestRequest<'_>,
    data: &Inner,
    only: Option<&Object>,
    limit: usize,
) -> Result<Vec<Value>> {
    let mut found: Vec<(String, &str, String, String)> = Vec::new();
    let of = |object: &Object| only.is_none_or(|only| only.name == object.name);
    for object in data.schema.objects().iter().filter(|object| of(object)) {
        if object.field("LastModifiedById").is_none() {
            continue;
        }
        let sql = format!(
            "SELECT LastModifiedDate, Id, coalesce(\"{}\", '') FROM \"{}\" WHERE LastModifiedById = ?1 AND \
             IsDeleted = 0 ORDER BY LastModifiedDate DESC LIMIT {limit}",
            object.name_field, object.name
        );
        let mut statement = data.sqlite.prepare_cached(&sql)?;
        let rows = statement
            .query_map([&request.user.id], |row| Ok((row.get(0)?, object.name, row.get(1)?, row.get(2)?)))?;
        for row in rows {
            found.push(row?);
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    found.truncate(limit);
    Ok(found
        .into_iter()
        .map(|(_, object, id, name)| {
            json!({ "attributes": { "type": object, "url": request.record_path(object, &id) }, "Id": id, "Name": name })
        })
        .collect())
}

/// `start` and `end` in stored form.
fn span(request: &RestRequest<'_>, days_back: Millis) -> Result<(String, String)> {
    let read = |name: &str| {
        let text = request
            .param(name)
            .ok_or_else(|| ApiError::bad("MISSING_ARGUMENT", format!("{name} is required")))?;
        // A plus that was not percent-encoded became a space.
        parse_datetime(&text.replace(' ', "+"))
            .ok_or_else(|| ApiError::bad("INVALID_DATE_FORMAT", format!("{name} is no datetime: {text}")))
    };
    let (start, end) = (read("start")?, read("end")?);
    let oldest = datetime(request.now() - days_back * DAY);
    if start < oldest {
        // The wording is unverified.
        return Err(ApiError::bad("INVALID_REPLICATION_DATE", format!("startDate before {oldest}")).into());
    }
    if start >= end {
        return Err(ApiError::bad("INVALID_REPLICATION_DATE", "endDate must be after startDate").into());
    }
    Ok((start, end))
}

/// `/sobjects/X/updated`.
pub(super) fn updated(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(1))?;
    let (start, end) = span(request, 30)?;
    let sql = format!(
        "SELECT Id FROM \"{}\" WHERE IsDeleted = 0 AND SystemModstamp >= ?1 AND SystemModstamp < ?2 ORDER BY SystemModstamp",
        object.name
    );
    let mut statement = data.sqlite.prepare_cached(&sql)?;
    let rows = statement.query_map([&start, &end], |row| row.get(0))?;
    let ids: Vec<String> = rows.collect::<std::result::Result<_, _>>()?;
    Ok(Response::json(200, json!({ "ids": ids, "latestDateCovered": covered(request, &end) })))
}

/// `/sobjects/X/deleted`.
pub(super) fn deleted(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(1))?;
    let (start, end) = span(request, 15)?;
    let sql = format!(
        "SELECT Id, SystemModstamp FROM \"{}\" WHERE IsDeleted = 1 AND SystemModstamp >= ?1 AND SystemModstamp < ?2 \
         ORDER BY SystemModstamp",
        object.name
    );
    let mut statement = data.sqlite.prepare_cached(&sql)?;
    let rows = statement.query_map([&start, &end], |row| {
        Ok(json!({ "id": row.get::<_, String>(0)?, "deletedDate": row.get::<_, String>(1)? }))
    })?;
    let records: Vec<Value> = rows.collect::<std::result::Result<_, _>>()?;
    Ok(Response::json(
        200,
        json!({
            "deletedRecords": records,
            "earliestDateAvailable": datetime(request.org.started - 15 * DAY),
            "latestDateCovered": covered(request, &end),
        }),
    ))
}

/// No later than now.
fn covered(request: &RestRequest<'_>, end: &str) -> String {
    datetime(moment(end).unwrap_or_else(|| request.now()).min(request.now()))
}
