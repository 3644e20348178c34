//! A query's rows as a stream.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use futures_util::Stream;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use crate::{
    connection::Connection,
    error::{Error, Result},
    query::{
        self, Cursor, Page,
        page::{FetchedPage, Progress},
        prefetch::Prefetch,
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
    /// While the reader waits for it, the page after it is requested as soon as its cursor is known.
    Prefetching(Prefetch<T>, Option<(Cursor, Prefetch<T>)>),
    Failed(Error),
    End,
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

    fn prefetch(&self, request: ApiRequest) -> Result<Prefetch<T>> {
        let runtime = Handle::try_current().map_err(Error::internal)?;
        Ok(Prefetch::start(&runtime, self.connection.clone(), request))
    }

    fn prefetching(&self, request: ApiRequest) -> NextPage<T> {
        self.prefetch(request).map_or_else(NextPage::Failed, |page| NextPage::Prefetching(page, None))
    }

    /// Requests the page after the one that is being decoded. Its reader waits, so that at most one page is ahead.
    fn request_ahead(&mut self, cursor: Cursor) {
        let request = query::next_page_request(cursor.clone(), self.max_page_bytes);
        if let Ok(page) = self.prefetch(request)
            && let NextPage::Prefetching(_, ahead) = &mut self.next
        {
            *ahead = Some((cursor, page));
        }
    }

    /// Takes the rows of a page, and starts to fetch the page after it.
    ///
    /// While children of the page's rows have further pages, nothing is fetched ahead: Salesforce may close their cursors
    /// when the next page of the parents is requested. (Unverified; its documentation of `queryMore` says so.)
    ///
    /// `ahead` is a page that was requested before this one was decoded.
    fn take_page(
        &mut self,
        FetchedPage { page, has_open_children }: FetchedPage<T>,
        ahead: Option<(Cursor, Prefetch<T>)>,
    ) {
        let complete = self.progress.add(&page);
        self.next = match (complete, page.next) {
            (Err(error), _) => NextPage::Failed(error.into()),
            (Ok(()), Some(cursor)) if ahead.as_ref().is_some_and(|(requested, _)| *requested == cursor) => {
                ahead.map_or(NextPage::End, |(_, page)| NextPage::Prefetching(page, None))
            }
            (Ok(()), Some(cursor)) => {
                let request = query::next_page_request(cursor, self.max_page_bytes);
                if has_open_children {
                    NextPage::NotRequested(Box::new(request))
                } else {
                    self.prefetching(request)
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
            if let NextPage::Prefetching(page, ahead) = &mut self.next {
                if ahead.is_none()
                    && let Poll::Ready(Some(cursor)) = page.poll_cursor(context)
                {
                    self.request_ahead(cursor);
                    continue;
                }
                let page = ready!(page.poll_page(context));
                let ahead = ahead.take();
                match page {
                    Ok(page) => self.take_page(page, ahead),
                    Err(error) => self.next = NextPage::Failed(error),
                }
                continue;
            }
            match std::mem::replace(&mut self.next, NextPage::End) {
                NextPage::NotRequested(request) => self.next = self.prefetching(*request),
                // Whether its rows have open children is unknown.
                NextPage::Received(page) => {
                    self.take_page(FetchedPage { page: *page, has_open_children: true }, None);
                }
                NextPage::Failed(error) => return Poll::Ready(Err(error)),
                NextPage::Prefetching(..) | NextPage::End => return Poll::Ready(Ok(false)),
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
