//! `/composite/tree/X`: records with their children, all or none.

use serde_json::{Value, json};

use super::records::object;
use super::response::{Response, Result, item_error};
use super::rest_request::RestRequest;
use crate::data::schema::{Field, Object};
use crate::data::{ApiError, Inner, Record};

const MOST: usize = 200;
const LEVELS: usize = 5;
const TYPES: usize = 5;

/// A record of the tree, before its children.
struct Node {
    object: &'static Object,
    reference: String,
    record: Record,
    /// The lookup to the parent, and the parent's place in the list.
    parent: Option<(&'static Field, usize)>,
}

pub(super) fn tree(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(2))?;
    let body = request.record()?;
    let mut nodes = Vec::new();
    flatten(data, body.get("records"), object, None, 1, &mut nodes)?;
    let mut types: Vec<&str> = nodes.iter().map(|node| node.object.name).collect();
    types.sort_unstable();
    types.dedup();
    if nodes.is_empty() || nodes.len() > MOST || types.len() > TYPES {
        // The wording is unverified.
        let text = format!("expected 1 to {MOST} records of at most {TYPES} types");
        return Err(ApiError::bad("LIMIT_EXCEEDED", text).into());
    }
    let done = data.all_or_none(|data| {
        let mut ids: Vec<String> = Vec::new();
        for node in &nodes {
            let mut record = node.record.clone();
            if let Some((lookup, parent)) = node.parent {
                record.insert(lookup.name.to_owned(), json!(ids.get(parent)));
            }
            match data.create(node.object, &record, request.writer()) {
                Ok(id) => ids.push(id),
                Err(error) => {
                    let item = json!({ "referenceId": node.reference, "errors": [item_error(error)] });
                    return Ok((Err(item), false));
                }
            }
        }
        Ok((Ok(ids), true))
    })?;
    Ok(match done {
        Ok(ids) => {
            let results: Vec<Value> = nodes
                .iter()
                .zip(ids)
                .map(|(node, id)| json!({ "referenceId": node.reference, "id": id }))
                .collect();
            Response::json(201, json!({ "hasErrors": false, "results": results }))
        }
        Err(item) => Response::json(400, json!({ "hasErrors": true, "results": [item] })),
    })
}

fn flatten(
    data: &Inner,
    records: Option<&Value>,
    object: &'static Object,
    parent: Option<(&'static Field, usize)>,
    level: usize,
    out: &mut Vec<Node>,
) -> Result<()> {
    if level > LEVELS {
        return Err(ApiError::bad("LIMIT_EXCEEDED", format!("more than {LEVELS} levels")).into());
    }
    for item in records.and_then(Value::as_array).into_iter().flatten() {
        let mut record = item.as_object().cloned().unwrap_or_default();
        let attributes = record.shift_remove("attributes").unwrap_or_default();
        if !attributes["type"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(object.name)) {
            return Err(
                ApiError::bad("INVALID_TYPE", format!("attributes.type must be {}", object.name)).into()
            );
        }
        let reference = attributes["referenceId"].as_str().unwrap_or_default().to_owned();
        if reference.is_empty() || out.iter().any(|node| node.reference == reference) {
            return Err(ApiError::bad(
                "INVALID_INPUT",
                format!("Missing or duplicate referenceId: {reference}"),
            )
            .into());
        }
        let names: Vec<String> = record
            .iter()
            .filter(|(_, value)| value["records"].is_array())
            .map(|(name, _)| name.clone())
            .collect();
        let children: Vec<(String, Value)> = names
            .into_iter()
            .filter_map(|name| record.shift_remove(&name).map(|value| (name, value)))
            .collect();
        let place = out.len();
        out.push(Node { object, reference, record, parent });
        for (name, value) in children {
            let Some((child, lookup)) = data.schema.child(object, &name) else {
                let text = format!("No such relation '{name}' on sobject of type {}", object.name);
                return Err(ApiError::bad("INVALID_FIELD", text).into());
            };
            flatten(data, value.get("records"), child, Some((lookup, place)), level + 1, out)?;
        }
    }
    Ok(())
}
