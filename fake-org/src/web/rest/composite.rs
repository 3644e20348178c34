//! `/composite`: several requests in one, where later ones refer to earlier responses.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::dispatch::dispatch;
use super::guard::version_number;
use super::inner_fault;
use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::data::{ApiError, Inner};

const MOST: usize = 25;
/// Of them, queries and collections.
const MOST_HEAVY: usize = 5;
pub(super) const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";

pub(super) fn composite(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let body = request.json_object()?;
    let all_or_none = body.get("allOrNone").and_then(Value::as_bool).unwrap_or(false);
    let subrequests = subrequests(&body)?;
    if subrequests.len() > MOST
        || subrequests.iter().filter(|subrequest| is_heavy(subrequest)).count() > MOST_HEAVY
    {
        // The code and the wording are unverified.
        let text =
            format!("Maximum number of subrequests: {MOST}, of them {MOST_HEAVY} queries or collections");
        return Err(ApiError::bad("LIMIT_EXCEEDED", text).into());
    }
    let (responses, _) = run(request, data, &subrequests, all_or_none)?;
    Ok(Response::json(200, json!({ "compositeResponse": responses })))
}

/// The subrequests of a composite request or of a graph.
pub(super) fn subrequests(body: &Map<String, Value>) -> Result<Vec<Value>> {
    match body.get("compositeRequest") {
        Some(Value::Array(list)) if !list.is_empty() => Ok(list.clone()),
        _ => Err(ApiError::bad("MISSING_ARGUMENT", "compositeRequest is required").into()),
    }
}

fn is_heavy(subrequest: &Value) -> bool {
    let url = subrequest["url"].as_str().unwrap_or_default();
    ["/query", "/queryAll", "/composite/sobjects"].iter().any(|part| url.contains(part))
}

/// Runs subrequests in order; with `all_or_none` a failure undoes all. The flag says whether all went well.
pub(super) fn run(
    request: &RestRequest<'_>,
    data: &mut Inner,
    subrequests: &[Value],
    all_or_none: bool,
) -> Result<(Vec<Value>, bool)> {
    data.all_or_none(|data| {
        let mut known: HashMap<String, Value> = HashMap::new();
        let mut responses: Vec<(String, Response)> = Vec::new();
        for subrequest in subrequests {
            let reference = subrequest["referenceId"].as_str().unwrap_or_default().to_owned();
            let response = if all_or_none && responses.iter().any(|(_, response)| !response.is_success()) {
                halted(ROLLED_BACK)
            } else {
                one(request, data, subrequest, &reference, &known)
            };
            if let (true, super::response::Body::Json(body)) = (response.is_success(), &response.body) {
                known.insert(reference.clone(), body.clone());
            }
            responses.push((reference, response));
        }
        let fine = responses.iter().all(|(_, response)| response.is_success());
        let undo = all_or_none && !fine;
        let shown = responses.into_iter().map(|(reference, response)| {
            let response = if undo && response.is_success() { halted(ROLLED_BACK) } else { response };
            let headers: Map<String, Value> = response
                .headers
                .iter()
                .filter(|(name, _)| name == "location")
                .map(|(_, value)| ("Location".to_owned(), json!(value)))
                .collect();
            let status = response.status;
            json!({
                "body": response.into_value(), "httpHeaders": headers, "httpStatusCode": status, "referenceId": reference,
            })
        });
        Ok(((shown.collect(), fine), !undo))
    })
}

fn halted(message: &str) -> Response {
    Response::error(400, "PROCESSING_HALTED", message)
}

fn one(
    request: &RestRequest<'_>,
    data: &mut Inner,
    subrequest: &Value,
    reference: &str,
    known: &HashMap<String, Value>,
) -> Response {
    let named = !reference.is_empty() && reference.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    if !named || known.contains_key(reference) {
        // The wording is unverified.
        return Response::error(
            400,
            "INVALID_INPUT",
            &format!("Invalid or duplicate referenceId: {reference}"),
        );
    }
    let filled = fill(subrequest["url"].as_str().unwrap_or_default(), known)
        .and_then(|url| Ok((url, fill_value(&subrequest["body"], known)?)));
    let (url, body) = match filled {
        Ok(filled) => filled,
        Err(message) => return halted(&message),
    };
    match sub(request, subrequest, &url, &body) {
        Some(inner)
            if inner.path.first().is_some_and(|part| part == "composite") && !is_collection(&inner) =>
        {
            Response::error(400, "INVALID_INPUT", "Composite resources cannot be nested")
        }
        Some(inner) => inner_fault::strike(&inner).unwrap_or_else(|| dispatch(&inner, data)),
        None => ApiError::not_found().into(),
    }
}

fn is_collection(request: &RestRequest<'_>) -> bool {
    matches!(request.part(1), "sobjects" | "tree")
}

/// Returns a subrequest as a request; `None` if its URL or method is invalid.
fn sub<'a>(
    request: &RestRequest<'a>,
    subrequest: &Value,
    url: &str,
    body: &Value,
) -> Option<RestRequest<'a>> {
    let rest = url.strip_prefix("/services/data/")?;
    let (version, target) = rest.split_once('/').unwrap_or((rest, ""));
    let version = version_number(request.org, version).ok()?;
    let method = Method::from_bytes(subrequest["method"].as_str()?.as_bytes()).ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in subrequest["httpHeaders"].as_object().into_iter().flatten() {
        let pair = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::from_str(value.as_str()?).ok());
        if let Some((name, value)) = pair {
            headers.insert(name, value);
        }
    }
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Some(request.sub(version, method, target, headers, bytes.into()))
}

/// Puts earlier responses in place of `@{reference.path}`.
fn fill(text: &str, known: &HashMap<String, Value>) -> std::result::Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let Some((path, tail)) = after.split_once('}') else { break };
        out.push_str(before);
        match look_up(path, known)? {
            Value::String(text) => out.push_str(&text),
            other => out.push_str(&other.to_string()),
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn fill_value(value: &Value, known: &HashMap<String, Value>) -> std::result::Result<Value, String> {
    Ok(match value {
        Value::String(text) => match text.strip_prefix("@{").and_then(|rest| rest.strip_suffix('}')) {
            // A reference alone keeps the type of what it stands for.
            Some(path) if !path.contains('}') => look_up(path, known)?,
            _ => Value::String(fill(text, known)?),
        },
        Value::Array(items) => Value::Array(
            items.iter().map(|item| fill_value(item, known)).collect::<std::result::Result<_, _>>()?,
        ),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| Ok((name.clone(), fill_value(value, known)?)))
                .collect::<std::result::Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

/// `ref.id`, `ref.records[0].Name`, `ref[1].id`.
fn look_up(path: &str, known: &HashMap<String, Value>) -> std::result::Result<Value, String> {
    let pointer = format!("/{}", path.replace('[', "/").replace(']', "").replace('.', "/"));
    let (reference, below) = pointer.get(1..).and_then(|p| p.split_once('/')).unwrap_or((path, ""));
    let found = known.get(reference).and_then(|response| response.pointer(&format!("/{below}")));
    // The wording is unverified.
    found
        .cloned()
        .ok_or_else(|| format!("Invalid reference specified. No value for {path} found in {reference}"))
}
