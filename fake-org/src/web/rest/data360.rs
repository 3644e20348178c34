//! `ssot/query-sql` (Data 360 Query Guide; salesforcecdpconnector): declared queries, by their exact text.

use serde_json::{Value, json};

use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::api_specs::Data360Spec;
use crate::data::{ApiError, Inner};

pub(super) fn create(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let declared = &request.org.declared.data360_queries;
    let sql = body["sql"].as_str().unwrap_or_default();
    let dataspace = request.header("dataspace").unwrap_or("default");
    let is_here = |spec: &Data360Spec| spec.dataspace.is_empty() || spec.dataspace == dataspace;
    let Some(number) = declared.iter().position(|spec| spec.sql == sql && is_here(spec)) else {
        // Code and text are unverified.
        return Err(ApiError::new(400, "BAD_REQUEST", "syntax error").into());
    };
    let spec = &declared[number];
    let id = request.org.apis(|apis| {
        let id = apis.id();
        apis.queries.insert(id.clone(), (number, spec.polls));
        id
    });
    let limit = body["rowLimit"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(spec.page);
    let mut response = if spec.polls == 0 { page(spec, 0, limit, true) } else { page(spec, 0, 0, true) };
    response["status"] = status(&id, spec, spec.polls == 0);
    Ok(Response::json(201, response))
}

pub(super) fn show(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let (id, spec, is_finished) = query(request)?;
    Ok(Response::json(200, json!({ "status": status(&id, spec, is_finished) })))
}

pub(super) fn rows(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let (_, spec, _) = query(request)?;
    let number = |name: &str| request.param(name).and_then(|text| text.parse::<usize>().ok());
    let offset = number("offset").unwrap_or(0);
    let limit = number("rowLimit").unwrap_or(spec.page);
    Ok(Response::json(200, page(spec, offset, limit, request.param("omitSchema") != Some("true"))))
}

pub(super) fn cancel(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let id = request.path.get(2).cloned().unwrap_or_default();
    match request.org.apis(|apis| apis.queries.remove(&id)) {
        Some(_) => Ok(Response::empty(204)),
        None => Err(ApiError::not_found().into()),
    }
}

/// The query that the path names. Each look at it is one poll.
fn query<'a>(request: &'a RestRequest<'_>) -> Result<(String, &'a Data360Spec, bool)> {
    let id = request.path.get(2).cloned().unwrap_or_default();
    let found = request.org.apis(|apis| {
        let (number, polls) = apis.queries.get_mut(&id)?;
        *polls = polls.saturating_sub(1);
        Some((*number, *polls == 0))
    });
    let (number, is_finished) = found.ok_or_else(ApiError::not_found)?;
    let spec = request.org.declared.data360_queries.get(number).ok_or_else(ApiError::not_found)?;
    Ok((id, spec, is_finished))
}

fn status(id: &str, spec: &Data360Spec, is_finished: bool) -> Value {
    json!({
        "queryId": id,
        "completionStatus": if is_finished { "ResultsProduced" } else { "Running" },
        "progress": if is_finished { 1.0 } else { 0.5 },
        "rowCount": if is_finished { spec.rows.len() } else { 0 },
        "chunkCount": usize::from(is_finished),
        "expirationTime": "2030-01-01T00:00:00Z",
    })
}

fn page(spec: &Data360Spec, offset: usize, limit: usize, has_schema: bool) -> Value {
    let rows: Vec<_> = spec.rows.iter().skip(offset).take(limit.min(spec.page)).collect();
    let columns = spec
        .columns
        .iter()
        .map(|column| json!({ "name": column.name, "type": column.kind, "nullable": true }));
    let metadata: Vec<_> = if has_schema { columns.collect() } else { Vec::new() };
    json!({ "data": rows, "metadata": metadata, "returnedRows": rows.len() })
}
