//! Reads JSON out of responses and writes it into requests.

use std::{
    fmt::{self, Write as _},
    iter,
};

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{error::Category, value::RawValue};

use crate::{
    error::{InvalidRequest, InvalidResponse},
    http::response::Response,
    json::{error::take_own, exact, late_members, names, place},
    request::{error_body, finite},
};

/// The error text for a row with more child records than one page holds.
pub(crate) const MORE_CHILDREN: &str = "a row has more children than one page holds: read them into a `Page`";

/// The error text for the path of a file, which a query returns in place of the file's bytes.
pub(crate) const PATH_OF_FILE: &str =
    "found the path of a file where its bytes are expected: read the bytes with `SObjectHandle::blob`";

const NOT_UTF8: &str = "the body is not JSON in UTF-8";
const NOT_JSON: &str = "its content type is not JSON";

/// Reads a response into its type.
pub(crate) fn response<T: DeserializeOwned>(response: &Response) -> Result<T, InvalidResponse> {
    json(json_of(response)?)
}

/// Reads a member that may be `null`, and may not be missing.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Returns the body of a response, unless its content type is not JSON.
///
/// Salesforce labels all of its JSON. Another content type is that of a proxy or a maintenance page, even if the body looks
/// like JSON. A missing content type is accepted.
pub(crate) fn json_of(response: &Response) -> Result<&[u8], InvalidResponse> {
    let content_type = response.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let media_type = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    match media_type {
        Some(media_type) if !media_type.eq_ignore_ascii_case("application/json") => {
            Err(InvalidResponse::Unexpected(NOT_JSON))
        }
        _ => Ok(&response.body),
    }
}

/// Reads a body into its type. The parser rejects nesting deeper than 128 levels.
pub(crate) fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, InvalidResponse> {
    read(body).map_err(|misfit| misfit.in_record(""))
}

/// Why a body cannot be read, without the values in serde's messages, which may be personal data.
struct Misfit {
    what: String,
    /// Line and column in the body, counted from 1.
    position: Option<(usize, usize)>,
    is_missing_field: bool,
}

impl Misfit {
    fn new(what: &str) -> Self {
        Self { what: what.to_owned(), position: None, is_missing_field: false }
    }

