//! Bodies that do not fit into memory: read while they come, sent while they are read.

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

/// A body of known length that can be sent again: each try begins with a stream of its own.
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

    /// The stream from its start, held to its length.
    pub(crate) fn pieces(&self) -> ByteStream {
        Box::pin(Measured { pieces: (self.open)(), left: self.length })
    }
}

/// Holds a stream to the length that was announced. One that is longer would be cut in silence, and what follows it
/// taken for something else.
struct Measured {
    pieces: ByteStream,
    left: u64,
}

impl Stream for Measured {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let another_length = || io::Error::other("the file has another length than was said");
        Poll::Ready(match ready!(self.pieces.as_mut().poll_next(context)) {
            Some(Ok(piece)) => match self.left.checked_sub(piece.len() as u64) {
                Some(left) => {
                    self.left = left;
                    Some(Ok(piece))
                }
                None => Some(Err(another_length())),
            },
            None if self.left > 0 => {
                self.left = 0;
                Some(Err(another_length()))
            }
            end => end,
        })
    }
}

/// How much must come while it is waited for: [`MIN_BYTES_PER_WINDOW`] bytes in each [`WINDOW`] of waiting, after decompression. That
/// is a kibibyte a second. A server that sends less never ends, one byte in time after the other.
const WINDOW: Duration = Duration::from_secs(30);
const MIN_BYTES_PER_WINDOW: usize = 30 * 1024;

/// The body of an answer that nobody has read yet.
pub(crate) struct StreamingBody {
    pieces: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    /// How long no byte may come while one is waited for.
    silence: Duration,
    /// When that is over; `None` while nobody waits.
    patience: Option<Pin<Box<Sleep>>>,
    wait: Option<Wait>,
    /// Of the window: how long was waited, and what came.
    waited: Duration,
    came: usize,
}

impl fmt::Debug for StreamingBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingBody").finish_non_exhaustive()
    }
}

impl StreamingBody {
    pub(crate) fn new(response: Response, silence: Duration) -> Self {
        Self::of(response.bytes_stream(), silence)
    }

    fn of(pieces: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static, silence: Duration) -> Self {
        let pieces = Box::pin(pieces);
        Self { pieces, silence, patience: None, wait: None, waited: Duration::ZERO, came: 0 }
    }

    /// Whether too little came in the window that ends with this piece.
    fn is_too_slow(&mut self, piece: &Bytes) -> bool {
        self.came = self.came.saturating_add(piece.len());
        if self.waited < WINDOW {
            return false;
        }
        let is_too_slow = self.came < MIN_BYTES_PER_WINDOW;
        (self.waited, self.came) = (Duration::ZERO, 0);
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
        if let Poll::Ready(piece) = self.pieces.as_mut().poll_next(&mut Context::from_waker(&waker)) {
            self.patience = None;
            return Poll::Ready(match piece {
                Some(Ok(piece)) if self.is_too_slow(&piece) => Some(Err(HttpError::TooSlow)),
                piece => piece.map(|piece| piece.map_err(HttpError::from_reading)),
            });
        }
        self.wait = Some(wait);
        let silence = self.silence;
        let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(silence)));
        ready!(patience.as_mut().poll(context));
        self.patience = None;
        Poll::Ready(Some(Err(HttpError::Timeout)))
    }
}

/// A wait for the server. It ends when the server sends something, not when somebody looks: a reader who takes his time
/// is no slow server.
struct Wait(Arc<Woken>);

struct Woken {
    reader: Waker,
    since: Instant,
    at: OnceLock<Instant>,
}

impl Wait {
    fn begin(reader: &Waker) -> Self {
        Self(Arc::new(Woken { reader: reader.clone(), since: Instant::now(), at: OnceLock::new() }))
    }

    fn length(&self) -> Duration {
        let end = self.0.at.get().copied().unwrap_or_else(Instant::now);
        end.saturating_duration_since(self.0.since)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Only the first one ends it.
        let _ = self.at.set(Instant::now());
        self.reader.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;

    const SILENCE: Duration = Duration::from_secs(30);

    /// Sends pieces of this size, one in each interval.
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
        let pieces = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        StreamingBody::of(pieces, SILENCE)
    }

    /// How long it is read before it ends, an hour at most.
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
    async fn a_server_that_drips_is_cut_off() {
        for (size, seconds) in [(1, 1), (1, 29), (1_023, 1), (10_000, 15)] {
            let interval = Duration::from_secs(seconds);
            let (error, after) = read(server(size, interval), Duration::ZERO).await.unwrap_err();
            assert!(matches!(error, HttpError::TooSlow) && error.is_transient(), "{error:?}");
            assert!(after >= WINDOW && after <= WINDOW + interval, "{size}: {after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_slow_but_sends_is_not() {
        for (size, seconds) in [(1_100, 1), (40_000, 29)] {
            read(server(size, Duration::from_secs(seconds)), Duration::ZERO).await.unwrap();
        }
        let (error, after) = read(server(1 << 20, 2 * SILENCE), Duration::ZERO).await.unwrap_err();
        assert!(
            matches!(error, HttpError::Timeout) && after == SILENCE,
            "silence is cut, however much would come"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_takes_his_time_is_no_slow_server() {
        // Small pieces that are all there when they are asked for.
        read(server(10, Duration::from_millis(1)), Duration::from_secs(40)).await.unwrap();
        // The reader begins to wait, does something else, and finds that the piece came at once.
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
