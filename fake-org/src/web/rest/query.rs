//! `/query`, `/queryAll` and their further pages.

use serde_json::{Value, json};

use super::answer::{Answer, Result};
use super::ask::Ask;
use crate::data::{Inner, Refusal};
use crate::soql::{self, Plan, Scope};

pub(super) fn query(ask: &Ask<'_>, data: &mut Inner) -> Result {
    start(ask, data, Scope::Live)
}

pub(super) fn query_all(ask: &Ask<'_>, data: &mut Inner) -> Result {
    start(ask, data, Scope::All)
}

fn start(ask: &Ask<'_>, data: &Inner, scope: Scope) -> Result {
    if ask.param("explain").is_some() {
        return Err(Refusal::not_emulated("MALFORMED_QUERY", "explain").into());
    }
    let Some(text) = ask.param("q") else {
        return Err(Refusal::bad("MALFORMED_QUERY", "SOQL statement may not be empty").into());
    };
    if ask.param("columns") == Some("true") {
        // A wrong query is one here too.
        soql::compile(text, ask.asker(scope), &data.schema)?;
        return Ok(Answer::json(200, soql::columns(text, &data.schema)?));
    }
    let now = ask.now();
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
    let link = |object: &str, id: &str| ask.record_path(object, id);
    let records = plan.records(data, keys.get(..size.min(total)).unwrap_or_default(), &link)?;
    let next = (total > size).then(|| {
        // Also after queryAll the path says `query`.
        let (locator, _) = ask.org.cursors.open(plan, keys, size, &ask.user.id, now);
        format!("{}/query/{locator}-{size}", ask.root())
    });
    Ok(page(total, records, next))
}

pub(super) fn next(ask: &Ask<'_>, data: &mut Inner) -> Result {
    let locator = ask.path.last().map_or("", String::as_str);
    let found = ask.org.cursors.find(locator, &ask.user.id, ask.now());
    let Some((id, cursor, offset)) = found else {
        return Err(Refusal::bad("INVALID_QUERY_LOCATOR", "invalid query locator").into());
    };
    let end = (offset + cursor.page).min(cursor.keys.len());
    let link = |object: &str, id: &str| ask.record_path(object, id);
    let keys = cursor.keys.get(offset..end).unwrap_or_default();
    let records = cursor.plan.records(data, keys, &link)?;
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
