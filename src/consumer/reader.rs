//! [`Reader`]: takes the events of a term one after the other, and hands each to its handler until it is done with.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    error::Error as StdError,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
};

use futures_util::FutureExt as _;
use salesforce_connection::{
    Connection, Error,
    events::{DecodeError, Delivery, Position, PubSubError, RawEvent, StartFrom, Subscription},
};
use tokio_util::sync::CancellationToken;

use super::{
    Consumer,
    handler::{HandlerError, Panicked},
    policy::{LostPosition, OnFailure, Resync, UndecodableEvent},
    progress::Progress,
    status::{Outcome, Status},
    term::Place,
};
use crate::base::{error_chain::ErrorChain, lock::lock};

/// Number of names of events without a handler that a reader reports.
const MAX_NAMES: usize = 100;

/// Why a reader ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was asked to, between two events.
    Stopped,
    /// The position is lost, and the policy says to stop.
    LostPosition,
    /// The subscription ended with an error that waiting does not cure.
    Failed(Error),
}

/// Reads the events of one term.
pub(super) struct Reader {
    pub(super) consumer: Arc<Consumer>,
    pub(super) connection: Connection,
    /// What this app's own changes are from.
    pub(super) client_name: Option<String>,
    /// Whether the consumer has run in no process before.
    pub(super) is_first_term: bool,
    pub(super) status: Arc<Status>,
    pub(super) progress: Progress,
    /// Asks it to end between two events.
    pub(super) stopping: CancellationToken,
    /// The events without a handler that were reported.
    pub(super) without_handler: Mutex<BTreeSet<String>>,
}

/// A subscription to read.
struct Opened {
    events: Subscription<RawEvent>,
    /// How often a stream was opened with the latest event, without a loss.
    known_gaps: u64,
    /// What was taken off it already.
    first: Option<Item>,
}

type Item = Result<Option<Delivery<RawEvent>>, Error>;

/// What to do after a subscription.
enum Next<'a> {
    End(Ended),
    /// Subscribe again from there.
    Again(StartFrom),
    /// Read the records again.
    Resync(&'a Resync),
}

impl Reader {
    /// Reads events from this place on.
    pub(super) async fn run(self, place: Place<Position>) -> Ended {
        match self.try_run(place).await {
            Err(ended) => ended,
        }
    }

    async fn try_run(&self, place: Place<Position>) -> Result<Infallible, Ended> {
        let (start, mut last) = self.start(place).await?;
        let mut next = Next::Again(start);
        // A stream that starts with the latest event misses nothing of a consumer that is new, or whose position is lost.
        let mut may_miss = !self.is_first_term;
        loop {
            let opened = match next {
                Next::End(ended) => return Err(ended),
                Next::Again(start) => {
                    let known_gaps = u64::from(start == StartFrom::Latest && !may_miss);
                    Opened { events: self.subscribe(start), known_gaps, first: None }
                }
                Next::Resync(resync) => self.resync(resync).await?,
            };
            may_miss = false;
            next = self.read(opened, &mut last).await;
        }
    }

    fn subscribe(&self, start: StartFrom) -> Subscription<RawEvent> {
        self.connection.subscribe(self.consumer.topic.clone(), start)
    }

    /// Returns where to start, after the stored position or the one that the app has, and the last event that was handled.
    async fn start(&self, place: Place<Position>) -> Result<(StartFrom, Option<Position>), Ended> {
        // Later terms find the record of the first one, though it may have no position yet.
        if place.at.is_none() && self.is_first_term {
            let (consumer, start) = (&self.consumer.name, &self.consumer.start);
            tracing::warn!(
                %consumer,
                ?start,
                "a consumer has no position in the store: it begins where `start` says. Unless this is its first start, the store has lost its data"
            );
            self.status.position_missing();
        }
        let stored = place.at.map(StartFrom::After).unwrap_or_else(|| self.consumer.start.clone());
        let Some(resume) = &self.consumer.resume else { return Ok((stored, place.event)) };
        let own = self.until_it_works("the function of `resume_from` failed", || resume.call()).await?;
        let start = match &own {
            // The store's is the same, or later: after events without a handler, or signs of life of a quiet topic.
            own if *own == place.event => stored,
            Some(own) => StartFrom::After(own.clone()),
            // The app's table is new, and the consumer is not: nothing is left out.
            None if self.consumer.start == StartFrom::Latest => stored,
            None => self.consumer.start.clone(),
        };
        Ok((start, own))
    }

