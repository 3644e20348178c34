//! [`DirectConnection`]: a connection of one worker that compares and copies replies instead of parsing them.
//!
//! The Redis client makes a tree of values of each reply, and that cost a page more than all the rest of its read
//! (`benches/NOTES.md`). Here a reply stays the bytes that arrived. The client still does what is rare: it sets the
//! connection up (user, password, database, protocol), and parses the replies that have to be parsed.
//!
//! All callers share the connection. A task writes what they have queued, all at once, and hands out the replies, which
//! come in the order of the commands. It also ends a connection whose oldest command has no reply in time, so that a caller
//! needs no timer. Used for a server without TLS; the client's connection serves the other addresses.

use std::{
    io::{self, ErrorKind},
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
};

use futures_util::future::{poll_fn, select_ok};
use redis::{Cmd, Pipeline, RedisConnectionInfo, RedisFuture, RedisResult, Value, aio::ConnectionLike};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use super::{
    exchanges::{Caller, Expects, Reply, State, end},
    resp::{self, InvalidReply},
    set_up::set_up,
};
use crate::{base::lock::lock, store::runtime::CALL_TIMEOUT};

/// Number of bytes that are read at once.
const READ: usize = 16 * 1024;

/// A connection to one server. Clones share it; it ends with the last of them.
#[derive(Clone)]
pub(super) struct DirectConnection {
    handle: Arc<Handle>,
    database: i64,
}

/// Ends the task of the connection when it is dropped.
struct Handle(Arc<Mutex<State>>);

impl DirectConnection {
    /// Connects to `host`, and starts the task of the connection on the runtime of the caller.
    pub(super) async fn connect(host: &str, port: u16, settings: &RedisConnectionInfo) -> RedisResult<Self> {
        let addresses = tokio::net::lookup_host((host, port)).await?;
        let connects: Vec<_> = addresses.map(|address| Box::pin(TcpStream::connect(address))).collect();
        if connects.is_empty() {
            return Err(io::Error::from(ErrorKind::NotFound).into());
        }
        let (stream, _) = select_ok(connects).await?;
        // A command must not wait until the server has confirmed the one before.
        stream.set_nodelay(true)?;
        let stream = set_up(stream, settings).await?;
        let state = Arc::<Mutex<State>>::default();
        tokio::spawn(Task::new(stream, Arc::clone(&state)));
        Ok(Self { handle: Arc::new(Handle(state)), database: settings.db() })
    }

    /// Sends commands, and returns their reply. `now` is this moment.
    ///
    /// # Errors
    /// The connection is lost, or has ended because a reply took longer than [`CALL_TIMEOUT`].
    pub(super) async fn send(&self, commands: &[u8], expects: Expects, now: Instant) -> io::Result<Reply> {
        let mut caller = Caller::new(&self.handle.0);
        poll_fn(|context| caller.poll(commands, &expects, now, context)).await
    }

    async fn values(&self, commands: Vec<u8>, replies: usize) -> RedisResult<Vec<Value>> {
        let reply = self.send(&commands, Expects::Values(replies), Instant::now()).await?;
        let Reply::Bytes(bytes) = reply else { return Err(io::Error::from(InvalidReply::Form).into()) };
        let mut rest = bytes.as_slice();
        let mut values = Vec::with_capacity(replies);
        while let Some(length) = resp::length(rest, 1).map_err(io::Error::from)?.filter(|length| *length > 0)
        {
            let (value, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            values.push(redis::parse_redis_value(value)?);
            rest = after;
        }
        Ok(values)
    }
}

impl ConnectionLike for DirectConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut values = self.values(command.get_packed_command(), 1).await?;
            values.pop().unwrap_or(Value::Nil).extract_error()
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let mut values = self.values(commands.get_packed_pipeline(), offset + count).await?;
            Ok(values.split_off(offset.min(values.len())))
        })
    }

    fn get_db(&self) -> i64 {
        self.database
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        end(&self.0, ErrorKind::NotConnected);
    }
}

/// Writes commands and reads replies until the connection ends.
struct Task {
    stream: TcpStream,
    state: Arc<Mutex<State>>,
    /// What is being written, and how much of it has been.
    writing: Vec<u8>,
    written: usize,
    buffer: Box<[u8]>,
    /// A reply that has not arrived whole.
    partial: Vec<u8>,
    /// Callers to be woken, outside of the lock.
    wakers: Vec<Waker>,
    /// When to look at the age of the oldest command again; `None` while there was none.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Task {
    fn new(stream: TcpStream, state: Arc<Mutex<State>>) -> Self {
        let buffer = vec![0; READ].into_boxed_slice();
        Self {
            stream,
            state,
            writing: Vec::new(),
            written: 0,
            buffer,
            partial: Vec::new(),
            wakers: Vec::new(),
            timer: None,
        }
    }

    /// Ready if the oldest command has waited for too long. The timer is set once in a while, not for each command.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(context));
            }
            let Some(waited) = lock(&self.state).waited() else {
                self.timer = None;
                return Poll::Pending;
            };
            let Some(left) = CALL_TIMEOUT.checked_sub(waited).filter(|left| !left.is_zero()) else {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            };
            self.timer = Some(Box::pin(sleep(left)));
        }
    }

    /// Writes what is queued. Pending also if all is written.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.written == self.writing.len() {
                self.writing.clear();
                self.written = 0;
                let mut state = lock(&self.state);
                if let Some(why) = state.ended {
                    return Poll::Ready(Err(why.into()));
                }
                mem::swap(&mut self.writing, &mut state.unsent);
                if self.writing.is_empty() {
                    state.task = Some(context.waker().clone());
                    return Poll::Pending;
                }
            }
            let rest = self.writing.get(self.written..).unwrap_or_default();
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
    }

    /// Reads replies and hands them out.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut buffer = ReadBuf::new(&mut self.buffer);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            let received = buffer.filled();
            if received.is_empty() {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
            let delivered = if self.partial.is_empty() {
                let delivered = lock(&self.state).deliver(received, &mut self.wakers);
                if let Ok(delivered) = &delivered {
                    self.partial.extend_from_slice(received.get(*delivered..).unwrap_or_default());
                }
                delivered.map(drop)
            } else {
                self.partial.extend_from_slice(received);
                let delivered = lock(&self.state).deliver(&self.partial, &mut self.wakers);
                delivered.map(|delivered| {
                    drop(self.partial.drain(..delivered));
                    // A long reply grows piece by piece, and is not copied for each.
                    if self.partial.is_empty() {
                        self.partial.shrink_to(READ);
                    }
                })
            };
            self.wakers.drain(..).for_each(Waker::wake);
            delivered?;
        }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let task = &mut *self;
        for ended in [task.poll_read(context), task.poll_write(context), task.poll_timer(context)] {
            if let Poll::Ready(result) = ended {
                let why = result.err().map_or(ErrorKind::UnexpectedEof, |error| {
                    if error.kind() == ErrorKind::InvalidData {
                        tracing::warn!(%error, "connection to Redis closed");
                    }
                    error.kind()
                });
                end(&task.state, why);
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        end(&self.state, ErrorKind::NotConnected);
    }
}
