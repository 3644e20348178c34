//! `mutation { uiapi(input: …) { AccountCreate(input: …) { Record { … } } } }`.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::super::composite::ROLLED_BACK;
use super::super::response::refusal;
use super::super::rest_request::RestRequest;
use super::record::{self, undefined};
use super::{Problem, query};
use crate::data::schema::{Object, Schema};
use crate::data::{ApiError, DataError, Inner, Record};
use crate::graphql::Flattened;

/// Until this version an update returns `success` alone.
const FIRST_WITH_UPDATED_RECORD: u32 = 66;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Create,
    Update,
    Delete,
}

/// `AccountCreate` is a create of Account.
fn action(schema: &Schema, name: &str) -> Option<(Action, &'static Object)> {
    let actions = [("Create", Action::Create), ("Update", Action::Update), ("Delete", Action::Delete)];
    actions.into_iter().find_map(|(end, action)| {
        let object = name.strip_suffix(end)?;
        let found = schema.object(object).filter(|found| found.name == object && !found.read_only)?;
        Some((action, found))
    })
}

pub(super) fn run(
    request: &RestRequest<'_>,
    data: &mut Inner,
    fields: &[Flattened],
) -> std::result::Result<(Value, Vec<Problem>), Vec<Problem>> {
    let mut problems = Vec::new();
    check(request, &data.schema, fields, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut out = Map::new();
    for uiapi in fields {
        let all_or_none = uiapi.arguments.get("input").and_then(|input| input["allOrNone"].as_bool());
        let done = operations(request, data, uiapi, all_or_none.unwrap_or(true), &mut problems);
        out.insert(uiapi.key.clone(), done.into());
    }
    Ok((out.into(), problems))
}

fn check(request: &RestRequest<'_>, schema: &Schema, fields: &[Flattened], problems: &mut Vec<Problem>) {
    for uiapi in fields {
        if uiapi.name != "uiapi" {
            problems.push(undefined(uiapi, "Mutation", &[]));
            continue;
        }
        for field in &uiapi.fields {
            let Some((action, object)) = action(schema, &field.name) else {
                problems.push(undefined(field, "UIAPIMutations", &["uiapi"]));
                continue;
            };
            let path = ["uiapi", field.name.as_str()];
            let payload = format!("{}{action:?}Payload", object.name);
            for part in &field.fields {
                let has_record = action == Action::Create
                    || (action == Action::Update && request.version >= FIRST_WITH_UPDATED_RECORD);
                match part.name.as_str() {
                    "Record" if has_record => {
                        record::check(
                            schema,
                            object,
                            &part.fields,
                            &[&path[..], &["Record"]].concat(),
                            problems,
                        );
                    }
                    "success" if action == Action::Update => {}
                    "Id" if action == Action::Delete => {}
                    "__typename" => {}
                    _ => problems.push(undefined(part, &payload, &path)),
                }
            }
            let input = field.arguments.get("input").and_then(Value::as_object);
            let values = input.and_then(|input| input.get(object.name));
            if input.is_none() || (action != Action::Delete && !values.is_some_and(Value::is_object)) {
                let message = format!(
                    "Validation error of type MissingFieldArgument: Missing field argument input @ '{}'",
                    path.join("/")
                );
                problems.push(Problem::invalid(message, field.at));
            }
            for name in values.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                if object.field(name).is_none_or(|field| field.name != name || field.read_only) {
                    let message = format!(
                        "Validation error of type WrongType: argument 'input.{0}' contains a field not in \
                         '{0}{action:?}Representation': '{name}' @ '{1}'",
                        object.name,
                        path.join("/")
                    );
                    problems.push(Problem::invalid(message, field.at));
                }
            }
        }
    }
}

