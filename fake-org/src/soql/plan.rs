//! Tree → SQL: which kind of result a query has.

use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

use super::aggregate::{self, AggregatePlan};
use super::ast::{Expr, Order, Path, Query, Select};
use super::bind::Tables;
use super::filter::Filter;
use super::record::RowPlan;
use super::term::{Term, term};
use super::{Context, Scope, error, select};
use crate::data::schema::{Field, Kind, Object};
use crate::data::{ApiError, DataError, Inner};

/// Fields that ORDER BY takes (SOQL: ORDER BY). The error's words are unverified.
const ORDERS: usize = 32;

/// A compiled query.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    Count(CountPlan),
    Rows(RowPlan),
    Aggregate(AggregatePlan),
}

/// `SELECT COUNT() FROM …`: one number.
#[derive(Clone, Debug)]
pub(crate) struct CountPlan {
    sql: String,
    params: Vec<Sql>,
}

impl CountPlan {
    pub(crate) fn count(&self, data: &Inner) -> Result<i64, DataError> {
        Ok(data
            .sqlite
            .prepare_cached(&self.sql)?
            .query_row(params_from_iter(&self.params), |row| row.get(0))?)
    }
}

pub(super) fn compile(cx: &Context<'_>, query: &Query) -> Result<Plan, ApiError> {
    let root = root(cx, &query.from)?;
    if aggregate::is_grouped(query) {
        return aggregate::compile(cx, query, root).map(Plan::Aggregate);
    }
    if query.select == Select::Count {
        if let Some(order) = query.order.first() {
            let offset = order.expr.offset();
            return Err(error::at(
                cx.text,
                offset,
                "MALFORMED_QUERY",
                "ORDER BY is not allowed with COUNT()",
            ));
        }
        let mut tables = Tables::new(cx, root, query)?;
        let (tail, params) = tail(cx, query, &mut tables, None)?;
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {}{tail})", tables.from());
        return Ok(Plan::Count(CountPlan { sql, params }));
    }
    rows(cx, query, root, None).map(Plan::Rows)
}

/// A query for rows; with `parent`, for the children by that lookup of a record given as the last parameter.
pub(super) fn rows(
    cx: &Context<'_>,
    query: &Query,
    root: &'static Object,
    parent: Option<&'static Field>,
) -> Result<RowPlan, ApiError> {
    let mut tables = Tables::new(cx, root, query)?;
    let outputs = select::outputs(cx, query, &mut tables)?;
    let (tail, params) = tail(cx, query, &mut tables, parent)?;
    let keys_sql = format!("SELECT t0.rowid FROM {}{tail}", tables.from());
    Ok(RowPlan { tables, outputs, keys_sql, params, has_offset: query.offset.is_some() })
}

/// The object a query is from.
pub(super) fn root(cx: &Context<'_>, from: &Path) -> Result<&'static Object, ApiError> {
    cx.schema.object(&from.value).ok_or_else(|| {
        error::at(
            cx.text,
            from.offset,
            "INVALID_TYPE",
            &format!(
                "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to \
                 append the '__c' after the entity name. Please reference your WSDL or the describe call for the \
                 appropriate names.",
                from.value
            ),
        )
    })
}

/// `WHERE`, `ORDER BY`, `LIMIT` and `OFFSET` of a query for rows, and its parameters.
fn tail(
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

/// `USING SCOPE`: whose records; `None` for everyone's. The org has no teams, territories or groups.
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
