//! Parents and children that the first record of a list does not have.
//!
//! The names of a list's fields are compared with the program's in one record, because all of them have the same fields.
//! But a parent or a list of children that is `null` there says nothing of the fields below it.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::tree::Json;

/// Maximum number of records that are compared besides the first.
const MAX_RECORDS: usize = 16;

/// Returns the records of a body that have a parent or children where `first`, one of them, has `null`.
///
/// A member that is `null` everywhere costs one search of the body.
pub(crate) fn records_with<'a>(body: &'a [u8], first: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    if let Some(first) = Json::parse(first) {
        null_members(&first, &mut names);
    }
    let is_spaced = is_spaced(first);
    names.retain(|name| has_value(body, name, is_spaced));
    if names.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for record in records(body) {
        let before = names.len();
        names.retain(|name| !has_value(record.as_bytes(), name, is_spaced));
        if names.len() < before {
            found.push(record);
        }
        if names.is_empty() || found.len() >= MAX_RECORDS {
            break;
        }
    }
    found
}

/// Returns whether JSON has an object or an array under this name.
fn has_value(json: &[u8], name: &str, is_spaced: bool) -> bool {
    if !is_spaced {
        // Salesforce's own form. Faster, because a name alone is in each record.
        return ["{", "["]
            .iter()
            .any(|start| memmem::find(json, format!("\"{name}\":{start}").as_bytes()).is_some());
    }
    let name = format!("\"{name}\"");
    memmem::find_iter(json, name.as_bytes()).any(|index| {
        let after = json.get(index + name.len()..).unwrap_or_default().trim_ascii_start();
        let value = after.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        value.is_some_and(|value| value.starts_with(b"{") || value.starts_with(b"["))
    })
}

/// Returns whether JSON has blanks or line ends between its parts.
fn is_spaced(json: &str) -> bool {
    let mut in_text = false;
    let mut bytes = json.trim_ascii().bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_text => drop(bytes.next()),
            b'"' => in_text = !in_text,
            byte if !in_text && byte.is_ascii_whitespace() => return true,
            _ => {}
        }
    }
    false
}

fn null_members(json: &Json, names: &mut Vec<String>) {
    match json {
        Json::Object(members) => {
            for (name, value) in members {
                match value {
                    Json::Null if !names.contains(name) => names.push(name.clone()),
                    value => null_members(value, names),
                }
            }
        }
        Json::Array(elements) => elements.iter().take(1).for_each(|element| null_members(element, names)),
        _ => {}
    }
}

/// The records of a page, or of an array.
fn records(body: &[u8]) -> Vec<&str> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        records: Vec<&'a RawValue>,
    }

    let list: Cow<'_, [&RawValue]> = match body.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice::<Vec<&RawValue>>(body).unwrap_or_default().into(),
        _ => serde_json::from_slice::<Page<'_>>(body).map(|page| page.records).unwrap_or_default().into(),
    };
    list.iter().map(|record| record.get()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_have_what_the_first_lacks_are_found() {
        let first = r#"{"Name":null,"Owner":null,"Account":{"Parent":null}}"#;
        let rows = [
            first,
            r#"{"Name":"{","Owner":null,"Account":{"Parent":null}}"#,
            r#"{"Name":"x","Owner":{"Name":"A"},"Account":null}"#,
            r#"{"Name":"x","Owner":{"Name":"B"},"Account":{"Parent":{"Name":"C"}}}"#,
        ];
        let array = format!("[{}]", rows.join(","));
        let page = format!(r#"{{"totalSize":4,"done":true,"records":{array}}}"#);
        for body in [&array, &page] {
            assert_eq!(records_with(body.as_bytes(), first), rows[2..], "{body}");
        }
        assert!(records_with(array.as_bytes(), rows[3]).is_empty());
        // Pretty-printed.
        let spaced = rows.map(|row| row.replace(':', " :\n ").replace(',', ",\n"));
        let array = format!("[\n{}\n]", spaced.join(" , "));
        assert_eq!(records_with(array.as_bytes(), &spaced[0]), spaced[2..]);
    }
}
