//! What a query's columns are: the response of `query?columns=true`, which Salesforce's CLI asks for to lay out a table.
//! It is not documented; the members are those the CLI reads, and of the rest the ones seen beside them (unverified).

use serde_json::{Value, json};

use super::ast::{Expr, Item, Query, Select};
use super::{error, lex, parse};
use crate::data::ApiError;
use crate::data::schema::{Field, Kind, Object, Schema};

/// `{"columnMetadata":[…],"entityName":…}` of a query.
pub(crate) fn columns(text: &str, schema: &Schema) -> Result<Value, ApiError> {
    let query = parse::query(text, &lex::tokens(text)?)?;
    let unknown = || error::at(text, query.from.offset, "INVALID_TYPE", &query.from.value);
    let object = schema.object(&query.from.value).ok_or_else(unknown)?;
    Ok(json!({
        "columnMetadata": list(&query, Some(object)),
        "entityName": object.name,
        "groupBy": !query.group.is_empty(),
        "idSelected": selects_id(&query),
        "keyPrefix": object.prefix,
    }))
}

fn selects_id(query: &Query) -> bool {
    let Select::Items(items) = &query.select else { return false };
    items.iter().any(|item| {
        matches!(item, Item::Expr { expr: Expr::Field(path), .. } if path.value.eq_ignore_ascii_case("Id"))
    })
}

fn list(query: &Query, object: Option<&'static Object>) -> Vec<Value> {
    let Select::Items(items) = &query.select else { return Vec::new() };
    let mut columns: Vec<Value> = Vec::new();
    let mut unnamed = 0;
    for item in items {
        match item {
            Item::Expr { expr: Expr::Field(path), alias: _ } => {
                let mut names = path.value.split('.').peekable();
                // A name of the object itself, or its alias, is no parent.
                let itself = |name: &str| {
                    name.eq_ignore_ascii_case(&query.from.value)
                        || query.alias.as_deref().is_some_and(|alias| name.eq_ignore_ascii_case(alias))
                };
                if path.value.contains('.') {
                    let _ = names.next_if(|name| itself(name));
                }
                add_path(&mut columns, &names.collect::<Vec<_>>(), object);
            }
            Item::Expr { expr: Expr::Call { function, argument }, alias } => {
                let name = alias.clone().unwrap_or_else(|| {
                    unnamed += 1;
                    format!("expr{}", unnamed - 1)
                });
                let inner = match argument.as_deref() {
                    Some(Expr::Field(path)) => path.value.as_str(),
                    _ => "",
                };
                let shown = format!("{}({inner})", function.value.to_ascii_lowercase());
                columns.push(column(&name, &shown, None, true, Vec::new()));
            }
            Item::Children(inner) => {
                let name = &inner.from.value;
                columns.push(column(name, name, None, true, list(inner, None)));
            }
            Item::TypeOf(type_of) => {
                let name = &type_of.relationship.value;
                columns.push(column(name, name, None, false, Vec::new()));
            }
            Item::Fields(which) => {
                let custom = which.value.eq_ignore_ascii_case("CUSTOM");
                let all = which.value.eq_ignore_ascii_case("ALL");
                let fields = object.map_or(&[][..], |object| object.fields);
                for field in fields.iter().filter(|field| all || field.is_custom() == custom) {
                    columns.push(column(field.name, field.name, Some(field), false, Vec::new()));
                }
            }
        }
    }
    columns
}

/// `Owner.Name` is the column `Owner` with the column `Name` joined to it.
fn add_path(columns: &mut Vec<Value>, names: &[&str], object: Option<&'static Object>) {
    let Some((name, rest)) = names.split_first() else { return };
    if rest.is_empty() {
        let field = object.and_then(|object| object.field(name));
        let name = field.map_or(*name, |field| field.name);
        columns.push(column(name, name, field, false, Vec::new()));
        return;
    }
    let mut joined = Vec::new();
    add_path(&mut joined, rest, None);
    let parent = columns.iter_mut().find(|column| {
        column["aggregate"] == false
            && column["columnName"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name))
    });
    match parent.and_then(|parent| parent["joinColumns"].as_array_mut()) {
        Some(known) => known.append(&mut joined),
        None => columns.push(column(name, name, None, false, joined)),
    }
}

fn column(name: &str, shown: &str, field: Option<&Field>, aggregate: bool, joined: Vec<Value>) -> Value {
    let kind = field.map(|field| field.kind);
    let writable = field.is_some_and(|field| !field.read_only && field.kind != Kind::Id);
    json!({
        "aggregate": aggregate,
        "apexType": kind.map(apex_type),
        "booleanType": kind == Some(Kind::Boolean),
        "columnName": name,
        "custom": field.is_some_and(Field::is_custom),
        "displayName": shown,
        "foreignKeyName": null,
        "insertable": writable,
        "joinColumns": joined,
        "numberType": kind.is_some_and(Kind::is_number),
        "textType": kind.is_some_and(|kind| apex_type(kind) == "String"),
        "updatable": writable,
    })
}

fn apex_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Id | Kind::Reference(..) => "Id",
        Kind::Boolean => "Boolean",
        Kind::Int => "Integer",
        Kind::Double => "Double",
        Kind::Currency => "Decimal",
        Kind::Date => "Date",
        Kind::DateTime => "Datetime",
        Kind::Time => "Time",
        Kind::Base64 => "Blob",
        _ => "String",
    }
}
