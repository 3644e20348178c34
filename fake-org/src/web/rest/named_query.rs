//! `/named/query/NAME` (REST API Developer Guide, "Named Query API").

use super::query;
use super::response::Result;
use super::rest_request::RestRequest;
use crate::data::{ApiError, Inner};

/// The first version, as a beta.
const FIRST_VERSION: u32 = 65;

pub(super) fn run(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let name = request.part(2);
    let mut queries = request.org.declared.named_queries.iter();
    let found = queries.find(|query| query.name == name && request.version >= FIRST_VERSION);
    let soql = filled(request, &found.ok_or_else(ApiError::not_found)?.soql)?;
    query::rows(request, data, &soql)
}

/// Puts the parameters of the URL in place of `:name`. All of them are required; code and text are unverified.
fn filled(request: &RestRequest<'_>, soql: &str) -> std::result::Result<String, ApiError> {
    let mut parts = soql.split(':');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let Some(value) = request.param(name) else {
            return Err(ApiError::bad("INVALID_INPUT", format!("Missing parameter: {name}")));
        };
        out.push_str(&literal(value));
        out.push_str(rest);
    }
    Ok(out)
}

/// A number, a boolean, a date or a date literal as it is; any other text in quotes.
fn literal(value: &str) -> String {
    let is_date =
        value.len() >= 10 && value.starts_with(|c: char| c.is_ascii_digit()) && value.as_bytes()[4] == b'-';
    let is_word = value.contains('_') || ["TODAY", "YESTERDAY", "TOMORROW"].contains(&value);
    let is_literal =
        is_word && value.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_:".contains(c));
    if is_date || is_literal || value.parse::<f64>().is_ok() || matches!(value, "true" | "false") {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}
