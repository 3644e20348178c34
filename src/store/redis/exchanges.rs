//! What is sent over a connection to Redis, and the replies: in the order of the commands.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    mem,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::resp::{InvalidReply, Scan};
use crate::base::lock::lock;

#[derive(Default)]
pub(super) struct State {
    /// Commands that are not written yet.
    pub(super) unsent: Vec<u8>,
    /// In the order of their commands. Those that have their reply are in front.
    exchanges: VecDeque<Exchange>,
    /// The number of the exchange in front.
    first: u64,
    /// How many exchanges have their reply.
    replied: usize,
    /// How far the reply to the next one was looked at, if a part of it has arrived.
    scan: Option<Scan>,
    /// The task, if it waits.
    pub(super) task: Option<Waker>,
    /// Why the connection has ended.
    pub(super) ended: Option<ErrorKind>,
}

enum Exchange {
    Waiting {
        since: Instant,
        expects: Expects,
        /// `None` if the caller was dropped. The reply still comes.
        caller: Option<Waker>,
    },
    Replied(Reply),
    Taken,
}

/// What the reply to commands is.
#[derive(Clone)]
pub(super) enum Expects {
    /// So many values.
    Values(usize),
    /// So many values, most probably these bytes.
    Bytes(usize, Arc<[u8]>),
}

/// A reply as its caller gets it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Bytes(Vec<u8>),
    /// The bytes that were expected.
    Expected,
}

/// Ends the connection: wakes its task, and all callers that wait.
pub(super) fn end(state: &Mutex<State>, why: ErrorKind) {
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
pub(super) struct Caller<'a> {
    state: &'a Mutex<State>,
    /// The number of the exchange, once it has begun.
    number: Option<u64>,
}

impl<'a> Caller<'a> {
    pub(super) fn new(state: &'a Mutex<State>) -> Self {
        Self { state, number: None }
    }

    pub(super) fn poll(
        &mut self,
        commands: &[u8],
        expects: &Expects,
        since: Instant,
        context: &Context<'_>,
    ) -> Poll<io::Result<Reply>> {
        let mut state = lock(self.state);
        let Some(number) = self.number else {
            if let Some(why) = state.ended {
                return Poll::Ready(Err(why.into()));
            }
            self.number = Some(state.first + state.exchanges.len() as u64);
            state.unsent.extend_from_slice(commands);
            let caller = Some(context.waker().clone());
            let expects = expects.clone();
            state.exchanges.push_back(Exchange::Waiting { since, expects, caller });
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
    pub(super) fn waited(&self) -> Option<Duration> {
        match self.exchanges.get(self.replied)? {
            Exchange::Waiting { since, .. } => Some(since.elapsed()),
            Exchange::Replied(_) | Exchange::Taken => None,
        }
    }

    /// Hands out the replies at the start of `received`, and returns their length. What is after them is at the start of
    /// the next `received`.
    pub(super) fn deliver(&mut self, received: &[u8], wakers: &mut Vec<Waker>) -> io::Result<usize> {
        let mut delivered = 0;
        while let Some(rest) = received.get(delivered..).filter(|rest| !rest.is_empty()) {
            let Some(exchange) = self.exchanges.get_mut(self.replied) else {
                return Err(InvalidReply::Form.into());
            };
            let Exchange::Waiting { expects, caller, .. } = exchange else {
                return Err(InvalidReply::Form.into());
            };
            let (length, is_expected) = match expects {
                // The whole reply: no valid one is the start of another.
                Expects::Bytes(_, expected) if rest.starts_with(expected) => (expected.len(), true),
                Expects::Bytes(values, _) | Expects::Values(values) => {
                    let scan = self.scan.get_or_insert_with(|| Scan::new(*values));
                    let Some(length) = scan.resume(rest)? else { break };
                    (length, false)
                }
            };
            self.scan = None;
            *exchange = match caller.take() {
                Some(caller) => {
                    wakers.push(caller);
                    let bytes = || Reply::Bytes(rest.get(..length).unwrap_or(rest).to_vec());
                    Exchange::Replied(if is_expected { Reply::Expected } else { bytes() })
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
            expects: Expects::Values(2),
            caller: Some(Waker::noop().clone()),
        });
        let mut deliver = |received: &str| state.deliver(received.as_bytes(), &mut Vec::new()).unwrap();
        assert_eq!(deliver("*2\r\n:1\r\n:"), 0);
        // What was looked at is no reply any more.
        assert_eq!(deliver("........:2\r\n+a long l"), 0);
        assert_eq!(deliver("............+a long line\r\n"), 26);
    }

    #[tokio::test]
    async fn an_expected_reply_is_not_copied_and_another_one_is() {
        let expected: Arc<[u8]> = b"$2\r\nab\r\n"[..].into();
        let delivered = |received: &[&str]| {
            let (mut state, caller) = (State::default(), Some(Waker::noop().clone()));
            let expects = Expects::Bytes(1, Arc::clone(&expected));
            state.exchanges.push_back(Exchange::Waiting { since: Instant::now(), expects, caller });
            let mut arrived = Vec::new();
            for piece in received {
                arrived.extend_from_slice(piece.as_bytes());
                let delivered = state.deliver(&arrived, &mut Vec::new()).unwrap();
                assert_eq!(delivered, if piece == received.last().unwrap() { arrived.len() } else { 0 });
            }
            match state.exchanges.pop_front() {
                Some(Exchange::Replied(reply)) => reply,
                _ => panic!("no reply"),
            }
        };
        assert_eq!(delivered(&["$2\r\nab\r\n"]), Reply::Expected);
        assert_eq!(delivered(&["$2\r\na", "b\r\n"]), Reply::Expected);
        for other in ["$2\r\nac\r\n", "$-1\r\n", "$3\r\nabc\r\n"] {
            assert_eq!(delivered(&[other]), Reply::Bytes(other.into()));
        }
    }
}
