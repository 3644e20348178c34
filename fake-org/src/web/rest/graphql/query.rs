//! `query { uiapi { query { Account(…) { edges { node { … } } } } } }`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::super::rest_request::RestRequest;
use super::record::{self, undefined};
use super::{Problem, filter};
use crate::data::Inner;
use crate::data::schema::{Object, Schema};
use crate::graphql::Flattened;
use crate::soql::{self, Plan, Scope};

/// Records of a page when `first` does not say.
const DEFAULT_FIRST: usize = 10;
/// The most records that one subquery returns.
const MOST: usize = 2_000;

type Done = std::result::Result<(Value, Vec<Problem>), Vec<Problem>>;

pub(super) fn run(request: &RestRequest<'_>, data: &mut Inner, fields: &[Flattened]) -> Done {
    let mut problems = Vec::new();
    check(&data.schema, fields, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut out = Map::new();
    let mut subqueries = 0_u32;
    for uiapi in fields {
        let mut groups = Map::new();
        for group in &uiapi.fields {
            let mut found = Map::new();
            for field in &group.fields {
                let Some(object) = data.schema.object(&field.name) else { continue };
                subqueries += 1;
                let value = match connection(request, data, object, None, field) {
                    Ok(connection) => connection,
                    Err(message) => {
                        let path = [uiapi.key.as_str(), &group.key, &field.key];
                        problems.push(Problem::fetching(message, &path, field.at));
                        Value::Null
                    }
                };
                found.insert(field.key.clone(), value);
            }
            groups.insert(group.key.clone(), found.into());
        }
        out.insert(uiapi.key.clone(), groups.into());
    }
    // Each subquery counts; the request itself was counted.
    for _ in 1..subqueries {
        request.org.count_api_call();
    }
    Ok((out.into(), problems))
}

fn check(schema: &Schema, fields: &[Flattened], problems: &mut Vec<Problem>) {
    for uiapi in fields {
        if uiapi.name != "uiapi" {
            problems.push(undefined(uiapi, "Query", &[]));
            continue;
        }
        for group in &uiapi.fields {
            if group.name != "query" {
                problems.push(undefined(group, "UIAPI", &["uiapi"]));
                continue;
            }
            for field in &group.fields {
                // Names have one case in GraphQL.
                match schema.object(&field.name).filter(|object| object.name == field.name) {
                    Some(object) => {
                        check_connection(schema, object, field, &["uiapi", "query", &field.name], problems);
                    }
                    None => problems.push(undefined(field, "RecordQuery", &["uiapi", "query"])),
                }
            }
        }
    }
}

/// Checks what is selected of a list of records, and its arguments.
pub(super) fn check_connection(
    schema: &Schema,
    object: &'static Object,
    field: &Flattened,
    path: &[&str],
    problems: &mut Vec<Problem>,
) {
    if field.fields.is_empty() {
        let message = format!(
            "Validation error of type SubSelectionRequired: Sub selection required for type {}Connection of field {} \
             @ '{}'",
            object.name,
            field.name,
            path.join("/")
        );
        problems.push(Problem::invalid(message, field.at));
    }
    if let Err(message) = arguments(schema, object, field) {
        let message = format!("Validation error of type WrongType: {message} @ '{}'", path.join("/"));
        problems.push(Problem::invalid(message, field.at));
    }
    for part in &field.fields {
        match part.name.as_str() {
            "edges" => {
                for edge in &part.fields {
                    match edge.name.as_str() {
                        "node" => {
                            let path = [path, &["edges", "node"]].concat();
                            record::check(schema, object, &edge.fields, &path, problems);
                        }
                        "cursor" | "__typename" => {}
                        _ => problems.push(undefined(edge, &format!("{}Edge", object.name), path)),
                    }
                }
            }
            "pageInfo" => {
                for info in &part.fields {
                    let known = ["hasNextPage", "hasPreviousPage", "startCursor", "endCursor"];
                    if !known.contains(&info.name.as_str()) {
                        problems.push(undefined(info, "PageInfo", path));
                    }
                }
            }
            "totalCount" | "pageResultCount" | "__typename" => {}
            _ => problems.push(undefined(part, &format!("{}Connection", object.name), path)),
        }
    }
}

struct Arguments {
    filter: String,
    order: String,
    first: usize,
    start: usize,
}

fn arguments(schema: &Schema, object: &'static Object, field: &Flattened) -> Result<Arguments, String> {
    let mut out = Arguments { filter: String::new(), order: String::new(), first: DEFAULT_FIRST, start: 0 };
    for (name, value) in field.arguments.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "where" => out.filter = filter::condition(schema, object, "", value)?,
            "orderBy" => out.order = filter::order(schema, object, "", value)?.join(", "),
            "first" | "upperBound" => {
                let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
                let number = number
                    .ok_or_else(|| format!("argument '{name}' with value '{value}' is not a valid 'Int'"))?;
                if name == "first" {
                    out.first = number.min(MOST);
                }
            }
            "after" => {
                let start = value.as_str().and_then(position);
                let wrong = || format!("argument 'after' with value '{value}' is not a valid cursor");
                out.start = start.ok_or_else(wrong)? + 1;
            }
            "scope" => {}
            _ => return Err(format!("unknown argument '{name}'")),
        }
    }
    Ok(out)
}

