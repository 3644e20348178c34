//! Bodies of a record and its files: the record as JSON in the part that is no file, first in the REST guide and last
//! in Salesforce's own CLI, each file in a part named after its field.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::data::{ApiError, Record};

/// The boundary that a content type names, when it is that of a form in parts.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameter(parameters, "boundary").filter(|boundary| !boundary.is_empty())
}

/// The record with its files as base64, the form that they have in a body of JSON alone.
pub(super) fn record(body: &[u8], boundary: &str) -> Result<Record, ApiError> {
    let parts = parts(body, boundary).ok_or_else(|| malformed("the parts cannot be distinguished"))?;
    let mut record = None;
    let mut files = Vec::new();
    for (head, bytes) in parts {
        let disposition = header(head, "content-disposition").unwrap_or_default();
        let name = parameter(disposition, "name").ok_or_else(|| malformed("a part has no name"))?;
        if parameter(disposition, "filename").is_some() {
            files.push((name, json!(BASE64.encode(bytes))));
        } else if record.replace(bytes).is_some() {
            return Err(malformed("a file has no filename"));
        }
    }
    let record = record.ok_or_else(|| malformed("there is no part without a filename"))?;
    let Ok(Value::Object(mut record)) = serde_json::from_slice(record) else {
        return Err(malformed("the part without a filename is no JSON object"));
    };
    record.extend(files);
    Ok(record)
}

/// The code and the wording are unverified.
fn malformed(what: &str) -> ApiError {
    ApiError::bad("INVALID_MULTIPART_REQUEST", format!("fake org: {what}"))
}

/// Head and body of each part (RFC 2046, section 5.1.1).
fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<(&'a str, &'a [u8])>> {
    let first = format!("--{boundary}");
    let next = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(first.as_bytes())?;
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let end = find(rest, next.as_bytes())?;
        let (part, after) = rest.split_at_checked(end)?;
        let head = find(part, b"\r\n\r\n")?;
        parts.push((std::str::from_utf8(part.get(..head)?).ok()?, part.get(head + 4..)?));
        rest = after.get(next.len()..)?;
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| name.trim().eq_ignore_ascii_case(wanted).then_some(value.trim()))
}

fn parameter(text: &str, wanted: &str) -> Option<String> {
    text.split(';').filter_map(|part| part.split_once('=')).find_map(|(name, value)| {
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"').to_owned())
    })
}