    /// Returns the error, which names the `place` of a record unless that is empty.
    fn in_record(self, place: &str) -> InvalidResponse {
        let separator = if place.is_empty() { "" } else { ", " };
        InvalidResponse::Json(match self.position {
            Some((line, column)) => {
                format!("{} ({place}{separator}line {line}, column {column})", self.what)
            }
            None => self.what,
        })
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Misfit> {
    // Checked once here, because the parser would check each string, at several times the cost.
    let text = std::str::from_utf8(body).map_err(|_| Misfit::new(NOT_UTF8))?;
    take_own();
    let read = serde_json::from_str(text).or_else(|error| {
        let own = take_own();
        // Salesforce writes some integers as `5.0` or `1.0E7`, and some types need all digits of a number.
        let message = Ends::of(&error);
        let is_float = message.contains("floating point")
            || (message.starts_with("data did not match any variant") && has_float(body));
        let is_float = error.is_data() && is_float;
        let read = is_float.then(|| exact::read(text)).flatten();
        read.ok_or_else(|| describe(&error, own))
    });
    match take_own() {
        // serde drops errors below `#[serde(flatten)]` with an `Option`: a part would be taken for the whole.
        Some(dropped) if read.is_ok() => Err(Misfit::new(dropped)),
        _ => read,
    }
}

/// Reads a record into its type, as [`records`].
pub(crate) fn record<T: DeserializeOwned>(body: &[u8]) -> Result<T, InvalidResponse> {
    records::<T, T>(body, std::str::from_utf8(body).ok())
}

/// Reads a body with records of type `T`, and fails if a field came under its name in another case.
///
/// `first` is the first of the records in JSON. All of them have the same fields, except below a parent that is `null`.
pub(crate) fn records<T: DeserializeOwned, C: DeserializeOwned>(
    body: &[u8],
    first: Option<&str>,
) -> Result<C, InvalidResponse> {
    let read = read(body).map_err(|misfit| {
        let place = misfit.position.map(|position| place::at(body, position, misfit.is_missing_field));
        misfit.in_record(&place.unwrap_or_default())
    })?;
    let mut is_flattened = false;
    if let Some(first) = first {
        for record in iter::once(first).chain(late_members::records_with(body, first)) {
            is_flattened |= names::check::<T>(record)?.is_flattened;
        }
    }
    // `#[serde(flatten)]` can drop an error and read a field as missing.
    if is_flattened && has_float(body) {
        let exact = std::str::from_utf8(body).ok().and_then(exact::read_if_rejected);
        return Ok(exact.unwrap_or(read));
    }
    Ok(read)
}

/// Returns whether a body may have numbers with a fraction or an exponent.
fn has_float(body: &[u8]) -> bool {
    body.windows(2).any(|pair| pair[0].is_ascii_digit() && matches!(pair[1], b'.' | b'e' | b'E'))
}

/// Reads the first `limit` elements of a body that is an array, each as its JSON.
pub(crate) fn elements(body: &[u8], limit: usize) -> Result<Vec<&RawValue>, InvalidResponse> {
    let elements = std::str::from_utf8(body).ok().and_then(|text| error_body::elements(text, limit));
    elements.ok_or(InvalidResponse::Unexpected("not a list of results"))
}

/// Writes a value as the JSON body of a request. A number that JSON cannot say is an error.
pub(crate) fn body<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, InvalidRequest> {
    finite::check(value)?;
    serde_json::to_vec(value).map(Bytes::from).map_err(InvalidRequest::Body)
}

/// Returns what is wrong and where.
///
/// `own`: the latest error of this crate's own that came up while the body was read. Its text has no value. It is another
/// one than `error` if serde dropped it, for example in an earlier row.
fn describe(error: &serde_json::Error, own: Option<&'static str>) -> Misfit {
    let mut is_missing_field = false;
    let own = own.filter(|own| Ends::of(error).starts_with(own));
    let what = match (error.classify(), own) {
        (Category::Syntax, _) => "the body is not JSON".to_owned(),
        (Category::Eof, _) => "the body ends too early".to_owned(),
        (Category::Io | Category::Data, Some(own)) => own.to_owned(),
        (Category::Io | Category::Data, None) => {
            let message = Ends::of(error);
            // From "invalid type: string \"Ada\", expected u32 at line 1 column 9", the type and the text at the end.
            let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
            let expected =
                expected.and_then(|expected| expected.rsplit_once(" at line ")).map(|(text, _)| text);
            let found =
                message.strip_prefix("invalid type: ").and_then(|found| found.split([' ', ',']).next());
            match (found, expected) {
                (Some(found), Some(expected)) => format!("found {found} where {expected} is expected"),
                (None, Some(expected)) => format!("found a value where {expected} is expected"),
                // The name of the field comes from the program, not from the data.
                _ if message.starts_with("missing field `") => {
                    is_missing_field = true;
                    message.rsplit_once(" at line ").map_or(message.clone(), |(text, _)| text.to_owned())
                }
                _ => "a value does not fit the type it is read into".to_owned(),
            }
        }
    };
    Misfit { what, position: Some((error.line(), error.column())), is_missing_field }
}

/// The start and the end of a message, whose middle repeats a value of any length.
#[derive(Default)]
struct Ends(String);

impl Ends {
    /// Bytes that are stored at each end. Above the length of all fixed parts of serde's messages.
    const LIMIT: usize = 500;

    fn of(error: &serde_json::Error) -> String {
        let mut ends = Self::default();
        // `write_str` always succeeds.
        let _ = write!(ends, "{error}");
        ends.0
    }
}

impl fmt::Write for Ends {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (start, end) = (
            text.floor_char_boundary(Self::LIMIT),
            text.ceil_char_boundary(text.len().saturating_sub(Self::LIMIT)),
        );
        if end <= start {
            self.0.push_str(text);
        } else {
            self.0.extend([&text[..start], &text[end..]]);
        }
        if self.0.len() > 4 * Self::LIMIT {
            let (start, end) = (
                self.0.floor_char_boundary(Self::LIMIT),
                self.0.ceil_char_boundary(self.0.len() - Self::LIMIT),
            );
            self.0.replace_range(start..end, "");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read by serde only")]
    struct Row {
        #[serde(rename = "Name")]
        name: String,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    enum Kind {
        Hot,
    }

    #[test]
    fn a_decoding_error_names_the_problem_and_repeats_no_value() {
        for (body, expected) in [
            (r#"{"Nam":"canary"}"#, "missing field `Name` (line 1, column 16)"),
            (r#"{"Name":123456}"#, "found integer where a string is expected (line 1, column 14)"),
            (r#""canary, expected canary""#, "found string where struct Row is expected (line 1, column 25)"),
            (r#"{"Name":"x","kind":"canary"}"#, "found a value where `Hot` is expected (line 1, column 27)"),
            (
                r#"{"Name":"x","Name":"canary"}"#,
                "a value does not fit the type it is read into (line 1, column 18)",
            ),
            ("<html>canary", "the body is not JSON (line 1, column 1)"),
            ("", "the body ends too early (line 1, column 0)"),
        ] {
            let error = json::<Row>(body.as_bytes()).unwrap_err().to_string();
            let error = error.trim_start_matches("the response cannot be read: ");
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("canary") && !error.contains("123456"), "{error}");
        }
        for value in
            ["canary, expected canary ".repeat(100_000), "é\"\n".repeat(100_000), "\u{1F600}".repeat(300_000)]
        {
            let body = serde_json::to_string(&value).unwrap();
            let column = body.chars().map(char::len_utf8).sum::<usize>();
            let error = json::<Row>(body.as_bytes()).unwrap_err().to_string();
            let expected = format!("found string where struct Row is expected (line 1, column {column})");
            assert!(error.ends_with(&expected), "{error}");
        }
        let deep = "[".repeat(200);
        assert!(
            json::<serde_json::Value>(deep.as_bytes())
                .unwrap_err()
                .to_string()
                .contains("the body is not JSON")
        );
    }
}
