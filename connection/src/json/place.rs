//! Where in a response a record does not fit its type: the field, the row and the object.

use serde::Deserialize;

use crate::name::{FieldName, ObjectName};

/// Returns field, row and object of the record that a body has at a line and column, both counted from 1; an empty text if
/// it has none there.
///
/// The names are those of the org's schema; values are left out. `is_missing`: whether a field is missing there. That is
/// found at the end of its object, whose last field is another one.
pub(crate) fn at(body: &[u8], (line, column): (usize, usize), is_missing: bool) -> String {
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let start: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    Place::before(body, (start + column).min(body.len()), !is_missing).to_string()
}

/// An object or array that is open at a position.
enum Open<'a> {
    /// With its start and the current member's name.
    Object(usize, &'a [u8]),
    /// With the current element's index.
    Array(usize),
}

/// The record at a position of a body.
#[derive(Default)]
struct Place {
    field: String,
    row: Option<usize>,
    object: Option<String>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.field.is_empty() {
            write!(f, "field `{}`", self.field)?;
        }
        let separator = if self.field.is_empty() { "" } else { ", " };
        match (self.row, &self.object) {
            (Some(row), Some(object)) => write!(f, "{separator}row {row} of {object} in this response"),
            (Some(row), None) => write!(f, "{separator}row {row} of this response"),
            (None, Some(object)) => write!(f, "{separator}object {object}"),
            (None, None) => Ok(()),
        }
    }
}

impl Place {
    /// Finds the record at the end of the first `end` bytes. If they end with an object, that is the one meant.
    ///
    /// `with_last`: whether the last field of such an object is meant.
    fn before(body: &[u8], end: usize, with_last: bool) -> Self {
        let (mut opened, closed) = open_at(body, end);
        opened.extend(closed.map(|closed| match closed {
            Open::Object(start, _) if !with_last => Open::Object(start, b""),
            closed => closed,
        }));
        let mut place = Self::default();
        let mut record = None;
        for part in &opened {
            match part {
                // The rows of a page or a list; further arrays are children of a row.
                Open::Array(index) if place.row.is_none() && place.field.is_empty() => {
                    place.row = Some(index + 1)
                }
                Open::Array(_) | Open::Object(_, b"records") => {}
                Open::Object(start, name) => {
                    record.get_or_insert(*start);
                    let name = std::str::from_utf8(name).unwrap_or_default();
                    // The keys of other objects may be data.
                    if name.parse::<FieldName>().is_ok() {
                        let separator = if place.field.is_empty() { "" } else { "." };
                        place.field += &format!("{separator}{name}");
                    }
                }
            }
        }
        place.object = record.and_then(|start| object_of(body.get(start..)?));
        place
    }
}

/// Returns what is open at a position, from the outside in, and the object that ends there.
fn open_at(body: &[u8], end: usize) -> (Vec<Open<'_>>, Option<Open<'_>>) {
    let (mut opened, mut closed) = (Vec::new(), None);
    let (mut at, mut latest) = (0, &b""[..]);
    while let Some(byte) = body.get(at).filter(|_| at < end) {
        let is_end = matches!(byte, b'}' | b']');
        closed = if is_end { opened.pop() } else { None };
        match byte {
            b'"' => {
                let start = at + 1;
                at = start;
                while body.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if body.get(at) == Some(&b'\\') { 2 } else { 1 };
                }
                latest = body.get(start..at).unwrap_or_default();
            }
            b':' => {
                if let Some(Open::Object(_, name)) = opened.last_mut() {
                    *name = latest;
                }
            }
            b',' => {
                if let Some(Open::Array(index)) = opened.last_mut() {
                    *index += 1;
                }
            }
            b'{' => opened.push(Open::Object(at, b"")),
            b'[' => opened.push(Open::Array(0)),
            _ => {}
        }
        at += 1;
    }
    (opened, closed.filter(|closed| matches!(closed, Open::Object(..))))
}

/// Returns the object of the record that JSON begins with.
fn object_of(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Record {
        attributes: Attributes,
    }
    #[derive(Deserialize)]
    struct Attributes {
        #[serde(rename = "type")]
        object: String,
    }
    let record = serde_json::Deserializer::from_slice(json).into_iter::<Record>().next()?.ok()?;
    record.attributes.object.parse::<ObjectName>().is_ok().then_some(record.attributes.object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_at_a_position_is_named() {
        let page = r#"{"totalSize":2,"done":true,"records":[{"attributes":{"type":"Account"},"Name":"}"},
            {"attributes":{"type":"Account"},"Owner":{"Name":HERE},"Contacts":{"records":[{"LastName":THERE}]}}]}"#;
        let place = |body: &str, at: &str| {
            Place::before(body.as_bytes(), body.find(at).unwrap() + at.len(), true).to_string()
        };
        assert_eq!(place(page, "HERE"), "field `Owner.Name`, row 2 of this response");
        assert_eq!(place(page, "THERE"), "field `Contacts.LastName`, row 2 of this response");
        let page = page.replace("HERE", "1").replace("T1", "2");
        assert_eq!(
            place(&page, r#"Owner":{"Name":1"#),
            "field `Owner.Name`, row 2 of Account in this response"
        );
        assert_eq!(place("[1,{\"Name\":2", "2"), "field `Name`, row 2 of this response");
        let ended = r#"[{"attributes":{"type":"Account"},"Owner":{"Name":1},"Name":2}]"#;
        let before = |end: &str, with_last| {
            Place::before(ended.as_bytes(), ended.find(end).unwrap() + end.len(), with_last).to_string()
        };
        assert_eq!(before(":2}", true), "field `Name`, row 1 of Account in this response");
        assert_eq!(before(":2}", false), "row 1 of Account in this response");
        assert_eq!(before(":1}", true), "field `Owner.Name`, row 1 of Account in this response");
        assert_eq!(before(":1}", false), "field `Owner`, row 1 of Account in this response");
        assert_eq!(place("{\"a b\":1", "1"), "");
        assert_eq!((place("", ""), place("\"\\", "\\")), (String::new(), String::new()));
    }
}
