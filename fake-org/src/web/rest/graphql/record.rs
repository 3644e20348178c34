//! One record: its fields as objects with `value` and `displayValue`, its parents, its children.

use serde_json::{Map, Value, json};

use super::super::rest_request::RestRequest;
use super::{Problem, query};
use crate::data::Inner;
use crate::data::schema::{Kind, Object, Schema};
use crate::graphql::Flattened;

/// `Field 'X' in type 'Y' is undefined`, in graphql-java's words.
pub(super) fn undefined(field: &Flattened, kind: &str, path: &[&str]) -> Problem {
    let path = [path, &[&field.name]].concat().join("/");
    let message = format!(
        "Validation error of type FieldUndefined: Field '{}' in type '{kind}' is undefined @ '{path}'",
        field.name
    );
    Problem::invalid(message, field.at)
}

/// What a name means on a record.
enum Member {
    /// `Id`, `ApiName`, `__typename`.
    Plain,
    Field(&'static str, Kind),
    Parent(&'static str, &'static Object),
    Children(&'static Object, &'static str),
}

fn member(schema: &Schema, object: &'static Object, name: &str) -> Option<Member> {
    if matches!(name, "Id" | "ApiName" | "__typename") {
        return Some(Member::Plain);
    }
    if let Some(field) = object.field(name).filter(|field| field.name == name && field.kind != Kind::Base64) {
        return Some(Member::Field(field.name, field.kind));
    }
    if let Some((lookup, parent)) = schema.relationship(object, name)
        && let Kind::Reference(_, relationship) = lookup.kind
        && relationship == name
    {
        return Some(Member::Parent(relationship, parent));
    }
    let (child, lookup) = schema.child(object, name).filter(|(_, lookup)| lookup.children == name)?;
    Some(Member::Children(child, lookup.name))
}

/// Checks what is selected of a record.
pub(super) fn check(
    schema: &Schema,
    object: &'static Object,
    fields: &[Flattened],
    path: &[&str],
    problems: &mut Vec<Problem>,
) {
    for field in fields {
        let here = [path, &[&field.name]].concat();
        match member(schema, object, &field.name) {
            None => problems.push(undefined(field, object.name, path)),
            Some(Member::Plain) => {}
            Some(Member::Parent(_, parent)) => check(schema, parent, &field.fields, &here, problems),
            Some(Member::Children(child, _)) => {
                query::check_connection(schema, child, field, &here, problems);
            }
            Some(Member::Field(_, kind)) => {
                let of = value_type(kind);
                if field.fields.is_empty() {
                    let message = format!(
                        "Validation error of type SubSelectionRequired: Sub selection required for type {of} of field \
                         {} @ '{}'",
                        field.name,
                        here.join("/")
                    );
                    problems.push(Problem::invalid(message, field.at));
                }
                for part in &field.fields {
                    let is_label =
                        part.name == "label" && matches!(kind, Kind::Picklist | Kind::MultiPicklist);
                    if !is_label && !matches!(part.name.as_str(), "value" | "displayValue" | "__typename") {
                        problems.push(undefined(part, of, &here));
                    }
                }
            }
        }
    }
}

fn value_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Id | Kind::Reference(..) => "IDValue",
        Kind::Boolean => "BooleanValue",
        Kind::Int => "IntValue",
        Kind::Double => "DoubleValue",
        Kind::Currency => "CurrencyValue",
        Kind::Date => "DateValue",
        Kind::DateTime => "DateTimeValue",
        Kind::Time => "TimeValue",
        Kind::Picklist => "PicklistValue",
        Kind::MultiPicklist => "MultiPicklistValue",
        Kind::TextArea(_) => "TextAreaValue",
        Kind::Email => "EmailValue",
        Kind::Phone => "PhoneNumberValue",
        Kind::Url => "UrlValue",
        Kind::Text(_) | Kind::Base64 => "StringValue",
    }
}

/// The columns in SOQL that a selection needs.
pub(super) fn columns(
    schema: &Schema,
    object: &'static Object,
    prefix: &str,
    fields: &[Flattened],
    columns: &mut Vec<String>,
) {
    for field in fields {
        let mut add = |name: &str| {
            let column = format!("{prefix}{name}");
            if !columns.contains(&column) {
                columns.push(column);
            }
        };
        match member(schema, object, &field.name) {
            Some(Member::Field(name, _)) => add(name),
            Some(Member::Parent(name, parent)) => {
                add(&format!("{name}.Id"));
                self::columns(schema, parent, &format!("{prefix}{name}."), &field.fields, columns);
            }
            Some(Member::Plain | Member::Children(..)) => add("Id"),
            None => {}
        }
    }
}

/// A record of SOQL as it was selected.
pub(super) fn node(
    request: &RestRequest<'_>,
    data: &Inner,
    object: &'static Object,
    fields: &[Flattened],
    record: &Value,
) -> Result<Value, String> {
    let mut out = Map::new();
    for field in fields {
        let value = match member(&data.schema, object, &field.name) {
            Some(Member::Plain) if field.name == "Id" => record["Id"].clone(),
            None | Some(Member::Plain) => json!(object.name),
            Some(Member::Field(name, kind)) => {
                let value = &record[name];
                let parts = field.fields.iter().map(|part| {
                    let shown = match part.name.as_str() {
                        "value" => value.clone(),
                        "__typename" => json!(value_type(kind)),
                        _ => shown(kind, value),
                    };
                    (part.key.clone(), shown)
                });
                Value::Object(parts.collect())
            }
            Some(Member::Parent(name, parent)) => match &record[name] {
                Value::Null => Value::Null,
                above => node(request, data, parent, &field.fields, above)?,
            },
            Some(Member::Children(child, lookup)) => {
                let id = record["Id"].as_str().unwrap_or_default();
                query::connection(request, data, child, Some((lookup, id)), field)?
            }
        };
        out.insert(field.key.clone(), value);
    }
    Ok(out.into())
}

/// The value as a page shows it: none of plain texts. How numbers and dates look depends on the user's locale; here they
/// look as their value.
fn shown(kind: Kind, value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.to_string()),
        Value::String(text) if !matches!(kind, Kind::Text(_) | Kind::TextArea(_)) && !kind.is_id() => {
            json!(text)
        }
        _ => Value::Null,
    }
}
