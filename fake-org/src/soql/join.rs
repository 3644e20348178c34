//! The query inside `IN (SELECT …)`.

use rusqlite::types::Value as Sql;

use super::ast::{Expr, Item, Query, Select};
use super::bind::{Tables, root};
use super::filter::Filter;
use super::term::{Term, term};
use super::{Context, Scope, error};
use crate::data::ApiError;
use crate::data::schema::{Kind, Object};

/// Its SQL, and the parameters so far with its own added. `left` is what stands before IN, a field of `outer`.
pub(super) fn inner(
    cx: &Context<'_>,
    left: &Term,
    outer: &'static Object,
    query: &Query,
    params: Vec<Sql>,
) -> Result<(String, Vec<Sql>), ApiError> {
    let wrong = |sentence: &str| error::at(cx.text, query.from.offset, "MALFORMED_QUERY", sentence);
    let root = root(cx, &query.from)?;
    if root == outer {
        return Err(wrong("The inner and outer selects should not be on the same object type"));
    }
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
    let mut tables = Tables::new(cx, root, query)?;
    let column = term(cx, &mut tables, expr)?;
    if !column.kind.is_id() {
        return Err(wrong("Semi join sub-selects can only query id fields, cannot use another field"));
    }
    let here = targets(left, outer);
    if !targets(&column, root).iter().any(|target| here.contains(target)) {
        return Err(wrong(&format!(
            "The selected field '{}' in the subquery and the left operand field '{}' in the where expression in the \
             outer query should point to the same object type",
            column.name, left.name
        )));
    }
    let mut wheres = vec![format!("{} IS NOT NULL", column.sql)];
    if cx.requester.scope == Scope::Live {
        wheres.push("t0.IsDeleted = 0".to_owned());
    }
    let mut filter = Filter::of_semi_join(cx, &mut tables, params);
    if let Some(condition) = &query.filter {
        wheres.push(filter.sql(condition)?);
    }
    let params = filter.params;
    Ok((format!("SELECT {} FROM {} WHERE {}", column.sql, tables.from(), wheres.join(" AND ")), params))
}

/// The objects whose ids a field of `object` holds.
fn targets(field: &Term, object: &Object) -> Vec<&'static str> {
    match field.kind {
        Kind::Reference(to, _) => to.to_vec(),
        _ => vec![object.name],
    }
}
