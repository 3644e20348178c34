//! Bodies that may not fit into memory: [`StreamingBody`] of a response, [`Upload`] of a request.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Wake, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use reqwest::{Body, Response};
use tokio::time::{Instant, Sleep};

use crate::http::error::HttpError;

/// A body of known length that can be sent again: each attempt opens a new stream.
#[derive(Clone)]
pub(crate) struct Upload {
    pub(crate) length: u64,
    pub(crate) open: Arc<dyn Fn() -> ByteStream + Send + Sync>,
}

pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Upload {
    pub(crate) fn body(&self) -> Body {
        Body::wrap_stream(self.pieces())
    }

    /// Opens the stream, which fails if it is longer or shorter than announced.
    pub(crate) fn pieces(&self) -> ByteStream {
        Box::pin(ExactLength { stream: (self.open)(), left: self.length })
    }
}

/// Fails unless a stream has the announced length. A longer one would otherwise be truncated without an error.
struct ExactLength {
    stream: ByteStream,
    left: u64,
}

impl Stream for ExactLength {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let wrong_length = || io::Error::other("the file does not have the announced length");
        Poll::Ready(match ready!(self.stream.as_mut().poll_next(context)) {
            Some(Ok(chunk)) => match self.left.checked_sub(chunk.len() as u64) {
                Some(left) => {
                    self.left = left;
                    Some(Ok(chunk))
                }
                None => Some(Err(wrong_length())),
            },
            None if self.left > 0 => {
                self.left = 0;
                Some(Err(wrong_length()))
            }
            end => end,
        })
    }
}

/// Time of waiting in which [`MIN_BYTES_PER_WINDOW`] bytes must arrive. Time in which the reader does not wait is not
/// counted.
const WINDOW: Duration = Duration::from_secs(15);
/// Fewest bytes per [`WINDOW`], after decompression: one kibibyte per second. Without it a server that sends one byte
/// before each timeout would hold the request forever.
const MIN_BYTES_PER_WINDOW: usize = 15 * 1024;

/// The unread body of a response. Fails if the server is silent for too long or too slow.
pub(crate) struct StreamingBody {
    stream: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    /// Longest wait for the next bytes.
    idle_timeout: Duration,
    /// The end of that wait; `None` while the reader does not wait.
    idle_timer: Option<Pin<Box<Sleep>>>,
    wait: Option<Wait>,
    /// Time waited in the current window.
    waited: Duration,
    /// Bytes received in the current window.
    received: usize,
    /// Fewest bytes per [`WINDOW`].
    min_bytes: usize,
}

impl fmt::Debug for StreamingBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingBody").finish_non_exhaustive()
    }
}

impl StreamingBody {
    pub(crate) fn new(response: Response, idle_timeout: Duration) -> Self {
        Self::from_stream(response.bytes_stream(), idle_timeout)
    }

    /// Returns the body of an event stream, which has no lowest rate: its server sends when something happens.
    pub(crate) fn events(response: Response, idle_timeout: Duration) -> Self {
        Self::events_of(response.bytes_stream(), idle_timeout)
    }

    pub(crate) fn events_of(
        stream: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
        idle_timeout: Duration,
    ) -> Self {
        Self { min_bytes: 0, ..Self::from_stream(stream, idle_timeout) }
    }

    fn from_stream(
        stream: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
        idle_timeout: Duration,
    ) -> Self {
        let stream = Box::pin(stream);
        Self {
            stream,
            idle_timeout,
            idle_timer: None,
            wait: None,
            waited: Duration::ZERO,
            received: 0,
            min_bytes: MIN_BYTES_PER_WINDOW,
        }
    }

    /// Counts `chunk` and returns whether it ends a window in which too few bytes arrived.
    fn is_too_slow(&mut self, chunk: &Bytes) -> bool {
        self.received = self.received.saturating_add(chunk.len());
        if self.waited < WINDOW {
            return false;
        }
        let is_too_slow = self.received < self.min_bytes;
        (self.waited, self.received) = (Duration::ZERO, 0);
        is_too_slow
    }
}

