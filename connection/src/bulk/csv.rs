//! Records as CSV, as the Bulk API reads and writes it.

use std::{collections::VecDeque, io::Read as _};

use ::csv::{ReaderBuilder, StringRecord, Terminator, Writer, WriterBuilder};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    bulk::{
        csv_split::{StatedDelimiter, from_header, without_stray_nuls},
        record,
        row::Columns,
        row_error::RowError,
    },
    error::{InvalidRequest, InvalidResponse},
};

pub(crate) const NOT_CSV: &str = "a body that is not CSV";

/// Reads a row, whose columns are named by the header, into a type.
pub(crate) type RowReader<T> = fn(row: &StringRecord, columns: &mut Columns) -> Result<T, RowError>;

/// What a null is in the CSV of a job.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Nulls<'a> {
    /// An empty cell. A new record has no value to empty.
    Empty,
    /// `#N/A`, which empties the field, as `null` does in JSON. An empty cell would leave it as it is. Unverified: that
    /// it empties fields of each type.
    ///
    /// The record's id and its external id, whose field is given, say which record it is and stay empty.
    Clear(Option<&'a str>),
}

/// Collects records as CSV until they fill a job.
pub(crate) struct CsvBuffer<'a> {
    columns: Vec<String>,
    /// For each column whether a record has a value in it.
    has_value: Vec<bool>,
    /// The rows, without the header.
    writer: Writer<Vec<u8>>,
    max_bytes: usize,
    nulls: Nulls<'a>,
}

impl<'a> CsvBuffer<'a> {
    pub(crate) fn new(max_bytes: usize, nulls: Nulls<'a>) -> Self {
        Self { columns: Vec::new(), has_value: Vec::new(), writer: new_writer(), max_bytes, nulls }
    }

    /// Adds a record. The header has the fields of all records; a field that a record does not have is an empty cell.
    pub(crate) fn add<T: Serialize>(&mut self, record: &T) -> Result<(), InvalidRequest> {
        let cells = record::cells(record)?;
        if cells.is_empty() {
            return Err(InvalidRequest::Csv);
        }
        let known = self.columns.len();
        let mut row = vec![String::new(); known];
        for (place, (column, value)) in cells.into_iter().enumerate() {
            let is_here = self.columns.get(place).is_some_and(|here| *here == column);
            let found = is_here.then_some(place);
            let index = found.or_else(|| self.columns.iter().position(|other| *other == column));
            let has_value = value.is_some();
            let text = self.text(&column, value);
            let index = index.unwrap_or_else(|| {
                self.columns.push(column);
                self.has_value.push(false);
                row.push(String::new());
                row.len() - 1
            });
            if let (Some(cell), Some(any)) = (row.get_mut(index), self.has_value.get_mut(index)) {
                *cell = text;
                *any |= has_value;
            }
        }
        let added = self.columns.len() - known;
        if added > 0 && !self.is_empty() {
            self.widen(added)?;
        }
        self.writer.write_record(&row).map_err(|_| InvalidRequest::Csv)?;
        // `is_full` needs the exact length.
        self.writer.flush().map_err(|_| InvalidRequest::Csv)
    }

    fn text(&self, column: &str, value: Option<String>) -> String {
        let value = value.unwrap_or_default();
        match self.nulls {
            Nulls::Clear(key)
                if value.is_empty()
                    && !column.eq_ignore_ascii_case("Id")
                    && !key.is_some_and(|key| key.eq_ignore_ascii_case(column)) =>
            {
                record::NULL.to_owned()
            }
            _ => value,
        }
    }

    /// Adds empty cells to the rows so far.
    fn widen(&mut self, added: usize) -> Result<(), InvalidRequest> {
        self.rewrite(|row| (0..added).for_each(|_| row.push(String::new())))
    }

