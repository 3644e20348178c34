//! Rows as the body of an answer, written while they are read.

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, future, stream};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{InvalidRequest, Result},
    query::records::Records,
};

/// How many rows are written into one piece of the body at most.
const ROWS: usize = 256;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One JSON object a line.
    Lines,
    /// One JSON array.
    Array,
}

/// Bodies of answers, for actix's `HttpResponse::streaming`: rows go out as they come in, so that memory is needed for
/// two pages, however many rows there are. An error ends the body without its proper end, so that nobody takes half for
/// the whole: the client sees the connection break.
impl<T: DeserializeOwned + Serialize + Send + 'static> Records<T> {
    /// The rows as JSON, one a line (`application/x-ndjson`).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { name: String, phone: Option<String> }
    /// use actix_web::{HttpResponse, body::to_bytes};
    ///
    /// let rows = sf.query::<Account>("SELECT Name, Phone FROM Account ORDER BY Name LIMIT 2").fetch();
    /// let answer = HttpResponse::Ok().content_type("application/x-ndjson").streaming(rows.into_ndjson());
    /// # let body = to_bytes(answer.into_body()).await.unwrap();
    /// # assert!(body.starts_with(br#"{"Name":"100% Organic Markets","Phone":"+1"#) && body.ends_with(b"}\n"));
    /// # assert_eq!(body.split(|byte| *byte == b'\n').count(), 3);
    /// # Ok(()) });
    /// ```
    pub fn into_ndjson(self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        self.written(Form::Lines)
    }

    /// The rows as one JSON array (`application/json`).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { name: String, phone: Option<String> }
    /// use actix_web::{HttpResponse, body::to_bytes};
    ///
    /// let rows = sf.query::<Account>("SELECT Name, Phone FROM Account LIMIT 2").fetch();
    /// let answer = HttpResponse::Ok().content_type("application/json").streaming(rows.into_json_array());
    /// # let body = to_bytes(answer.into_body()).await.unwrap();
    /// # assert_eq!(serde_json::from_slice::<Vec<Account>>(&body).unwrap().len(), 2);
    /// # Ok(()) });
    /// ```
    pub fn into_json_array(self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        let body = self.written(Form::Array);
        // The end is written only if there was no error before it.
        let mut broken = false;
        let mut first = true;
        let body = body.map(Some).chain(stream::once(future::ready(None)));
        body.filter_map(move |piece| {
            let piece = match piece {
                Some(Ok(rows)) => Some(Ok(after_first(rows, &mut first))),
                Some(Err(error)) => {
                    broken = true;
                    Some(Err(error))
                }
                None if broken => None,
                None => Some(Ok(Bytes::from_static(if first { b"[]" } else { b"]" }))),
            };
            future::ready(piece)
        })
    }

    /// The rows as CSV (`text/csv`), below a line of the fields' names: rows are structs of plain values, which are the
    /// columns, and an `Option` that is `None` is an empty cell. Without rows the body is empty.
    ///
    /// Cells are written as they are, for programs. For people see
    /// [`into_csv_for_spreadsheets`](Self::into_csv_for_spreadsheets).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { name: String, phone: Option<String> }
    /// use actix_web::{HttpResponse, body::to_bytes};
    ///
    /// let rows = sf.query::<Account>("SELECT Name, Phone FROM Account WHERE Name LIKE 'Atlas%'").fetch();
    /// let answer = HttpResponse::Ok().content_type("text/csv; charset=utf-8").streaming(rows.into_csv());
    /// # let body = to_bytes(answer.into_body()).await.unwrap();
    /// # assert_eq!(body, "Name,Phone\r\nAtlas Bridgeworks,+1 555 106 0006\r\n");
    /// # Ok(()) });
    /// ```
    pub fn into_csv(self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        self.table(false)
    }

    /// The rows as CSV for people who open it in a spreadsheet: a text that such a program would take for a formula,
    /// because it begins with `=`, `+`, `-`, `@`, a tab or a line break, has a `'` before it. Numbers, those of
    /// telephones too, stay as they are.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { name: String, phone: Option<String> }
    /// # sf.sobject("Account").create(&serde_json::json!({ "Name": "=1+1", "Phone": "+49 30 1" })).await?;
    /// use actix_web::{HttpResponse, body::to_bytes};
    ///
    /// let rows = sf.query::<Account>("SELECT Name, Phone FROM Account WHERE Name LIKE '=%'").fetch();
    /// let answer = HttpResponse::Ok().content_type("text/csv; charset=utf-8").streaming(rows.into_csv_for_spreadsheets());
    /// # let body = to_bytes(answer.into_body()).await.unwrap();
    /// # assert_eq!(body, "Name,Phone\r\n'=1+1,+49 30 1\r\n");
    /// # Ok(()) });
    /// ```
    pub fn into_csv_for_spreadsheets(self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        self.table(true)
    }

    fn table(self, guarded: bool) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        let mut first = true;
        self.ready_chunks(ROWS).flat_map(move |rows| {
            let head = std::mem::take(&mut first);
            let mut writer = csv_writer().has_headers(head).from_writer(Vec::new());
            let mut error = None;
            for row in rows {
                let row = row.and_then(|row| writer.serialize(row).map_err(|_| InvalidRequest::Csv.into()));
                error = error.or(row.err());
            }
            let rows = writer.into_inner().map_err(|_| InvalidRequest::Csv.into());
            let rows = if guarded { rows.and_then(|rows| guard(&rows)) } else { rows };
            let rows = rows.map(Bytes::from);
            let rows = if matches!(&rows, Ok(rows) if rows.is_empty()) { None } else { Some(rows) };
            stream::iter(rows.into_iter().chain(error.map(Err)))
        })
    }

    fn written(self, form: Form) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        self.ready_chunks(ROWS).flat_map(move |rows| {
            let mut out = BytesMut::new();
            let mut error = None;
            for row in rows {
                match row.and_then(|row| write(&mut out, form, &row)) {
                    Ok(()) => {}
                    Err(failed) => error = Some(failed),
                }
            }
            let rows = (!out.is_empty()).then(|| Ok(out.freeze()));
            stream::iter(rows.into_iter().chain(error.map(Err)))
        })
    }
}

