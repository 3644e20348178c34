//! `/composite/batch`: several independent requests in one. Each counts.

use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::dispatch::dispatch;
use super::guard::version_number;
use super::inner_fault;
use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::data::{ApiError, Inner};

const MOST: usize = 25;

pub(super) fn batch(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let body = request.record()?;
    let halt = body.get("haltOnError").and_then(Value::as_bool).unwrap_or(false);
    let subrequests = body.get("batchRequests").and_then(Value::as_array).cloned().unwrap_or_default();
    if subrequests.is_empty() || subrequests.len() > MOST {
        // The wording is unverified.
        let text = format!("batchRequests must hold 1 to {MOST} requests");
        return Err(ApiError::bad("INVALID_BATCH_REQUEST", text).into());
    }
    let mut failed = false;
    let results: Vec<Value> = subrequests
        .iter()
        .enumerate()
        .map(|(i, subrequest)| {
            let response = if failed && halt {
                Response::error(412, "BATCH_PROCESSING_HALTED", "Batch processing halted")
            } else {
                // The request itself counted for the first.
                if i > 0 {
                    request.org.count_api_call();
                }
                match sub(request, subrequest) {
                    Some(inner) => inner_fault::strike(&inner).unwrap_or_else(|| dispatch(&inner, data)),
                    None => ApiError::not_found().into(),
                }
            };
            failed |= !response.is_success();
            json!({ "statusCode": response.status, "result": response.into_value() })
        })
        .collect();
    Ok(Response::json(200, json!({ "hasErrors": failed, "results": results })))
}

fn sub<'a>(request: &RestRequest<'a>, subrequest: &Value) -> Option<RestRequest<'a>> {
    let url = subrequest["url"].as_str()?.trim_start_matches("/services/data/").trim_start_matches('/');
    let (version, target) = url.split_once('/').unwrap_or((url, ""));
    if target.starts_with("composite/batch") {
        return None;
    }
    let version = version_number(request.org, version).ok()?;
    let method = Method::from_bytes(subrequest["method"].as_str()?.as_bytes()).ok()?;
    let input = &subrequest["richInput"];
    let bytes = if input.is_null() { Vec::new() } else { input.to_string().into_bytes() };
    Some(request.sub(version, method, target, HeaderMap::new(), bytes.into()))
}
