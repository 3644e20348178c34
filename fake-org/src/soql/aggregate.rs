//! `GROUP BY`, `HAVING` and aggregate functions.

use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;
use serde_json::{Value as Json, json};

use super::ast::{Expr, Item, Query, Select};
use super::bind::Tables;
use super::filter::Filter;
use super::plan::{clause, limits, order, wheres};
use super::term::{Term, term};
use super::{Context, error};
use crate::data::schema::{Kind, Object};
use crate::data::{DataError, Inner, Record, Refusal, to_json};

/// A compiled query whose rows are groups. All of them come at once: such results have no further pages.
#[derive(Clone, Debug)]
pub(crate) struct AggregatePlan {
    columns: Vec<(String, Kind)>,
    sql: String,
    params: Vec<Sql>,
}

const FUNCTIONS: [&str; 6] = ["COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"];

pub(super) fn is_grouped(query: &Query) -> bool {
    let aggregates = |item: &Item| {
        matches!(item, Item::Expr { expr: Expr::Call { function, .. }, .. }
            if FUNCTIONS.iter().any(|name| function.value.eq_ignore_ascii_case(name)))
    };
    !query.group.is_empty()
        || query.having.is_some()
        || matches!(&query.select, Select::Items(items) if items.iter().any(aggregates))
}

pub(super) fn compile(
    cx: &Context<'_>,
    query: &Query,
    root: &'static Object,
) -> Result<AggregatePlan, Refusal> {
    let mut tables = Tables::new(root, query.alias.as_deref());
    let mut groups: Vec<Term> = Vec::new();
    for expr in &query.group {
        let group = term(cx, &mut tables, expr)?;
        if matches!(group.kind, Kind::TextArea(_) | Kind::MultiPicklist) {
            return Err(error::at(
                cx.text,
                group.offset,
                "MALFORMED_QUERY",
                &format!("field '{}' can not be grouped in a query call", group.name),
            ));
        }
        groups.push(group);
    }
    let mut columns: Vec<(String, Kind)> = Vec::new();
    let mut shown = Vec::new();
    let mut unnamed = 0;
    let items = match &query.select {
        Select::Items(items) => items.as_slice(),
        Select::Count => return Err(ungrouped(cx, query.from.offset, "COUNT()")),
    };
    for item in items {
        let Item::Expr { expr, alias } = item else {
            return Err(ungrouped(cx, query.from.offset, "a sub-select or FIELDS()"));
        };
        let term = term(cx, &mut tables, expr)?;
        if !term.aggregate && !groups.iter().any(|group| group.sql == term.sql) {
            return Err(ungrouped(cx, term.offset, &term.name));
        }
        let name = match (alias, &term.column) {
            (Some(alias), _) => alias.clone(),
            (None, Some(column)) if !term.is_call => column.field.name.to_owned(),
            _ => {
                unnamed += 1;
                format!("expr{}", unnamed - 1)
            }
        };
        if columns.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            let sentence = format!("duplicate alias: {name}");
            return Err(error::at(cx.text, term.offset, "MALFORMED_QUERY", &sentence));
        }
        columns.push((name, term.kind));
        shown.push(term.sql);
    }
    let (wheres, params) = wheres(cx, query.filter.as_ref(), &mut tables)?;
    let mut having = Filter::having(cx, &mut tables, params);
    let having_sql = match &query.having {
        Some(condition) => vec![having.sql(condition)?],
        None => Vec::new(),
    };
    let params = having.params;
    let mut order = order(cx, &query.order, &mut tables)?;
    let groups: Vec<String> = groups.into_iter().map(|group| group.sql).collect();
    order.extend(groups.iter().cloned());
    // Groups have no row to fall back on; one group needs no order.
    if groups.is_empty() && query.order.is_empty() {
        order.clear();
    }
    let sql = format!(
        "SELECT {} FROM {}{}{}{}{}{}",
        shown.join(", "),
        tables.from(),
        clause(" WHERE ", " AND ", &wheres),
        clause(" GROUP BY ", ", ", &groups),
        clause(" HAVING ", " AND ", &having_sql),
        clause(" ORDER BY ", ", ", &order),
        limits(query)?,
    );
    Ok(AggregatePlan { columns, sql, params })
}

fn ungrouped(cx: &Context<'_>, offset: usize, name: &str) -> Refusal {
    error::at(cx.text, offset, "MALFORMED_QUERY", &format!("Field must be grouped or aggregated: {name}"))
}

impl AggregatePlan {
    pub(crate) fn records(&self, data: &Inner) -> Result<Vec<Json>, DataError> {
        let mut statement = data.sqlite.prepare_cached(&self.sql)?;
        let rows = statement.query_map(params_from_iter(&self.params), |row| {
            let mut record = Record::new();
            // No `url`: there is no such record.
            record.insert("attributes".into(), json!({ "type": "AggregateResult" }));
            for (i, (name, kind)) in self.columns.iter().enumerate() {
                record.insert(name.clone(), to_json(*kind, row.get_ref(i)?));
            }
            Ok(Json::Object(record))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
