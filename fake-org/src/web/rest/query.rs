//! `/query`, `/queryAll` and their further pages.

use serde_json::{Value, json};

use super::answer::{Answer, Result};
use super::ask::Ask;
use crate::data::tokens::OAUTH_TOKEN;
use crate::data::{Inner, Refusal};
use crate::soql::{self, Pages, Plan, RowPlan, Scope};

pub(super) fn query(ask: &Ask<'_>, data: &mut Inner) -> Result {
    start(ask, data, Scope::Live)
}

pub(super) fn query_all(ask: &Ask<'_>, data: &mut Inner) -> Result {
    start(ask, data, Scope::All)
}

fn start(ask: &Ask<'_>, data: &mut Inner, scope: Scope) -> Result {
    if let Some(text) = ask.param("explain") {
        return Ok(Answer::json(200, soql::explain(text, ask.asker(scope), data)?));
    }
    let Some(text) = ask.param("q") else {
        return Err(Refusal::bad("MALFORMED_QUERY", "SOQL statement may not be empty").into());
    };
    if text.to_ascii_lowercase().contains(&OAUTH_TOKEN.to_ascii_lowercase()) {
        ask.org.show_tokens(data)?;
    }
    if ask.param("columns") == Some("true") {
        // A wrong query is one here too.
        soql::compile(text, ask.asker(scope), &data.schema)?;
        return Ok(Answer::json(200, soql::columns(text, &data.schema)?));
    }
    let plan = match soql::compile(text, ask.asker(scope), &data.schema)? {
        Plan::Count(plan) => {
            let total = plan.count(data)?;
            return Ok(Answer::json(200, json!({ "totalSize": total, "done": true, "records": [] })));
        }
        Plan::Aggregate(plan) => {
            let records = plan.records(data)?;
            return Ok(page(records.len(), records, None));
        }
        Plan::Rows(plan) => plan,
    };
    let size = page_size(ask);
    let keys = plan.keys(data)?;
    let total = keys.len();
    let records = records(ask, data, &plan, keys.get(..size.min(total)).unwrap_or_default(), size)?;
    let next = (total > size).then(|| open(ask, plan, keys, size));
    Ok(page(total, records, next))
}

/// The records of a page; children come in pages of the same size.
fn records(ask: &Ask<'_>, data: &Inner, plan: &RowPlan, keys: &[i64], size: usize) -> Result<Vec<Value>> {
    let link = |object: &str, id: &str| ask.record_path(object, id);
    let open = |children: &RowPlan, keys: Vec<i64>| open(ask, children.clone(), keys, size);
    plan.paged(data, keys, &link, Some(Pages { size, open: &open }))
}

/// Opens a cursor; the place of its second page. Also after queryAll the path says `query`.
fn open(ask: &Ask<'_>, plan: RowPlan, keys: Vec<i64>, size: usize) -> String {
    let (locator, _) = ask.org.cursors.open(plan, keys, size, &ask.user.id, ask.now());
    format!("{}/query/{locator}-{size}", ask.root())
}

pub(super) fn next(ask: &Ask<'_>, data: &mut Inner) -> Result {
    let locator = ask.path.last().map_or("", String::as_str);
    let found = ask.org.cursors.find(locator, &ask.user.id, ask.now());
    let Some((id, cursor, offset)) = found else {
        return Err(Refusal::bad("INVALID_QUERY_LOCATOR", "invalid query locator").into());
    };
    let end = (offset + cursor.page).min(cursor.keys.len());
    let keys = cursor.keys.get(offset..end).unwrap_or_default();
    let records = records(ask, data, &cursor.plan, keys, cursor.page)?;
    let next = (end < cursor.keys.len()).then(|| format!("{}/query/{id}-{end}", ask.root()));
    Ok(page(cursor.keys.len(), records, next))
}

fn page(total: usize, records: Vec<Value>, next: Option<String>) -> Answer {
    Answer::json(200, soql::result(total, next, records))
}

/// `Sforce-Query-Options: batchSize=200..2000`, within what the org was set to.
fn page_size(ask: &Ask<'_>) -> usize {
    let most = ask.org.settings().page_size.max(1);
    let asked =
        ask.header_option("sforce-query-options", "batchSize").and_then(|size| size.parse::<usize>().ok());
    asked.map_or(most, |size| size.clamp(200, 2_000)).min(most)
}
