//! Tree → SQL: which kind of result a query has.

use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

use super::aggregate::{self, AggregatePlan};
use super::ast::{Query, Select};
use super::bind::{Tables, root};
use super::record::RowPlan;
use super::{Context, error, select};
use crate::data::{ApiError, DataError, Inner};

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
    if query.is_grouped() {
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
        let (tail, params) = select::tail(cx, query, &mut tables, None)?;
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {}{tail})", tables.from());
        return Ok(Plan::Count(CountPlan { sql, params }));
    }
    select::rows(cx, query, root, None).map(Plan::Rows)
}
