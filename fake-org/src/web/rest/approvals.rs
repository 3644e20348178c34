//! `/process/approvals` (REST API Developer Guide, "Process Approvals"). The declared processes have one step, whose
//! approver is the submitter.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::base::ids;
use crate::data::{ApiError, Inner};

pub(super) fn list(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let mut approvals: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (process, number) in request.org.declared.approval_processes.iter().zip(1..) {
        approvals.entry(&process.object).or_default().push(json!({
            "description": null, "id": ids::make("04a", number), "name": process.name, "object": process.object,
            "sortOrder": number,
        }));
    }
    Ok(Response::json(200, json!({ "approvals": approvals })))
}

/// Those that succeed are committed. One failure makes the status 400, as recorded responses have it.
pub(super) fn run(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let body = request.json_object()?;
    let requests = body.get("requests").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut results: Vec<Value> = Vec::new();
    for one in &requests {
        results.push(step(request, data, one).unwrap_or_else(|refusal| {
            json!({
                "actorIds": null, "entityId": null, "instanceId": null, "instanceStatus": null, "newWorkitemIds": null,
                "errors": [{ "statusCode": refusal.code, "message": refusal.message, "fields": [] }],
                "success": false,
            })
        }));
    }
    let failed = results.iter().any(|result| result["success"] == false);
    // In the guide's example the results of those that wait come last.
    results.sort_by_key(|result| result["instanceStatus"] == "Pending");
    Ok(Response::json(if failed { 400 } else { 200 }, Value::Array(results)))
}

fn step(request: &RestRequest<'_>, data: &Inner, one: &Value) -> std::result::Result<Value, ApiError> {
    let context = ids::normalize(one["contextId"].as_str().unwrap_or_default());
    let context = context.ok_or_else(|| ApiError::bad("MALFORMED_ID", "contextId: malformed id"))?;
    let (entity, status, item) = match one["actionType"].as_str() {
        Some("Submit") => {
            let object = data.schema.object_of(&context);
            let exists = object.filter(|object| data.record(object, &context, &[]).is_ok());
            let wanted = one["processDefinitionNameOrId"].as_str();
            let mut processes = request.org.declared.approval_processes.iter();
            let has_process = exists.is_some_and(|object| {
                processes.any(|process| {
                    process.object == object.name && wanted.is_none_or(|name| name == process.name)
                })
            });
            if !has_process {
                let message = "No applicable approval process was found.";
                return Err(ApiError::bad("NO_APPLICABLE_PROCESS", message));
            }
            let item = request.org.approvals(|approvals| {
                if approvals.open.values().any(|record| *record == context) {
                    return None;
                }
                approvals.last += 1;
                let item = ids::make("04i", approvals.last);
                approvals.open.insert(item.clone(), context.clone());
                Some(item)
            });
            let message = "Cannot submit object already in process.";
            let item = item.ok_or_else(|| ApiError::bad("ALREADY_IN_PROCESS", message))?;
            (context, "Pending", Some(item))
        }
        Some(action @ ("Approve" | "Reject")) => {
            // The text is unverified.
            let closed = || ApiError::bad("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id");
            let record =
                request.org.approvals(|approvals| approvals.open.remove(&context)).ok_or_else(closed)?;
            (record, if action == "Approve" { "Approved" } else { "Rejected" }, None)
        }
        _ => return Err(ApiError::bad("INVALID_INPUT", "actionType: Submit, Approve or Reject")),
    };
    let number = request.org.approvals(|approvals| approvals.last);
    Ok(json!({
        "actorIds": item.as_ref().map(|_| [&request.user.id]), "entityId": entity, "errors": null,
        "instanceId": ids::make("04g", number), "instanceStatus": status,
        "newWorkitemIds": item.into_iter().collect::<Vec<_>>(), "success": true,
    }))
}