/// Runs the operations in their order. With `all_or_none` a failure undoes all.
fn operations(
    request: &RestRequest<'_>,
    data: &mut Inner,
    uiapi: &Flattened,
    all_or_none: bool,
    problems: &mut Vec<Problem>,
) -> Map<String, Value> {
    let mut results: Vec<(&Flattened, Result<Value, String>)> = Vec::new();
    let done = data.all_or_none(|data| {
        let mut ids: HashMap<String, String> = HashMap::new();
        for field in &uiapi.fields {
            // Each operation is a step that is undone alone if it fails.
            let result = data.all_or_none(|data| Ok((operation(request, data, field, &mut ids)?, true)));
            results.push((field, result.map_err(|error| refusal(error).message)));
        }
        let failed = results.iter().any(|(_, result)| result.is_err());
        Ok((failed && all_or_none, !(failed && all_or_none)))
    });
    let is_undone = done.unwrap_or(true);
    let mut out = Map::new();
    for (field, result) in results {
        let result = if is_undone { result.and_then(|_| Err(ROLLED_BACK.to_owned())) } else { result };
        let value = result.unwrap_or_else(|message| {
            problems.push(Problem::fetching(message, &[&uiapi.key, &field.key], field.at));
            Value::Null
        });
        out.insert(field.key.clone(), value);
    }
    out
}

fn operation(
    request: &RestRequest<'_>,
    data: &mut Inner,
    field: &Flattened,
    ids: &mut HashMap<String, String>,
) -> Result<Value, DataError> {
    let Some((action, object)) = action(&data.schema, &field.name) else {
        return Err(ApiError::not_found().into());
    };
    let input = field.arguments.get("input").cloned().unwrap_or_default();
    let values: Record = match &input[object.name] {
        Value::Object(values) => values
            .iter()
            .map(|(name, value)| Ok((name.clone(), resolved(value, ids)?)))
            .collect::<Result<_, ApiError>>()?,
        _ => Record::new(),
    };
    let given = resolved(&input["Id"], ids)?;
    let given = given.as_str().unwrap_or_default();
    let id = match action {
        Action::Create => data.create(object, &values, request.writer())?,
        Action::Update => {
            data.update(object, given, &values, request.writer())?;
            given.to_owned()
        }
        Action::Delete => {
            data.delete(object, given, request.writer())?;
            given.to_owned()
        }
    };
    ids.insert(field.key.clone(), id.clone());
    let mut out = Map::new();
    for part in &field.fields {
        let value = match part.name.as_str() {
            "Record" => written(request, data, object, part, &id)?,
            "success" => json!(true),
            "Id" => json!(id),
            _ => json!(format!("{}{action:?}Payload", object.name)),
        };
        out.insert(part.key.clone(), value);
    }
    Ok(out.into())
}

/// `@{alias}` is the id of an earlier operation.
fn resolved(value: &Value, ids: &HashMap<String, String>) -> Result<Value, ApiError> {
    let alias = value.as_str().and_then(|text| text.strip_prefix("@{")?.strip_suffix('}'));
    match alias {
        None => Ok(value.clone()),
        // The wording is unverified.
        Some(alias) => ids.get(alias).map(|id| json!(id)).ok_or_else(|| {
            ApiError::bad("INVALID_INPUT", format!("Invalid reference specified. No value for {alias}"))
        }),
    }
}

/// The record after it was written.
fn written(
    request: &RestRequest<'_>,
    data: &Inner,
    object: &'static Object,
    part: &Flattened,
    id: &str,
) -> Result<Value, DataError> {
    let node = Flattened { key: "node".into(), name: "node".into(), ..part.clone() };
    let edges = Flattened { key: "edges".into(), name: "edges".into(), fields: vec![node], ..part.clone() };
    let all = Flattened { arguments: Map::new(), fields: vec![edges], ..part.clone() };
    let found = query::connection(request, data, object, Some(("Id", id)), &all);
    let found = found.map_err(|message| ApiError::bad("UNKNOWN_EXCEPTION", message))?;
    Ok(found["edges"][0]["node"].clone())
}
