//! `TYPEOF`: what is read of a polymorphic parent depends on its object (SOQL and SOSL Reference, "TYPEOF"). The words of
//! the errors are unverified.

use super::ast::{Expr, Item, Path, TypeOf};
use super::bind::{Column, Tables, no_such_column};
use super::record::{Case, Output};
use super::{Context, error};
use crate::data::ApiError;
use crate::data::schema::{Field, Object};

pub(super) fn output(cx: &Context<'_>, tables: &mut Tables, type_of: &TypeOf) -> Result<Output, ApiError> {
    let TypeOf { relationship: Path { value, offset }, cases, otherwise } = type_of;
    if value.contains('.') {
        return Err(ApiError::not_emulated("MALFORMED_QUERY", "TYPEOF of a parent's parent"));
    }
    let Some((lookup, name)) = cx.schema.parent(tables.root, value) else {
        return Err(super::bind::no_such_relationship(cx, *offset, value));
    };
    if !lookup.kind.is_polymorphic() {
        let sentence = format!("TYPEOF is only allowed on polymorphic relationships: {value}");
        return Err(error::at(cx.text, *offset, "MALFORMED_QUERY", &sentence));
    }
    let mut made = Vec::new();
    for (object, fields) in cases {
        let known = cx.schema.object(&object.value);
        let Some(known) = known.filter(|known| lookup.kind.targets().contains(&known.name)) else {
            let sentence = format!("{} is not a type of the relationship {value}", object.value);
            return Err(error::at(cx.text, object.offset, "INVALID_TYPE", &sentence));
        };
        let table = tables.join_type(lookup, known);
        if made.iter().any(|case: &Case| case.table == table) {
            let sentence = format!("{} has two WHEN clauses", known.name);
            return Err(error::at(cx.text, object.offset, "MALFORMED_QUERY", &sentence));
        }
        made.push(Case { table, fields: columns(cx, table, known, fields)? });
    }
    if let Some(fields) = otherwise {
        let table = tables.join_any(cx, lookup, name);
        made.push(Case { table, fields: columns(cx, table, name, fields)? });
    }
    Ok(Output::TypeOf { name: relationship(lookup, value).to_owned(), cases: made })
}

fn columns(
    cx: &Context<'_>,
    table: usize,
    object: &'static Object,
    fields: &[Path],
) -> Result<Vec<Column>, ApiError> {
    let column = |path: &Path| match object.field(&path.value) {
        Some(field) => Ok(Column { table, field }),
        None if path.value.contains('.') => {
            Err(ApiError::not_emulated("MALFORMED_QUERY", "parents within TYPEOF"))
        }
        None => Err(no_such_column(cx, path.offset, &path.value, object)),
    };
    fields.iter().map(column).collect()
}

/// A relationship is read by TYPEOF or in the list of fields, not both.
pub(super) fn check(cx: &Context<'_>, items: &[Item], tables: &Tables) -> Result<(), ApiError> {
    let read = items.iter().filter_map(|item| match item {
        Item::Expr { expr: Expr::Field(path), .. } => Some(tables.parts(&path.value)),
        _ => None,
    });
    let read: Vec<_> =
        read.filter(|parts| parts.len() > 1).filter_map(|parts| parts.into_iter().next()).collect();
    for item in items {
        let Item::TypeOf(TypeOf { relationship: Path { value, offset }, .. }) = item else { continue };
        if read.iter().any(|name| name.eq_ignore_ascii_case(value)) {
            let sentence = format!("{value} is read by TYPEOF and in the list of fields");
            return Err(error::at(cx.text, *offset, "MALFORMED_QUERY", &sentence));
        }
    }
    Ok(())
}

fn relationship<'a>(lookup: &Field, written: &'a str) -> &'a str {
    match lookup.kind {
        crate::data::schema::Kind::Reference(_, name) => name,
        _ => written,
    }
}
