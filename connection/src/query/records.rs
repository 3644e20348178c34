//! The rows of a query as a stream.

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
    query::{self, Page, Progress},
    request::send::ApiRequest,
};

/// The stream of a query's rows, made by [`Query::fetch`](crate::query::Query::fetch).
#[must_use = "streams do nothing unless polled"]
pub struct Records<T> {
    connection: Connection,
    rows: vec::IntoIter<T>,
    after: After<T>,
    max_page_bytes: usize,
    progress: Progress,
}

/// What comes after the rows that are here.
enum After<T> {
    Ask(Box<ApiRequest>),
    /// A page that came with something else.
    Take(Box<Page<T>>),
    Asked(Ahead<T>),
    Fail(Error),
    End,
}

/// A page that is being fetched. In a task of its own: a reader that waits for its client for minutes must neither hold
/// the answer up until its deadline nor come back to a page that it still has to wait for.
struct Ahead<T>(JoinHandle<Result<Page<T>>>);

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> fmt::Debug for Records<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Nothing in it is self-referential, and rows are never pinned.
impl<T> Unpin for Records<T> {}

impl<T: DeserializeOwned + Send + 'static> Records<T> {
    pub(crate) fn new(
        connection: Connection,
        first: Result<ApiRequest>,
        max_page_bytes: usize,
        progress: Progress,
    ) -> Self {
        let after = match first {
            Ok(call) => After::Ask(Box::new(call)),
            Err(error) => After::Fail(error),
        };
        Self { connection, rows: Vec::new().into_iter(), after, max_page_bytes, progress }
    }

    /// The rows of a page that is here, and of those after it.
    pub(crate) fn from_page(connection: Connection, page: Page<T>, max_page_bytes: usize) -> Self {
        let after = After::Take(Box::new(page));
        let progress = Progress::default();
        Self { connection, rows: Vec::new().into_iter(), after, max_page_bytes, progress }
    }

    /// Waits until the first page has arrived, so that the error of a query is known before a response is started.
    ///
    /// # Errors
    /// As [`Query::page`](crate::Query::page).
    pub async fn wait_for_first_page(mut self) -> Result<Self> {
        std::future::poll_fn(|context| self.poll_page(context)).await?;
        Ok(self)
    }

    fn ask(&self, call: ApiRequest) -> After<T> {
        let connection = self.connection.clone();
        match Handle::try_current() {
            Ok(runtime) => {
                let page = async move { query::page(&connection, call).await };
                After::Asked(Ahead(runtime.spawn(page.in_current_span())))
            }
            Err(error) => After::Fail(Error::internal(error)),
        }
    }

    /// Takes a page over, and asks for the one after it.
    fn turn(&mut self, page: Page<T>) {
        let complete = self.progress.add(&page);
        self.after = match (complete, page.next) {
            (Err(error), _) => After::Fail(error.into()),
            (Ok(()), Some(cursor)) => self.ask(query::next_call(cursor, self.max_page_bytes)),
            (Ok(()), None) => After::End,
        };
        self.rows = page.records.into_iter();
    }
}

impl<T: DeserializeOwned + Send + 'static> Records<T> {
    /// Waits for a row: whether there is one.
    fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Result<bool>> {
        loop {
            if self.rows.len() > 0 {
                return Poll::Ready(Ok(true));
            }
            if let After::Asked(ahead) = &mut self.after {
                match ready!(Pin::new(&mut ahead.0).poll(context)) {
                    Ok(Ok(page)) => self.turn(page),
                    Ok(Err(error)) => self.after = After::Fail(error),
                    Err(error) => self.after = After::Fail(Error::internal(error)),
                }
                continue;
            }
            match std::mem::replace(&mut self.after, After::End) {
                After::Ask(call) => self.after = self.ask(*call),
                After::Take(page) => self.turn(*page),
                After::Fail(error) => return Poll::Ready(Err(error)),
                After::Asked(_) | After::End => return Poll::Ready(Ok(false)),
            }
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> Stream for Records<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match ready!(this.poll_page(context)) {
            Ok(_) => Poll::Ready(this.rows.next().map(Ok)),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let here = self.rows.len();
        (here, matches!(self.after, After::End).then_some(here))
    }
}
