//! What a query for rows shows: fields, parents' fields, `FIELDS(…)`, children.

use rusqlite::types::Value as Sql;

use super::ast::{Condition, Expr, Item, Op, Path, Query, Select};
use super::bind::{Column, Tables};
use super::clauses::{clause, limits, order, wheres};
use super::record::{Output, RowPlan};
use super::term::term;
use super::{Context, error, type_of};
use crate::data::ApiError;
use crate::data::schema::{Field, Object};

/// Columns of one result; SQLite's own limit is 2,000.
pub(super) const FIELDS: usize = 1_000;
/// Child queries of one query, and how deep they nest (SOQL: Relationship Query Limitations). The errors' words
/// are unverified.
const CHILDREN: usize = 20;
const DEPTH: usize = 5;

/// A query for rows; with `parent`, for the children by that lookup of a record given as the last parameter.
pub(super) fn rows(
    cx: &Context<'_>,
    query: &Query,
    root: &'static Object,
    parent: Option<&'static Field>,
) -> Result<RowPlan, ApiError> {
    let mut tables = Tables::new(cx, root, query)?;
    let outputs = outputs(cx, query, &mut tables)?;
    let (tail, params) = tail(cx, query, &mut tables, parent)?;
    let keys_sql = format!("SELECT t0.rowid FROM {}{tail}", tables.from());
    Ok(RowPlan { tables, outputs, keys_sql, params, has_offset: query.offset.is_some() })
}

/// `WHERE`, `ORDER BY`, `LIMIT` and `OFFSET` of a query for rows, and its parameters.
pub(super) fn tail(
    cx: &Context<'_>,
    query: &Query,
    tables: &mut Tables,
    parent: Option<&'static Field>,
) -> Result<(String, Vec<Sql>), ApiError> {
    let (mut wheres, params) = wheres(cx, query, tables)?;
    if let Some(lookup) = parent {
        wheres.push(format!("t0.\"{}\" = ?{}", lookup.name, params.len() + 1));
    }
    let mut order = order(cx, &query.order, tables, |tables, expr| {
        let term = term(cx, tables, expr)?;
        if term.aggregate {
            return Err(error::unexpected(cx.text, term.offset, &term.name));
        }
        let sql = term.sql.clone();
        Ok((term, sql))
    })?;
    // Equal rows keep one order over all pages.
    order.push("t0.rowid".into());
    let mut tail = clause(" WHERE ", " AND ", &wheres);
    tail.push_str(&clause(" ORDER BY ", ", ", &order));
    tail.push_str(&limits(query)?);
    Ok((tail, params))
}

fn outputs(cx: &Context<'_>, query: &Query, tables: &mut Tables) -> Result<Vec<Output>, ApiError> {
    let Select::Items(items) = &query.select else { return Ok(Vec::new()) };
    if items.len() > FIELDS {
        return Err(ApiError::bad("QUERY_TOO_COMPLICATED", format!("more than {FIELDS} fields")));
    }
    let mut outputs: Vec<Output> = Vec::new();
    for item in items {
        match item {
            Item::Expr { expr, alias } => {
                let term = term(cx, tables, expr)?;
                if let Some(alias) = alias.as_ref().filter(|_| !term.is_call) {
                    return Err(error::at(
                        cx.text,
                        term.offset,
                        "MALFORMED_QUERY",
                        &format!("only aggregate expressions use field aliasing: {alias}"),
                    ));
                }
                // Salesforce knows parts of dates of groups only.
                let Some(column) = term.column.as_ref().filter(|_| !term.date_part) else {
                    let sentence = format!("Field must be grouped or aggregated: {}", term.name);
                    return Err(error::at(cx.text, term.offset, "MALFORMED_QUERY", &sentence));
                };
                let name = alias.clone().unwrap_or_else(|| column.field.name.to_owned());
                let shown = Output::Value {
                    table: if alias.is_some() { 0 } else { column.table },
                    name,
                    sql: term.sql,
                    kind: term.kind,
                    formatted: term.formatted,
                };
                add(&mut outputs, shown, &term.name)?;
            }
            Item::Fields(which) => {
                for field in group_of_fields(cx, query, tables.root, which)? {
                    let column = Column { table: 0, field };
                    let shown = Output::Value {
                        table: 0,
                        name: field.name.into(),
                        sql: column.sql(),
                        kind: field.kind,
                        formatted: false,
                    };
                    add(&mut outputs, shown, field.name)?;
                }
            }
            Item::TypeOf(type_of) => {
                let shown = type_of::output(cx, tables, type_of)?;
                add(&mut outputs, shown, &type_of.relationship.value)?;
            }
            Item::Children(inner) => {
                let others =
                    outputs.iter().filter(|output| matches!(output, Output::Children { .. })).count();
                if others >= CHILDREN || depth(inner) >= DEPTH {
                    let sentence = format!("at most {CHILDREN} sub-selects, and {DEPTH} levels of objects");
                    return Err(error::at(cx.text, inner.from.offset, "MALFORMED_QUERY", &sentence));
                }
                let (name, plan) = children(cx, inner, tables.root)?;
                add(&mut outputs, Output::Children { name: name.to_owned(), plan: Box::new(plan) }, name)?;
            }
        }
    }
    type_of::check(cx, items, tables)?;
    Ok(outputs)
}

