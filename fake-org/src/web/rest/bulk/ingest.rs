//! `/jobs/ingest`: create, upload, start, watch, read results.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::external_id::key;
use super::super::response::{Response, Result};
use super::super::rest_request::RestRequest;
use super::{DELIMITERS, LINE_ENDINGS, choice, job, wrong_state};
use crate::auth::quirks::FailedResults;
use crate::data::csv;
use crate::data::{ApiError, Inner, Record};
use crate::jobs::{Ingest, Job, State, Work};

/// Characters of data in the request that makes the job.
const MOST_IN_ONE_REQUEST: usize = 100_000;

const OPERATIONS: [&str; 5] = ["insert", "update", "upsert", "delete", "hardDelete"];

pub(in super::super) fn create(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    // In parts, the first of them is the job.
    let body = if in_parts(request) { request.record()? } else { request.json_object()? };
    let operation = choice(&body, "operation", &OPERATIONS, "")?;
    choice(&body, "contentType", &["CSV"], "CSV")?;
    let name = body.get("object").and_then(serde_json::Value::as_str).unwrap_or_default();
    let object = data
        .schema
        .object(name)
        .ok_or_else(|| ApiError::bad("INVALIDENTITY", format!("Unable to find object: {name}")))?;
    let external_id = body.get("externalIdFieldName").and_then(serde_json::Value::as_str);
    if operation == "upsert" {
        let Some(field) = external_id else {
            return Err(ApiError::bad("INVALIDJOB", "externalIdFieldName is required for upsert").into());
        };
        key(object, field)?;
    }
    let data = small(request, &body)?;
    let now = request.now();
    let new = Job {
        id: String::new(),
        user_id: request.user.id.clone(),
        version: request.version,
        object: object.name.to_owned(),
        operation,
        column_delimiter: choice(&body, "columnDelimiter", &DELIMITERS, "COMMA")?,
        line_ending: choice(&body, "lineEnding", &LINE_ENDINGS, "LF")?,
        created: now,
        state: if data.is_some() { State::UploadComplete } else { State::Open },
        since: now,
        error: None,
        work: Work::Ingest(Ingest { external_id: external_id.map(String::from), data, ..Ingest::default() }),
    };
    let job = request.org.jobs(|jobs| jobs.add(new));
    Ok(Response::json(200, shown(request, &job, false)))
}

fn in_parts(request: &RestRequest<'_>) -> bool {
    request.header("content-type").is_some_and(|kind| kind.starts_with("multipart/"))
}

/// The data of a job that was made in one request, with the job in one part of its body and the data in the other.
fn small(request: &RestRequest<'_>, body: &Record) -> Result<Option<Vec<u8>>> {
    let text = body.get("content").and_then(serde_json::Value::as_str).filter(|_| in_parts(request));
    let Some(text) = text else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(text).unwrap_or_default();
    if bytes.len() > MOST_IN_ONE_REQUEST {
        // The wording is unverified.
        let text = format!("at most {MOST_IN_ONE_REQUEST} characters with a multipart job");
        return Err(ApiError::bad("INVALIDJOB", text).into());
    }
    Ok(Some(bytes))
}

fn shown(request: &RestRequest<'_>, job: &Job, whole: bool) -> serde_json::Value {
    let mut body = super::shown(request, job, whole);
    let Work::Ingest(ingest) = &job.work else { return body };
    // Without a leading slash.
    body["contentUrl"] = json!(format!("services/data/v{}.0/jobs/ingest/{}/batches", job.version, job.id));
    body["jobType"] = json!("V2Ingest");
    if let Some(field) = &ingest.external_id {
        body["externalIdFieldName"] = json!(field);
    }
    if whole {
        body["apexProcessingTime"] = json!(0);
        body["apiActiveProcessingTime"] = body["totalProcessingTime"].clone();
        body["numberRecordsProcessed"] = json!(ingest.successful.len() + ingest.failed.len());
        body["numberRecordsFailed"] = json!(ingest.failed.len());
    }
    body
}

pub(in super::super) fn list(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    Ok(super::list(request, true))
}

pub(in super::super) fn show(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    Ok(Response::json(200, shown(request, &job(request, true)?, true)))
}

pub(in super::super) fn upload(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let job = job(request, true)?;
    if !request.header("content-type").unwrap_or_default().starts_with("text/csv") {
        return Err(ApiError::new(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be text/csv").into());
    }
    let body = request.body.to_vec();
    let taken = request.org.jobs(|jobs| match jobs.find(&job.id, true) {
        Some(Job { state: State::Open, work: Work::Ingest(ingest), .. }) if ingest.data.is_none() => {
            ingest.data = Some(body);
            true
        }
        _ => false,
    });
    if taken {
        return Ok(Response::empty(201));
    }
    Err(wrong_state("Found multiple contents for job: one upload per job, while it is open").into())
}

/// `{"state":"UploadComplete"}` or `{"state":"Aborted"}`.
pub(in super::super) fn change(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let job = job(request, true)?;
    let body = request.json_object()?;
    let wanted = body.get("state").and_then(serde_json::Value::as_str).unwrap_or_default();
    let now = request.now();
    let state = match (job.state, wanted) {
        (State::Open, "UploadComplete") => State::UploadComplete,
        (State::Open | State::UploadComplete, "Aborted") => State::Aborted,
        (State::Done, "Aborted") => {
            return Err(wrong_state("Aborting already Completed Job not allowed").into());
        }
        _ => {
            let text = format!("Job state transition to {wanted} is not allowed");
            return Err(wrong_state(&text).into());
        }
    };
    let changed = request.org.jobs(|jobs| {
        let job = jobs.find(&job.id, true)?;
        job.enter(state, now);
        if state == State::Aborted {
            super::load::leave(job);
        }
        Some(job.clone())
    });
    let changed = changed.ok_or_else(ApiError::not_found)?;
    Ok(Response::json(200, shown(request, &changed, false)))
}

pub(in super::super) fn delete(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    super::delete(request, true)
}

fn results(
    request: &RestRequest<'_>,
    more: &[&str],
    rows: impl FnOnce(&Ingest) -> Vec<Vec<String>>,
) -> Result {
    let job = job(request, true)?;
    let Work::Ingest(ingest) = &job.work else { return Err(ApiError::not_found().into()) };
    let header: Vec<String> =
        more.iter().map(|name| (*name).to_owned()).chain(ingest.header.clone()).collect();
    let rows = rows(ingest);
    Ok(Response::csv(csv::write(&header, rows.into_iter(), &job.column_delimiter, &job.line_ending)))
}

fn row(first: &str, second: &str, cells: &[String]) -> Vec<String> {
    [first.to_owned(), second.to_owned()].into_iter().chain(cells.iter().cloned()).collect()
}

pub(in super::super) fn successful(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    results(request, &["sf__Id", "sf__Created"], |ingest| {
        ingest.successful.iter().map(|(id, made, cells)| row(id, &made.to_string(), cells)).collect()
    })
}

pub(in super::super) fn failed(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    match request.org.settings().failed_results {
        FailedResults::Csv => {}
        FailedResults::NoContent => return Ok(Response::empty(204)),
        FailedResults::Empty => return Ok(Response::csv(String::new())),
    }
    results(request, &["sf__Id", "sf__Error"], |ingest| {
        ingest.failed.iter().map(|(id, error, cells)| row(id, error, cells)).collect()
    })
}

pub(in super::super) fn unprocessed(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    results(request, &[], |ingest| ingest.unprocessed.clone())
}
