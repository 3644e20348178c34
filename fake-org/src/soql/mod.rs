//! SOQL: text → tokens → tree → SQL on the record store. SQLite evaluates it.

mod aggregate;
mod ast;
mod bind;
mod clauses;
mod columns;
pub(crate) mod cursor;
mod dates;
mod error;
mod explain;
mod filter;
mod format;
mod join;
mod lex;
mod literal;
mod parse;
mod plan;
mod record;
mod select;
mod term;
mod type_of;

pub(crate) use aggregate::too_many_groups;
pub(crate) use columns::columns;
pub(crate) use explain::explain;
pub(crate) use plan::Plan;
pub(crate) use record::{Pages, RowPlan};

use rusqlite::types::Value as Sql;
use serde_json::{Value as Json, json};

use crate::base::clock::Millis;
use crate::data::ApiError;
use crate::data::schema::{Object, Schema};

/// Which rows a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// `query`.
    Live,
    /// `queryAll`: deleted rows too.
    All,
}

/// The user who sends a query, and the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requester<'a> {
    pub(crate) scope: Scope,
    /// What date literals count from.
    pub(crate) now: Millis,
    /// Whose records `USING SCOPE mine` means.
    pub(crate) user_id: &'a str,
}

/// What a query is compiled against.
#[derive(Debug)]
struct Context<'a> {
    text: &'a str,
    schema: &'a Schema,
    requester: Requester<'a>,
    /// A rule's condition, not a query: it may look at long texts too.
    is_rule: bool,
}

/// A page of a result: `{"totalSize":…,"done":…,"nextRecordsUrl":…,"records":[…]}`, in this order.
pub(crate) fn result(total: usize, next: Option<String>, records: Vec<Json>) -> Json {
    let mut body = json!({ "totalSize": total, "done": next.is_none() });
    if let Some(next) = next {
        body["nextRecordsUrl"] = next.into();
    }
    body["records"] = records.into();
    body
}

/// Compiles a query.
pub(crate) fn compile(text: &str, requester: Requester<'_>, schema: &Schema) -> Result<Plan, ApiError> {
    if text.chars().count() > 100_000 {
        return Err(ApiError::bad(
            "MALFORMED_QUERY",
            "SOQL statements cannot be longer than 100,000 characters",
        ));
    }
    let tokens = lex::tokens(text)?;
    let query = parse::query(text, &tokens)?;
    plan::compile(&Context { text, schema, requester, is_rule: false }, &query)
}

/// Compiles a condition to `SELECT t0.Id FROM … WHERE (condition)` and its parameters.
pub(crate) fn condition(
    text: &str,
    object: &'static Object,
    now: Millis,
    schema: &Schema,
) -> Result<(String, Vec<Sql>), ApiError> {
    let tokens = lex::tokens(text)?;
    let condition = parse::condition_alone(text, &tokens)?;
    let requester = Requester { scope: Scope::Live, now, user_id: "" };
    let cx = Context { text, schema, requester, is_rule: true };
    let mut tables = bind::Tables::of(object);
    let mut filter = filter::Filter::new(&cx, &mut tables, Vec::new());
    let sql = filter.sql(&condition)?;
    let params = filter.params;
    Ok((format!("SELECT t0.Id FROM {} WHERE ({sql})", tables.from()), params))
}

#[cfg(test)]
mod tests;
