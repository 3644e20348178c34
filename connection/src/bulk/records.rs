//! Rows of CSV as a stream.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use reqwest::{StatusCode, header::CONTENT_TYPE};
use sha2::{Digest as _, Sha256};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

use crate::{
    bulk::{
        csv::{self, RowReader},
        csv_split::{CsvSplitter, StatedDelimiter},
        row::Columns,
    },
    connection::Connection,
    error::{Error, InvalidResponse, Result},
    http::{error::HttpError, response::Response},
    name::ObjectName,
    request::send::ApiRequest,
};

/// Maximum number of pieces of a page that are read ahead of the stream's reader. With the buffers of a connection, they
/// take about 2 MiB per page.
const MAX_PIECES_AHEAD: usize = 128;
/// How often in a row a page is requested without [`MIN_PROGRESS`]. A slow reader can need many attempts for one page.
const MAX_ATTEMPTS_WITHOUT_PROGRESS: u32 = 4;
/// New bytes after which the attempts count from the start. Each attempt fetches the part before them again: for a few bytes
/// at a time, the traffic would be the square of the page.
const MIN_PROGRESS: u64 = 64 * 1024;
/// Wait before a page is requested again.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// The rows of a job as a stream, in the order in which Salesforce sends them.
///
/// Returned by [`Query::fetch_bulk`](crate::query::Query::fetch_bulk),
/// [`IngestJob::failed`](crate::bulk::IngestJob::failed) and others. The first error is the last item.
#[must_use = "streams do nothing unless polled"]
pub struct BulkRecords<T>(Option<BoxStream<'static, Result<T>>>);

impl<T> BulkRecords<T> {
    pub(crate) fn new(rows: impl Stream<Item = Result<T>> + Send + 'static) -> Self {
        Self(Some(rows.boxed()))
    }
}

impl<T> fmt::Debug for BulkRecords<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BulkRecords")
    }
}

impl<T> Stream for BulkRecords<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(rows) = &mut self.0 else { return Poll::Ready(None) };
        let row = ready!(rows.poll_next_unpin(context));
        // The end or the first error drops the rows, and with them the tasks that read ahead.
        if !matches!(row, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(row)
    }
}

/// The error text for a page that could be a part of one.
pub(crate) const MISSING_ROW_COUNT: &str = "a page without its number of rows";

/// The number of rows that a page must have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ExpectedRows {
    /// The number in the response, which must have one.
    Announced,
    /// The number in the response, or else this one.
    AtLeast(u64),
}

/// A page of CSV that a separate task reads, a little ahead of the stream's reader.
pub(crate) struct Page {
    pieces: mpsc::Receiver<Result<Piece>>,
    task: JoinHandle<()>,
}

enum Piece {
    /// The number of rows in the response's head, if it has one.
    RowCount(Option<u64>),
    Bytes(Bytes),
    /// The response has no body (status 204).
    NoContent,
    End,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Page {
    /// Starts the task that sends the request and reads the page.
    pub(crate) fn open(connection: &Connection, request: ApiRequest) -> Result<Self> {
        let (sender, pieces) = mpsc::channel(MAX_PIECES_AHEAD);
        let connection = connection.clone();
        let runtime = Handle::try_current().map_err(Error::internal)?;
        let task = runtime.spawn(async move {
            if let Err(error) = read_page(&connection, request, &sender).await {
                // Fails if the page was dropped: then the error is irrelevant.
                let _ = sender.send(Err(error)).await;
            }
        });
        Ok(Self { pieces, task })
    }

    /// Returns the page's rows, each read by `read_row`. Fewer than `expected` are an error.
    ///
    /// `read_before` counts the rows of the result, whose pages are read one after the other.
    pub(crate) fn rows<T: Send + 'static>(
        self,
        expected: ExpectedRows,
        delimiter: StatedDelimiter,
        read_row: RowReader<T>,
        read_before: Arc<AtomicU64>,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let reader = PageReader {
            page: self,
            splitter: CsvSplitter::of_result(delimiter),
            header: None,
            rows: VecDeque::new(),
            expected,
            got: 0,
            read_before,
            ended: false,
            read_row,
        };
        stream::try_unfold(
            reader,
            |mut reader| async move { Ok(reader.next().await?.map(|row| (row, reader))) },
        )
    }
}

