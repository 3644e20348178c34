//! [`Data360Rows`]: the rows of a query of Data 360 as a stream.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use futures_util::{Stream, TryStreamExt as _, future::BoxFuture, stream};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{
    error::{InvalidResponse, Result},
    request::decode,
};

/// The rows of a query of Data 360. Fetches the next page when the rows before it are read.
///
/// Columns are read by name, as `AS` in the query gives it. If rows are missing at the end, the last item is an error.
#[must_use = "streams do nothing unless polled"]
pub struct Data360Rows<T>(Pin<Box<dyn Stream<Item = Result<T>> + Send>>);

impl<T> fmt::Debug for Data360Rows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data360Rows").finish_non_exhaustive()
    }
}

impl<T> Stream for Data360Rows<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

/// Fetches the pages of a query in turn.
pub(super) trait Pages<T>: Send {
    /// Returns the rows of the next page; `None` after the last one.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<T>>>>;
}

impl<T: Send + 'static> Data360Rows<T> {
    pub(super) fn new(pages: impl Pages<T> + 'static) -> Self {
        let start = (pages, Vec::new().into_iter());
        Self(Box::pin(stream::try_unfold(start, async |(mut pages, mut rows): (_, vec::IntoIter<T>)| {
            loop {
                if let Some(row) = rows.next() {
                    return Ok(Some((row, (pages, rows))));
                }
                match pages.next().await? {
                    Some(page) => rows = page.into_iter(),
                    None => return Ok(None),
                }
            }
        })))
    }

    pub(super) async fn all(self) -> Result<Vec<T>> {
        self.try_collect().await
    }
}

/// Reads rows, which are arrays in the order of the columns. A row that is an object has its names already.
pub(super) fn read<T: DeserializeOwned>(
    columns: &[String],
    rows: &[&RawValue],
) -> Result<Vec<T>, InvalidResponse> {
    let mut names = Vec::with_capacity(columns.len());
    for column in columns {
        names.push(serde_json::to_string(column).map_err(|error| InvalidResponse::Json(error.to_string()))?);
    }
    rows.iter().map(|row| read_row(&names, row)).collect()
}

fn read_row<T: DeserializeOwned>(names: &[String], row: &RawValue) -> Result<T, InvalidResponse> {
    if row.get().starts_with('{') {
        return decode::json(row.get().as_bytes());
    }
    let values: Vec<&RawValue> = decode::json(row.get().as_bytes())?;
    if values.len() != names.len() {
        return Err(InvalidResponse::Unexpected("a row of another length than the columns"));
    }
    let mut record = String::with_capacity(row.get().len() * 2);
    for (name, value) in names.iter().zip(values) {
        record.push(if record.is_empty() { '{' } else { ',' });
        record.push_str(name);
        record.push(':');
        record.push_str(value.get());
    }
    record.push_str(if record.is_empty() { "{}" } else { "}" });
    decode::json(record.as_bytes())
}

/// Returns whether an id of a response can be a segment of a path.
pub(super) fn is_segment(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.=".contains(&byte);
    !id.is_empty() && id.len() <= 500 && id.bytes().all(is_plain) && !id.bytes().all(|byte| byte == b'.')
}
