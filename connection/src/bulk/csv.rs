//! Records as CSV, as the Bulk API writes and reads it.

use std::collections::VecDeque;

use ::csv::{ReaderBuilder, StringRecord, Terminator, Writer, WriterBuilder};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{InvalidRequest, InvalidResponse};

pub(crate) const NONE: &str = "an answer that is not CSV";

/// Records on their way into jobs: as many as fit into one.
pub(crate) struct Chunk {
    writer: Writer<Vec<u8>>,
    max_bytes: usize,
}

impl Chunk {
    pub(crate) fn new(max_bytes: usize) -> Self {
        let writer = WriterBuilder::new().terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
        Self { writer, max_bytes }
    }

    /// Adds a record. The first one's field names are the head.
    pub(crate) fn add<T: Serialize>(&mut self, record: &T) -> Result<(), InvalidRequest> {
        self.writer.serialize(record).map_err(|_| InvalidRequest::Csv)?;
        // A record is small next to what the job may hold.
        self.writer.flush().map_err(|_| InvalidRequest::Csv)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.writer.get_ref().len() >= self.max_bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writer.get_ref().is_empty()
    }

    pub(crate) fn finish(self) -> Result<Bytes, InvalidRequest> {
        self.writer.into_inner().map(Bytes::from).map_err(|_| InvalidRequest::Csv)
    }
}

/// A row.
pub(crate) fn one<T: DeserializeOwned>(
    record: &StringRecord,
    head: &StringRecord,
) -> Result<T, ::csv::Error> {
    record.deserialize(Some(head))
}

/// A row, read as two things. (Not by flattening one into the other: serde then guesses at types, and a name of digits
/// is no text any more.)
pub(crate) fn two<M: DeserializeOwned, T: DeserializeOwned>(
    record: &StringRecord,
    head: &StringRecord,
) -> Result<(M, T), ::csv::Error> {
    Ok((record.deserialize(Some(head))?, record.deserialize(Some(head))?))
}

/// Reads the rows of a whole answer.
pub(crate) fn rows<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, InvalidResponse> {
    let mut rows = VecDeque::new();
    read_into(body, &mut None, 0, one, &mut rows)?;
    Ok(rows.into())
}

/// Reads whole records of a page. The first record of all is the head; `before` rows came before these.
pub(crate) fn read_into<T>(
    records: &[u8],
    head: &mut Option<StringRecord>,
    before: u64,
    row: fn(&StringRecord, &StringRecord) -> Result<T, ::csv::Error>,
    rows: &mut VecDeque<T>,
) -> Result<(), InvalidResponse> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(records);
    let mut record = StringRecord::new();
    let mut number = before;
    while reader.read_record(&mut record).map_err(|error| describe(&error, number))? {
        match head {
            None if is_markup(&record) => return Err(InvalidResponse::Unexpected(NONE)),
            None => *head = Some(record.clone()),
            Some(head) => {
                number += 1;
                if record.len() != head.len() {
                    return Err(InvalidResponse::Json(format!(
                        "a row of another length than the head (row {number})"
                    )));
                }
                rows.push_back(row(&record, head).map_err(|error| describe(&error, number))?);
            }
        }
    }
    Ok(())
}

/// Whether what should be names of fields begins a page or JSON.
fn is_markup(head: &StringRecord) -> bool {
    head.get(0).is_some_and(|name| {
        name.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}')
            .starts_with(['<', '{', '['])
    })
}

/// What is wrong, without the values: they are people's data.
fn describe(error: &::csv::Error, row: u64) -> InvalidResponse {
    let what = match error.kind() {
        ::csv::ErrorKind::Deserialize { err, .. } => match err.field() {
            Some(field) => format!("column {field} does not fit its field"),
            None => "a row does not fit its type".to_owned(),
        },
        _ => "the body is not CSV".to_owned(),
    };
    InvalidResponse::Json(format!("{what} (row {row})"))
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

    #[test]
    fn what_is_written_is_read_back() {
        let written: Vec<_> = ["plain", "a,b", "\"quoted\"", "two\nlines", "", "=1+1", "\u{1F600}"]
            .iter()
            .map(|name| Row { name: (*name).to_owned(), number: Some(1.5), owner: None })
            .collect();
        let mut chunk = Chunk::new(40);
        assert!(chunk.is_empty());
        for row in &written {
            chunk.add(row).unwrap();
        }
        assert!(chunk.is_full());
        let bytes = chunk.finish().unwrap();
        assert!(bytes.starts_with(b"Name,Number,Owner.Name\nplain,1.5,\n"));
        assert_eq!(rows::<Row>(&bytes).unwrap(), written);
    }

    #[test]
    fn a_reading_error_repeats_no_value() {
        for body in ["Name,Number\ncanary,canary\n", "Name\ncanary,canary\n", "Number\n1\n"] {
            let error = rows::<Row>(body.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
        assert!(rows::<Row>(b"").unwrap().is_empty());
    }
}