    /// Reads a subscription to its end.
    async fn read(&self, opened: Opened, last: &mut Option<Position>) -> Next<'_> {
        let Opened { mut events, mut known_gaps, mut first } = opened;
        let openings = events.openings();
        let patience = self.consumer.timing.write_interval;
        loop {
            if self.stopping.is_cancelled() {
                return Next::End(Ended::Stopped);
            }
            let item = match first.take() {
                Some(item) => Ok(item),
                None => tokio::select! {
                    biased;
                    () = self.stopping.cancelled() => return Next::End(Ended::Stopped),
                    item = tokio::time::timeout(patience, events.try_next()) => item,
                },
            };
            let opened = *openings.borrow();
            if opened.at_latest > known_gaps {
                known_gaps = opened.at_latest;
                if let LostPosition::Resync(resync) = &self.consumer.lost_position {
                    return Next::Resync(resync);
                }
                tracing::warn!(
                    consumer = self.consumer.name,
                    "a stream begins with the latest event again, because there was no position yet: events since the last \
                     stream may be missing"
                );
            }
            match item {
                Err(_quiet) => {
                    if opened.is_current {
                        self.status.caught_up();
                    } else {
                        self.status.cut_off();
                    }
                    if let Some(position) = events.position() {
                        self.progress.passed(position, last.clone());
                    }
                }
                Ok(Ok(Some(delivery))) => {
                    let position = delivery.position.clone();
                    match self.handle(delivery).await {
                        Ok(Outcome::Handled) => *last = Some(position.clone()),
                        Ok(Outcome::PassedOver | Outcome::Skipped | Outcome::Undecodable) => {}
                        Err(ended) => return Next::End(ended),
                    }
                    self.pass(position, last.as_ref()).await;
                }
                Ok(Err(Error::Events(error))) => match error {
                    PubSubError::Undecodable { schema_id, position, source, .. } => {
                        self.undecodable(None, schema_id, position.clone(), *source);
                        self.pass(position, last.as_ref()).await;
                    }
                    error @ PubSubError::LostPosition(_) => return self.lost(&error),
                    error => return Next::End(Ended::Failed(error.into())),
                },
                Ok(Err(error)) => return Next::End(Ended::Failed(error)),
                // A subscription ends with an error.
                Ok(Ok(None)) => {
                    let error = PubSubError::Protocol("the subscription has ended");
                    return Next::End(Ended::Failed(error.into()));
                }
            }
        }
    }

    /// The event before this position is done with.
    async fn pass(&self, position: Position, last: Option<&Position>) {
        self.progress.done(position, last.cloned());
        // The runner looks at its deadline and writes between two events, however fast or slow handlers are.
        tokio::task::yield_now().await;
    }

    fn lost(&self, error: &PubSubError) -> Next<'_> {
        let (consumer, policy) = (&self.consumer.name, &self.consumer.lost_position);
        tracing::error!(%consumer, %error, ?policy, "the position of a consumer is lost: events were missed");
        match policy {
            LostPosition::Stop => Next::End(Ended::LostPosition),
            LostPosition::Earliest => Next::Again(StartFrom::Earliest),
            LostPosition::Latest => Next::Again(StartFrom::Latest),
            LostPosition::Resync(resync) => Next::Resync(resync),
        }
    }

    /// Opens a stream with the latest event, then reads the records: no change falls between the two.
    async fn resync(&self, resync: &Resync) -> Result<Opened, Ended> {
        let mut events = self.subscribe(StartFrom::Latest);
        let mut openings = events.openings();
        // A stream is opened while an event is waited for.
        let first = loop {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Err(Ended::Stopped),
                item = events.try_next() => break Some(item),
                Ok(()) = openings.changed() => break None,
                () = tokio::time::sleep(self.consumer.timing.write_interval) => self.status.cut_off(),
            }
        };
        let first = match first {
            Some(Err(error)) if !matches!(error, Error::Events(PubSubError::Undecodable { .. })) => {
                return Err(Ended::Failed(error));
            }
            first => first,
        };
        // That the stream stays open is seen when it is read.
        self.status.running();
        let known_gaps = openings.borrow().at_latest;
        let read_again = || resync.call(self.connection.clone());
        self.until_it_works("reading the records again failed", read_again).await?;
        Ok(Opened { events, known_gaps, first })
    }

    /// Calls a function of the app until it works.
    async fn until_it_works<T, F>(&self, what: &'static str, function: impl Fn() -> F) -> Result<T, Ended>
    where
        F: Future<Output = Result<T, Box<dyn StdError + Send + Sync>>>,
    {
        let mut failures = 0;
        loop {
            let called = tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Err(Ended::Stopped),
                // A panic must not end the consumer: it counts as a failure.
                called = AssertUnwindSafe(async { function().await }).catch_unwind() => {
                    called.unwrap_or_else(|_| Err(Panicked.into()))
                }
            };
            match called {
                Ok(value) => {
                    self.status.works();
                    return Ok(value);
                }
                Err(error) => {
                    let error = ErrorChain(&*error);
                    tracing::error!(consumer = self.consumer.name, %error, "{what}; it is called again");
                }
            }
            self.status.blocked();
            self.pause(failures).await?;
            failures += 1;
        }
    }

    /// Waits before the next try of what failed so often.
    async fn pause(&self, failures: u32) -> Result<(), Ended> {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Err(Ended::Stopped),
            () = tokio::time::sleep(self.consumer.timing.handler_waits.wait(failures, 20)) => Ok(()),
        }
    }

    /// Hands an event to its handler until it is done with, and returns how.
    async fn handle(&self, delivery: Delivery<RawEvent>) -> Result<Outcome, Ended> {
        self.status.begin(delivery.header.as_ref().map(|header| header.committed_at));
        let is_own = delivery.header.as_ref().is_some_and(|header| {
            let client = self.client_name.as_deref().filter(|_| self.consumer.ignores_own_changes);
            client.is_some_and(|client| header.is_from(client))
        });
        if is_own {
            return Ok(self.done(Outcome::PassedOver));
        }
        let mut failures = 0;
        loop {
            let Some(handled) = self.consumer.handlers.handle(&delivery, &self.connection).await else {
                self.report_without_handler(&delivery);
                return Ok(self.done(Outcome::PassedOver));
            };
            let error = match handled {
                Ok(()) => return Ok(self.done(Outcome::Handled)),
                Err(HandlerError::Undecodable(error)) => {
                    let (event, position) = (&delivery.event, delivery.position.clone());
                    let name = Some(event.name().to_owned());
                    return Ok(self.undecodable(name, event.schema_id().to_owned(), position, error));
                }
                Err(HandlerError::Failed(error)) => error,
            };
            failures += 1;
            let skips = matches!(self.consumer.on_failure, OnFailure::Skip { after } if failures >= after);
            self.report(&delivery, &*error, failures, skips);
            drop(error);
            if skips {
                return Ok(self.done(Outcome::Skipped));
            }
            self.status.blocked();
            self.pause(failures - 1).await?;
        }
    }

    /// Says once which events are passed over: the name of a handler may be misspelled.
    fn report_without_handler(&self, delivery: &Delivery<RawEvent>) {
        let object = delivery.header.as_ref().map(|header| header.object.as_str());
        let event = object.unwrap_or_else(|| delivery.event.name());
        let mut reported = lock(&self.without_handler);
        if reported.len() < MAX_NAMES && !reported.contains(event) {
            reported.insert(event.to_owned());
            tracing::info!(
                consumer = self.consumer.name,
                event,
                "these events have no handler, and are passed over"
            );
        }
    }

    fn done(&self, outcome: Outcome) -> Outcome {
        self.status.done(outcome);
        outcome
    }

    fn report(&self, delivery: &Delivery<RawEvent>, error: &dyn StdError, failures: u32, skips: bool) {
        let (consumer, event) = (&self.consumer.name, delivery.event.name());
        let (position, error) = (&delivery.position, ErrorChain(error));
        if skips {
            tracing::error!(%consumer, event, %position, failures, %error, "an event is skipped: its handler failed");
        } else {
            tracing::warn!(%consumer, event, %position, failures, %error, "a handler failed, and is called again");
        }
    }

    fn undecodable(
        &self,
        name: Option<String>,
        schema_id: String,
        position: Position,
        error: DecodeError,
    ) -> Outcome {
        let consumer = &self.consumer.name;
        tracing::warn!(%consumer, name, schema_id, %position, %error, "an event cannot be read, and is passed over");
        if let Some(function) = &self.consumer.on_undecodable {
            let event = UndecodableEvent { name, schema_id, position, error };
            let called = std::panic::catch_unwind(AssertUnwindSafe(|| function(&event)));
            if called.is_err() {
                tracing::error!(%consumer, "the function of `on_undecodable` panicked");
            }
        }
        self.done(Outcome::Undecodable)
    }
}
