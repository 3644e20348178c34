//! `/composite/batch`: several independent calls in one. Each counts.

use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::answer::{Answer, Result};
use super::ask::Ask;
use super::dispatch::dispatch;
use super::guard::version_number;
use crate::data::{Inner, Refusal};

const MOST: usize = 25;

pub(super) fn batch(ask: &Ask<'_>, data: &mut Inner) -> Result {
    let body = ask.record()?;
    let halt = body.get("haltOnError").and_then(Value::as_bool).unwrap_or(false);
    let requests = body.get("batchRequests").and_then(Value::as_array).cloned().unwrap_or_default();
    if requests.is_empty() || requests.len() > MOST {
        // The wording is unverified.
        let text = format!("batchRequests must hold 1 to {MOST} requests");
        return Err(Refusal::bad("INVALID_BATCH_REQUEST", text).into());
    }
    let mut failed = false;
    let results: Vec<Value> = requests
        .iter()
        .enumerate()
        .map(|(i, request)| {
            let answer = if failed && halt {
                Answer::error(412, "BATCH_PROCESSING_HALTED", "Batch processing halted")
            } else {
                // The call itself counted for the first.
                if i > 0 {
                    ask.org.count_api_call();
                }
                match sub(ask, request) {
                    Some(inner) => dispatch(&inner, data),
                    None => Refusal::not_found().into(),
                }
            };
            failed |= !answer.is_success();
            json!({ "statusCode": answer.status, "result": answer.into_value() })
        })
        .collect();
    Ok(Answer::json(200, json!({ "hasErrors": failed, "results": results })))
}

fn sub<'a>(ask: &Ask<'a>, request: &Value) -> Option<Ask<'a>> {
    let url = request["url"].as_str()?.trim_start_matches("/services/data/").trim_start_matches('/');
    let (version, target) = url.split_once('/').unwrap_or((url, ""));
    if target.starts_with("composite/batch") {
        return None;
    }
    let version = version_number(version).ok()?;
    let method = Method::from_bytes(request["method"].as_str()?.as_bytes()).ok()?;
    let input = &request["richInput"];
    let bytes = if input.is_null() { Vec::new() } else { input.to_string().into_bytes() };
    Some(ask.sub(version, method, target, HeaderMap::new(), bytes.into()))
}
