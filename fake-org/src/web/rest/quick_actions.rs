//! `/quickActions` and `/sobjects/X/quickActions` (REST API Developer Guide, "Quick Actions").

use serde_json::{Map, Value, json};

use super::records;
use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::action_specs::QuickActionSpec;
use crate::data::{ApiError, Inner};

/// The object whose page the action is on; empty for a global one.
fn object<'a>(request: &'a RestRequest<'_>) -> &'a str {
    if request.part(0) == "sobjects" { request.part(1) } else { "" }
}

fn found<'a>(request: &'a RestRequest<'_>) -> std::result::Result<&'a QuickActionSpec, ApiError> {
    let object = object(request);
    let name = request.part(if object.is_empty() { 1 } else { 3 });
    let mut actions = request.org.declared.quick_actions.iter();
    let found = actions.find(|action| action.object.eq_ignore_ascii_case(object) && action.name == name);
    found.ok_or_else(ApiError::not_found)
}

/// The actions of an object come with the global ones.
pub(super) fn list(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let wanted = object(request);
    let place = format!("{}/{}", request.root(), request.path.join("/"));
    let actions = request.org.declared.quick_actions.iter();
    let actions =
        actions.filter(|action| action.object.is_empty() || action.object.eq_ignore_ascii_case(wanted));
    let list: Vec<Value> = actions
        .map(|action| {
            let url = format!("{place}/{}", action.name);
            json!({
                "label": action.name, "name": action.name, "type": "Create",
                "urls": {
                    "quickAction": url, "describe": format!("{url}/describe"),
                    "defaultValues": format!("{url}/defaultValues"),
                },
            })
        })
        .collect();
    Ok(Response::json(200, Value::Array(list)))
}

pub(super) fn defaults(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let action = found(request)?;
    let created = records::object(data, &action.creates)?;
    let mut body = Map::new();
    body.insert("attributes".into(), json!({ "type": created.name }));
    for field in created.fields.iter().filter(|field| !field.default.is_empty()) {
        body.insert(field.name.into(), json!(field.default));
    }
    if request.path.len() == 6 && !action.lookup.is_empty() {
        body.insert(action.lookup.clone(), json!(request.part(5)));
    }
    Ok(Response::json(200, Value::Object(body)))
}

/// Creates the record. The shape of the response is that of `PerformQuickActionResult` and of jsforce's
/// `QuickActionResult`; its status is unverified.
pub(super) fn run(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let action = found(request)?;
    let body = request.json_object()?;
    let created = records::object(data, &action.creates)?;
    let mut record = body.get("record").and_then(Value::as_object).cloned().unwrap_or_default();
    let context = body.get("contextId").cloned().unwrap_or_default();
    if !action.lookup.is_empty() && !context.is_null() && !record.contains_key(&action.lookup) {
        record.insert(action.lookup.clone(), context.clone());
    }
    let id = data.create(created, &record, request.writer())?;
    let message = Some(&action.message).filter(|message| !message.is_empty());
    let body = json!({
        "contextId": context, "created": true, "errors": [], "feedItemIds": [], "id": id, "ids": [id], "success": true,
        "successMessage": message,
    });
    Ok(Response::json(201, body))
}
