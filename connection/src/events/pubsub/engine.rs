//! [`Engine`]: receives the events of one topic, and decides what to do when that fails.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, stream};
use tokio::{
    sync::{
        mpsc::{UnboundedSender, unbounded_channel},
        watch,
    },
    time::{Instant, error::Elapsed},
};
use tonic::Streaming;

use super::{
    calls::{Calls, SchemaError},
    credit::Credit,
    messages::{ConsumerEvent, FetchRequest, FetchResponse, ProducerEvent, ReplayPreset},
    status::{CallError, Pace, PubSubError, Reaction},
    subscription::Item,
};
use crate::{
    error::{Error, Result},
    events::{
        event::{Delivery, RawEvent},
        position::{Position, StartFrom},
    },
    random,
    token::{AccessToken, TokenError},
};

/// The longest silence of a stream. Salesforce sends a sign of life every 270 seconds (comment in `pubsub_api.proto`), and
/// streams that send nothing for hours were reported (forcedotcom/pub-sub-api issue 31).
const SILENCE: Duration = Duration::from_secs(300);
/// How long a stream without events has to work before a failure of it is a first one, and before its token may be refreshed
/// once more. Salesforce may respond to a stream once and end it, or refuse its token all the same.
const WORKING: Duration = Duration::from_secs(60);

/// One open stream.
#[derive(Debug)]
struct Open {
    requests: UnboundedSender<FetchRequest>,
    responses: Streaming<FetchResponse>,
    credit: Credit,
    since: Instant,
}

/// How often a stream was opened, and whether one is open.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Openings {
    /// At 0 the topic is not read yet.
    pub all: u64,
    /// With the latest event, because there was no position yet. From the second time on events from before may be missing.
    pub at_latest: u64,
    /// Whether a stream is open, and no event that arrived waits for its schema.
    pub is_current: bool,
}

/// Receives the events of one topic.
#[derive(Debug)]
pub(super) struct Engine {
    calls: Calls,
    topic: String,
    /// After the last event that arrived.
    start: StartFrom,
    /// After the last event that was handed over.
    delivered: Arc<Mutex<Option<Position>>>,
    openings: watch::Sender<Openings>,
    open: Option<Open>,
    buffer: VecDeque<ConsumerEvent>,
    /// A position without an event, to be reported when the buffer is empty.
    quiet: Option<Position>,
    /// The token that the stream was opened with.
    token: Option<Arc<AccessToken>>,
    is_refreshed: bool,
    /// Whether a response was too large: the next stream requests a single event.
    is_small: bool,
    /// Failures since the last event, or since a stream has worked for [`WORKING`].
    failures: u32,
    /// Whether the topic was found once.
    was_open: bool,
    has_ended: bool,
}

/// What comes after a failure.
enum Next {
    /// Try again. The wait is over.
    Again,
    End(Error),
}

impl Engine {
    pub(super) fn new(calls: Calls, topic: String, start: StartFrom) -> Self {
        let delivered = match &start {
            StartFrom::After(position) => Some(position.clone()),
            StartFrom::Latest | StartFrom::Earliest => None,
        };
        Self {
            calls,
            topic,
            start,
            delivered: Arc::new(Mutex::new(delivered)),
            openings: watch::Sender::default(),
            open: None,
            buffer: VecDeque::new(),
            quiet: None,
            token: None,
            is_refreshed: false,
            is_small: false,
            failures: 0,
            was_open: false,
            has_ended: false,
        }
    }

    pub(super) fn position(&self) -> Arc<Mutex<Option<Position>>> {
        Arc::clone(&self.delivered)
    }

    pub(super) fn openings(&self) -> watch::Receiver<Openings> {
        self.openings.subscribe()
    }

    fn set_delivered(&self, position: Position) {
        *self.delivered.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
    }

    /// Returns the next event; `None` after the error that ended the subscription.
    pub(super) async fn next(&mut self) -> Option<Item> {
        loop {
            if self.has_ended {
                return None;
            }
            if let Some(event) = self.buffer.pop_front() {
                match self.read(&event).await {
                    Ok(item) => return Some(item),
                    Err(failed) => {
                        self.buffer.push_front(event);
                        if let Next::End(error) = failed {
                            return Some(Err(self.end(error)));
                        }
                        continue;
                    }
                }
            }
            if let Some(position) = self.quiet.take() {
                self.set_delivered(position);
            }
            if let Err(Next::End(error)) = self.receive().await {
                return Some(Err(self.end(error)));
            }
        }
    }

    /// Notes whether the events so far are all that there are.
    fn set_current(&self, is_current: bool) {
        self.openings.send_if_modified(|openings| {
            std::mem::replace(&mut openings.is_current, is_current) != is_current
        });
    }

