//! A page that is fetched and decoded while the rows before it are read.
//!
//! A large page is decoded on a thread for blocking work: for the milliseconds that it takes, the thread of the reader
//! serves others. The cursor stands before the records, so that the page after it can be requested meanwhile.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    task::{self, JoinHandle},
};
use tracing::Instrument as _;

use crate::{
    connection::Connection,
    error::{Error, Result},
    query::{
        Cursor, Page, children,
        page::{self, FetchedPage},
    },
    request::{decode, send::ApiRequest},
};

/// Pages from this size on are decoded on another thread, in bytes. A smaller one takes less time than waking a thread up.
const DECODED_ELSEWHERE: usize = 64 * 1024;

/// A page on its way. Dropping it stops the request.
// In a separate task: a reader that waits for its client for minutes must not delay the response until its timeout.
pub(super) struct Prefetch<T> {
    page: JoinHandle<Result<FetchedPage<T>>>,
    /// The cursor of the page after it. `None` once it was taken, or if it comes with the page only.
    cursor: Option<oneshot::Receiver<Cursor>>,
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.page.abort();
    }
}

impl<T: DeserializeOwned + Send + 'static> Prefetch<T> {
    pub(super) fn start(runtime: &Handle, connection: Connection, request: ApiRequest) -> Self {
        let (known, cursor) = oneshot::channel();
        let page = async move { fetch(&connection, request, known).await };
        Self { page: runtime.spawn(page.in_current_span()), cursor: Some(cursor) }
    }

    /// Waits for the cursor of the page after it, which is known before the page itself if that is large. `Ready(None)`: it
    /// comes with the page, or was taken.
    pub(super) fn poll_cursor(&mut self, context: &mut Context<'_>) -> Poll<Option<Cursor>> {
        let Some(cursor) = &mut self.cursor else { return Poll::Ready(None) };
        let taken = std::task::ready!(Pin::new(cursor).poll(context));
        self.cursor = None;
        Poll::Ready(taken.ok())
    }

    pub(super) fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Result<FetchedPage<T>>> {
        Pin::new(&mut self.page)
            .poll(context)
            .map(|joined| joined.unwrap_or_else(|error| Err(Error::internal(error))))
    }
}

/// Fetches a page, and says which is the next one as soon as that is known.
async fn fetch<T: DeserializeOwned + Send + 'static>(
    connection: &Connection,
    request: ApiRequest,
    known: oneshot::Sender<Cursor>,
) -> Result<FetchedPage<T>> {
    let max_bytes = request.max_bytes;
    let response = page::send(connection, request).await?;
    decode::json_of(&response)?;
    let body = response.body;
    let links = page::links(&body);
    // With a second link, a row has children with further pages.
    if body.len() >= DECODED_ELSEWHERE
        && links == 1
        && let Some(cursor) = cursor_of(&body)
    {
        // A reader that is gone takes none.
        let _ = known.send(cursor);
    }
    let page = match read(body.clone()).await? {
        Err(error) if page::lacks_children(&error) => {
            let whole = children::complete(connection, &body, max_bytes).await?;
            read(whole.into()).await??
        }
        page => page?,
    };
    let has_open_children = links > usize::from(page.next.is_some());
    Ok(FetchedPage { page, has_open_children })
}

type Read<T> = Result<Page<T>, crate::error::InvalidResponse>;

async fn read<T: DeserializeOwned + Send + 'static>(body: Bytes) -> Result<Read<T>> {
    if body.len() < DECODED_ELSEWHERE {
        return Ok(page::read(&body));
    }
    task::spawn_blocking(move || page::read(&body)).await.map_err(Error::internal)
}

/// Returns the cursor that stands before a page's records.
fn cursor_of(body: &[u8]) -> Option<Cursor> {
    #[derive(Deserialize)]
    struct Head {
        done: bool,
        #[serde(rename = "nextRecordsUrl")]
        next: Option<String>,
    }
    let end = memchr::memmem::find(body, b"\"records\"")?;
    let head = body.get(..end)?.trim_ascii_end().strip_suffix(b",")?;
    let head: Head = serde_json::from_slice(&[head, b"}"].concat()).ok()?;
    head.next.filter(|_| !head.done)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_before_the_records_is_known_early() {
        let path = "/services/data/v66.0/query/01gD0000002HU6KIAW-2000";
        let head = |text: &str| cursor_of(format!("{{{text}\"records\":[]}}").as_bytes());
        let next = format!("\"nextRecordsUrl\":\"{path}\"");
        assert_eq!(head(&format!("\"totalSize\":9,\"done\":false,{next},")), path.parse().ok());
        assert_eq!(head(&format!(" \"done\" : false ,\n{next} ,\n")), path.parse().ok());
        assert_eq!(head(&format!("\"totalSize\":9,\"done\":true,{next},")), None);
        assert_eq!(head("\"totalSize\":9,\"done\":false,"), None);
        assert_eq!(head("\"done\":false,\"nextRecordsUrl\":\"https://evil.example/\","), None);
        assert_eq!(cursor_of(b"[]"), None);
        assert_eq!(cursor_of(b"\"records\""), None);
    }
}
