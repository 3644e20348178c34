//! CSV in and out.

use serde_json::{Value, json};

use super::schema::{Field, Kind};

/// A table: the header and the rows.
pub(crate) type Table = (Vec<String>, Vec<Vec<String>>);

fn delimiter(name: &str) -> u8 {
    match name {
        "SEMICOLON" => b';',
        "TAB" => b'\t',
        "PIPE" => b'|',
        "CARET" => b'^',
        "BACKQUOTE" => b'`',
        _ => b',',
    }
}

pub(crate) fn read(bytes: &[u8], delimiter_name: &str) -> Result<Table, String> {
    // A byte order mark is not a part of the first column's name.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter(delimiter_name)).from_reader(bytes);
    let texts = |record: &csv::StringRecord| record.iter().map(String::from).collect::<Vec<_>>();
    let header = reader.headers().map(texts).map_err(|error| error.to_string())?;
    let rows: Result<_, String> =
        reader.records().map(|row| row.map(|row| texts(&row)).map_err(|error| error.to_string())).collect();
    Ok((header, rows?))
}

/// The first end of a line that is no part of a quoted text.
pub(crate) fn first_line_end(bytes: &[u8]) -> Option<&'static str> {
    let mut quoted = false;
    let mut before = 0;
    for byte in bytes {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return Some(if before == b'\r' { "\r\n" } else { "\n" }),
            _ => {}
        }
        before = *byte;
    }
    None
}

/// Every cell quoted, as Salesforce writes results.
pub(crate) fn write(
    header: &[String],
    rows: impl Iterator<Item = Vec<String>>,
    delimiter_name: &str,
    line_ending: &str,
) -> String {
    let mark = char::from(delimiter(delimiter_name)).to_string();
    let end = if line_ending == "CRLF" { "\r\n" } else { "\n" };
    let line = |cells: &[String]| {
        let quoted: Vec<String> =
            cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        format!("{}{end}", quoted.join(&mark))
    };
    let mut out = line(header);
    rows.for_each(|row| out.push_str(&line(&row)));
    out
}

/// A cell as the field's type; what cannot be read stays text, and is refused like any wrong value.
pub(crate) fn value(field: &Field, cell: &str) -> Value {
    if cell == "#N/A" {
        return Value::Null;
    }
    let number = match field.kind {
        Kind::Boolean => match cell.to_ascii_lowercase().as_str() {
            "true" | "1" => return json!(true),
            "false" | "0" => return json!(false),
            _ => None,
        },
        Kind::Int => cell.parse::<i64>().ok().map(Value::from),
        Kind::Double | Kind::Currency => cell.parse::<f64>().ok().map(Value::from),
        _ => None,
    };
    number.unwrap_or_else(|| json!(cell))
}