impl Stream for StreamingBody {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(wait) = self.wait.take() {
            self.waited += wait.length();
        }
        let wait = Wait::begin(context.waker());
        let waker = Waker::from(Arc::clone(&wait.0));
        if let Poll::Ready(chunk) = self.stream.as_mut().poll_next(&mut Context::from_waker(&waker)) {
            self.idle_timer = None;
            return Poll::Ready(match chunk {
                Some(Ok(chunk)) if self.is_too_slow(&chunk) => Some(Err(HttpError::TooSlow)),
                chunk => chunk.map(|chunk| chunk.map_err(HttpError::from_reading)),
            });
        }
        self.wait = Some(wait);
        let idle_timeout = self.idle_timeout;
        let idle_timer = self.idle_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle_timeout)));
        ready!(idle_timer.as_mut().poll(context));
        self.idle_timer = None;
        Poll::Ready(Some(Err(HttpError::Timeout)))
    }
}

/// A wait for the server. It ends when bytes arrive, not when the reader polls again: a slow reader must not count as a
/// slow server.
struct Wait(Arc<WaitWaker>);

struct WaitWaker {
    reader: Waker,
    began: Instant,
    ended: OnceLock<Instant>,
}

impl Wait {
    fn begin(reader: &Waker) -> Self {
        Self(Arc::new(WaitWaker { reader: reader.clone(), began: Instant::now(), ended: OnceLock::new() }))
    }

    fn length(&self) -> Duration {
        let ended = self.0.ended.get().copied().unwrap_or_else(Instant::now);
        ended.saturating_duration_since(self.0.began)
    }
}

impl Wake for WaitWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Only the first wake ends the wait.
        let _ = self.ended.set(Instant::now());
        self.reader.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;

    const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

    /// Returns a body whose server sends one chunk of this size per interval.
    fn server(size: usize, interval: Duration) -> StreamingBody {
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                if sender.send(Ok(Bytes::from(vec![b'x'; size]))).await.is_err() {
                    return;
                }
            }
        });
        let chunks = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|chunk| (chunk, receiver))
        });
        StreamingBody::from_stream(chunks, IDLE_TIMEOUT)
    }

    /// Reads for at most an hour. Returns the error and the time it came after.
    async fn read(mut body: StreamingBody, pause: Duration) -> Result<(), (HttpError, Duration)> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60 * 60) {
            if let Err(error) = body.next().await.unwrap() {
                return Err((error, start.elapsed()));
            }
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_sends_too_slowly_is_an_error() {
        for (size, seconds) in [(1, 1), (1, 29), (1_023, 1), (5_000, 7)] {
            let interval = Duration::from_secs(seconds);
            let (error, after) = read(server(size, interval), Duration::ZERO).await.unwrap_err();
            assert!(matches!(error, HttpError::TooSlow) && error.is_transient(), "{error:?}");
            assert!(after >= WINDOW && after <= WINDOW + interval, "{size}: {after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_server_above_the_minimum_is_read_and_silence_is_an_error() {
        for (size, seconds) in [(1_100, 1), (40_000, 29)] {
            read(server(size, Duration::from_secs(seconds)), Duration::ZERO).await.unwrap();
        }
        let (error, after) = read(server(1 << 20, 2 * IDLE_TIMEOUT), Duration::ZERO).await.unwrap_err();
        assert!(
            matches!(error, HttpError::Timeout) && after == IDLE_TIMEOUT,
            "silence is an error, however much comes later"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_of_events_has_no_lowest_rate_and_silence_is_an_error() {
        let events = |interval| StreamingBody { min_bytes: 0, ..server(1, interval) };
        read(events(Duration::from_secs(29)), Duration::ZERO).await.unwrap();
        let (error, after) = read(events(2 * IDLE_TIMEOUT), Duration::ZERO).await.unwrap_err();
        assert!(matches!(error, HttpError::Timeout) && after == IDLE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_does_not_count_as_a_slow_server() {
        // Small chunks, all of them there before they are read.
        read(server(10, Duration::from_millis(1)), Duration::from_secs(40)).await.unwrap();
        // The reader starts to wait and does something else, while the chunk arrives at once.
        let mut body = server(10, Duration::from_millis(1));
        for _ in 0..20 {
            let waits =
                std::future::poll_fn(|context| Poll::Ready(body.poll_next_unpin(context).is_pending()));
            waits.await;
            tokio::time::sleep(Duration::from_secs(20)).await;
            body.next().await.unwrap().unwrap();
        }
    }
}