/// The place of a record by its cursor: `v1:9`, as in the guide.
fn position(cursor: &str) -> Option<usize> {
    let text = String::from_utf8(BASE64.decode(cursor).ok()?).ok()?;
    text.strip_prefix("v1:")?.parse().ok()
}

fn cursor(position: usize) -> String {
    BASE64.encode(format!("v1:{position}"))
}

/// Runs the query behind a list of records. `of`: the lookup and the id of the parent.
pub(super) fn connection(
    request: &RestRequest<'_>,
    data: &Inner,
    object: &'static Object,
    of: Option<(&str, &str)>,
    field: &Flattened,
) -> Result<Value, String> {
    let arguments = arguments(&data.schema, object, field)?;
    let edges = field.fields.iter().filter(|part| part.name == "edges");
    let nodes: Vec<&Flattened> =
        edges.flat_map(|part| &part.fields).filter(|edge| edge.name == "node").collect();
    let mut columns = vec!["Id".to_owned()];
    for node in &nodes {
        record::columns(&data.schema, object, "", &node.fields, &mut columns);
    }
    let mut conditions: Vec<String> = of.iter().map(|(lookup, id)| format!("{lookup} = '{id}'")).collect();
    conditions.extend(Some(arguments.filter).filter(|filter| !filter.is_empty()));
    let mut text = format!("SELECT {} FROM {}", columns.join(", "), object.name);
    if !conditions.is_empty() {
        text.push_str(&format!(" WHERE ({})", conditions.join(") AND (")));
    }
    if !arguments.order.is_empty() {
        text.push_str(&format!(" ORDER BY {}", arguments.order));
    }
    let scope = field.arguments.get("scope").and_then(Value::as_str) == Some("MINE");
    if scope {
        text = text.replacen(
            &format!("FROM {}", object.name),
            &format!("FROM {} USING SCOPE mine", object.name),
            1,
        );
    }
    let failed = |error: crate::data::DataError| super::super::response::refusal(error).message;
    let plan =
        soql::compile(&text, request.requester(Scope::Live), &data.schema).map_err(|error| error.message)?;
    let Plan::Rows(plan) = plan else { return Err("fake org: not a query for records".into()) };
    let keys = plan.keys(data).map_err(failed)?;
    let end = (arguments.start + arguments.first).min(keys.len());
    let page = keys.get(arguments.start..end).unwrap_or_default();
    let link = |object: &str, id: &str| request.record_path(object, id);
    let records = plan.records(data, page, &link).map_err(failed)?;
    let mut out = Map::new();
    for part in &field.fields {
        let value = match part.name.as_str() {
            "edges" => {
                let mut edges = Vec::new();
                for (record, place) in records.iter().zip(arguments.start..) {
                    let mut edge = Map::new();
                    for field in &part.fields {
                        let value = match field.name.as_str() {
                            "node" => record::node(request, data, object, &field.fields, record)?,
                            "cursor" => json!(cursor(place)),
                            _ => json!(format!("{}Edge", object.name)),
                        };
                        edge.insert(field.key.clone(), value);
                    }
                    edges.push(edge.into());
                }
                Value::Array(edges)
            }
            "pageInfo" => {
                let (start, end) = (arguments.start, arguments.start + page.len());
                let info = part.fields.iter().map(|info| {
                    let value = match info.name.as_str() {
                        "hasNextPage" => json!(end < keys.len()),
                        "hasPreviousPage" => json!(start > 0),
                        "startCursor" => json!((!page.is_empty()).then(|| cursor(start))),
                        _ => json!((!page.is_empty()).then(|| cursor(end.saturating_sub(1)))),
                    };
                    (info.key.clone(), value)
                });
                Value::Object(info.collect())
            }
            "totalCount" => json!(keys.len()),
            "pageResultCount" => json!(page.len()),
            _ => json!(format!("{}Connection", object.name)),
        };
        out.insert(part.key.clone(), value);
    }
    Ok(out.into())
}
