//! How a connection is ordered to end early, also inside of a response's head.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long bytes have to reach the other side: a reset overtakes what is on its way.
pub(super) const ON_THE_WIRE: Duration = Duration::from_millis(60);

/// The orders for one connection.
#[derive(Debug, Default)]
pub(super) struct Disconnect {
    reset: AtomicBool,
    in_head: AtomicU8,
}

/// Where the head of a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Place {
    StatusLine = 1,
    Fields = 2,
}

impl Disconnect {
    /// From now on closing the connection resets it.
    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_reset(&self) -> bool {
        self.reset.load(Ordering::SeqCst)
    }

    /// The next response's head is not sent to its end.
    pub(super) fn in_head(&self, place: Place) {
        self.in_head.store(place as u8, Ordering::SeqCst);
    }

    fn place(&self) -> Option<Place> {
        match self.in_head.load(Ordering::SeqCst) {
            1 => Some(Place::StatusLine),
            2 => Some(Place::Fields),
            _ => None,
        }
    }
}

/// A stream of responses that ends inside of a head when that is ordered.
pub(super) struct DisconnectInHead<S> {
    stream: S,
    disconnect: Arc<Disconnect>,
    state: State,
}

enum State {
    Whole,
    /// So many bytes may still be sent.
    Left(usize),
    SoslClauses(Pin<Box<Sleep>>),
}

impl<S> DisconnectInHead<S> {
    pub(super) fn new(stream: S, disconnect: Arc<Disconnect>) -> Self {
        Self { stream, disconnect, state: State::Whole }
    }
}

/// How much of a head is sent.
fn most(head: &[u8], place: Place) -> usize {
    let find = |mark: &[u8]| head.windows(mark.len()).position(|part| part == mark).unwrap_or(head.len());
    match place {
        // As far as `HTTP/1.1 2`.
        Place::StatusLine => 10.min(head.len()),
        Place::Fields => usize::midpoint(find(b"\r\n"), find(b"\r\n\r\n")),
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for DisconnectInHead<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let (State::Whole, Some(place)) = (&this.state, this.disconnect.place()) {
            this.state = State::Left(most(buf, place));
        }
        loop {
            match &mut this.state {
                State::Whole => return Pin::new(&mut this.stream).poll_write(cx, buf),
                State::Left(0) => {
                    ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
                    this.state = State::SoslClauses(Box::pin(tokio::time::sleep(ON_THE_WIRE)));
                }
                State::Left(left) => {
                    let part = buf.get(..*left).unwrap_or(buf);
                    let sent = ready!(Pin::new(&mut this.stream).poll_write(cx, part))?;
                    *left -= sent;
                    return Poll::Ready(Ok(sent));
                }
                State::SoslClauses(time) => {
                    ready!(time.as_mut().poll(cx));
                    this.disconnect.reset();
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut on order")));
                }
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if matches!(self.state, State::Whole) && self.disconnect.place().is_none() {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        }
        let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
        self.poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for DisconnectInHead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_where_it_was_ordered_to() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: now\r\n\r\nbody\r\n\r\n";
        let part = |place| std::str::from_utf8(&head[..most(head, place)]).unwrap();
        assert_eq!(part(Place::StatusLine), "HTTP/1.1 2");
        assert!(part(Place::Fields).starts_with("HTTP/1.1 200 OK\r\nContent"), "{}", part(Place::Fields));
        assert!(!part(Place::Fields).contains("Date"));
        assert_eq!(most(b"x", Place::StatusLine), 1);
    }
}