    /// Changes all rows so far.
    fn rewrite(&mut self, change: impl Fn(&mut Vec<String>)) -> Result<(), InvalidRequest> {
        let mut changed = new_writer();
        let mut reader =
            ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&**self.writer.get_ref());
        let mut row = StringRecord::new();
        while reader.read_record(&mut row).map_err(|_| InvalidRequest::Csv)? {
            let mut cells = row.iter().map(str::to_owned).collect();
            change(&mut cells);
            changed.write_record(&cells).map_err(|_| InvalidRequest::Csv)?;
        }
        changed.flush().map_err(|_| InvalidRequest::Csv)?;
        self.writer = changed;
        Ok(())
    }

    /// Returns a column that stands for a missing parent in each record, and the columns of that parent.
    ///
    /// A parent that is `None` has the column `Owner`; one that is there has `Owner.Key__c`. A job with both would fail,
    /// because Salesforce has no field `Owner`.
    fn missing_parent(&self) -> Option<(usize, Vec<usize>)> {
        let empty = self.columns.iter().zip(&self.has_value).enumerate().filter(|(_, (_, any))| !**any);
        empty.into_iter().find_map(|(index, (name, _))| {
            let is_member = |column: &String| {
                column.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'))
            };
            let members = self.columns.iter().enumerate().filter(|(_, column)| is_member(column));
            let members: Vec<_> = members.map(|(index, _)| index).collect();
            (!members.is_empty()).then_some((index, members))
        })
    }

    /// Removes the column of a missing parent, after its nulls are written into the parent's columns.
    fn merge(&mut self, parent: usize, members: &[usize]) -> Result<(), InvalidRequest> {
        self.rewrite(|row| {
            if row.get(parent).is_some_and(|cell| !cell.is_empty()) {
                for member in members {
                    if let Some(cell) = row.get_mut(*member).filter(|cell| cell.is_empty()) {
                        *cell = record::NULL.to_owned();
                    }
                }
            }
            row.remove(parent);
        })?;
        self.columns.remove(parent);
        self.has_value.remove(parent);
        Ok(())
    }

    /// Returns true once `max_bytes` are reached. One record may exceed them: it is small next to a job's limit.
    pub(crate) fn is_full(&self) -> bool {
        self.writer.get_ref().len() >= self.max_bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writer.get_ref().is_empty()
    }

    pub(crate) fn finish(mut self) -> Result<Bytes, InvalidRequest> {
        while let Some((parent, members)) = self.missing_parent() {
            self.merge(parent, &members)?;
        }
        let mut csv = new_writer();
        csv.write_record(&self.columns).map_err(|_| InvalidRequest::Csv)?;
        let mut csv = csv.into_inner().map_err(|_| InvalidRequest::Csv)?;
        csv.extend_from_slice(self.writer.get_ref());
        Ok(csv.into())
    }
}

fn new_writer() -> Writer<Vec<u8>> {
    WriterBuilder::new().terminator(Terminator::Any(b'\n')).from_writer(Vec::new())
}

/// Reads a row into one value.
pub(crate) fn read_row<T: DeserializeOwned>(
    row: &StringRecord,
    columns: &mut Columns,
) -> Result<T, RowError> {
    columns.read(row)
}

/// Reads a row into two values.
pub(crate) fn read_row_twice<M: DeserializeOwned, T: DeserializeOwned>(
    row: &StringRecord,
    columns: &mut Columns,
) -> Result<(M, T), RowError> {
    // The program's type first: the names of its fields are compared with those of the columns once.
    let record = columns.read(row)?;
    Ok((columns.read(row)?, record))
}

/// Reads all rows of a complete body.
///
/// `before`: number of the result's rows that were read before, for error texts.
pub(crate) fn read_all<T: DeserializeOwned>(
    body: &[u8],
    delimiter: StatedDelimiter,
    before: u64,
) -> Result<Vec<T>, InvalidResponse> {
    let mut rows = VecDeque::new();
    read_into(body, delimiter.in_header(body), &mut None, before, read_row, &mut rows)?;
    Ok(rows.into())
}

