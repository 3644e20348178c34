//! Rows as the body of a response, written while they are read.

use std::borrow::Cow;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, future, stream};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{InvalidRequest, Result},
    query::records::Records,
};

/// Maximum number of rows in one chunk of the body. Bounds its size when many rows are ready at once.
const ROWS_PER_CHUNK: usize = 256;

/// How rows are written as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JsonFormat {
    /// One JSON object a line.
    Lines,
    /// One JSON array.
    Array,
}

/// Bodies of responses, for example for actix's `HttpResponse::streaming`.
///
/// Rows are written as they are received, so that memory is needed for two pages only. An error is the last item and
/// ends the body before its proper end: the client sees a broken connection, and cannot take a part for the whole.
impl<T: DeserializeOwned + Serialize + Send + 'static> Records<T> {
    /// Returns the rows as JSON, one row a line (`application/x-ndjson`).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { name: String, phone: Option<String> }
    /// use futures_util::TryStreamExt;
    ///
    /// let rows = sf.query::<Account>("SELECT Name, Phone FROM Account ORDER BY Name LIMIT 2").fetch();
    /// let body = rows.into_ndjson().try_collect::<Vec<_>>().await?.concat();
    /// # assert!(body.starts_with(br#"{"Name":"100% Organic Markets","Phone":"+1"#) && body.ends_with(b"}\n"));
    /// # assert_eq!(body.split(|byte| *byte == b'\n').count(), 3);
    /// # Ok(()) });
    /// ```
    pub fn into_ndjson(self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        self.into_json_chunks(JsonFormat::Lines)
    }

    /// Returns the rows as one JSON array (`application/json`).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { name: String, phone: Option<String> }
    /// use futures_util::TryStreamExt;
    ///
    /// let rows = sf.query::<Account>("SELECT Name, Phone FROM Account LIMIT 2").fetch();
    /// let body = rows.into_json_array().try_collect::<Vec<_>>().await?.concat();
    /// # assert_eq!(serde_json::from_slice::<Vec<Account>>(&body).unwrap().len(), 2);
    /// # Ok(()) });
    /// ```
    pub fn into_json_array(self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        let body = self.into_json_chunks(JsonFormat::Array);
        // The closing bracket is written only if no row failed.
        let mut has_failed = false;
        let mut first = true;
        let body = body.map(Some).chain(stream::once(future::ready(None)));
        body.filter_map(move |chunk| {
            let chunk = match chunk {
                Some(Ok(rows)) => Some(Ok(open_array(rows, &mut first))),
                Some(Err(error)) => {
                    has_failed = true;
                    Some(Err(error))
                }
                None if has_failed => None,
                None => Some(Ok(Bytes::from_static(if first { b"[]" } else { b"]" }))),
            };
            future::ready(chunk)
        })
    }

    /// Returns the rows as CSV (`text/csv`), below a line with the field names.
    ///
    /// Rows must be structs of plain values, which are the columns. `None` is an empty cell. Without rows the body is
    /// empty. Cells are unchanged, for programs. For users with a spreadsheet see
    /// [`into_csv_for_spreadsheets`](Self::into_csv_for_spreadsheets).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { name: String, phone: Option<String> }
    /// use futures_util::TryStreamExt;
    ///
    /// let rows = sf.query::<Account>("SELECT Name, Phone FROM Account WHERE Name LIKE 'Atlas%'").fetch();
    /// let body = rows.into_csv().try_collect::<Vec<_>>().await?.concat();
    /// # assert_eq!(body, b"Name,Phone\r\nAtlas Bridgeworks,+1 555 106 0006\r\n");
    /// # Ok(()) });
    /// ```
    pub fn into_csv(self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        self.into_csv_chunks(false)
    }

    /// Returns the rows as CSV for spreadsheets, in which no text can act as a formula.
    ///
    /// A text that begins with `=`, `+`, `-`, `@`, a tab or a line break gets a `'` before it, also behind characters that
    /// are not shown, in full width, and after a separator (`,` `;` `|`, tab, line break) within a cell. Numbers and
    /// telephone numbers are unchanged. All cells are in quotes.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { name: String, phone: Option<String> }
    /// # sf.sobject("Account").create(&serde_json::json!({ "Name": "=1+1", "Phone": "+49 30 1" })).await?;
    /// use futures_util::TryStreamExt;
    ///
    /// let rows = sf.query::<Account>("SELECT Name, Phone FROM Account WHERE Name LIKE '=%'").fetch();
    /// let body = rows.into_csv_for_spreadsheets().try_collect::<Vec<_>>().await?.concat();
    /// # assert_eq!(body, b"\"Name\",\"Phone\"\r\n\"'=1+1\",\"+49 30 1\"\r\n");
    /// # Ok(()) });
    /// ```
    pub fn into_csv_for_spreadsheets(self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        self.into_csv_chunks(true)
    }

    fn into_csv_chunks(self, escapes_formulas: bool) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        let mut first = true;
        self.ready_chunks(ROWS_PER_CHUNK).flat_map(move |rows| {
            let has_header = std::mem::take(&mut first);
            let mut writer = csv_writer().has_headers(has_header).from_writer(Vec::new());
            let mut error = None;
            for row in rows {
                let row = row.and_then(|row| writer.serialize(row).map_err(|_| InvalidRequest::Csv.into()));
                error = error.or(row.err());
            }
            let rows = writer.into_inner().map_err(|_| InvalidRequest::Csv.into());
            let rows = if escapes_formulas { rows.and_then(|rows| escape_formulas(&rows)) } else { rows };
            let rows = rows.map(Bytes::from);
            let rows = if matches!(&rows, Ok(rows) if rows.is_empty()) { None } else { Some(rows) };
            stream::iter(rows.into_iter().chain(error.map(Err)))
        })
    }

    fn into_json_chunks(self, format: JsonFormat) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        self.ready_chunks(ROWS_PER_CHUNK).flat_map(move |rows| {
            let mut out = BytesMut::new();
            let mut error = None;
            for row in rows {
                match row.and_then(|row| write(&mut out, format, &row)) {
                    Ok(()) => {}
                    Err(row_error) => error = Some(row_error),
                }
            }
            let rows = (!out.is_empty()).then(|| Ok(out.freeze()));
            stream::iter(rows.into_iter().chain(error.map(Err)))
        })
    }
}

