//! A query's rows as a stream.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use futures_util::Stream;
use serde::de::DeserializeOwned;
use tokio::{runtime::Handle, task::JoinHandle};
use tracing::Instrument as _;

use crate::{
    connection::Connection,
    error::{Error, Result},
    query::{
        self, Page,
        page::{FetchedPage, Progress, fetch_page_with_children},
    },
    request::send::ApiRequest,
};

/// A stream of a query's rows, made by [`Query::fetch`](crate::query::Query::fetch).
#[must_use = "streams do nothing unless polled"]
pub struct Records<T> {
    connection: Connection,
    rows: vec::IntoIter<T>,
    next: NextPage<T>,
    max_page_bytes: usize,
    progress: Progress,
}

/// The page after the received rows.
enum NextPage<T> {
    NotRequested(Box<ApiRequest>),
    /// A page that was received as a part of another response.
    Received(Box<Page<T>>),
    Prefetching(Prefetch<T>),
    Failed(Error),
    End,
}

/// A page that is fetched while the rows before it are read. Dropping it stops the request.
// In a separate task: a reader that waits for its client for minutes must not delay the response until its timeout.
struct Prefetch<T>(JoinHandle<Result<FetchedPage<T>>>);

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> fmt::Debug for Records<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("connection", &self.connection).finish_non_exhaustive()
    }
}

// No field is self-referential, and rows are never pinned.
impl<T> Unpin for Records<T> {}

impl<T: DeserializeOwned + Send + 'static> Records<T> {
    pub(crate) fn new(
        connection: Connection,
        first: Result<ApiRequest>,
        max_page_bytes: usize,
        progress: Progress,
    ) -> Self {
        let next = match first {
            Ok(request) => NextPage::NotRequested(Box::new(request)),
            Err(error) => NextPage::Failed(error),
        };
        Self { connection, rows: Vec::new().into_iter(), next, max_page_bytes, progress }
    }

    /// Returns the rows of a page that was received, and of the pages after it.
    pub(crate) fn from_page(connection: Connection, page: Page<T>, max_page_bytes: usize) -> Self {
        let next = NextPage::Received(Box::new(page));
        let progress = Progress::default();
        Self { connection, rows: Vec::new().into_iter(), next, max_page_bytes, progress }
    }

    /// Waits for the first page, so that an error of the query is known before a response is started.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use serde_json::Value;
    /// let rows = sf.query::<Value>("SELECT Nonsense__c FROM Account").fetch();
    /// assert_eq!(rows.wait_for_first_page().await.unwrap_err().status(), Some(400));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`Query::page`](crate::Query::page).
    pub async fn wait_for_first_page(mut self) -> Result<Self> {
        std::future::poll_fn(|context| self.poll_row(context)).await?;
        Ok(self)
    }

    fn prefetch(&self, request: ApiRequest) -> NextPage<T> {
        let connection = self.connection.clone();
        match Handle::try_current() {
            Ok(runtime) => {
                let page = async move { fetch_page_with_children(&connection, request).await };
                NextPage::Prefetching(Prefetch(runtime.spawn(page.in_current_span())))
            }
            Err(error) => NextPage::Failed(Error::internal(error)),
        }
    }

    /// Takes the rows of a page, and starts to fetch the page after it.
    ///
    /// While children of the page's rows have further pages, nothing is fetched ahead: Salesforce may close their cursors
    /// when the next page of the parents is requested. (Unverified; its documentation of `queryMore` says so.)
    fn take_page(&mut self, FetchedPage { page, has_open_children }: FetchedPage<T>) {
        let complete = self.progress.add(&page);
        self.next = match (complete, page.next) {
            (Err(error), _) => NextPage::Failed(error.into()),
            (Ok(()), Some(cursor)) => {
                let request = query::next_page_request(cursor, self.max_page_bytes);
                if has_open_children {
                    NextPage::NotRequested(Box::new(request))
                } else {
                    self.prefetch(request)
                }
            }
            (Ok(()), None) => NextPage::End,
        };
        self.rows = page.records.into_iter();
    }
}

impl<T> Records<T> {
    /// Returns how many rows fewer came than Salesforce announced. Known at the end of the stream; 0 before.
    ///
    /// A warning, not an error: rows may be deleted during a long query, and the totals of external objects are
    /// estimates. It is logged, too.
    pub fn missing_rows(&self) -> u64 {
        self.progress.missing()
    }
}

impl<T: DeserializeOwned + Send + 'static> Records<T> {
    /// Waits for a row. Returns false after the last one.
    fn poll_row(&mut self, context: &mut Context<'_>) -> Poll<Result<bool>> {
        loop {
            if self.rows.len() > 0 {
                return Poll::Ready(Ok(true));
            }
            if let NextPage::Prefetching(prefetch) = &mut self.next {
                match ready!(Pin::new(&mut prefetch.0).poll(context)) {
                    Ok(Ok(page)) => self.take_page(page),
                    Ok(Err(error)) => self.next = NextPage::Failed(error),
                    Err(error) => self.next = NextPage::Failed(Error::internal(error)),
                }
                continue;
            }
            match std::mem::replace(&mut self.next, NextPage::End) {
                NextPage::NotRequested(request) => self.next = self.prefetch(*request),
                // Whether its rows have open children is unknown.
                NextPage::Received(page) => {
                    self.take_page(FetchedPage { page: *page, has_open_children: true });
                }
                NextPage::Failed(error) => return Poll::Ready(Err(error)),
                NextPage::Prefetching(_) | NextPage::End => return Poll::Ready(Ok(false)),
            }
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> Stream for Records<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match ready!(this.poll_row(context)) {
            Ok(_) => Poll::Ready(this.rows.next().map(Ok)),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rows = self.rows.len();
        (rows, matches!(self.next, NextPage::End).then_some(rows))
    }
}