    /// Closes the stream for good.
    fn end(&mut self, error: Error) -> Error {
        self.open = None;
        self.set_current(false);
        self.has_ended = true;
        error
    }

    /// Reads an event with its schema. One that cannot be read is an item, too.
    async fn read(&mut self, event: &ConsumerEvent) -> Result<Item, Next> {
        let ProducerEvent { id, schema_id, payload } = event.event.clone().unwrap_or_default();
        let Ok(position) = Position::from_bytes(&event.replay_id) else {
            return Err(Next::End(PubSubError::Protocol("an event without a replay id").into()));
        };
        let undecodable = |source| {
            let schema_id = schema_id.clone();
            let (position, source) = (position.clone(), Box::new(source));
            Error::from(PubSubError::Undecodable { schema_id, position, source })
        };
        let fetched = {
            let mut fetching = pin!(self.calls.schema(&schema_id));
            match fetching.as_mut().now_or_never() {
                Some(known) => known,
                None => {
                    self.set_current(false);
                    fetching.await
                }
            }
        };
        // From here on the event is handed over without a wait.
        self.check_login()?;
        let schema = match fetched {
            Ok(schema) => Ok(schema),
            Err(SchemaError::Event(error)) => Err(error),
            Err(SchemaError::Call(error)) => return Err(self.schema_failed(error).await),
        };
        self.set_current(true);
        let schema = match schema {
            Ok(schema) => schema,
            Err(error) => {
                self.set_delivered(position.clone());
                return Ok(Err(undecodable(error)));
            }
        };
        let item = match RawEvent::new(schema, payload) {
            Ok(event) => {
                let header = event.header().cloned();
                let id = Some(id).filter(|id| !id.is_empty());
                Ok(Delivery { event, header, position: position.clone(), id })
            }
            Err(error) => Err(undecodable(error)),
        };
        self.set_delivered(position);
        Ok(item)
    }

    /// A stream outlives its token: Salesforce sends events after the login has ended, too.
    fn check_login(&self) -> Result<(), Next> {
        match self.calls.connection().token_source().token().map_err(Error::from) {
            Err(error) if !error.is_transient() => Err(Next::End(error)),
            _ => Ok(()),
        }
    }

    /// A schema is fetched by a call of its topic's stream, but with a token of today: it may fail while events arrive.
    async fn schema_failed(&mut self, error: Error) -> Next {
        if !error.is_transient() {
            return Next::End(error);
        }
        self.set_current(false);
        let pace = match &error {
            Error::Events(error) => error.rejected().map_or(Pace::Normal, |call| match call.reaction() {
                Reaction::Retry(pace) => pace,
                _ => Pace::Normal,
            }),
            _ => Pace::Normal,
        };
        self.pause(pace, error.retry_after().filter(|_| !matches!(error, Error::Events(_))), &error).await;
        Next::Again
    }

