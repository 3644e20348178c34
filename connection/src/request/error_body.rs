//! Reads the errors in the body of a response, in each form that the parts of the API have for them.
//!
//! A body has up to 32 MiB. All of it is parsed, and only a bounded part is stored.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::error::{ApiError, duplicates::Duplicates};

/// Largest number of errors, fields or ids that are stored of one response, which may have any size. A collections
/// request has 200 records.
pub(crate) const MAX_ENTRIES: usize = 200;
/// Longest message in bytes that is stored.
pub(crate) const MAX_TEXT: usize = 2000;
/// Longest code or field name in bytes that is stored.
const MAX_WORD: usize = 100;

/// Returns the errors in a body: an array of them, a single one, or those of a record tree. Other bodies have none.
pub(crate) fn errors(body: &[u8]) -> Vec<ApiError> {
    let Ok(text) = std::str::from_utf8(body) else { return Vec::new() };
    match text.trim_start().as_bytes().first() {
        Some(b'[') => entries(text),
        Some(b'{') => match RawEntry::read(text) {
            Some(RawEntry { results: Some(results), .. }) => of_nodes(results.get()),
            entry => entry.and_then(RawEntry::into_error).into_iter().collect(),
        },
        _ => Vec::new(),
    }
}

/// Returns the errors in an array.
pub(crate) fn entries(array: &str) -> Vec<ApiError> {
    let entries = elements(array, MAX_ENTRIES).unwrap_or_default();
    entries.into_iter().filter_map(|entry| RawEntry::read(entry.get())?.into_error()).collect()
}

/// Returns the errors of a rejected record tree.
fn of_nodes(results: &str) -> Vec<ApiError> {
    let nodes = elements(results, MAX_ENTRIES).unwrap_or_default();
    let of_node = |node: &RawValue| {
        let node = RawEntry::read(node.get())?;
        let reference = node.reference_id.and_then(text).map(|reference| word(reference, ""));
        let errors = entries(node.errors?.get()).into_iter();
        Some(errors.map(move |error| ApiError { reference: reference.clone(), ..error }))
    };
    nodes.into_iter().filter_map(of_node).flatten().take(MAX_ENTRIES).collect()
}

/// Returns the first `limit` elements of an array in JSON; `None` if it is not one. The others are parsed only.
pub(crate) fn elements(json: &str, limit: usize) -> Option<Vec<&RawValue>> {
    struct First(usize);

    impl<'de> Visitor<'de> for First {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
            let mut first = Vec::new();
            while first.len() < self.0 {
                match array.next_element()? {
                    Some(element) => first.push(element),
                    None => return Ok(first),
                }
            }
            while array.next_element::<IgnoredAny>()?.is_some() {}
            Ok(first)
        }
    }

    let mut json = serde_json::Deserializer::from_str(json);
    let first = json.deserialize_seq(First(limit)).ok()?;
    json.end().ok()?;
    Some(first)
}

/// Returns a text in JSON; `None` for another value.
pub(crate) fn text(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok()
}

/// One error, or the record of a tree with its errors. The parts of the API name the members differently.
///
/// Read tolerantly: a member of an unexpected type is left out. An odd error must not make the response about other
/// records unreadable.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawEntry<'a> {
    #[serde(borrow)]
    error_code: Option<&'a RawValue>,
    #[serde(borrow)]
    status_code: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "error_description")]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    fields: Option<&'a RawValue>,
    #[serde(borrow)]
    duplicate_result: Option<&'a RawValue>,
    #[serde(borrow)]
    results: Option<&'a RawValue>,
    #[serde(borrow)]
    reference_id: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
}

impl<'a> RawEntry<'a> {
    fn read(json: &'a str) -> Option<Self> {
        // An array would be read as the members of a struct.
        if !json.trim_start().starts_with('{') {
            return None;
        }
        serde_json::from_str(json).ok()
    }

    /// Returns the error, unless the entry has neither code nor message.
    fn into_error(self) -> Option<ApiError> {
        let first_text = |members: &[Option<&RawValue>]| {
            members.iter().flatten().filter_map(|member| text(member)).find(|text| !text.is_empty())
        };
        // `statusCode` may also be a number beside the code.
        let code = first_text(&[self.error_code, self.status_code, self.error]);
        let message = first_text(&[self.message, self.description]);
        if code.is_none() && message.is_none() {
            return None;
        }
        let fields = self.fields.map(|fields| match elements(fields.get(), MAX_ENTRIES) {
            Some(fields) => fields,
            None => vec![fields],
        });
        let fields = fields.into_iter().flatten().filter_map(text);
        Some(ApiError {
            code: word(code.unwrap_or_default(), ""),
            message: shortened(message.unwrap_or_default()),
            fields: fields.map(|field| word(field, ".")).collect(),
            duplicates: self.duplicate_result.and_then(Duplicates::read),
            reference: None,
        })
    }
}

/// Returns a code or a name without any other characters, since both get into errors and logs.
pub(crate) fn word(mut word: String, extra: &str) -> String {
    word.retain(|character| {
        character.is_ascii_alphanumeric() || character == '_' || extra.contains(character)
    });
    word.truncate(MAX_WORD);
    word.shrink_to_fit();
    word
}

pub(crate) fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text.shrink_to_fit();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_of_a_body_is_bounded() {
        let many = |element: &str| format!("[{}]", vec![element; 100_000].join(","));
        let names = many("\"F\"");
        let error = format!(r#"{{"errorCode":"A","message":"m","fields":{names}}}"#);
        let read = errors(error.as_bytes());
        assert_eq!((read.len(), read[0].fields.len()), (1, MAX_ENTRIES));
        let list = many(r#"{"errorCode":"A","message":"m"}"#);
        assert_eq!(errors(list.as_bytes()).len(), MAX_ENTRIES);
        let node = many(&format!(r#"{{"referenceId":"n1","errors":[{error}]}}"#).replace(&names, "[]"));
        let nodes = errors(format!(r#"{{"hasErrors":true,"results":{node}}}"#).as_bytes());
        assert_eq!((nodes.len(), nodes[0].reference.as_deref()), (MAX_ENTRIES, Some("n1")));
        let nodes = format!(r#"{{"hasErrors":true,"results":[{{"referenceId":"n1","errors":{list}}}]}}"#);
        assert_eq!(errors(nodes.as_bytes()).len(), MAX_ENTRIES);
        let long = format!(r#"[{{"errorCode":"A","message":"{}"}}]"#, "x".repeat(1 << 20));
        assert!(errors(long.as_bytes())[0].message.capacity() <= MAX_TEXT);
        let matches = many(r#"{"record":{"Id":"003D000000QV9n2"}}"#);
        let found = format!(
            r#"[{{"errorCode":"DUPLICATES_DETECTED","message":"m","duplicateResult":{{"matchResults":[{{"matchRecords":{matches}}}]}}}}]"#
        );
        assert_eq!(errors(found.as_bytes())[0].duplicates.as_ref().unwrap().records.len(), MAX_ENTRIES);
    }

    #[test]
    fn an_array_is_read_to_its_end() {
        let read = |json| elements(json, 2).map(|elements| elements.len());
        assert_eq!(read("[1, [2, 3], 4, {}]"), Some(2));
        assert_eq!(read("[]"), Some(0));
        for json in ["{}", "1", "[1, 2, 3", "[1, 2, 3,]", "[1] 2", "[1, 2, x]", ""] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
