//! `/query`, `/queryAll` and their further pages.

use std::sync::Arc;

use axum::Extension;
use axum::extract::Path;
use serde_json::{Value, json};

use super::answer::{error, or_failure};
use super::guard::Caller;
use crate::data::{DataError, Refusal};
use crate::shared::Org;
use crate::soql::{self, Scope};
use crate::web::call::Call;
use crate::web::reply::{self, Reply};

pub(super) async fn query(caller: Extension<Caller>, call: Call) -> Reply {
    start(caller.0, call, Scope::Live).await
}

pub(super) async fn query_all(caller: Extension<Caller>, call: Call) -> Reply {
    start(caller.0, call, Scope::All).await
}

async fn start(caller: Caller, call: Call, scope: Scope) -> Reply {
    if call.query_param("explain").is_some() {
        return super::answer::refusal(&Refusal::not_emulated("MALFORMED_QUERY", "explain"));
    }
    let Some(text) = call.query_param("q").map(str::to_owned) else {
        return error(400, "MALFORMED_QUERY", "SOQL statement may not be empty");
    };
    let page = page_size(&call);
    let org = Arc::clone(&call.org);
    blocking(move || first_page(&org, &caller, &text, scope, page)).await
}

fn first_page(org: &Org, caller: &Caller, text: &str, scope: Scope, page: usize) -> Result<Reply, DataError> {
    let now = org.clock.now();
    let plan = soql::compile(text, scope, now)?;
    let keys = org.data.with(|data| plan.keys(data))?;
    if plan.is_count() {
        let total = keys.first().copied().unwrap_or(0);
        return Ok(reply::json(200, &json!({ "totalSize": total, "done": true, "records": [] })));
    }
    let total = keys.len();
    let link = |object: &str, id: &str| caller.record_path(object, id);
    let shown = keys.get(..page.min(total)).unwrap_or_default();
    let records = org.data.with(|data| plan.records(data, shown, &link))?;
    let next = (total > page).then(|| {
        // Also after queryAll the path says `query`.
        let (locator, _) = org.cursors.open(plan, keys, page, &caller.user.id, now);
        format!("/services/data/v{}.0/query/{locator}-{page}", caller.version)
    });
    Ok(answer(total, records, next))
}

pub(super) async fn next(
    caller: Extension<Caller>,
    Path((_, locator)): Path<(String, String)>,
    call: Call,
) -> Reply {
    let org = Arc::clone(&call.org);
    blocking(move || further_page(&org, &caller.0, &locator)).await
}

fn further_page(org: &Org, caller: &Caller, locator: &str) -> Result<Reply, DataError> {
    let found = org.cursors.find(locator, &caller.user.id, org.clock.now());
    let Some((id, cursor, offset)) = found else {
        return Err(Refusal::bad("INVALID_QUERY_LOCATOR", "invalid query locator").into());
    };
    let end = (offset + cursor.page).min(cursor.keys.len());
    let link = |object: &str, id: &str| caller.record_path(object, id);
    let keys = cursor.keys.get(offset..end).unwrap_or_default();
    let records = org.data.with(|data| cursor.plan.records(data, keys, &link))?;
    let next =
        (end < cursor.keys.len()).then(|| format!("/services/data/v{}.0/query/{id}-{end}", caller.version));
    Ok(answer(cursor.keys.len(), records, next))
}

fn answer(total: usize, records: Vec<Value>, next: Option<String>) -> Reply {
    let mut body = json!({ "totalSize": total, "done": next.is_none(), "records": records });
    if let Some(next) = next {
        body["nextRecordsUrl"] = json!(next);
    }
    reply::json(200, &body)
}

/// `Sforce-Query-Options: batchSize=200..2000`, within what the org was set to.
fn page_size(call: &Call) -> usize {
    let most = call.org.settings().page_size.max(1);
    let asked = call
        .header("sforce-query-options")
        .and_then(|value| {
            value.split([',', ';']).find_map(|option| {
                let (name, size) = option.split_once('=')?;
                name.trim().eq_ignore_ascii_case("batchSize").then(|| size.trim().parse::<usize>().ok())?
            })
        })
        .map_or(most, |size| size.clamp(200, 2_000));
    asked.min(most)
}

/// Work on the record store, off the thread that serves the connections.
pub(super) async fn blocking(work: impl FnOnce() -> Result<Reply, DataError> + Send + 'static) -> Reply {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => or_failure(result),
        Err(failed) => error(500, "UNKNOWN_EXCEPTION", &format!("fake org: {failed}")),
    }
}
