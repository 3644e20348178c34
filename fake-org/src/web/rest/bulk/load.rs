//! Writing the rows of an ingest job.

use serde_json::{Value, json};

use super::super::collections::{take, upsert_one};
use super::super::external_id::{Match, find, key};
use super::super::response::{Result, refusal};
use super::super::rest_request::RestRequest;
use crate::data::csv;
use crate::data::schema::{Field, Object};
use crate::data::{ApiError, DataError, Inner, Record};
use crate::jobs::{Ingest, Job, Work};
use crate::state::Org;
use crate::user::User;

/// Each row succeeds or fails alone.
pub(super) fn load(org: &Org, data: &mut Inner, job: &mut Job, user: &User) -> Result<()> {
    let object = data.schema.object(&job.object).ok_or_else(ApiError::not_found)?;
    let Work::Ingest(ingest) = &mut job.work else { return Ok(()) };
    let bytes = ingest.data.take().unwrap_or_default();
    // The end of a line within a quoted text is a part of that text. (Unverified.)
    let is_crlf = csv::first_line_end(&bytes).map(|end| end == "\r\n");
    if is_crlf.is_some_and(|is_crlf| is_crlf != (job.line_ending == "CRLF")) {
        let text = format!(
            "InvalidBatch : Failed to parse CSV: LineEnding is invalid on user data. Current LineEnding setting is {}",
            job.line_ending
        );
        return Err(ApiError::bad("InvalidBatch", text).into());
    }
    let (header, rows) = csv::read(&bytes, &job.column_delimiter).map_err(|error| {
        ApiError::bad("InvalidBatch", format!("InvalidBatch : Failed to parse CSV: {error}"))
    })?;
    let columns: std::result::Result<Vec<Column>, _> =
        header.iter().map(|name| column(data, object, name)).collect();
    ingest.header = header;
    let columns = match columns {
        Ok(columns) => columns,
        Err(unknown) => {
            ingest.unprocessed = rows;
            return Err(unknown.into());
        }
    };
    let request = RestRequest::new(
        org,
        user,
        job.version,
        axum::http::Method::POST,
        "",
        axum::http::HeaderMap::new(),
        "".into(),
    );
    for cells in rows {
        let done = record(data, &columns, &cells)
            .and_then(|record| write(&request, data, object, &job.operation, ingest, record));
        match done {
            Ok((id, made)) => ingest.successful.push((id, made, cells)),
            Err(error) => {
                let refusal = refusal(error);
                let text = format!("{}:{}:{} --", refusal.code, refusal.message, refusal.fields.join(" "));
                let id = columns.iter().position(|column| matches!(column, Column::Own(f) if f.name == "Id"));
                let id = id.and_then(|place| cells.get(place)).cloned().unwrap_or_default();
                ingest.failed.push((id, text, cells));
            }
        }
    }
    Ok(())
}

/// What was uploaded for a job that ends before its turn is not processed.
pub(super) fn leave(job: &mut Job) {
    let Work::Ingest(ingest) = &mut job.work else { return };
    let data = ingest.data.take().unwrap_or_default();
    if let Ok((header, rows)) = csv::read(&data, &job.column_delimiter) {
        (ingest.header, ingest.unprocessed) = (header, rows);
    }
}

/// What a column of the upload fills.
enum Column {
    Own(&'static Field),
    /// `Account.ExternalKey__c`: a lookup, by the parent's external id.
    Parent {
        lookup: &'static Field,
        parent: &'static Object,
        key: &'static Field,
    },
}

fn column(data: &Inner, object: &'static Object, name: &str) -> std::result::Result<Column, ApiError> {
    let unknown = || ApiError::bad("InvalidBatch", format!("InvalidBatch : Field name not found : {name}"));
    match name.split_once('.') {
        None => object.field(name).map(Column::Own).ok_or_else(unknown),
        Some((relationship, field)) => {
            let (lookup, parent) = data.schema.relationship(object, relationship).ok_or_else(unknown)?;
            let key = key(parent, field).map_err(|_| unknown())?;
            Ok(Column::Parent { lookup, parent, key })
        }
    }
}

fn record(data: &Inner, columns: &[Column], cells: &[String]) -> Result<Record> {
    let mut record = Record::new();
    for (column, cell) in columns.iter().zip(cells) {
        // An empty cell leaves the field alone; `#N/A` empties it.
        if cell.is_empty() {
            continue;
        }
        match column {
            Column::Own(field) => {
                record.insert(field.name.to_owned(), csv::value(field, cell));
            }
            Column::Parent { lookup, .. } if cell == "#N/A" => {
                record.insert(lookup.name.to_owned(), Value::Null);
            }
            Column::Parent { lookup, parent, key } => {
                let Match::One(id) = find(data, parent, key, cell)? else {
                    let text = format!(
                        "Foreign key external ID: {cell} not found for field {} in entity {}",
                        key.name, parent.name
                    );
                    return Err(ApiError::bad("INVALID_FIELD", text).into());
                };
                record.insert(lookup.name.to_owned(), json!(id));
            }
        }
    }
    Ok(record)
}

fn write(
    request: &RestRequest<'_>,
    data: &mut Inner,
    object: &'static Object,
    operation: &str,
    ingest: &Ingest,
    mut record: Record,
) -> Result<(String, bool)> {
    let missing = || DataError::from(ApiError::bad("MISSING_ARGUMENT", "Id not specified"));
    match operation {
        "insert" => Ok((data.create(object, &record, request.writer())?, true)),
        "upsert" => {
            let field = key(object, ingest.external_id.as_deref().unwrap_or("Id"))?;
            upsert_one(request, data, object, field, record)
        }
        "update" => {
            let id = take(&mut record, "Id").ok_or_else(missing)?;
            data.update(object, &id, &record, request.writer())?;
            Ok((id, false))
        }
        _ => {
            let id = take(&mut record, "Id").ok_or_else(missing)?;
            data.delete(object, &id, request.writer())?;
            if operation == "hardDelete" {
                data.purge(object, &id)?;
            }
            Ok((id, false))
        }
    }
}
