//! `GROUP BY`, `ROLLUP`, `CUBE`, `HAVING` and aggregate functions.

use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;
use serde_json::{Value as Json, json};

use super::ast::{Expr, Item, Query, Select, Totals};
use super::bind::Tables;
use super::clauses::{clause, limits, order, wheres};
use super::filter::Filter;
use super::term::{Term, must_be_grouped, term, ungrouped};
use super::{Context, error, format, select};
use crate::data::schema::{Kind, Object};
use crate::data::{ApiError, DataError, Inner, Record};

/// A compiled query whose rows are groups. All of them come at once: such results have no further pages.
#[derive(Clone, Debug)]
pub(crate) struct AggregatePlan {
    columns: Vec<Column>,
    sql: String,
    params: Vec<Sql>,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    kind: Kind,
    formatted: bool,
}

/// What a column of the SQL holds.
enum Shown {
    /// An aggregate.
    Of(String),
    /// The value that a group is by; null in totals over it.
    Group(String, usize),
    /// `GROUPING(Industry)`: 1 in totals over that group, else 0.
    Grouping(usize),
}

impl Shown {
    fn of(groups: &[Term], term: &Term) -> Self {
        match groups.iter().position(|group| group.sql == term.sql) {
            Some(group) => Self::Group(term.sql.clone(), group),
            None => Self::Of(term.sql.clone()),
        }
    }

    /// Its SQL among groups by some of the fields.
    fn sql(&self, by: &[usize]) -> String {
        match self {
            Self::Group(_, group) if !by.contains(group) => "NULL".into(),
            Self::Of(sql) | Self::Group(sql, _) => sql.clone(),
            Self::Grouping(group) => u8::from(!by.contains(group)).to_string(),
        }
    }
}

/// Fields of GROUP BY; SQLite has a bound, too.
const FIELDS: usize = 100;
/// Fields of ROLLUP and CUBE (SOQL: GROUP BY ROLLUP). The error's words are unverified.
const TOTALLED: usize = 3;
/// Groups without further pages (SOQL: GROUP BY).
const GROUPS: usize = 2_000;

pub(super) fn compile(
    cx: &Context<'_>,
    query: &Query,
    root: &'static Object,
) -> Result<AggregatePlan, ApiError> {
    let mut tables = Tables::new(cx, root, query)?;
    let groups = groups(cx, query, &mut tables)?;
    let (columns, shown) = columns(cx, query, &mut tables, &groups)?;
    if groups.is_empty() && query.limit.is_some() {
        return Err(ApiError::bad(
            "MALFORMED_QUERY",
            "Non-grouped query that uses overall aggregate functions cannot also use LIMIT",
        ));
    }
    let (wheres, params) = wheres(cx, query, &mut tables)?;
    let mut having = Filter::having(cx, &mut tables, &groups, params);
    let having_sql = match &query.having {
        Some(condition) => vec![having.sql(condition)?],
        None => Vec::new(),
    };
    let params = having.params;
    // Ordering is by columns of the union of all totals: those shown, and more for what is not.
    let mut hidden: Vec<Shown> = Vec::new();
    let mut order = order(cx, &query.order, &mut tables, |tables, expr| {
        let term = match grouping(cx, tables, &groups, expr)? {
            Some((term, group)) => {
                hidden.push(Shown::Grouping(group));
                term
            }
            None => {
                let term = term(cx, tables, expr)?;
                must_be_grouped(cx, &groups, &term)?;
                hidden.push(Shown::of(&groups, &term));
                term
            }
        };
        let collation = if term.kind.is_text() { " COLLATE NOCASE" } else { "" };
        let sql = format!("o{}{collation}", hidden.len() - 1);
        Ok((term, sql))
    })?;
    // Equal groups keep one order.
    for (number, group) in groups.iter().enumerate() {
        order.push(format!("o{}", hidden.len()));
        hidden.push(Shown::Group(group.sql.clone(), number));
    }
    let from = format!("{}{}", tables.from(), clause(" WHERE ", " AND ", &wheres));
    let parts: Vec<String> = totals(query.totals, groups.len())
        .iter()
        .map(|by| {
            let shown = shown.iter().enumerate().map(|(i, one)| format!("{} AS c{i}", one.sql(by)));
            let hidden = hidden.iter().enumerate().map(|(i, one)| format!("{} AS o{i}", one.sql(by)));
            // An aggregate makes groups of what shows none.
            let count = std::iter::once("count(*) AS n".to_owned());
            let all: Vec<String> = shown.chain(hidden).chain(count).collect();
            let by: Vec<String> = by.iter().filter_map(|i| groups.get(*i)).map(|g| g.sql.clone()).collect();
            let mut having = having_sql.clone();
            if by.is_empty() && !groups.is_empty() {
                // Of nothing there is no total.
                having.push("count(*) > 0".into());
            }
            let (by, having) = (clause(" GROUP BY ", ", ", &by), clause(" HAVING ", " AND ", &having));
            format!("SELECT {} FROM {from}{by}{having}", all.join(", "))
        })
        .collect();
    let names: Vec<String> = (0..columns.len()).map(|i| format!("c{i}")).collect();
    let sql = format!(
        "SELECT {} FROM ({}){}{}",
        names.join(", "),
        parts.join(" UNION ALL "),
        clause(" ORDER BY ", ", ", &order),
        limits(query)?,
    );
    Ok(AggregatePlan { columns, sql, params })
}