fn add(outputs: &mut Vec<Output>, new: Output, written: &str) -> Result<(), ApiError> {
    let (table, name) = new.place();
    let same = |known: &Output| known.place().0 == table && known.place().1.eq_ignore_ascii_case(name);
    if outputs.iter().any(same) {
        return Err(ApiError::bad("MALFORMED_QUERY", format!("duplicate field selected: {written}")));
    }
    outputs.push(new);
    Ok(())
}

/// Returns whether a condition names the records by their ids, which bounds a query as LIMIT does (SOQL: FIELDS()).
fn names_ids(condition: &Condition) -> bool {
    let is_id = |expr: &Expr| matches!(expr, Expr::Field(path) if path.value.eq_ignore_ascii_case("Id"));
    match condition {
        Condition::Compare { expr, op: Op::Eq, .. } => is_id(expr),
        Condition::In { expr, negated: false, values } => is_id(expr) && values.len() <= 200,
        Condition::Or(all) => all.iter().all(names_ids),
        _ => false,
    }
}

fn group_of_fields(
    cx: &Context<'_>,
    query: &Query,
    root: &'static Object,
    which: &Path,
) -> Result<Vec<&'static crate::data::schema::Field>, ApiError> {
    let word = which.value.to_ascii_uppercase();
    let wanted: fn(&crate::data::schema::Field) -> bool = match word.as_str() {
        "ALL" => |_| true,
        "STANDARD" => |field| !field.is_custom(),
        "CUSTOM" => |field| field.is_custom(),
        _ => return Err(error::unexpected(cx.text, which.offset, &which.value)),
    };
    let is_bounded =
        || query.limit.is_some_and(|limit| limit <= 200) || query.filter.as_ref().is_some_and(names_ids);
    if word != "STANDARD" && !is_bounded() {
        return Err(error::at(
            cx.text,
            which.offset,
            "MALFORMED_QUERY",
            "The SOQL FIELDS function must have a LIMIT of at most 200",
        ));
    }
    Ok(root.fields.iter().filter(|field| wanted(field)).collect())
}

fn children(
    cx: &Context<'_>,
    inner: &Query,
    root: &'static Object,
) -> Result<(&'static str, RowPlan), ApiError> {
    // `FROM Account.Contacts` is `FROM Contacts`.
    let written = inner.from.value.split_once('.');
    let name = match written {
        Some((parent, name)) if parent.eq_ignore_ascii_case(root.name) => name,
        _ => &inner.from.value,
    };
    let Some((child, lookup)) = cx.schema.child(root, name) else {
        return Err(error::at(
            cx.text,
            inner.from.offset,
            "INVALID_TYPE",
            &format!(
                "Didn't understand relationship '{}' in FROM part of query call. If you are attempting to use a \
                 custom relationship, be sure to append the '__r' after the custom relationship name. Please \
                 reference your WSDL or the describe call for the appropriate names.",
                inner.from.value
            ),
        ));
    };
    if inner.select == Select::Count || inner.is_grouped() {
        return Err(error::at(
            cx.text,
            inner.from.offset,
            "MALFORMED_QUERY",
            "only root queries support aggregate expressions",
        ));
    }
    Ok((lookup.children, rows(cx, inner, child, Some(lookup))?))
}

/// How many levels of objects a query shows.
fn depth(query: &Query) -> usize {
    let Select::Items(items) = &query.select else { return 1 };
    let children = items.iter().map(|item| match item {
        Item::Children(inner) => depth(inner),
        _ => 0,
    });
    1 + children.max().unwrap_or(0)
}
