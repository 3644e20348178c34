//! `query?explain=…`: which ways there are to run a query, cheapest first (REST API guide, "Query Performance
//! Feedback"). The counts are those of the data. How Salesforce computes a cost is not documented; here it is the rows
//! read, as a share of what its guide calls a selective filter (unverified).

use rusqlite::params_from_iter;
use serde_json::{Value as Json, json};

use super::ast::{Condition, Expr, Op, Query};
use super::bind::{Tables, root};
use super::clauses::clause;
use super::filter::Filter;
use super::term::term;
use super::{Context, Requester, Scope, compile, lex, parse};
use crate::base::ids;
use crate::data::schema::{Field, Kind, Object};
use crate::data::{ApiError, DataError, Inner};

/// A filter by a standard index is selective below this share of an object's rows, by a custom one below that one
/// (of the first million rows).
const STANDARD: f64 = 0.3;
const CUSTOM: f64 = 0.1;

const UNINDEXED: &str = "Not considering filter for optimization because unindexed";

struct Way {
    cost: f64,
    cardinality: u32,
    index: Option<&'static str>,
}

/// `{"plans":[…]}` of a query; a wrong query is refused as when it is run.
pub(crate) fn explain(text: &str, requester: Requester<'_>, data: &Inner) -> Result<Json, DataError> {
    if ids::normalize(text).is_some() {
        // The words are unverified. This org has neither.
        return Err(ApiError::bad("INVALID_ID", format!("no report or list view has the id {text}")).into());
    }
    compile(text, requester, &data.schema)?;
    let query = parse::query(text, &lex::tokens(text)?)?;
    let cx = Context { text, schema: &data.schema, requester, is_rule: false };
    let root = root(&cx, &query.from)?;
    let count = |conditions: &[&Condition]| count(&cx, &query, root, conditions, data);
    let all = count(&[])?;

    let mut ways = vec![Way { cost: cost(all, all, STANDARD), cardinality: 0, index: None }];
    let mut unindexed: Vec<&str> =
        if requester.scope == Scope::Live { vec!["IsDeleted"] } else { Vec::new() };
    let parts: &[Condition] = match &query.filter {
        Some(Condition::And(parts)) => parts,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    for part in parts {
        let Some(field) = filtered(&cx, &query, root, part)? else { continue };
        if !is_indexed(root, field) {
            if !unindexed.contains(&field.name) {
                unindexed.push(field.name);
            }
        } else if narrows(part) {
            let cardinality = count(&[part])?;
            let share = if field.is_custom() { CUSTOM } else { STANDARD };
            ways.push(Way { cost: cost(cardinality, all, share), cardinality, index: Some(field.name) });
        }
    }
    let filter: Vec<&Condition> = query.filter.iter().collect();
    if let Some(scan) = ways.first_mut() {
        scan.cardinality = count(&filter)?;
    }
    ways.sort_by(|a, b| a.cost.total_cmp(&b.cost));

    let notes: Vec<Json> = unindexed
        .iter()
        .map(|field| json!({ "description": UNINDEXED, "fields": [field], "tableEnumOrId": root.name }))
        .collect();
    let plans: Vec<Json> = ways
        .iter()
        .map(|way| {
            json!({
                "cardinality": way.cardinality, "fields": way.index.as_slice(),
                "leadingOperationType": if way.index.is_some() { "Index" } else { "TableScan" }, "notes": notes,
                "relativeCost": way.cost, "sobjectCardinality": all, "sobjectType": root.name,
            })
        })
        .collect();
    Ok(json!({ "plans": plans }))
}

/// How many rows meet all of these.
fn count(
    cx: &Context<'_>,
    query: &Query,
    root: &'static Object,
    conditions: &[&Condition],
    data: &Inner,
) -> Result<u32, DataError> {
    let mut tables = Tables::new(cx, root, query)?;
    let mut filter = Filter::new(cx, &mut tables, Vec::new());
    let mut wheres: Vec<String> =
        conditions.iter().map(|condition| filter.sql(condition)).collect::<Result<_, _>>()?;
    let params = filter.params;
    if cx.requester.scope == Scope::Live {
        wheres.push("t0.IsDeleted = 0".into());
    }
    let sql = format!("SELECT count(*) FROM {}{}", tables.from(), clause(" WHERE ", " AND ", &wheres));
    Ok(data.sqlite.prepare_cached(&sql)?.query_row(params_from_iter(&params), |row| row.get(0))?)
}

/// The field of the object itself that a condition is about.
fn filtered(
    cx: &Context<'_>,
    query: &Query,
    root: &'static Object,
    condition: &Condition,
) -> Result<Option<&'static Field>, ApiError> {
    let (Condition::Compare { expr, .. }
    | Condition::In { expr, .. }
    | Condition::InQuery { expr, .. }
    | Condition::Includes { expr, .. }) = condition
    else {
        return Ok(None);
    };
    if !matches!(expr, Expr::Field(_)) {
        return Ok(None);
    }
    let mut tables = Tables::new(cx, root, query)?;
    let column = term(cx, &mut tables, expr)?.column;
    Ok(column.filter(|column| column.table == 0).map(|column| column.field))
}

/// The fields that every org has indexed, and external ids.
fn is_indexed(object: &Object, field: &Field) -> bool {
    field.external_id
        || field.unique
        || matches!(field.kind, Kind::Id | Kind::Reference(..))
        || field.name == object.name_field
        || matches!(field.name, "CreatedDate" | "SystemModstamp")
        || (field.kind == Kind::Email && matches!(object.name, "Contact" | "Lead"))
}

/// Negations and LIKE find rows by no index.
fn narrows(condition: &Condition) -> bool {
    match condition {
        Condition::Compare { op, .. } => !matches!(op, Op::Ne | Op::Like),
        Condition::In { negated, .. } | Condition::InQuery { negated, .. } => !negated,
        _ => false,
    }
}

fn cost(rows: u32, all: u32, share: f64) -> f64 {
    let cost = f64::from(rows) / (f64::from(all.max(1)) * share);
    (cost * 1_000.0).round() / 1_000.0
}
