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
    let mut needles: Vec<_> =
        names.iter().flat_map(|name| [format!("\"{name}\":{{"), format!("\"{name}\":[")]).collect();
    needles.retain(|needle| memmem::find(body, needle.as_bytes()).is_some());
    if needles.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for record in records(body) {
        let before = needles.len();
        needles.retain(|needle| memmem::find(record.as_bytes(), needle.as_bytes()).is_none());
        if needles.len() < before {
            found.push(record);
        }
        if needles.is_empty() || found.len() >= MAX_RECORDS {
            break;
        }
    }
    found
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
    }
}
