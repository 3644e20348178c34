//! The clauses of a query that follow its `FROM`, as SQL.

use rusqlite::types::Value as Sql;

use super::ast::{Expr, Order, Path, Query};
use super::bind::Tables;
use super::filter::Filter;
use super::term::Term;
use super::{Context, Scope, error};
use crate::data::ApiError;
use crate::data::schema::{Kind, Object};

/// Fields that ORDER BY takes (SOQL: ORDER BY). The error's words are unverified.
const ORDERS: usize = 32;

/// The conditions of a query and their parameters.
pub(super) fn wheres(
    cx: &Context<'_>,
    query: &Query,
    tables: &mut Tables,
) -> Result<(Vec<String>, Vec<Sql>), ApiError> {
    let mut wheres = Vec::new();
    let mut params = Vec::new();
    if cx.requester.scope == Scope::Live {
        wheres.push("t0.IsDeleted = 0".to_owned());
    }
    if let Some(scope) = &query.using
        && let Some(mine) = using(cx, scope, tables.root)?
    {
        params.push(mine);
        wheres.push("t0.OwnerId = ?1".to_owned());
    }
    let mut filter = Filter::new(cx, tables, params);
    if let Some(condition) = &query.filter {
        wheres.push(filter.sql(condition)?);
    }
    Ok((wheres, filter.params))
}

/// `USING SCOPE`: whose records; `None` for all records. The org has no teams, territories or groups.
fn using(cx: &Context<'_>, scope: &Path, root: &'static Object) -> Result<Option<Sql>, ApiError> {
    match scope.value.to_ascii_lowercase().as_str() {
        "everything" => Ok(None),
        "mine" if root.field("OwnerId").is_some() => Ok(Some(Sql::Text(cx.requester.user_id.to_owned()))),
        "mine" | "delegated" | "mineandmygroups" | "myterritory" | "myteamterritory" | "team" => {
            Err(error::at(
                cx.text,
                scope.offset,
                "MALFORMED_QUERY",
                &format!("The scope '{}' is not supported for {}", scope.value, root.name),
            ))
        }
        _ => Err(error::unexpected(cx.text, scope.offset, &scope.value)),
    }
}

/// The parts of `ORDER BY`; `sql` says what an expression is and stands for there, or refuses it.
pub(super) fn order(
    cx: &Context<'_>,
    list: &[Order],
    tables: &mut Tables,
    mut sql: impl FnMut(&mut Tables, &Expr) -> Result<(Term, String), ApiError>,
) -> Result<Vec<String>, ApiError> {
    if list.len() > ORDERS {
        return Err(ApiError::bad("MALFORMED_QUERY", format!("ORDER BY takes at most {ORDERS} fields")));
    }
    let mut parts = Vec::new();
    for order in list {
        let (term, sql) = sql(tables, &order.expr)?;
        if term.formatted {
            return Err(error::unexpected(cx.text, term.offset, &term.name));
        }
        if !term.kind.is_sortable() && !term.aggregate {
            let sentence = format!("field '{}' can not be sorted in a query call", term.name);
            return Err(error::at(cx.text, term.offset, "MALFORMED_QUERY", &sentence));
        }
        let direction = if order.descending { "DESC" } else { "ASC" };
        let nulls = if order.nulls_last == Some(true) { "LAST" } else { "FIRST" };
        if let Some(place) = place_in_picklist(&term, &sql) {
            parts.push(format!("{place} {direction} NULLS {nulls}"));
        }
        parts.push(format!("{sql} {direction} NULLS {nulls}"));
    }
    Ok(parts)
}

/// Picklists are sorted by the order of their values, not by the alphabet (SOQL: ORDER BY); what is no value of theirs
/// comes after them (unverified).
fn place_in_picklist(term: &Term, sql: &str) -> Option<String> {
    let field = term.column.as_ref().filter(|_| !term.is_call && term.kind == Kind::Picklist)?.field;
    let values = field.values.iter().zip(0..);
    let places: String = values
        .map(|(value, place)| format!(" WHEN {sql} = '{}' THEN {place}", value.replace('\'', "''")))
        .collect();
    (!places.is_empty())
        .then(|| format!("CASE WHEN {sql} IS NULL THEN NULL{places} ELSE {} END", field.values.len()))
}

pub(super) fn limits(query: &Query) -> Result<String, ApiError> {
    if query.offset.is_some_and(|offset| offset > 2_000) {
        return Err(ApiError::bad("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"));
    }
    if query.limit.is_none() && query.offset.is_none() {
        return Ok(String::new());
    }
    let limit = query.limit.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
    Ok(format!(" LIMIT {limit} OFFSET {}", query.offset.unwrap_or(0)))
}

pub(super) fn clause(keyword: &str, joint: &str, parts: &[String]) -> String {
    if parts.is_empty() { String::new() } else { format!("{keyword}{}", parts.join(joint)) }
}