/// Reads a page. If its connection is lost, requests it again and continues where it ended.
///
/// Salesforce also ends connections whose reader is slow. The rows of a job do not change, so that the page is the same:
/// the hash of the part that was read before is compared. Unverified: that Salesforce always sends the same bytes.
async fn read_page(
    connection: &Connection,
    request: ApiRequest,
    sender: &mpsc::Sender<Result<Piece>>,
) -> Result<()> {
    let mut progress = PageProgress::default();
    let mut attempts_left = MAX_ATTEMPTS_WITHOUT_PROGRESS;
    // The length of the page when the attempts were last counted from the start.
    let mut before = 0;
    loop {
        let Err(error) = read_attempt(connection, request.clone(), sender, &mut progress).await else {
            return Ok(());
        };
        // A server that falls silent again and again would hold the stream for ever.
        let is_silent = matches!(error, Error::Http(HttpError::Timeout | HttpError::TooSlow));
        if progress.sent - before >= MIN_PROGRESS && !is_silent {
            (attempts_left, before) = (MAX_ATTEMPTS_WITHOUT_PROGRESS, progress.sent);
        } else {
            attempts_left -= 1;
        }
        // A compressed page that ends too early cannot be decompressed.
        let is_lost = matches!(error, Error::Http(HttpError::ConnectionLost(_) | HttpError::Undecodable(_)));
        // Sending has its own retries, which end at the response's head.
        let is_lost = (is_lost || is_silent) && progress.is_counted;
        if !is_lost || attempts_left == 0 {
            return Err(error);
        }
        tracing::debug!(%error, bytes = progress.sent, "reading a page failed; continuing");
        tokio::time::sleep(RETRY_WAIT).await;
    }
}

/// The part of a page that was read.
#[derive(Default)]
struct PageProgress {
    sent: u64,
    hash: Sha256,
    is_counted: bool,
}

async fn read_attempt(
    connection: &Connection,
    mut request: ApiRequest,
    sender: &mpsc::Sender<Result<Piece>>,
    progress: &mut PageProgress,
) -> Result<()> {
    const OTHER_PAGE: InvalidResponse = InvalidResponse::Unexpected("another page than before");
    request.unread = true;
    let response = connection.send(request).await?;
    if response.status == StatusCode::NO_CONTENT && progress.sent == 0 {
        let _ = sender.send(Ok(Piece::NoContent)).await;
        return Ok(());
    }
    let announced = announced_rows(&response)?;
    if !progress.is_counted {
        progress.is_counted = true;
        // Sending fails if the page was dropped.
        if sender.send(Ok(Piece::RowCount(announced))).await.is_err() {
            return Ok(());
        }
    }
    let mut body = response.unread.ok_or(InvalidResponse::Unexpected("a page without a body"))?;
    let (mut to_skip, mut skipped) = (progress.sent, Sha256::new());
    while let Some(mut bytes) = body.try_next().await? {
        if to_skip > 0 {
            let known = bytes.split_to(bytes.len().min(usize::try_from(to_skip).unwrap_or(usize::MAX)));
            skipped.update(&known);
            to_skip -= known.len() as u64;
            if to_skip == 0 && skipped.clone().finalize() != progress.hash.clone().finalize() {
                return Err(OTHER_PAGE.into());
            }
        }
        if bytes.is_empty() {
            continue;
        }
        progress.hash.update(&bytes);
        progress.sent += bytes.len() as u64;
        if sender.send(Ok(Piece::Bytes(bytes))).await.is_err() {
            return Ok(());
        }
    }
    if to_skip > 0 {
        return Err(OTHER_PAGE.into());
    }
    let _ = sender.send(Ok(Piece::End)).await;
    Ok(())
}

