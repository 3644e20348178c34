//! The query inside `IN (SELECT …)`.

use rusqlite::types::Value as Sql;

use super::ast::{Expr, Item, Query, Select};
use super::bind::Tables;
use super::filter::Filter;
use super::term::term;
use super::{Context, Scope, error, plan};
use crate::data::Refusal;

/// Its SQL, and the parameters so far with its own added.
pub(super) fn inner(
    cx: &Context<'_>,
    query: &Query,
    params: Vec<Sql>,
) -> Result<(String, Vec<Sql>), Refusal> {
    let wrong = |sentence: &str| error::at(cx.text, query.from.offset, "MALFORMED_QUERY", sentence);
    let root = plan::root(cx, &query.from)?;
    let item = match &query.select {
        Select::Items(items) if items.len() == 1 => items.first(),
        _ => None,
    };
    let Some(Item::Expr { expr: expr @ Expr::Field(_), .. }) = item else {
        return Err(wrong("Semi join sub-selects must select a single ID or reference field"));
    };
    if !query.order.is_empty() || query.limit.is_some() || query.offset.is_some() || !query.group.is_empty() {
        return Err(wrong("Semi join sub-selects may not have ORDER BY, LIMIT, OFFSET or GROUP BY"));
    }
    let mut tables = Tables::new(root, query.alias.as_deref());
    let column = term(cx, &mut tables, expr)?;
    if !column.kind.is_id() {
        return Err(wrong("Semi join sub-selects can only query id fields, cannot use another field"));
    }
    let mut wheres = vec![format!("{} IS NOT NULL", column.sql)];
    if cx.scope == Scope::Live {
        wheres.push("t0.IsDeleted = 0".to_owned());
    }
    let mut filter = Filter::new(cx, &mut tables, params);
    if let Some(condition) = &query.filter {
        wheres.push(filter.sql(condition)?);
    }
    let params = filter.params;
    Ok((format!("SELECT {} FROM {} WHERE {}", column.sql, tables.from(), wheres.join(" AND ")), params))
}