/// Returns a writer whose lines end with CRLF. Source: RFC 4180, section 2.
fn csv_writer() -> csv::WriterBuilder {
    let mut writer = csv::WriterBuilder::new();
    writer.terminator(csv::Terminator::CRLF);
    writer
}

/// Returns true for numbers and telephone numbers. A formula without a letter cannot call a function.
fn is_number(cell: &[u8]) -> bool {
    let is_scientific = || std::str::from_utf8(cell).is_ok_and(|cell| cell.parse::<f64>().is_ok());
    cell.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b' ' | b'(' | b')'))
        || is_scientific()
}

/// Quotes all cells of a table and escapes its formulas. Source: OWASP, "CSV Injection".
///
/// Each cell is in quotes, so that its separators stay in it. A spreadsheet that separates by another character reads
/// some quotes as text: a formula after a separator within a cell is escaped as well.
fn escape_formulas(table: &[u8]) -> Result<Vec<u8>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(table);
    let mut writer = csv_writer()
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::with_capacity(table.len() + table.len() / 4 + 64));
    for row in reader.records() {
        let row = row.map_err(|_| InvalidRequest::Csv)?;
        for cell in &row {
            writer.write_field(escape_cell(cell).as_bytes()).map_err(|_| InvalidRequest::Csv)?;
        }
        writer.write_record(None::<&[u8]>).map_err(|_| InvalidRequest::Csv)?;
    }
    writer.into_inner().map_err(|_| InvalidRequest::Csv.into())
}

/// Puts a `'` before each part of a cell that a spreadsheet could read as a formula.
fn escape_cell(cell: &str) -> Cow<'_, str> {
    let starts_with_control = cell.starts_with(['\t', '\r', '\n']);
    let mut escaped = String::new();
    let mut written = 0;
    let mut start = 0;
    loop {
        let end = cell[start..].find(is_separator).map_or(cell.len(), |length| start + length);
        if is_formula(&cell[start..end], &cell[end..]) || (start == 0 && starts_with_control) {
            escaped.push_str(&cell[written..start]);
            escaped.push('\'');
            written = start;
        }
        // All separators are one byte long.
        match end < cell.len() {
            true => start = end + 1,
            false => break,
        }
    }
    if escaped.is_empty() { Cow::Borrowed(cell) } else { Cow::Owned(escaped + &cell[written..]) }
}

/// What separates cells in some country's spreadsheets, or their lines.
fn is_separator(character: char) -> bool {
    matches!(character, ',' | ';' | '|' | '\t' | '\r' | '\n')
}

/// Returns whether a text acts as a formula: after characters that nothing shows, and in full width, too.
///
/// Quotes are skipped as well. Behind a separator of another country they stand at the start of a cell, doubled, and a
/// spreadsheet reads them as an empty quoted part before the rest. A number is a formula if the rest of its cell is
/// more than numbers: a spreadsheet that separates by another character reads both as one.
fn is_formula(text: &str, rest: &str) -> bool {
    let is_invisible = |c: char| {
        c.is_whitespace()
            || c.is_control()
            // Default ignorable code points (Unicode Standard, DerivedCoreProperties).
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
                | '\u{e0000}'..='\u{e0fff}')
    };
    let visible = text.trim_start_matches(|c| c == '"' || is_invisible(c));
    match visible.chars().next() {
        // Full width, and the small forms.
        Some('=' | '@' | '\u{ff1d}' | '\u{ff20}' | '\u{fe66}' | '\u{fe6b}') => true,
        Some('+' | '-') => {
            !is_number(visible.as_bytes()) || !rest.split(is_separator).all(|part| is_number(part.as_bytes()))
        }
        Some('\u{ff0b}' | '\u{ff0d}' | '\u{2212}' | '\u{fe62}' | '\u{fe63}') => true,
        _ => false,
    }
}

