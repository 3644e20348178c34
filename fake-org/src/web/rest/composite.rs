//! `/composite`: several calls in one, where later ones refer to earlier answers.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Result};
use super::ask::Ask;
use super::dispatch::dispatch;
use super::guard::version_number;
use crate::data::{Inner, Refusal};

const MOST: usize = 25;
/// Of them, queries and collections.
const MOST_HEAVY: usize = 5;
pub(super) const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";

pub(super) fn composite(ask: &Ask<'_>, data: &mut Inner) -> Result {
    let body = ask.json_object()?;
    let all_or_none = body.get("allOrNone").and_then(Value::as_bool).unwrap_or(false);
    let requests = requests(&body)?;
    if requests.len() > MOST || requests.iter().filter(|request| is_heavy(request)).count() > MOST_HEAVY {
        // The code and the wording are unverified.
        let text =
            format!("Maximum number of subrequests: {MOST}, of them {MOST_HEAVY} queries or collections");
        return Err(Refusal::bad("LIMIT_EXCEEDED", text).into());
    }
    let (answers, _) = run(ask, data, &requests, all_or_none)?;
    Ok(Answer::json(200, json!({ "compositeResponse": answers })))
}

/// The subrequests of a composite request or of a graph.
pub(super) fn requests(body: &Map<String, Value>) -> Result<Vec<Value>> {
    match body.get("compositeRequest") {
        Some(Value::Array(list)) if !list.is_empty() => Ok(list.clone()),
        _ => Err(Refusal::bad("MISSING_ARGUMENT", "compositeRequest is required").into()),
    }
}

fn is_heavy(request: &Value) -> bool {
    let url = request["url"].as_str().unwrap_or_default();
    ["/query", "/queryAll", "/composite/sobjects"].iter().any(|part| url.contains(part))
}

/// Runs subrequests in order; with `all_or_none` a failure undoes all. The flag says whether all went well.
pub(super) fn run(
    ask: &Ask<'_>,
    data: &mut Inner,
    requests: &[Value],
    all_or_none: bool,
) -> Result<(Vec<Value>, bool)> {
    data.all_or_none(|data| {
        let mut known: HashMap<String, Value> = HashMap::new();
        let mut answers: Vec<(String, Answer)> = Vec::new();
        for request in requests {
            let reference = request["referenceId"].as_str().unwrap_or_default().to_owned();
            let answer = if all_or_none && answers.iter().any(|(_, answer)| !answer.is_success()) {
                halted(ROLLED_BACK)
            } else {
                one(ask, data, request, &reference, &known)
            };
            if let (true, super::answer::Body::Json(body)) = (answer.is_success(), &answer.body) {
                known.insert(reference.clone(), body.clone());
            }
            answers.push((reference, answer));
        }
        let fine = answers.iter().all(|(_, answer)| answer.is_success());
        let undo = all_or_none && !fine;
        let shown = answers.into_iter().map(|(reference, answer)| {
            let answer = if undo && answer.is_success() { halted(ROLLED_BACK) } else { answer };
            let headers: Map<String, Value> = answer
                .headers
                .iter()
                .filter(|(name, _)| *name == "location")
                .map(|(_, value)| ("Location".to_owned(), json!(value)))
                .collect();
            let status = answer.status;
            json!({
                "body": answer.into_value(), "httpHeaders": headers, "httpStatusCode": status, "referenceId": reference,
            })
        });
        Ok(((shown.collect(), fine), !undo))
    })
}

fn halted(message: &str) -> Answer {
    Answer::error(400, "PROCESSING_HALTED", message)
}

fn one(
    ask: &Ask<'_>,
    data: &mut Inner,
    request: &Value,
    reference: &str,
    known: &HashMap<String, Value>,
) -> Answer {
    let named = !reference.is_empty() && reference.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    if !named || known.contains_key(reference) {
        // The wording is unverified.
        return Answer::error(
            400,
            "INVALID_INPUT",
            &format!("Invalid or duplicate referenceId: {reference}"),
        );
    }
    let filled = fill(request["url"].as_str().unwrap_or_default(), known)
        .and_then(|url| Ok((url, fill_value(&request["body"], known)?)));
    let (url, body) = match filled {
        Ok(filled) => filled,
        Err(message) => return halted(&message),
    };
    match sub(ask, request, &url, &body) {
        Some(inner)
            if inner.path.first().is_some_and(|part| part == "composite") && !is_collection(&inner) =>
        {
            Answer::error(400, "INVALID_INPUT", "Composite resources cannot be nested")
        }
        Some(inner) => dispatch(&inner, data),
        None => Refusal::not_found().into(),
    }
}

fn is_collection(ask: &Ask<'_>) -> bool {
    matches!(ask.part(1), "sobjects" | "tree")
}

/// A subrequest as a request of its own; `None`: its URL or method is no such thing.
fn sub<'a>(ask: &Ask<'a>, request: &Value, url: &str, body: &Value) -> Option<Ask<'a>> {
    let rest = url.strip_prefix("/services/data/")?;
    let (version, target) = rest.split_once('/').unwrap_or((rest, ""));
    let version = version_number(version).ok()?;
    let method = Method::from_bytes(request["method"].as_str()?.as_bytes()).ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in request["httpHeaders"].as_object().into_iter().flatten() {
        let pair = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::from_str(value.as_str()?).ok());
        if let Some((name, value)) = pair {
            headers.insert(name, value);
        }
    }
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Some(ask.sub(version, method, target, headers, bytes.into()))
}

/// Puts earlier answers in place of `@{reference.path}`.
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
    let found = known.get(reference).and_then(|answer| answer.pointer(&format!("/{below}")));
    // The wording is unverified.
    found
        .cloned()
        .ok_or_else(|| format!("Invalid reference specified. No value for {path} found in {reference}"))
}
