//! Bulk API 2.0: `/jobs/ingest` and `/jobs/query`. A job takes the time that the org was set to.

pub(super) mod ingest;
mod load;
pub(super) mod query;

use serde_json::{Value, json};

use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::base::clock::datetime;
use crate::data::{ApiError, Inner};
use crate::jobs::{Job, State, Work};
use crate::state::Org;

/// Works off the jobs that are due. Runs before every data request, so a result is there on time, asked for or
/// not.
pub(super) fn settle(org: &Org, data: &mut Inner) {
    let now = org.clock.now();
    let delay = org.settings().bulk_delay;
    for mut job in org.jobs(|jobs| jobs.take_due(now, delay)) {
        let done = match &mut job.work {
            Work::Ingest(_) => load_as_its_user(org, data, &mut job),
            Work::Query(query) => query.plan.keys(data).map(|keys| query.keys = keys),
        };
        match done {
            Ok(()) => job.enter(State::Done, now),
            Err(error) => {
                job.error = Some(super::response::refusal(error).message);
                job.enter(State::Failed, now);
            }
        }
        org.jobs(|jobs| jobs.put_back(job));
    }
}

/// Writes the rows of an ingest job as far as its user may.
fn load_as_its_user(org: &Org, data: &mut Inner, job: &mut Job) -> Result<()> {
    let user = org.auth(|auth| auth.user(&job.user_id).cloned()).ok_or_else(ApiError::not_found)?;
    data.as_seen_by(&user, |data| load::load(org, data, job, &user))
}

/// What both kinds of jobs say of themselves.
fn shown(request: &RestRequest<'_>, job: &Job, whole: bool) -> Value {
    let delay = request.org.settings().bulk_delay;
    let mut body = json!({
        "id": job.id,
        "operation": job.operation,
        "object": job.object,
        "createdById": job.user_id,
        "createdDate": datetime(job.created),
        "systemModstamp": datetime(job.since),
        "state": job.state_name(request.now(), delay),
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        // A number, not a text.
        "apiVersion": f64::from(job.version),
        "lineEnding": job.line_ending,
        "columnDelimiter": job.column_delimiter,
    });
    if whole {
        body["retries"] = json!(0);
        body["totalProcessingTime"] = json!(delay.as_millis() as u64);
        body["jobType"] = json!(job_type(job));
    }
    if let Some(error) = &job.error {
        body["errorMessage"] = json!(error);
    }
    body
}

fn job_type(job: &Job) -> &'static str {
    if job.is_ingest() { "V2Ingest" } else { "V2Query" }
}

/// A copy of the job that the path names.
fn job(request: &RestRequest<'_>, ingest: bool) -> Result<Job> {
    request
        .org
        .jobs(|jobs| jobs.find(request.part(2), ingest).cloned())
        .ok_or_else(|| ApiError::not_found().into())
}

fn list(request: &RestRequest<'_>, ingest: bool) -> Response {
    let jobs = request.org.jobs(|jobs| jobs.list(ingest));
    let records: Vec<Value> = jobs
        .iter()
        .map(|job| {
            let mut item = shown(request, job, false);
            item["jobType"] = json!(job_type(job));
            item
        })
        .collect();
    Response::json(200, json!({ "done": true, "nextRecordsUrl": null, "records": records }))
}

fn wrong_state(message: &str) -> ApiError {
    ApiError::bad("INVALIDJOBSTATE", message)
}

/// Only what is over can be deleted.
fn delete(request: &RestRequest<'_>, ingest: bool) -> Result {
    let job = job(request, ingest)?;
    if matches!(job.state, State::Open | State::UploadComplete) {
        return Err(wrong_state("Deleting a job that is not finished is not allowed").into());
    }
    request.org.jobs(|jobs| jobs.remove(&job.id));
    Ok(Response::empty(204))
}

/// A member of a create body, checked against what is allowed.
fn choice(body: &crate::data::Record, name: &str, allowed: &[&str], default: &str) -> Result<String> {
    let given = body.get(name).and_then(Value::as_str).unwrap_or(default);
    if allowed.contains(&given) {
        return Ok(given.to_owned());
    }
    Err(ApiError::bad("INVALIDJOB", format!("{name}: {given} is not one of {}", allowed.join(", "))).into())
}

const DELIMITERS: [&str; 6] = ["COMMA", "SEMICOLON", "TAB", "PIPE", "CARET", "BACKQUOTE"];
const LINE_ENDINGS: [&str; 2] = ["LF", "CRLF"];