/// Reads complete rows of a page and appends them to `rows`.
///
/// The first row of the page becomes the header. `before`: number of the result's rows that were read before, for error
/// texts.
pub(crate) fn read_into<T>(
    csv: &[u8],
    delimiter: u8,
    header: &mut Option<Columns>,
    before: u64,
    read_row: RowReader<T>,
    rows: &mut VecDeque<T>,
) -> Result<(), InvalidResponse> {
    let csv = if header.is_none() { from_header(csv) } else { csv };
    let csv = without_stray_nuls(csv, delimiter);
    // The reader drops a byte order mark at its start, which in a later piece is text. It skips blank lines.
    let is_text = csv.starts_with("\u{feff}".as_bytes());
    let start: &[u8] = if is_text { b"\n" } else { b"" };
    let mut reader = ReaderBuilder::new();
    let reader = reader.has_headers(false).flexible(true).delimiter(delimiter);
    let mut reader = reader.from_reader(start.chain(&*csv));
    let mut row = StringRecord::new();
    let mut number = before;
    while reader.read_record(&mut row).map_err(|_| describe("the body is not CSV", number))? {
        match header {
            None if is_markup(&row) || has_line_break(&row) => {
                return Err(InvalidResponse::Unexpected(NOT_CSV));
            }
            None => *header = Some(Columns::new(&row)),
            Some(header) => {
                number += 1;
                if row.len() != header.len() {
                    return Err(InvalidResponse::Json(format!(
                        "a row with another number of columns than the header (row {number})"
                    )));
                }
                rows.push_back(read_row(&row, header).map_err(|error| describe(error, number))?);
            }
        }
    }
    Ok(())
}

/// Returns true if the header is the start of an HTML page or of JSON.
fn is_markup(header: &StringRecord) -> bool {
    header.get(0).is_some_and(|name| {
        name.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}')
            .starts_with(['<', '{', '['])
    })
}

/// Returns true if a name has a line break, which none has: a quote in the header is not closed.
fn has_line_break(header: &StringRecord) -> bool {
    header.iter().any(|name| name.contains(['\n', '\r']))
}

fn describe(error: impl std::fmt::Display, row: u64) -> InvalidResponse {
    InvalidResponse::Json(format!("{error} (row {row})"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row {
        name: String,
        number: Option<f64>,
        #[serde(rename = "Owner.Name")]
        owner: Option<String>,
    }

    fn rows(csv: &[u8]) -> Result<Vec<Row>, InvalidResponse> {
        read_all(csv, StatedDelimiter::default(), 0)
    }

    #[test]
    fn written_records_are_read_back_unchanged() {
        let written: Vec<_> = ["plain", "a,b", "\"quoted\"", "two\nlines", "", "=1+1", "\u{1F600}"]
            .iter()
            .map(|name| Row { name: (*name).to_owned(), number: Some(1.5), owner: None })
            .collect();
        let mut buffer = CsvBuffer::new(40, Nulls::Empty);
        assert!(buffer.is_empty());
        for row in &written {
            buffer.add(row).unwrap();
        }
        assert!(buffer.is_full());
        let bytes = buffer.finish().unwrap();
        assert!(bytes.starts_with(b"Name,Number,Owner.Name\nplain,1.5,\n"));
        assert_eq!(rows(&bytes).unwrap(), written);
    }

    /// Found by fuzzing.
    #[test]
    fn a_byte_order_mark_is_one_only_at_the_start_of_a_result() {
        use crate::bulk::csv_split::CsvSplitter;

        let csv = "\u{feff}Name\n\u{feff}a\n\u{feff}\"b\n\"c\nd\"\ne\r\"f\ng\"\n".as_bytes();
        let names = ["\u{feff}a", "\u{feff}\"b", "c\nd", "e", "f\ng"];
        for size in 1..=csv.len() {
            let mut splitter = CsvSplitter::new(b',');
            let (mut header, mut rows) =
                (None, VecDeque::<std::collections::BTreeMap<String, String>>::new());
            for piece in csv.chunks(size) {
                splitter.push(piece);
                let complete = splitter.take_complete().unwrap();
                read_into(&complete, b',', &mut header, 0, read_row, &mut rows).unwrap();
            }
            let found: Vec<&str> = rows.iter().map(|row| row["Name"].as_str()).collect();
            assert_eq!(found, names, "in pieces of {size}");
        }
    }

    /// Found by fuzzing: all rows would be a part of the header.
    #[test]
    fn a_quote_of_the_header_that_is_not_closed_is_an_error() {
        for body in ["Name,\"Number\na,1\n", "\"Name\r\n", "Name;\"Number\na\";1"] {
            assert!(matches!(rows(body.as_bytes()), Err(InvalidResponse::Unexpected(NOT_CSV))), "{body}");
        }
    }

    #[test]
    fn errors_do_not_repeat_values() {
        for body in ["Name,Number\ncanary,canary\n", "Name\ncanary,canary\n", "Number\n1\n"] {
            let error = rows(body.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
        assert!(rows(b"").unwrap().is_empty());
    }
}
