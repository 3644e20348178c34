//! The private parsers, for the fuzz targets and their tests in other crates.
//!
//! Each function returns what its parser made of the input, in the standard library's types.

use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

#[cfg(feature = "bulk")]
use crate::bulk::csv_split::CsvSplitter;
use crate::{
    error::Error,
    http::AllowedHosts,
    query::{
        Page, page,
        soql::{
            bind::{BindError, Binds},
            scan::{Piece, scan, scan_terms},
        },
    },
    request::error_response,
    search::bind::SoslBinds,
};

#[cfg(feature = "bulk")]
const TOO_LONG: &str = "a record is too long";

/// A part of a query: text, or the name of a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text that is sent unchanged.
    Text(&'a str),
    /// A placeholder's name, without the colon.
    Placeholder(&'a str),
}

fn parts(pieces: Vec<Piece<'_>>) -> Vec<Part<'_>> {
    let part = |piece| match piece {
        Piece::Text(text) => Part::Text(text),
        Piece::Placeholder(name) => Part::Placeholder(name),
    };
    pieces.into_iter().map(part).collect()
}

/// Splits a query at its placeholders.
///
/// # Errors
/// If a colon begins no placeholder or a string is not closed.
pub fn scan_soql(soql: &str) -> Result<Vec<Part<'_>>, BindError> {
    scan(soql).map(parts)
}

/// Splits the terms of a search at their placeholders.
///
/// # Errors
/// As [`scan_soql`].
pub fn scan_sosl_terms(terms: &str) -> Result<Vec<Part<'_>>, BindError> {
    scan_terms(terms).map(parts)
}

/// Returns a query with `value` bound to `:v`.
///
/// # Errors
/// As the methods of a query.
pub fn bind_soql(soql: &str, value: &str) -> Result<String, BindError> {
    let mut binds = Binds::default();
    binds.push("v", value);
    binds.render(soql)
}

/// Returns a search with `value` bound to `:v`.
///
/// # Errors
/// As the methods of a search.
pub fn bind_sosl(sosl: &str, value: &str) -> Result<String, BindError> {
    let mut binds = SoslBinds::default();
    binds.push("v", value);
    binds.render(sosl)
}

/// Reads the body of a page of a query.
///
/// # Errors
/// The text of the error.
pub fn page(body: &[u8]) -> Result<Page<Value>, String> {
    typed_page(body)
}

/// Reads the body of a page of a query into rows of a type.
///
/// # Errors
/// The text of the error.
pub fn typed_page<T: DeserializeOwned>(body: &[u8]) -> Result<Page<T>, String> {
    page::read(body).map_err(|error| error.to_string())
}

/// Reads the body of an error response. Returns the error and what it does to the request.
pub fn error_response(status: u16, body: &[u8]) -> (Error, String) {
    let read = error_response::read(status, body, None);
    (read.error, format!("{:?}", read.class))
}

/// Reads the instance URL of a token response, with no origins allowed but Salesforce's.
pub fn instance_url(text: &str) -> Option<Url> {
    AllowedHosts::new([]).instance_url(text).ok()
}

/// Reads the CSV of a job's result. Each row has its cells by column.
///
/// # Errors
/// The text of the error.
#[cfg(feature = "bulk")]
pub fn csv(body: &[u8]) -> Result<Vec<std::collections::BTreeMap<String, String>>, String> {
    crate::bulk::csv::read_all(body, Default::default(), 0).map_err(|error| error.to_string())
}

/// Reads the CSV of a job's result that arrives in pieces of `size` bytes, as [`csv`] does at once.
///
/// # Errors
/// As [`csv`].
#[cfg(feature = "bulk")]
pub fn csv_in_pieces(
    body: &[u8],
    size: usize,
) -> Result<Vec<std::collections::BTreeMap<String, String>>, String> {
    use crate::bulk::csv::{read_into, read_row};

    let mut splitter = CsvSplitter::of_result(Default::default());
    let (mut header, mut rows) = (None, std::collections::VecDeque::new());
    let mut read = |csv: &[u8], delimiter: u8| {
        if csv.is_empty() {
            return Ok(());
        }
        let before = rows.len() as u64;
        read_into(csv, delimiter, &mut header, before, read_row, &mut rows).map_err(|error| error.to_string())
    };
    for piece in body.chunks(size.max(1)) {
        splitter.push(piece);
        let complete = splitter.take_complete().map_err(|_| TOO_LONG.to_owned())?;
        read(&complete, splitter.delimiter())?;
    }
    let rest = splitter.take_rest();
    read(&rest, splitter.delimiter())?;
    Ok(rows.into())
}

/// Splits CSV that arrives in pieces of `size` bytes into its complete records.
///
/// # Errors
/// If a record is too long.
#[cfg(feature = "bulk")]
pub fn csv_records(csv: &[u8], size: usize) -> Result<Vec<bytes::Bytes>, String> {
    let mut splitter = CsvSplitter::new(b',');
    let mut records = Vec::new();
    for piece in csv.chunks(size.max(1)) {
        splitter.push(piece);
        while let Some(record) = splitter.next_record().map_err(|_| TOO_LONG.to_owned())? {
            records.push(record);
        }
    }
    records.push(splitter.take_rest());
    Ok(records)
}
