//! `/jobs/query`: create, watch, read the result page by page.

use serde_json::{Value, json};

use super::super::response::{Response, Result};
use super::super::rest_request::RestRequest;
use super::{DELIMITERS, LINE_ENDINGS, choice, job, shown, wrong_state};
use crate::data::csv;
use crate::data::{ApiError, Inner};
use crate::jobs::{Job, Query, State, Work};
use crate::soql::{self, Plan, RowPlan, Scope};

/// Records of a result page unless the caller asks for fewer.
const PAGE: usize = 50_000;
/// Pages that `resultPages` lists at once.
const PAGES: usize = 5;

pub(in super::super) fn create(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let body = request.json_object()?;
    let operation = choice(&body, "operation", &["query", "queryAll"], "")?;
    choice(&body, "contentType", &["CSV"], "CSV")?;
    let text = body.get("query").and_then(Value::as_str).unwrap_or_default();
    let scope = if operation == "queryAll" { Scope::All } else { Scope::Live };
    let now = request.now();
    // The wording is unverified.
    let refused =
        || ApiError::bad("API_ERROR", "aggregate, nested query or OFFSET is not supported by the Bulk API");
    let Plan::Rows(plan) = soql::compile(text, request.requester(scope), &data.schema)? else {
        return Err(refused().into());
    };
    if plan.columns().is_none() || plan.has_offset {
        return Err(refused().into());
    }
    let new = Job {
        id: String::new(),
        user_id: request.user.id.clone(),
        version: request.version,
        object: plan.object().to_owned(),
        operation,
        column_delimiter: choice(&body, "columnDelimiter", &DELIMITERS, "COMMA")?,
        line_ending: choice(&body, "lineEnding", &LINE_ENDINGS, "LF")?,
        created: now,
        state: State::UploadComplete,
        since: now,
        error: None,
        work: Work::Query(Box::new(Query { plan, keys: Vec::new() })),
    };
    let job = request.org.jobs(|jobs| jobs.add(new));
    Ok(Response::json(200, shown(request, &job, false)))
}

pub(in super::super) fn list(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    Ok(super::list(request, false))
}

pub(in super::super) fn show(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let job = job(request, false)?;
    let mut body = shown(request, &job, true);
    if let Work::Query(query) = &job.work {
        body["numberRecordsProcessed"] = json!(query.keys.len());
    }
    Ok(Response::json(200, body))
}

pub(in super::super) fn change(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let job = job(request, false)?;
    let body = request.json_object()?;
    if body.get("state") != Some(&json!("Aborted")) {
        return Err(wrong_state("a query job can only be aborted").into());
    }
    if job.state != State::UploadComplete {
        return Err(wrong_state("Aborting already Completed Job not allowed").into());
    }
    let now = request.now();
    let aborted = request.org.jobs(|jobs| {
        let job = jobs.find(&job.id, false)?;
        job.enter(State::Aborted, now);
        Some(job.clone())
    });
    Ok(Response::json(200, shown(request, &aborted.ok_or_else(ApiError::not_found)?, false)))
}

pub(in super::super) fn delete(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    super::delete(request, false)
}

/// The finished job and its query; read with the version that made it.
fn finished(request: &RestRequest<'_>) -> Result<(Job, Query)> {
    let job = job(request, false)?;
    if job.version != request.version {
        // Code and wording are unverified.
        let text = format!("the job was made with API version {}.0", job.version);
        return Err(ApiError::new(409, "VERSION_MISMATCH", text).into());
    }
    match &job.work {
        Work::Query(query) if job.state == State::Done => Ok((job.clone(), (**query).clone())),
        // The wording is unverified.
        _ => Err(wrong_state("the job has no results").into()),
    }
}

fn page_size(request: &RestRequest<'_>) -> usize {
    request.param("maxRecords").and_then(|n| n.parse().ok()).filter(|n| *n > 0).unwrap_or(PAGE).min(PAGE)
}

pub(in super::super) fn results(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let (job, query) = finished(request)?;
    let start = match request.param("locator") {
        None => 0,
        Some(locator) => place(locator)
            .filter(|start| *start <= query.keys.len())
            .ok_or_else(|| ApiError::bad("INVALID_LOCATOR", format!("invalid locator {locator}")))?,
    };
    let end = (start + page_size(request)).min(query.keys.len());
    let link = |object: &str, id: &str| request.record_path(object, id);
    let keys = query.keys.get(start..end).unwrap_or_default();
    let records = query.plan.records(data, keys, &link)?;
    let (header, rows) = table(&query.plan, &records);
    let text = csv::write(&header, rows.into_iter(), &job.column_delimiter, &job.line_ending);
    let more = end < query.keys.len();
    Ok(Response::csv(text)
        .with("sforce-numberofrecords", keys.len().to_string())
        // On the last page the text `null`.
        .with("sforce-locator", if more { locator(end) } else { "null".to_owned() }))
}

/// Up to five pages for reading side by side.
pub(in super::super) fn result_pages(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    if request.version < 58 {
        return Err(ApiError::not_found().into());
    }
    let (job, query) = finished(request)?;
    let size = page_size(request);
    let start = request.param("locator").and_then(place).unwrap_or(0);
    let base = format!("/services/data/v{}.0/jobs/query/{}", job.version, job.id);
    let all: Vec<usize> = (start..query.keys.len().max(1)).step_by(size).collect();
    let pages: Vec<Value> = all
        .iter()
        .take(PAGES)
        .map(|start| json!({ "resultUrl": format!("{base}/results?locator={}&maxRecords={size}", locator(*start)) }))
        .collect();
    let next = all
        .get(PAGES)
        .map(|start| format!("{base}/resultPages?locator={}&maxRecords={size}", locator(*start)));
    Ok(Response::json(200, json!({ "resultPages": pages, "nextRecordsUrl": next, "done": next.is_none() })))
}

/// Letters and digits that mean a place in the result.
fn locator(start: usize) -> String {
    format!("MT{start:x}")
}

fn place(locator: &str) -> Option<usize> {
    usize::from_str_radix(locator.strip_prefix("MT")?, 16).ok()
}

fn table(plan: &RowPlan, records: &[Value]) -> (Vec<String>, Vec<Vec<String>>) {
    let columns = plan.columns().unwrap_or_default();
    let header = columns.iter().map(|(path, _)| path.join(".")).collect();
    let rows = records
        .iter()
        .map(|record| {
            let cells = columns.iter();
            let cells = cells
                .map(|(path, is_moment)| cell(record.pointer(&format!("/{}", path.join("/"))), *is_moment));
            cells.collect()
        })
        .collect();
    (header, rows)
}

fn cell(value: Option<&Value>, is_moment: bool) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        // Datetimes end in Z here, unlike in JSON.
        Some(Value::String(text)) => match text.strip_suffix("+0000").filter(|_| is_moment) {
            Some(moment) => format!("{moment}Z"),
            None => text.clone(),
        },
        Some(other) => other.to_string(),
    }
}