/// Returns the number of rows that a response announces, and fails unless it is CSV.
///
/// A success that is not CSV comes from a proxy and would look like a page without rows. Only content types that are
/// known to be something else are rejected, because the type of these responses is not documented.
pub(crate) fn announced_rows(response: &Response) -> Result<Option<u64>, InvalidResponse> {
    let content_type = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let is_other = ["html", "json", "xml", "text/plain"].iter().any(|other| content_type.contains(other));
    if response.status != StatusCode::OK || is_other {
        return Err(InvalidResponse::Unexpected(csv::NOT_CSV));
    }
    let announced = response.headers.get("sforce-numberofrecords");
    Ok(announced.and_then(|number| number.to_str().ok()?.parse().ok()))
}

/// Adds the object to the error of a row, unless the name is not one.
pub(crate) fn name_object(error: Error, object: &str) -> Error {
    match error {
        Error::InvalidResponse(InvalidResponse::Json(text)) if object.parse::<ObjectName>().is_ok() => {
            let text = match text.strip_suffix(')') {
                Some(start) if start.contains("(row ") => format!("{start} of {object})"),
                _ => text,
            };
            InvalidResponse::Json(text).into()
        }
        error => error,
    }
}

struct PageReader<T> {
    page: Page,
    splitter: CsvSplitter,
    header: Option<Columns>,
    /// Rows that were read and not yet returned.
    rows: VecDeque<T>,
    expected: ExpectedRows,
    /// Number of rows that were read.
    got: u64,
    /// Number of rows that were read of all pages, this one included.
    read_before: Arc<AtomicU64>,
    ended: bool,
    read_row: RowReader<T>,
}

impl<T> PageReader<T> {
    async fn next(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(row) = self.rows.pop_front() {
                return Ok(Some(row));
            }
            if self.ended {
                return match self.expected {
                    ExpectedRows::AtLeast(announced) if self.got < announced => {
                        Err(InvalidResponse::Truncated { got: self.got, announced }.into())
                    }
                    _ => Ok(None),
                };
            }
            let complete = match self.page.pieces.recv().await {
                Some(piece) => match piece? {
                    Piece::RowCount(announced) => {
                        self.expected = match (announced, self.expected) {
                            (Some(announced), _) => ExpectedRows::AtLeast(announced),
                            (None, ExpectedRows::Announced) => {
                                return Err(InvalidResponse::Unexpected(MISSING_ROW_COUNT).into());
                            }
                            (None, expected) => expected,
                        };
                        continue;
                    }
                    Piece::Bytes(bytes) => {
                        self.splitter.push(&bytes);
                        let complete = self.splitter.take_complete();
                        complete.map_err(|_| InvalidResponse::Unexpected("a CSV record without an end"))?
                    }
                    // Unverified: reported for results without records. The announced number says if that is true.
                    Piece::NoContent => match self.expected {
                        ExpectedRows::AtLeast(_) => {
                            self.ended = true;
                            continue;
                        }
                        ExpectedRows::Announced => {
                            return Err(InvalidResponse::Unexpected(csv::NOT_CSV).into());
                        }
                    },
                    Piece::End => {
                        self.ended = true;
                        self.splitter.take_rest()
                    }
                },
                // The task ended without `Piece::End`: it panicked, or its runtime shuts down.
                None => return Err(InvalidResponse::Unexpected("a page that was not read to its end").into()),
            };
            let before = self.rows.len();
            let (delimiter, read_before) =
                (self.splitter.delimiter(), self.read_before.load(Ordering::Relaxed));
            csv::read_into(
                &complete,
                delimiter,
                &mut self.header,
                read_before,
                self.read_row,
                &mut self.rows,
            )?;
            let read = (self.rows.len() - before) as u64;
            self.got += read;
            self.read_before.store(read_before + read, Ordering::Relaxed);
        }
    }
}
