//! Tree → SQL, and running it.
//!
//! A query runs in two steps: the keys (row numbers) of all rows of the result in order, then page by page the
//! columns of a slice of those keys. A page costs what it holds, wherever it lies, and an open cursor holds
//! eight bytes per row.

use std::collections::HashMap;

use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;
use serde_json::{Value as Json, json};

use super::ast::{Literal, Query, Select};
use super::bind::{Column, Tables};
use super::error;
use super::filter::Filter;
use crate::base::clock::Millis;
use crate::data::schema::{self, Object};
use crate::data::{DataError, Inner, Record, Refusal, to_json};

/// Which rows a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// `query`.
    Live,
    /// `queryAll`: deleted rows too.
    All,
}

/// A compiled query.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    tables: Tables,
    columns: Vec<Column>,
    count_only: bool,
    keys_sql: String,
    params: Vec<Sql>,
}

pub(super) fn compile(text: &str, query: &Query, scope: Scope, now: Millis) -> Result<Plan, Refusal> {
    let from = &query.from;
    let root: &'static Object = schema::object(&from.value).ok_or_else(|| {
        error::at(
            text,
            from.offset,
            "INVALID_TYPE",
            &format!(
                "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to \
                 append the '__c' after the entity name. Please reference your WSDL or the describe call for the \
                 appropriate names.",
                from.value
            ),
        )
    })?;
    if query.offset.is_some_and(|offset| offset > 2_000) {
        return Err(Refusal::bad("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"));
    }
    let mut tables = Tables::new(root, query.alias.as_deref());
    let (columns, count_only) = select(text, query, &mut tables)?;
    let mut filter = Filter::new(text, &mut tables, now);
    let mut wheres = Vec::new();
    if scope == Scope::Live {
        wheres.push("t0.IsDeleted = 0".to_owned());
    }
    if let Some(condition) = &query.filter {
        wheres.push(filter.sql(condition)?);
    }
    let params = filter.params;
    let order = order(text, query, &mut tables)?;
    let mut tail = String::new();
    if !wheres.is_empty() {
        tail.push_str(" WHERE ");
        tail.push_str(&wheres.join(" AND "));
    }
    tail.push_str(" ORDER BY ");
    tail.push_str(&order);
    if query.limit.is_some() || query.offset.is_some() {
        let limit = query.limit.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
        tail.push_str(&format!(" LIMIT {limit} OFFSET {}", query.offset.unwrap_or(0)));
    }
    let rows = format!("SELECT t0.rowid FROM {}{tail}", tables.from());
    let keys_sql = if count_only { format!("SELECT count(*) FROM ({rows})") } else { rows };
    Ok(Plan { tables, columns, count_only, keys_sql, params })
}

fn select(text: &str, query: &Query, tables: &mut Tables) -> Result<(Vec<Column>, bool), Refusal> {
    let Select::Fields(paths) = &query.select else { return Ok((Vec::new(), true)) };
    let mut columns: Vec<Column> = Vec::new();
    for path in paths {
        let column = tables.resolve(text, path)?;
        if columns.iter().any(|known| known.table == column.table && known.field.name == column.field.name) {
            return Err(Refusal::bad("MALFORMED_QUERY", format!("duplicate field selected: {}", path.value)));
        }
        columns.push(column);
    }
    Ok((columns, false))
}

fn order(text: &str, query: &Query, tables: &mut Tables) -> Result<String, Refusal> {
    let mut parts = Vec::new();
    for order in &query.order {
        let column = tables.resolve(text, &order.field)?;
        let direction = if order.descending { "DESC" } else { "ASC" };
        let nulls = if order.nulls_last == Some(true) { "LAST" } else { "FIRST" };
        parts.push(format!("{} {direction} NULLS {nulls}", column.sql()));
    }
    // Equal rows keep one order over all pages.
    parts.push("t0.rowid".into());
    Ok(parts.join(", "))
}

impl Plan {
    pub(crate) fn is_count(&self) -> bool {
        self.count_only
    }

