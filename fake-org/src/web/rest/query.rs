//! `/query`, `/queryAll` and their further pages.

use serde_json::{Value, json};

use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::data::tokens::OAUTH_TOKEN;
use crate::data::{ApiError, Inner};
use crate::soql::{self, Pages, Plan, RowPlan, Scope};

pub(super) fn query(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    start(request, data, Scope::Live)
}

pub(super) fn query_all(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    start(request, data, Scope::All)
}

fn start(request: &RestRequest<'_>, data: &mut Inner, scope: Scope) -> Result {
    if let Some(text) = request.param("explain") {
        return Ok(Response::json(200, soql::explain(text, request.requester(scope), data)?));
    }
    let Some(text) = request.param("q") else {
        return Err(ApiError::bad("MALFORMED_QUERY", "SOQL statement may not be empty").into());
    };
    if text.to_ascii_lowercase().contains(&OAUTH_TOKEN.to_ascii_lowercase()) {
        request.org.show_tokens(data)?;
    }
    if request.param("columns") == Some("true") {
        // A wrong query is one here too.
        soql::compile(text, request.requester(scope), &data.schema)?;
        return Ok(Response::json(200, soql::columns(text, &data.schema)?));
    }
    let plan = match soql::compile(text, request.requester(scope), &data.schema)? {
        Plan::Count(plan) => {
            let total = plan.count(data)?;
            return Ok(Response::json(200, json!({ "totalSize": total, "done": true, "records": [] })));
        }
        Plan::Aggregate(plan) => {
            let records = plan.records(data)?;
            return Ok(page(records.len(), records, None));
        }
        Plan::Rows(plan) => plan,
    };
    let size = page_size(request);
    let keys = plan.keys(data)?;
    let total = keys.len();
    let records = records(request, data, &plan, keys.get(..size.min(total)).unwrap_or_default(), size)?;
    let next = (total > size).then(|| open(request, plan, keys, size));
    Ok(page(total, records, next))
}

/// The records of a page; children come in pages of the same size.
fn records(
    request: &RestRequest<'_>,
    data: &Inner,
    plan: &RowPlan,
    keys: &[i64],
    size: usize,
) -> Result<Vec<Value>> {
    let link = |object: &str, id: &str| request.record_path(object, id);
    let open = |children: &RowPlan, keys: Vec<i64>| open(request, children.clone(), keys, size);
    plan.paged(data, keys, &link, Some(Pages { size, open: &open }))
}

/// Opens a cursor; the place of its second page. Also after queryAll the path says `query`.
fn open(request: &RestRequest<'_>, plan: RowPlan, keys: Vec<i64>, size: usize) -> String {
    let (locator, _) = request.org.cursors.open(plan, keys, size, &request.user.id, request.now());
    format!("{}/query/{locator}-{size}", request.root())
}

pub(super) fn next(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let locator = request.path.last().map_or("", String::as_str);
    let found = request.org.cursors.find(locator, &request.user.id, request.now());
    let Some((id, cursor, offset)) = found else {
        return Err(ApiError::bad("INVALID_QUERY_LOCATOR", "invalid query locator").into());
    };
    let end = (offset + cursor.page).min(cursor.keys.len());
    let keys = cursor.keys.get(offset..end).unwrap_or_default();
    let records = records(request, data, &cursor.plan, keys, cursor.page)?;
    let next = (end < cursor.keys.len()).then(|| format!("{}/query/{id}-{end}", request.root()));
    Ok(page(cursor.keys.len(), records, next))
}

fn page(total: usize, records: Vec<Value>, next: Option<String>) -> Response {
    Response::json(200, soql::result(total, next, records))
}

/// `Sforce-Query-Options: batchSize=200..2000`, within what the org was set to.
fn page_size(request: &RestRequest<'_>) -> usize {
    let most = request.org.settings().page_size.max(1);
    let asked = request
        .header_option("sforce-query-options", "batchSize")
        .and_then(|size| size.parse::<usize>().ok());
    asked.map_or(most, |size| size.clamp(200, 2_000)).min(most)
}