/// Lines end as RFC 4180, section 2, has it.
fn csv_writer() -> csv::WriterBuilder {
    let mut writer = csv::WriterBuilder::new();
    writer.terminator(csv::Terminator::CRLF);
    writer
}

/// Numbers, those of telephones too: a formula without a letter calls nothing.
fn is_number(cell: &[u8]) -> bool {
    let is_scientific = || std::str::from_utf8(cell).is_ok_and(|cell| cell.parse::<f64>().is_ok());
    cell.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b' ' | b'(' | b')'))
        || is_scientific()
}

/// Takes formulas out of a table. Source: OWASP, "CSV Injection".
fn guard(table: &[u8]) -> Result<Vec<u8>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(table);
    let mut writer = csv_writer().from_writer(Vec::with_capacity(table.len() + 64));
    for row in reader.byte_records() {
        let row = row.map_err(|_| InvalidRequest::Csv)?;
        for cell in &row {
            let is_formula = match cell.first() {
                Some(b'=' | b'@' | b'\t' | b'\r' | b'\n') => true,
                Some(b'+' | b'-') => !is_number(cell),
                _ => false,
            };
            let written =
                if is_formula { writer.write_field([b"'", cell].concat()) } else { writer.write_field(cell) };
            written.map_err(|_| InvalidRequest::Csv)?;
        }
        writer.write_record(None::<&[u8]>).map_err(|_| InvalidRequest::Csv)?;
    }
    writer.into_inner().map_err(|_| InvalidRequest::Csv.into())
}

/// Rows are written with a comma before each; the very first comma becomes the array's beginning.
fn after_first(rows: Bytes, first: &mut bool) -> Bytes {
    if !std::mem::take(first) {
        return rows;
    }
    let mut rows = BytesMut::from(rows);
    if let Some(comma) = rows.first_mut() {
        *comma = b'[';
    }
    rows.freeze()
}

fn write<T: Serialize>(out: &mut BytesMut, form: Form, row: &T) -> Result<()> {
    if form == Form::Array {
        out.put_u8(b',');
    }
    let before = out.len();
    if let Err(error) = serde_json::to_writer(out.writer(), row) {
        out.truncate(before);
        return Err(InvalidRequest::Body(error).into());
    }
    if form == Form::Lines {
        out.put_u8(b'\n');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let table = "a,b\n=1+1,-5\n\"+1 (555) 0100\",@x\n\"=HYPERLINK(\"\"x\"\",1)\",1e9\n-1.5e3,\n";
        let guarded = String::from_utf8(guard(table.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            guarded,
            "a,b\r\n'=1+1,-5\r\n+1 (555) 0100,'@x\r\n\"'=HYPERLINK(\"\"x\"\",1)\",1e9\r\n-1.5e3,\r\n"
        );
    }
}
