//! `/composite/graph`: composite requests side by side, each all or none.

use serde_json::{Value, json};

use super::composite::{run, subrequests};
use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::data::{ApiError, Inner};

const MOST_GRAPHS: usize = 75;
const MOST_NODES: usize = 500;
/// After so many failed graphs the rest is not tried.
const MOST_FAILURES: usize = 14;

pub(super) fn graph(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    if request.version < 50 {
        return Err(ApiError::not_found().into());
    }
    let body = request.json_object()?;
    let graphs = body.get("graphs").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut parsed = Vec::new();
    for graph in &graphs {
        let id = graph["graphId"].as_str().unwrap_or_default().to_owned();
        parsed.push((id, subrequests(graph.as_object().unwrap_or(&serde_json::Map::new()))?));
    }
    let nodes: usize = parsed.iter().map(|(_, subrequests)| subrequests.len()).sum();
    if parsed.is_empty() || parsed.len() > MOST_GRAPHS || nodes > MOST_NODES {
        // The wording is unverified.
        let text = format!("expected 1 to {MOST_GRAPHS} graphs with at most {MOST_NODES} nodes");
        return Err(ApiError::bad("LIMIT_EXCEEDED", text).into());
    }
    let mut failures = 0;
    let mut graphs = Vec::new();
    for (id, subrequests) in parsed {
        let (responses, fine) = if failures < MOST_FAILURES {
            run(request, data, &subrequests, true)?
        } else {
            let halted = json!([{ "errorCode": "PROCESSING_HALTED", "message": "Processing of the graph was halted" }]);
            let all = subrequests.iter().map(|subrequest| {
                json!({ "body": halted, "httpHeaders": {}, "httpStatusCode": 400, "referenceId": subrequest["referenceId"] })
            });
            (all.collect(), false)
        };
        failures += usize::from(!fine);
        graphs.push(json!({
            "graphId": id, "graphResponse": { "compositeResponse": responses }, "isSuccessful": fine,
        }));
    }
    Ok(Response::json(200, json!({ "graphs": graphs })))
}
