//! Bodies that do not fit into memory: read while they come, sent while they are read.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use reqwest::{Body, Response};
use tokio::time::Sleep;

use super::HttpError;

/// A body of known length that can be sent again: each try begins with a stream of its own.
#[derive(Clone)]
pub(crate) struct Upload {
    pub(crate) length: u64,
    pub(crate) open: Arc<dyn Fn() -> Pieces + Send + Sync>,
}

pub(crate) type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Upload {
    pub(super) fn body(&self) -> Body {
        Body::wrap_stream(self.pieces())
    }

    /// The stream from its start, held to its length.
    pub(crate) fn pieces(&self) -> Pieces {
        Box::pin(Measured { pieces: (self.open)(), left: self.length })
    }
}

/// Holds a stream to the length that was announced. One that is longer would be cut in silence, and what follows it taken
/// for something else.
struct Measured {
    pieces: Pieces,
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

/// The body of an answer that nobody has read yet.
pub(crate) struct Unread {
    pieces: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    /// How long no byte may come while one is waited for.
    silence: Duration,
    /// When that is over; `None` while nobody waits.
    patience: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unread").finish_non_exhaustive()
    }
}

impl Unread {
    pub(super) fn new(response: Response, silence: Duration) -> Self {
        Self { pieces: Box::pin(response.bytes_stream()), silence, patience: None }
    }
}

impl Stream for Unread {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(piece) = self.pieces.as_mut().poll_next(context) {
            self.patience = None;
            return Poll::Ready(piece.map(|piece| piece.map_err(HttpError::from_reading)));
        }
        let silence = self.silence;
        let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(silence)));
        ready!(patience.as_mut().poll(context));
        self.patience = None;
        Poll::Ready(Some(Err(HttpError::Timeout)))
    }
}
