//! `/actions`: the invocable actions that are declared (Actions Developer Guide).

use serde_json::{Map, Value, json};

use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::action_specs::{ActionSpec, Parameter};
use crate::data::{ApiError, Inner};

pub(super) fn kinds(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let root = request.root();
    let body =
        json!({ "standard": format!("{root}/actions/standard"), "custom": format!("{root}/actions/custom") });
    Ok(Response::json(200, body))
}

/// `standard`, or what follows `custom`.
fn kind<'a>(request: &'a RestRequest<'_>) -> &'a str {
    if request.part(1) == "custom" { request.part(2) } else { request.part(1) }
}

fn found<'a>(request: &'a RestRequest<'_>) -> std::result::Result<&'a ActionSpec, ApiError> {
    let (kind, name) = (kind(request), request.path.last().map_or("", String::as_str));
    let mut actions = request.org.declared.actions.iter();
    actions.find(|action| action.kind == kind && action.name == name).ok_or_else(ApiError::not_found)
}

pub(super) fn list(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let kind = kind(request);
    let place = format!("{}/{}", request.root(), request.path.join("/"));
    let actions = request.org.declared.actions.iter().filter(|action| action.kind == kind);
    let actions: Vec<Value> = actions
        .map(|action| {
            json!({
                "label": action.name, "name": action.name, "type": kind.to_uppercase(),
                "url": format!("{place}/{}", action.name),
            })
        })
        .collect();
    Ok(Response::json(200, json!({ "actions": actions })))
}

pub(super) fn describe(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let action = found(request)?;
    let parameter = |parameter: &Parameter| {
        json!({
            "byteLength": 0, "description": null, "label": parameter.name, "maxOccurs": 1, "name": parameter.name,
            "picklistValues": null, "sobjectType": null, "type": parameter.kind,
        })
    };
    let inputs: Vec<Value> = action
        .inputs
        .iter()
        .map(|input| {
            let mut described = parameter(input);
            described["required"] = json!(input.required);
            described
        })
        .collect();
    let mut outputs: Vec<Value> = action.outputs.iter().map(parameter).collect();
    if action.kind == "flow" {
        let status =
            Parameter { name: "Flow__InterviewStatus".into(), kind: "PICKLIST".into(), required: false };
        outputs.push(parameter(&status));
    }
    let body = json!({
        "description": null, "inputs": inputs, "label": action.name, "name": action.name, "outputs": outputs,
        "standard": action.kind == "standard", "targetEntityName": null, "type": action.kind.to_uppercase(),
    });
    Ok(Response::json(200, body))
}

/// Runs the action for each input. One failure makes the status 400 (sfdx-mass-action-scheduler issue 69).
pub(super) fn run(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let action = found(request)?;
    let body = request.json_object()?;
    let Some(inputs) = body.get("inputs").and_then(Value::as_array).filter(|inputs| !inputs.is_empty())
    else {
        // Code and text are unverified.
        return Err(ApiError::bad("INVALID_INPUT", "inputs is required").into());
    };
    let results: Vec<Value> = inputs.iter().map(|input| result(action, input)).collect();
    let failed = results.iter().any(|result| result["isSuccess"] == false);
    Ok(Response::json(if failed { 400 } else { 200 }, Value::Array(results)))
}

fn result(action: &ActionSpec, input: &Value) -> Value {
    let empty = Map::new();
    let values = input.as_object().unwrap_or(&empty);
    let failed = |code: &str, message: String| (Err((code.to_owned(), message)), Value::Null);
    let missing = action
        .inputs
        .iter()
        .find(|known| known.required && values.get(&known.name).is_none_or(Value::is_null));
    let unknown = values.keys().find(|name| !action.inputs.iter().any(|known| known.name == **name));
    let fits = |when: &Map<String, Value>| when.iter().all(|(name, value)| values.get(name) == Some(value));
    let (outcome, outputs): (std::result::Result<(), (String, String)>, Value) = match (missing, unknown) {
        // Codes and texts are unverified.
        (Some(missing), _) => {
            failed("REQUIRED_FIELD_MISSING", format!("Missing required input parameter: {}", missing.name))
        }
        (None, Some(name)) => {
            failed("INVALID_INPUT", format!("The input parameter {name} is not supported."))
        }
        (None, None) => match action.results.iter().find(|result| fits(&result.when)) {
            Some(result) => match &result.error {
                Some(error) => failed(&error.code, error.message.clone()),
                None => (Ok(()), result.outputs.clone().map_or(Value::Null, Value::Object)),
            },
            None => (Ok(()), Value::Null),
        },
    };
    let outputs = match (outputs, &outcome) {
        (Value::Object(mut outputs), Ok(())) if action.kind == "flow" => {
            outputs.insert("Flow__InterviewStatus".into(), json!("Finished"));
            Value::Object(outputs)
        }
        (outputs, _) => outputs,
    };
    let errors = match &outcome {
        Ok(()) => Value::Null,
        Err((code, message)) => json!([{ "statusCode": code, "message": message, "fields": [] }]),
    };
    json!({
        "actionName": action.name, "errors": errors, "invocationId": null, "isSuccess": outcome.is_ok(),
        "outcome": null, "outputValues": outputs, "sortOrder": -1, "version": 1,
    })
}
