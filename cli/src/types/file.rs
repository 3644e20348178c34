//! Saved describes: a response of the REST API, or what `sf sobject describe --json` printed.

use std::{fmt::Display, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::describe::Described;
use crate::failure::Failure;

/// How to save a describe.
const HOW: &str = "save one with `sf sobject describe --sobject Account --json > account.json`";

/// What the Salesforce CLI prints.
#[derive(Deserialize)]
struct OfCli {
    result: Described,
}

/// Reads a file: one describe, or a list of them.
pub(super) fn read(path: &Path) -> Result<Vec<Described>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::of(format_args!("cannot read {}", path.display()), &error).help(HOW))?;
    let text = text.trim_start_matches('\u{feff}');
    let value: Value = parse(path, text, "not JSON")?;
    let wraps = |value: &Value| value.get("result").is_some();
    let found = match &value {
        Value::Array(list) if list.first().is_some_and(wraps) => {
            parse::<Vec<OfCli>>(path, text, NOT_ONE)?.into_iter().map(|wrapped| wrapped.result).collect()
        }
        Value::Array(_) => parse(path, text, NOT_ONE)?,
        Value::Object(members) if members.contains_key("sobjects") => {
            return Err(refused(path, 1, "this is the list of all objects, not a describe of one"));
        }
        Value::Object(members) if members.get("status").is_some_and(|status| status != 0) => {
            let said = members.get("message").and_then(Value::as_str).unwrap_or("no message");
            return Err(refused(path, 1, format_args!("the Salesforce CLI wrote an error: {said}")));
        }
        value if wraps(value) => vec![parse::<OfCli>(path, text, NOT_ONE)?.result],
        _ => vec![parse(path, text, NOT_ONE)?],
    };
    if let Some(name) = found.iter().find_map(|object: &Described| object.invalid_name()) {
        let line = text.lines().position(|line| line.contains(name)).unwrap_or_default();
        return Err(refused(path, line + 1, format_args!("{NOT_ONE}: `{name}` is not an API name")));
    }
    if found.is_empty() { Err(refused(path, 1, "the list has no describe")) } else { Ok(found) }
}

const NOT_ONE: &str = "not a describe of an object";

fn parse<T: DeserializeOwned>(path: &Path, text: &str, what: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let why = error.to_string();
        // The line stands before the message.
        let why = why.split(" at line ").next().unwrap_or_default();
        refused(path, error.line(), format_args!("{what}: {why}"))
    })
}

fn refused(path: &Path, line: usize, why: impl Display) -> Failure {
    Failure::new(format_args!("{}:{}: {why}", path.display(), line.max(1))).help(HOW)
}