fn groups(cx: &Context<'_>, query: &Query, tables: &mut Tables) -> Result<Vec<Term>, ApiError> {
    let most = if query.totals == Totals::None { FIELDS } else { TOTALLED };
    if query.group.len() > most {
        return Err(ApiError::bad("MALFORMED_QUERY", format!("GROUP BY takes at most {most} fields")));
    }
    let mut groups: Vec<Term> = Vec::new();
    for expr in &query.group {
        let group = term(cx, tables, expr)?;
        if group.aggregate || group.formatted {
            return Err(error::unexpected(cx.text, group.offset, &group.name));
        }
        if !group.kind.is_groupable() {
            let sentence = format!("field '{}' can not be grouped in a query call", group.name);
            return Err(error::at(cx.text, group.offset, "MALFORMED_QUERY", &sentence));
        }
        groups.push(group);
    }
    Ok(groups)
}

fn columns(
    cx: &Context<'_>,
    query: &Query,
    tables: &mut Tables,
    groups: &[Term],
) -> Result<(Vec<Column>, Vec<Shown>), ApiError> {
    let items = match &query.select {
        Select::Items(items) if items.len() <= select::FIELDS => items.as_slice(),
        Select::Items(_) => return Err(ApiError::bad("QUERY_TOO_COMPLICATED", "too many fields")),
        Select::Count => return Err(ungrouped(cx, query.from.offset, "COUNT()")),
    };
    let mut columns: Vec<Column> = Vec::new();
    let mut shown = Vec::new();
    let mut unnamed = 0;
    for item in items {
        let Item::Expr { expr, alias } = item else {
            return Err(ungrouped(cx, query.from.offset, "a sub-select or FIELDS()"));
        };
        let (term, what) = match grouping(cx, tables, groups, expr)? {
            Some((term, group)) => (term, Shown::Grouping(group)),
            None => {
                let term = term(cx, tables, expr)?;
                must_be_grouped(cx, groups, &term)?;
                let what = Shown::of(groups, &term);
                (term, what)
            }
        };
        let name = match (alias, &term.column) {
            (Some(alias), _) => alias.clone(),
            (None, Some(column)) if !term.is_call => column.field.name.to_owned(),
            _ => {
                unnamed += 1;
                format!("expr{}", unnamed - 1)
            }
        };
        if columns.iter().any(|known| known.name.eq_ignore_ascii_case(&name)) {
            let sentence = format!("duplicate alias: {name}");
            return Err(error::at(cx.text, term.offset, "MALFORMED_QUERY", &sentence));
        }
        columns.push(Column { name, kind: term.kind, formatted: term.formatted });
        shown.push(what);
    }
    Ok((columns, shown))
}

/// `GROUPING(Industry)`: the column it shows, and which group it asks about.
fn grouping(
    cx: &Context<'_>,
    tables: &mut Tables,
    groups: &[Term],
    expr: &Expr,
) -> Result<Option<(Term, usize)>, ApiError> {
    let Expr::Call { function, argument: Some(argument) } = expr else { return Ok(None) };
    if !function.value.eq_ignore_ascii_case("GROUPING") {
        return Ok(None);
    }
    let of = term(cx, tables, argument)?;
    let Some(group) = groups.iter().position(|group| group.sql == of.sql) else {
        return Err(ungrouped(cx, of.offset, &of.name));
    };
    Ok(Some((Term { kind: Kind::Int, is_call: true, ..of }, group)))
}

/// Which groups each part of the result is by: all of them, and with totals fewer.
fn totals(totals: Totals, groups: usize) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..groups).collect();
    match totals {
        Totals::None => vec![all],
        Totals::Rollup => (0..=groups).rev().map(|n| all.get(..n).unwrap_or_default().to_vec()).collect(),
        Totals::Cube => (0..1_usize << groups)
            .rev()
            .map(|bits| all.iter().copied().filter(|i| bits >> i & 1 == 1).collect())
            .collect(),
    }
}

impl AggregatePlan {
    pub(crate) fn records(&self, data: &Inner) -> Result<Vec<Json>, DataError> {
        let mut statement = data.sqlite.prepare_cached(&self.sql)?;
        let rows = statement.query_map(params_from_iter(&self.params), |row| {
            let mut record = Record::new();
            // No `url`: there is no such record.
            record.insert("attributes".into(), json!({ "type": "AggregateResult" }));
            for (i, column) in self.columns.iter().enumerate() {
                let value = format::value(column.kind, column.formatted, row.get_ref(i)?);
                record.insert(column.name.clone(), value);
            }
            Ok(Json::Object(record))
        })?;
        let records: Vec<Json> = rows.collect::<Result<_, _>>()?;
        if records.len() > GROUPS {
            return Err(too_many_groups().into());
        }
        Ok(records)
    }
}

/// More groups than one page holds.
pub(crate) fn too_many_groups() -> ApiError {
    ApiError::bad(
        "EXCEEDED_ID_LIMIT",
        "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch",
    )
}
