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
    collections::VecDeque,
    io::{self, ErrorKind},
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use futures_util::future::{poll_fn, select_ok};
use redis::{Cmd, Pipeline, RedisConnectionInfo, RedisFuture, RedisResult, Value, aio::ConnectionLike};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use super::{
    resp::{self, InvalidReply, Scan},
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

#[derive(Default)]
struct State {
    /// Commands that are not written yet.
    unsent: Vec<u8>,
    /// In the order of their commands. Those that have their reply are in front.
    exchanges: VecDeque<Exchange>,
    /// The number of the exchange in front.
    first: u64,
    /// How many exchanges have their reply.
    replied: usize,
    /// How far the reply to the next one was looked at, if a part of it has arrived.
    scan: Option<Scan>,
    /// The task, if it waits.
    task: Option<Waker>,
    /// Why the connection has ended.
    ended: Option<ErrorKind>,
}

enum Exchange {
    Waiting {
        since: Instant,
        /// The number of values that the commands return.
        replies: usize,
        /// `None` if the caller was dropped. The reply still comes.
        caller: Option<Waker>,
    },
    Replied(Vec<u8>),
    Taken,
}

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

    /// Sends commands that return `replies` values, and returns the bytes of these. `now` is this moment.
    ///
    /// # Errors
    /// The connection is lost, or has ended because a reply took longer than [`CALL_TIMEOUT`].
    pub(super) async fn send(&self, commands: &[u8], replies: usize, now: Instant) -> io::Result<Vec<u8>> {
        let mut caller = Caller { state: &self.handle.0, number: None };
        poll_fn(|context| caller.poll(commands, replies, now, context)).await
    }

    async fn values(&self, commands: Vec<u8>, replies: usize) -> RedisResult<Vec<Value>> {
        let bytes = self.send(&commands, replies, Instant::now()).await?;
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

/// Ends the connection: wakes its task, and all callers that wait.
fn end(state: &Mutex<State>, why: ErrorKind) {
    let wakers: Vec<_> = {
        let mut state = lock(state);
        state.ended.get_or_insert(why);
        let State { exchanges, task, .. } = &mut *state;
        let callers = exchanges.iter_mut().filter_map(|exchange| match exchange {
            Exchange::Waiting { caller, .. } => caller.take(),
            Exchange::Replied(_) | Exchange::Taken => None,
        });
        callers.chain(task.take()).collect()
    };
    wakers.into_iter().for_each(Waker::wake);
}

/// One exchange, as its caller sees it.
struct Caller<'a> {
    state: &'a Mutex<State>,
    /// The number of the exchange, once it has begun.
    number: Option<u64>,
}

impl Caller<'_> {
    fn poll(
        &mut self,
        commands: &[u8],
        replies: usize,
        since: Instant,
        context: &Context<'_>,
    ) -> Poll<io::Result<Vec<u8>>> {
        let mut state = lock(self.state);
        let Some(number) = self.number else {
            if let Some(why) = state.ended {
                return Poll::Ready(Err(why.into()));
            }
            self.number = Some(state.first + state.exchanges.len() as u64);
            state.unsent.extend_from_slice(commands);
            let caller = Some(context.waker().clone());
            state.exchanges.push_back(Exchange::Waiting { since, replies, caller });
            let task = state.task.take();
            drop(state);
            if let Some(task) = task {
                task.wake();
            }
            return Poll::Pending;
        };
        let ended = state.ended;
        match state.exchange(number) {
            Some(Exchange::Waiting { caller, .. }) => {
                if let Some(why) = ended {
                    return Poll::Ready(Err(why.into()));
                }
                if !caller.as_ref().is_some_and(|caller| caller.will_wake(context.waker())) {
                    *caller = Some(context.waker().clone());
                }
                Poll::Pending
            }
            Some(exchange @ Exchange::Replied(_)) => {
                let reply = mem::replace(exchange, Exchange::Taken);
                state.remove_taken();
                self.number = None;
                match reply {
                    Exchange::Replied(reply) => Poll::Ready(Ok(reply)),
                    Exchange::Waiting { .. } | Exchange::Taken => Poll::Ready(Err(ErrorKind::Other.into())),
                }
            }
            Some(Exchange::Taken) | None => Poll::Ready(Err(ErrorKind::Other.into())),
        }
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut state = lock(self.state);
        match state.exchange(number) {
            Some(Exchange::Waiting { caller, .. }) => *caller = None,
            Some(exchange) => *exchange = Exchange::Taken,
            None => {}
        }
        state.remove_taken();
    }
}

impl State {
    fn exchange(&mut self, number: u64) -> Option<&mut Exchange> {
        let index = number.checked_sub(self.first)?;
        self.exchanges.get_mut(usize::try_from(index).ok()?)
    }

    fn remove_taken(&mut self) {
        while let Some(Exchange::Taken) = self.exchanges.front() {
            self.exchanges.pop_front();
            self.first += 1;
            self.replied -= 1;
        }
    }

    /// Returns how long the oldest command has waited.
    fn waited(&self) -> Option<Duration> {
        match self.exchanges.get(self.replied)? {
            Exchange::Waiting { since, .. } => Some(since.elapsed()),
            Exchange::Replied(_) | Exchange::Taken => None,
        }
    }

    /// Hands out the replies at the start of `received`, and returns their length. What is after them is at the start of
    /// the next `received`.
    fn deliver(&mut self, received: &[u8], wakers: &mut Vec<Waker>) -> io::Result<usize> {
        let mut delivered = 0;
        while let Some(rest) = received.get(delivered..).filter(|rest| !rest.is_empty()) {
            let Some(exchange) = self.exchanges.get_mut(self.replied) else {
                return Err(InvalidReply::Form.into());
            };
            let Exchange::Waiting { replies, caller, .. } = exchange else {
                return Err(InvalidReply::Form.into());
            };
            let scan = self.scan.get_or_insert_with(|| Scan::new(*replies));
            let Some(length) = scan.resume(rest)? else { break };
            self.scan = None;
            *exchange = match caller.take() {
                Some(caller) => {
                    wakers.push(caller);
                    Exchange::Replied(rest.get(..length).unwrap_or(rest).to_vec())
                }
                None => Exchange::Taken,
            };
            self.replied += 1;
            delivered += length;
        }
        self.remove_taken();
        Ok(delivered)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise a long reply would cost the square of its length, while all callers wait.
    #[tokio::test]
    async fn a_reply_that_arrives_in_pieces_is_looked_at_once() {
        let mut state = State::default();
        let since = Instant::now();
        state.exchanges.push_back(Exchange::Waiting {
            since,
            replies: 2,
            caller: Some(Waker::noop().clone()),
        });
        let mut deliver = |received: &str| state.deliver(received.as_bytes(), &mut Vec::new()).unwrap();
        assert_eq!(deliver("*2\r\n:1\r\n:"), 0);
        // What was looked at is no reply any more.
        assert_eq!(deliver("........:2\r\n+a long l"), 0);
        assert_eq!(deliver("............+a long line\r\n"), 26);
    }
}