    /// Step one: the keys of all rows. For `COUNT()` the one number.
    pub(crate) fn keys(&self, data: &Inner) -> Result<Vec<i64>, DataError> {
        let mut statement = data.sqlite.prepare(&self.keys_sql)?;
        let keys = statement.query_map(params_from_iter(&self.params), |row| row.get(0))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// Step two: the records of some keys, in their order. `link` makes a record's `attributes.url`.
    pub(crate) fn records(
        &self,
        data: &Inner,
        keys: &[i64],
        link: &dyn Fn(&str, &str) -> String,
    ) -> Result<Vec<Json>, DataError> {
        let mut sql = String::from("SELECT t0.Id");
        for n in 1..=self.tables.joins.len() {
            sql.push_str(&format!(", t{n}.Id"));
        }
        for column in &self.columns {
            sql.push_str(", ");
            sql.push_str(&column.sql());
        }
        sql.push_str(" FROM json_each(?1) k CROSS JOIN ");
        let from = self.tables.from();
        let (root, parents) =
            from.split_once(" LEFT JOIN").map_or((from.as_str(), None), |(a, b)| (a, Some(b)));
        sql.push_str(root);
        sql.push_str(" ON t0.rowid = k.value");
        if let Some(parents) = parents {
            sql.push_str(" LEFT JOIN");
            sql.push_str(parents);
        }
        sql.push_str(" ORDER BY k.key");
        let keys = serde_json::to_string(keys).unwrap_or_default();
        let mut statement = data.sqlite.prepare_cached(&sql)?;
        let records = statement.query_map([keys], |row| self.record(row, link))?;
        Ok(records.collect::<Result<_, _>>()?)
    }

    fn record(&self, row: &rusqlite::Row<'_>, link: &dyn Fn(&str, &str) -> String) -> rusqlite::Result<Json> {
        let first_column = 1 + self.tables.joins.len();
        let mut tables: HashMap<usize, Record> = HashMap::new();
        let head = |object: &Object, id: &str| {
            let mut record = Record::new();
            record.insert("attributes".into(), json!({ "type": object.name, "url": link(object.name, id) }));
            record
        };
        let id: String = row.get(0)?;
        tables.insert(0, head(self.tables.root, &id));
        for (i, join) in self.tables.joins.iter().enumerate() {
            if let Some(id) = row.get::<_, Option<String>>(i + 1)? {
                tables.insert(i + 1, head(join.object, &id));
            }
        }
        for (i, column) in self.columns.iter().enumerate() {
            let value = to_json(column.field.kind, row.get_ref(first_column + i)?);
            if let Some(record) = tables.get_mut(&column.table) {
                record.insert(column.field.name.to_owned(), value);
            }
        }
        // Children into parents, deepest first; a parent that is not there is null, not {}.
        let mut root = tables.remove(&0).unwrap_or_default();
        let selected: Vec<usize> =
            (1..=self.tables.joins.len()).filter(|n| self.is_selected(*n)).rev().collect();
        for n in selected {
            let Some(join) = self.tables.joins.get(n - 1) else { continue };
            let value = tables.remove(&n).map_or(Json::Null, Json::Object);
            let Some((name, parents)) = join.path.split_last() else { continue };
            let holder = self.tables.joins.iter().position(|known| known.path == parents).map(|i| i + 1);
            let target = match holder {
                Some(holder) => tables.get_mut(&holder),
                None => Some(&mut root),
            };
            if let Some(target) = target {
                target.insert(name.clone(), value);
            }
        }
        Ok(Json::Object(root))
    }

    /// A parent shows when one of its fields, or of its own parents' fields, was selected; one that only the
    /// filter names does not.
    fn is_selected(&self, table: usize) -> bool {
        let Some(path) = table.checked_sub(1).and_then(|i| self.tables.joins.get(i)).map(|join| &join.path)
        else {
            return true;
        };
        self.columns.iter().any(|column| {
            column
                .table
                .checked_sub(1)
                .and_then(|i| self.tables.joins.get(i))
                .is_some_and(|join| join.path.starts_with(path))
        })
    }
}

/// A literal that is a plain value.
pub(super) fn is_null(literal: &Literal) -> bool {
    matches!(literal, Literal::Null)
}
