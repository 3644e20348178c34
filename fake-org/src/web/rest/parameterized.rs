//! `/parameterizedSearch`: a search without SOSL.

use axum::http::Method;
use serde_json::Value;

use super::response::Result;
use super::rest_request::RestRequest;
use super::search::{MOST, everywhere, plain, records};
use super::sosl::{self, In, Returning};
use crate::data::{ApiError, Inner};

pub(super) fn search(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let body = if request.method == Method::POST { request.record()? } else { serde_json::Map::new() };
    let text = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .map(String::from)
            .or_else(|| request.param(name).map(String::from))
    };
    let number = |name: &str| {
        let given = body.get(name).and_then(Value::as_u64).or_else(|| request.param(name)?.parse().ok());
        given.and_then(|n| usize::try_from(n).ok())
    };
    let Some(term) = text("q") else {
        return Err(ApiError::bad("MALFORMED_SEARCH", "q is required").into());
    };
    let place = match text("in") {
        Some(place) => {
            In::parse(&place).ok_or_else(|| ApiError::bad("MALFORMED_SEARCH", format!("in: {place}")))?
        }
        None => In::All,
    };
    let fields = match body.get("fields") {
        Some(list) => names(list),
        None => text("fields").unwrap_or_default(),
    };
    let fields = if fields.is_empty() { "Id".to_owned() } else { fields };
    let list: Vec<Returning> = match body.get("sobjects").and_then(Value::as_array) {
        Some(sobjects) => sobjects.iter().map(|item| returning(item, &fields)).collect(),
        None => match text("sobject") {
            Some(sobject) => vec![plain(&sobject, &fields)],
            None => everywhere(data),
        },
    };
    let overall = number("overallLimit").unwrap_or(MOST).min(MOST);
    let each = number("defaultLimit").unwrap_or(MOST);
    let skip = number("offset").unwrap_or(0);
    let term = sosl::term(&term)?;
    let mut found = Vec::new();
    for returning in &list {
        found.extend(sosl::find(request, data, &term, place, returning, each)?);
    }
    let found = found.into_iter().skip(skip).take(overall).collect();
    Ok(records(request, found))
}

/// `{"name":"Account","fields":["Id","Name"],"where":"…","orderBy":"Name","limit":20}`.
fn returning(item: &Value, fields: &str) -> Returning {
    let mut out = plain(item["name"].as_str().unwrap_or_default(), fields);
    if item["fields"].is_array() {
        out.fields = names(&item["fields"]);
    }
    out.filter = item["where"].as_str().unwrap_or_default().to_owned();
    if let Some(order) = item["orderBy"].as_str() {
        out.tail.push_str(&format!("ORDER BY {order} "));
    }
    if let Some(limit) = item["limit"].as_u64() {
        out.tail.push_str(&format!("LIMIT {limit}"));
    }
    out
}

fn names(list: &Value) -> String {
    match list {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        _ => String::new(),
    }
}