    /// Waits for the next response. Opens the stream if there is none.
    async fn receive(&mut self) -> Result<(), Next> {
        if self.open.is_none() {
            return self.connect().await;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let failed = match tokio::time::timeout(SILENCE, open.responses.message()).await {
            Ok(Ok(Some(response))) => return self.received(response),
            // Salesforce ends streams for maintenance, and those that had no credit for a minute.
            Ok(Ok(None)) => None,
            Ok(Err(status)) => Some(CallError::from(status)),
            Err(silent) => Some(CallError::Transport(Box::new(silent))),
        };
        self.open = None;
        self.set_current(false);
        self.failed(failed).await
    }

    fn received(&mut self, response: FetchResponse) -> Result<(), Next> {
        self.check_login()?;
        let Some(open) = &mut self.open else { return Ok(()) };
        let has_worked = open.since.elapsed() >= WORKING;
        if has_worked || !response.events.is_empty() {
            self.failures = 0;
        }
        self.is_refreshed &= !has_worked;
        self.is_small = false;
        self.was_open = true;
        if let Some(more) = open.credit.received(response.pending_num_requested) {
            let request = FetchRequest {
                topic_name: self.topic.clone(),
                num_requested: more,
                ..FetchRequest::default()
            };
            // Fails if the stream has ended, which the next response says.
            let _ = open.requests.send(request);
        }
        let last = response.events.last().map_or(&response.latest_replay_id, |event| &event.replay_id);
        if let Ok(position) = Position::from_bytes(last) {
            self.start = StartFrom::After(position.clone());
            if response.events.is_empty() {
                self.quiet = Some(position);
            }
        }
        self.buffer.extend(response.events);
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), Next> {
        let token = match self.calls.connection().token_source().token() {
            Ok(token) => token,
            Err(error) => return self.token_failed(error).await,
        };
        self.token = Some(Arc::clone(&token));
        let (credit, num_requested) = Credit::open(self.is_small);
        let (replay_preset, replay_id) = match &self.start {
            StartFrom::Latest => (ReplayPreset::Latest, Vec::new()),
            StartFrom::Earliest => (ReplayPreset::Earliest, Vec::new()),
            StartFrom::After(position) => (ReplayPreset::Custom, position.as_bytes().to_vec()),
        };
        let (requests, mut receiver) = unbounded_channel();
        let first = FetchRequest {
            topic_name: self.topic.clone(),
            replay_preset: replay_preset.into(),
            replay_id: replay_id.into(),
            num_requested,
        };
        // The receiver is still here.
        let _ = requests.send(first);
        tracing::debug!(topic = %self.topic, user = %self.calls.connection().user(), "subscribing");
        let receiver = stream::poll_fn(move |cx| receiver.poll_recv(cx));
        match self.calls.subscribe(&token, receiver, SILENCE).await {
            Ok(Ok(responses)) => {
                self.open = Some(Open { requests, responses, credit, since: Instant::now() });
                let is_at_latest = self.start == StartFrom::Latest;
                self.openings.send_modify(|openings| {
                    openings.all += 1;
                    openings.at_latest += u64::from(is_at_latest);
                    openings.is_current = true;
                });
                Ok(())
            }
            Ok(Err(error)) => self.failed(Some(error)).await,
            Err(error) => Err(Next::End(error)),
        }
    }

    /// Waits, or ends the subscription, after a stream that failed. `None`: Salesforce ended it without an error.
    async fn failed(&mut self, error: Option<CallError>) -> Result<(), Next> {
        let (pace, error) = match error {
            None => (Pace::Normal, Error::from(PubSubError::Protocol("the stream has ended"))),
            Some(CallError::Transport(source)) => {
                // A connection may be silent as a whole, and respond to PINGs all the same.
                if source.is::<Elapsed>() {
                    self.calls.connection().client().pubsub().leave_connection();
                }
                (Pace::Normal, PubSubError::Unreachable(source).into())
            }
            Some(CallError::Rejected(call)) => {
                let reaction = call.reaction();
                let error = Error::from(PubSubError::from(CallError::Rejected(call)));
                match reaction {
                    Reaction::Retry(pace) => (pace, error),
                    // The channel may just be changed.
                    Reaction::TopicMissing if self.was_open => (Pace::Slow, error),
                    Reaction::RefreshToken => return self.refresh(error).await,
                    Reaction::RequestLess if !self.is_small => {
                        self.is_small = true;
                        (Pace::Normal, error)
                    }
                    Reaction::RequestLess
                    | Reaction::TopicMissing
                    | Reaction::LostPosition
                    | Reaction::End => {
                        return Err(Next::End(error));
                    }
                }
            }
        };
        self.pause(pace, None, &error).await;
        Ok(())
    }

    /// Replaces a rejected token, once until a stream has worked for a minute.
    async fn refresh(&mut self, error: Error) -> Result<(), Next> {
        let Some(token) = self.token.take() else { return Err(Next::End(error)) };
        // The stream is as old as its token. Another call may have replaced that long ago, and the newer one was not tried.
        let current = self.calls.connection().token_source().token();
        if current.is_ok_and(|current| current.authorization() != token.authorization()) {
            self.pause(Pace::Normal, None, &error).await;
            return Ok(());
        }
        let (error, at_least) = match self.calls.next_token(&token, self.is_refreshed).await {
            Ok(Some(_)) => {
                self.is_refreshed = true;
                (error, None)
            }
            Ok(None) => return Err(Next::End(error)),
            Err(failed) if failed.is_transient() => {
                let retry_after = failed.retry_after();
                (failed, retry_after)
            }
            Err(failed) => return Err(Next::End(failed)),
        };
        self.pause(Pace::Normal, at_least, &error).await;
        Ok(())
    }

    async fn token_failed(&mut self, error: TokenError) -> Result<(), Next> {
        let error = Error::from(error);
        if !error.is_transient() {
            return Err(Next::End(error));
        }
        self.pause(Pace::Normal, error.retry_after(), &error).await;
        Ok(())
    }

    /// Waits before the next try.
    async fn pause(&mut self, pace: Pace, at_least: Option<Duration>, error: &Error) {
        let wait = pace.wait(self.failures, random::fraction()).max(at_least.unwrap_or_default());
        self.failures = self.failures.saturating_add(1);
        match pace {
            Pace::Normal if self.failures <= 3 => {
                tracing::debug!(topic = %self.topic, ?wait, %error, "the stream of events was interrupted: reconnecting");
            }
            _ => tracing::warn!(topic = %self.topic, ?wait, %error, "no events arrive: trying again later"),
        }
        tokio::time::sleep(wait).await;
    }
}
