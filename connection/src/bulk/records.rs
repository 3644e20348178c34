//! Rows of CSV as a stream.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::csv::StringRecord;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use reqwest::{StatusCode, header::CONTENT_TYPE};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

use crate::{
    bulk::{csv, csv_split::Cutter},
    connection::Connection,
    error::{Error, InvalidResponse, Result},
    http::response::Response,
    request::send::ApiRequest,
};

/// How many pieces of a page are here before anyone reads them: with what a connection holds, about two mebibytes.
const AHEAD: usize = 128;

/// The rows of a job: of a query's ([`Query::fetch_bulk`](crate::query::Query::fetch_bulk)), or of what one that loads did
/// ([`IngestJob::failed`](crate::bulk::ingest_job::IngestJob::failed) and others).
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
        // The first error is the last item, and ends all that is still being read.
        if !matches!(row, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(row)
    }
}

/// What is wrong with a page that may be a part of one.
pub(crate) const NO_NUMBER: &str = "a page that does not say how many rows it has";

/// How many rows a page must have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    /// What the answer says, and it must say it.
    Announced,
    /// What the answer says, or else this.
    AtLeast(u64),
}

/// A page of CSV that is being read in a task of its own, a little ahead of whoever wants it.
pub(crate) struct Page {
    pieces: mpsc::Receiver<Result<Piece>>,
    task: JoinHandle<()>,
}

enum Piece {
    /// How many records the page should have, if Salesforce says it.
    Head(Option<u64>),
    Bytes(Bytes),
    End,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Page {
    /// Asks for the page now.
    pub(crate) fn open(connection: &Connection, call: ApiRequest) -> Result<Self> {
        let (sender, pieces) = mpsc::channel(AHEAD);
        let connection = connection.clone();
        let runtime = Handle::try_current().map_err(Error::internal)?;
        let task = runtime.spawn(async move {
            if let Err(error) = fill(&connection, call, &sender).await {
                // Nobody may want it any more.
                let _ = sender.send(Err(error)).await;
            }
        });
        Ok(Self { pieces, task })
    }

    /// Its rows, each read by `row`. Fewer than `expected` are an error.
    pub(crate) fn rows<T: Send + 'static>(
        self,
        expected: Expected,
        row: fn(&StringRecord, &StringRecord) -> Result<T, ::csv::Error>,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let reading = Reading {
            page: self,
            cutter: Cutter::default(),
            head: None,
            rows: VecDeque::new(),
            expected,
            got: 0,
            ended: false,
            row,
        };
        stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|row| (row, reading)))
        })
    }
}

async fn fill(
    connection: &Connection,
    mut call: ApiRequest,
    sender: &mpsc::Sender<Result<Piece>>,
) -> Result<()> {
    call.unread = true;
    let answer = connection.send(call).await?;
    let announced = about(&answer)?;
    // An error means that nobody reads on.
    if sender.send(Ok(Piece::Head(announced))).await.is_err() {
        return Ok(());
    }
    let mut body = answer.unread.ok_or(InvalidResponse::Unexpected("an answer without a page"))?;
    while let Some(bytes) = body.try_next().await? {
        if sender.send(Ok(Piece::Bytes(bytes))).await.is_err() {
            return Ok(());
        }
    }
    let _ = sender.send(Ok(Piece::End)).await;
    Ok(())
}

/// How many rows an answer says that it has. A success that is no CSV comes from something in between, and would look
/// like a page without rows. (Only what is known not to be CSV is refused by its type: it is not documented for each
/// answer.)
pub(crate) fn about(answer: &Response) -> Result<Option<u64>, InvalidResponse> {
    let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let other = ["html", "json", "xml", "text/plain"].iter().any(|other| content_type.contains(other));
    if answer.status != StatusCode::OK || other {
        return Err(InvalidResponse::Unexpected(csv::NONE));
    }
    let announced = answer.headers.get("sforce-numberofrecords");
    Ok(announced.and_then(|number| number.to_str().ok()?.parse().ok()))
}

struct Reading<T> {
    page: Page,
    cutter: Cutter,
    head: Option<StringRecord>,
    rows: VecDeque<T>,
    expected: Expected,
    got: u64,
    ended: bool,
    row: fn(&StringRecord, &StringRecord) -> Result<T, ::csv::Error>,
}

impl<T> Reading<T> {
    async fn next(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(row) = self.rows.pop_front() {
                return Ok(Some(row));
            }
            if self.ended {
                return match self.expected {
                    Expected::AtLeast(announced) if self.got < announced => {
                        Err(InvalidResponse::Truncated { got: self.got, announced }.into())
                    }
                    _ => Ok(None),
                };
            }
            let whole = match self.page.pieces.recv().await {
                Some(piece) => match piece? {
                    Piece::Head(announced) => {
                        self.expected = match (announced, self.expected) {
                            (Some(announced), _) => Expected::AtLeast(announced),
                            (None, Expected::Announced) => {
                                return Err(InvalidResponse::Unexpected(NO_NUMBER).into());
                            }
                            (None, expected) => expected,
                        };
                        continue;
                    }
                    Piece::Bytes(bytes) => {
                        self.cutter.push(&bytes);
                        let whole = self.cutter.records();
                        whole.map_err(|_| InvalidResponse::Unexpected("a record of CSV that does not end"))?
                    }
                    Piece::End => {
                        self.ended = true;
                        self.cutter.rest()
                    }
                },
                // The task ended without a word: it panicked, or its runtime ends.
                None => return Err(InvalidResponse::Unexpected("the page was not read to its end").into()),
            };
            let before = self.rows.len();
            csv::read_into(&whole, &mut self.head, self.got, self.row, &mut self.rows)?;
            self.got += (self.rows.len() - before) as u64;
        }
    }
}