/// Replaces the comma before the first row with the array's opening bracket. Each row is written after a comma.
fn open_array(rows: Bytes, first: &mut bool) -> Bytes {
    if !std::mem::take(first) {
        return rows;
    }
    let mut rows = BytesMut::from(rows);
    if let Some(comma) = rows.first_mut() {
        *comma = b'[';
    }
    rows.freeze()
}

fn write<T: Serialize>(out: &mut BytesMut, format: JsonFormat, row: &T) -> Result<()> {
    if format == JsonFormat::Array {
        out.put_u8(b',');
    }
    let length = out.len();
    if let Err(error) = serde_json::to_writer(out.writer(), row) {
        out.truncate(length);
        return Err(InvalidRequest::Body(error).into());
    }
    if format == JsonFormat::Lines {
        out.put_u8(b'\n');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_escaped_and_numbers_are_not() {
        let table = "a,b\n=1+1,-5\n\"+1 (555) 0100\",@x\n\"=HYPERLINK(\"\"x\"\",1)\",1e9\n-1.5e3,\n";
        let guarded = String::from_utf8(escape_formulas(table.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            guarded,
            "\"a\",\"b\"\r\n\"'=1+1\",\"-5\"\r\n\"+1 (555) 0100\",\"'@x\"\r\n\"'=HYPERLINK(\"\"x\"\",1)\",\"1e9\"\r\n\"-1.5e3\",\"\"\r\n"
        );
    }

    proptest::proptest! {
        /// A spreadsheet of another country splits the table at another character.
        #[test]
        fn no_separator_makes_a_formula_of_an_escaped_cell(cell in "[=+@x1;|,\t\" ]{0,10}") {
            let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            writer.write_record(["00Q1", &cell, "y"]).unwrap();
            let escaped = escape_formulas(&writer.into_inner().unwrap()).unwrap();
            for separator in *b",;|\t" {
                let mut reader = csv::ReaderBuilder::new()
                    .has_headers(false)
                    .flexible(true)
                    .delimiter(separator)
                    .from_reader(&*escaped);
                for read in reader.records().flat_map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()) {
                    // A number that stands before a quote is no formula.
                    let number = read.trim_start_matches('"').split('"').next().unwrap_or_default();
                    let is_numbers = !number.is_empty() && number.split(is_separator).all(|part| is_number(part.trim().as_bytes()));
                    proptest::prop_assert!(is_numbers || !is_formula(&read, ""), "{separator:?} {read:?}");
                }
            }
        }
    }

    #[test]
    fn no_part_of_a_cell_acts_as_a_formula() {
        for (cell, escaped) in [
            ("x;=cmd|' /C calc'!A0;", "x;'=cmd|' /C calc'!A0;"),
            ("x;-1+cmd", "x;'-1+cmd"),
            ("a\t=1", "a\t'=1"),
            ("a,\u{200b}=1", "a,'\u{200b}=1"),
            ("\t=1", "'\t'=1"),
            ("\u{ff1d}1+1", "'\u{ff1d}1+1"),
            ("\u{ff0b}1", "'\u{ff0b}1"),
            ("\u{ff0d}1", "'\u{ff0d}1"),
            ("\u{ff20}x", "'\u{ff20}x"),
            ("\u{fe66}1+1", "'\u{fe66}1+1"),
            ("\u{fe6b}x", "'\u{fe6b}x"),
            ("\u{fe62}1", "'\u{fe62}1"),
            ("\u{61c}=1", "'\u{61c}=1"),
            ("x;\u{fe0f}\u{e0020}@x", "x;'\u{fe0f}\u{e0020}@x"),
            ("\u{feff}\u{200b} =1", "'\u{feff}\u{200b} =1"),
            ("x\n@y", "x\n'@y"),
            ("x;\"=1", "x;'\"=1"),
            ("x;\"\"=1", "x;'\"\"=1"),
            ("x;\" =1\";y", "x;'\" =1\";y"),
            ("\"=1\"", "'\"=1\""),
            ("a;\"b\"", "a;\"b\""),
            ("a;-5;+49 30 1", "a;-5;+49 30 1"),
            ("+1|x", "'+1|x"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(escape_cell(cell), escaped, "{cell:?}");
        }
    }
}
