//! `/query`, `/queryAll` and their further pages.

use serde_json::{Value, json};

use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::data::tokens::OAUTH_TOKEN;
use crate::data::{ApiError, Inner};
use crate::soql::cursor::Owner;
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
    if is_declined(request, text) {
        return Ok(declined());
    }
    let words = text.to_ascii_lowercase();
    if words.contains(&OAUTH_TOKEN.to_ascii_lowercase()) {
        request.org.show_tokens(data)?;
    }
    if words.contains("organization") {
        data.set_sandbox(request.org.settings().is_sandbox)?;
    }
    if request.param("columns") == Some("true") {
        // A wrong query is one here too.
        soql::compile(text, request.requester(scope), &data.schema)?;
        return Ok(Response::json(200, soql::columns(text, &data.schema)?));
    }
    run(request, data, text, scope)
}

/// The first page of a query that has a name.
pub(super) fn rows(request: &RestRequest<'_>, data: &mut Inner, text: &str) -> Result {
    run(request, data, text, Scope::Live)
}

fn run(request: &RestRequest<'_>, data: &mut Inner, text: &str, scope: Scope) -> Result {
    let plan = match soql::compile(text, request.requester(scope), &data.schema)? {
        Plan::Count(plan) => {
            let total = plan.count(data)?;
            return Ok(Response::json(200, json!({ "totalSize": total, "done": true, "records": [] })));
        }
        Plan::Aggregate(plan) => {
            let records = plan.records(data)?;
            // Such results have no further pages.
            if batch_size(request).is_some_and(|size| records.len() > size) {
                return Err(soql::too_many_groups().into());
            }
            return Ok(page(records.len(), records, None));
        }
        Plan::Rows(plan) => plan,
    };
    let size = page_size(request);
    let keys = plan.keys(data)?;
    let total = keys.len();
    let first = keys.get(..size.min(total)).unwrap_or_default().to_vec();
    let parents = (total > size).then(|| open(request, plan.clone(), keys, size, None));
    let mut records = records(request, data, &plan, &first, size, parents.as_deref())?;
    records.retain(|record| !is_hidden(request, data, record));
    let total = total - (first.len() - records.len());
    Ok(page(total, records, parents.map(|locator| link(request, &locator, size))))
}

/// Whether sharing keeps a record from the user.
fn is_hidden(request: &RestRequest<'_>, data: &Inner, record: &Value) -> bool {
    let url = record["attributes"]["url"].as_str().unwrap_or_default();
    let id = url.rsplit('/').next().unwrap_or_default();
    !data.rules.hidden.is_empty() && data.rules.hidden.contains(&(request.user.id.clone(), id.to_owned()))
}

/// Whether the edge in front of the org declines a query by its text.
fn is_declined(request: &RestRequest<'_>, text: &str) -> bool {
    request.org.settings().declined_queries.iter().any(|part| text.contains(part.as_str()))
}

/// What the edge sends (GH: OrgCheck#74); its content type is unverified.
fn declined() -> Response {
    Response::file(400, "text/html", b"Access Declined".to_vec())
}

/// The records of a page; children come in pages of the same size. `parents`: the locator of the page.
fn records(
    request: &RestRequest<'_>,
    data: &Inner,
    plan: &RowPlan,
    keys: &[i64],
    size: usize,
    parents: Option<&str>,
) -> Result<Vec<Value>> {
    let path = |object: &str, id: &str| request.record_path(object, id);
    let open = |children: &RowPlan, keys: Vec<i64>| {
        link(request, &open(request, children.clone(), keys, size, parents), size)
    };
    plan.paged(data, keys, &path, Some(Pages { size, open: &open }))
}

/// Opens a cursor; its locator.
fn open(
    request: &RestRequest<'_>,
    plan: RowPlan,
    keys: Vec<i64>,
    size: usize,
    parent: Option<&str>,
) -> String {
    let limit = request.org.settings().cursor_limit;
    let owner = Owner { user_id: &request.user.id, parent, limit };
    request.org.cursors.open(plan, keys, size, owner, request.now())
}

/// The place of a page. Also after queryAll the path says `query`.
fn link(request: &RestRequest<'_>, locator: &str, start: usize) -> String {
    let path = request.org.settings().instance_path.clone().unwrap_or_default();
    format!("{path}{}/query/{locator}-{start}", request.root())
}

pub(super) fn next(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let locator = request.path.last().map_or("", String::as_str);
    let found = request.org.cursors.find(locator, &request.user.id, request.now());
    let Some((id, cursor, offset)) = found else {
        return Err(ApiError::bad("INVALID_QUERY_LOCATOR", "invalid query locator").into());
    };
    let settings = request.org.settings();
    if settings.child_cursors_end {
        request.org.cursors.close_children(&id);
    }
    let (total, end) = (cursor.keys.len(), (offset + cursor.page).min(cursor.keys.len()));
    let keys = cursor.keys.get(offset..end).unwrap_or_default();
    let missing = if end == total { settings.vanishing_rows } else { 0 };
    let keys = keys.get(..keys.len().saturating_sub(missing)).unwrap_or_default();
    let records = records(request, data, &cursor.plan, keys, cursor.page, Some(&id))?;
    let next = (end < total).then(|| link(request, &id, end));
    Ok(page(total.saturating_add_signed(settings.total_size_drift), records, next))
}

fn page(total: usize, records: Vec<Value>, next: Option<String>) -> Response {
    Response::json(200, soql::result(total, next, records))
}

/// `Sforce-Query-Options: batchSize=200..2000`.
fn batch_size(request: &RestRequest<'_>) -> Option<usize> {
    let size = request.header_option("sforce-query-options", "batchSize")?;
    Some(size.parse::<usize>().ok()?.clamp(200, 2_000))
}

/// The batch size, within what the org was set to.
fn page_size(request: &RestRequest<'_>) -> usize {
    let most = request.org.settings().page_size.max(1);
    batch_size(request).map_or(most, |size| size.min(most))
}
