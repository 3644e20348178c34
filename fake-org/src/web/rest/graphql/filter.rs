//! `where` and `orderBy` as parts of SOQL.

use serde_json::Value;

use crate::data::schema::{Kind, Object, Schema};

type Part = Result<String, String>;

/// A filter as a condition. The error is the end of a validation error.
pub(super) fn condition(schema: &Schema, object: &'static Object, prefix: &str, filter: &Value) -> Part {
    let Some(members) = filter.as_object() else {
        return Err(format!("argument 'where' with value '{filter}' must be an object type"));
    };
    let mut all = Vec::new();
    for (name, value) in members {
        let part = match name.as_str() {
            "and" | "or" => {
                let items = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                let parts = items.iter().map(|item| condition(schema, object, prefix, item));
                let parts = parts.collect::<Result<Vec<_>, _>>()?;
                if parts.is_empty() {
                    continue;
                }
                format!("({})", parts.join(if name == "and" { ") AND (" } else { ") OR (" }))
            }
            "not" => format!("NOT ({})", condition(schema, object, prefix, value)?),
            _ => match object.field(name).filter(|field| field.name == name) {
                Some(field) => comparisons(&format!("{prefix}{name}"), field.kind, value)?,
                None => match schema.relationship(object, name) {
                    Some((_, parent)) => condition(schema, parent, &format!("{prefix}{name}."), value)?,
                    None => return Err(unknown("where", filter, &format!("{}_Filter", object.name), name)),
                },
            },
        };
        all.push(format!("({part})"));
    }
    if all.is_empty() { Ok("Id != null".into()) } else { Ok(all.join(" AND ")) }
}

fn unknown(argument: &str, value: &Value, kind: &str, name: &str) -> String {
    format!("argument '{argument}' with value '{value}' contains a field not in '{kind}': '{name}'")
}

fn comparisons(column: &str, kind: Kind, operators: &Value) -> Part {
    let Some(members) = operators.as_object() else {
        return Err(format!("argument 'where.{column}' with value '{operators}' must be an object type"));
    };
    let mut all = Vec::new();
    for (operator, value) in members {
        let sign = match operator.as_str() {
            "eq" => "=",
            "ne" => "!=",
            "lt" => "<",
            "lte" => "<=",
            "gt" => ">",
            "gte" => ">=",
            "like" => "LIKE",
            "in" => "IN",
            "nin" => "NOT IN",
            _ => return Err(unknown(&format!("where.{column}"), operators, "Operators", operator)),
        };
        let right = if sign.ends_with("IN") {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let literals = items.iter().map(|item| literal(kind, item)).collect::<Result<Vec<_>, _>>()?;
            format!("({})", literals.join(", "))
        } else {
            literal(kind, value)?
        };
        all.push(format!("{column} {sign} {right}"));
    }
    Ok(all.join(" AND "))
}

fn literal(kind: Kind, value: &Value) -> Part {
    let wrong = || Err(format!("argument 'where' with value '{value}' is not a valid '{}'", kind.name()));
    match value {
        Value::Null => Ok("null".into()),
        Value::Bool(flag) if kind == Kind::Boolean => Ok(flag.to_string()),
        Value::Number(number) if kind.is_number() => Ok(number.to_string()),
        // `{ value: "2026-01-31" }` or `{ literal: TODAY }`.
        Value::Object(members) if matches!(kind, Kind::Date | Kind::DateTime | Kind::Time) => {
            let inner = members.get("value").or_else(|| members.get("literal"));
            inner.map_or_else(wrong, |inner| literal(kind, inner))
        }
        Value::String(text) if matches!(kind, Kind::Date | Kind::DateTime | Kind::Time) => {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '+' | '_');
            if text.chars().all(is_plain) { Ok(text.clone()) } else { wrong() }
        }
        Value::String(text) if !kind.is_number() && kind != Kind::Boolean => {
            Ok(format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n")))
        }
        _ => wrong(),
    }
}

/// `{ Name: { order: ASC, nulls: LAST } }` as parts of an order.
pub(super) fn order(
    schema: &Schema,
    object: &'static Object,
    prefix: &str,
    order: &Value,
) -> Result<Vec<String>, String> {
    let Some(members) = order.as_object() else {
        return Err(format!("argument 'orderBy' with value '{order}' must be an object type"));
    };
    let mut out = Vec::new();
    for (name, value) in members {
        if object.field(name).is_some_and(|field| field.name == name) {
            let word = |name: &str, known: &[&str]| match value[name].as_str() {
                None => Ok(String::new()),
                Some(word) if known.contains(&word) => Ok(word.to_owned()),
                Some(word) => {
                    Err(format!("argument 'orderBy.{name}' with value '{word}' is not a valid value"))
                }
            };
            let nulls = word("nulls", &["FIRST", "LAST"])?;
            let nulls = if nulls.is_empty() { nulls } else { format!(" NULLS {nulls}") };
            out.push(format!("{prefix}{name} {}{nulls}", word("order", &["ASC", "DESC"])?));
        } else if let Some((_, parent)) = schema.relationship(object, name) {
            out.extend(self::order(schema, parent, &format!("{prefix}{name}."), value)?);
        } else {
            return Err(unknown("orderBy", order, &format!("{}_OrderBy", object.name), name));
        }
    }
    Ok(out)
}
