//! Parents and children that the first record of a list does not have.
//!
//! The names of a list's fields are compared with the program's in one record, because all of them have the same fields.
//! But a parent or a list of children that is `null` there says nothing of the fields below it.

use std::{borrow::Cow, collections::HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::tree::Json;

/// Maximum number of records that are compared besides the first.
const MAX_RECORDS: usize = 16;
/// How each record of Salesforce begins. Skipped: a page has as many as records, and no program looks for fields in it.
const ATTRIBUTES: &[u8] = br#""attributes":{"#;

/// Returns the records of a body that have a parent or children where `first`, one of them, has `null`.
///
/// Costs one pass over the body if all of these members are `null` everywhere, and a second one if not.
pub(crate) fn records_with<'a>(body: &'a [u8], first: &str) -> Vec<&'a str> {
    let Some(first) = Json::parse(first) else { return Vec::new() };
    let mut nulls = HashSet::new();
    null_members(&first, &mut nulls);
    let mut names = with_value(body, &nulls);
    if names.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for record in records(body) {
        let here = with_value(record.as_bytes(), &names);
        if !here.is_empty() {
            names.retain(|name| !here.contains(name));
            found.push(record);
        }
        if names.is_empty() || found.len() >= MAX_RECORDS {
            break;
        }
    }
    found
}

/// Returns those of the `names` under which JSON has an object or an array.
fn with_value<'n>(json: &[u8], names: &HashSet<&'n [u8]>) -> HashSet<&'n [u8]> {
    let mut found = HashSet::new();
    if names.is_empty() {
        return found;
    }
    let mut end = 0;
    while let Some(rest) = json.get(end..)
        && let Some(length) = memchr::memchr2(b'{', b'[', rest)
    {
        let before = json.get(..end + length).unwrap_or_default();
        end += length + 1;
        if json.get(end..).is_some_and(|rest| rest.starts_with(ATTRIBUTES)) {
            end += ATTRIBUTES.len();
        }
        // Most of them: a record of a list.
        if before.ends_with(b",") {
            continue;
        }
        if let Some(name) = name_before(before).and_then(|name| names.get(name)) {
            found.insert(*name);
            if found.len() == names.len() {
                break;
            }
        }
    }
    found
}

/// Returns the name of the member whose value comes next. A name with a quote in it is not a field's.
fn name_before(json: &[u8]) -> Option<&[u8]> {
    let name = json.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end().strip_suffix(b"\"")?;
    let start = memchr::memrchr(b'"', name)?;
    name.get(start + 1..)
}

fn null_members<'a>(json: &'a Json, names: &mut HashSet<&'a [u8]>) {
    match json {
        Json::Object(members) => {
            for (name, value) in members {
                match value {
                    Json::Null => drop(names.insert(name.as_bytes())),
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

    #[test]
    fn any_number_of_names_costs_one_pass() {
        let nulls: Vec<_> = (0..40_000).map(|index| format!(r#""Key{index}__c":null"#)).collect();
        let first = format!("{{{}}}", nulls.join(","));
        let late = r#"{"Key7__c":{"Name":"A"}}"#;
        let body = format!("[{first},{late}]");
        let start = std::time::Instant::now();
        assert_eq!(records_with(body.as_bytes(), &first), [late]);
        assert!(start.elapsed().as_secs() < 3, "{:?}", start.elapsed());
    }
}
