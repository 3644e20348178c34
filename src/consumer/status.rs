//! [`Status`]: what is known of a consumer, for health checks, metrics and warnings.

use std::{
    sync::Mutex,
    time::{Duration, SystemTime},
};

use crate::{
    base::{clock::Clock, lock::lock},
    grants::{ConsumerHealth, ConsumerProblem, ConsumerState, LAG_WARNING},
};

/// How often a consumer that is a day behind is reported.
const WARN_EVERY: Duration = Duration::from_secs(60 * 60);

#[derive(Debug)]
pub(super) struct Status {
    name: String,
    topic: String,
    clock: Clock,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    state: Option<ConsumerState>,
    problem: Option<ConsumerProblem>,
    /// When the last event was committed; `None` if none is left.
    committed_at: Option<SystemTime>,
    has_headers: bool,
    blocked_since: Option<SystemTime>,
    handled: u64,
    skipped: u64,
    undecodable: u64,
    warned_at: Option<SystemTime>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Handled,
    /// Its handler failed too often.
    Skipped,
    Undecodable,
    /// No handler is for it, or it is a change of the app itself.
    PassedOver,
}

impl Status {
    pub(super) fn new(name: String, topic: String, clock: Clock) -> Self {
        Self { name, topic, clock, known: Mutex::default() }
    }

    /// Another process runs the consumer, or may. A problem that stops it here stays known until the next try.
    pub(super) fn standby(&self) {
        let mut known = lock(&self.known);
        if known.state != Some(ConsumerState::Stopped) {
            known.state = Some(ConsumerState::Standby);
        }
        (known.committed_at, known.has_headers, known.blocked_since) = (None, false, None);
        drop(known);
        self.publish();
    }

    /// The store works again; `runs_elsewhere` if another process runs the consumer.
    pub(super) fn store_works(&self, runs_elsewhere: bool) {
        let mut known = lock(&self.known);
        if runs_elsewhere || known.problem == Some(ConsumerProblem::Store) {
            known.problem = None;
            if known.state != Some(ConsumerState::Running) || runs_elsewhere {
                known.state = Some(ConsumerState::Standby);
            }
        }
    }

    /// Events arrive, or would if there were any.
    pub(super) fn running(&self) {
        let mut known = lock(&self.known);
        if known.state == Some(ConsumerState::Running) && known.problem.is_none() {
            return;
        }
        known.state = Some(ConsumerState::Running);
        if known.blocked_since.is_none() {
            known.problem = None;
        }
        drop(known);
        self.publish();
    }

    /// The consumer cannot run here.
    pub(super) fn stopped(&self, problem: ConsumerProblem) {
        let mut known = lock(&self.known);
        (known.state, known.problem) = (Some(ConsumerState::Stopped), Some(problem));
        (known.committed_at, known.has_headers, known.blocked_since) = (None, false, None);
        drop(known);
        self.publish();
    }

    /// Something fails that is tried again at once.
    pub(super) fn troubled(&self, problem: ConsumerProblem) {
        lock(&self.known).problem = Some(problem);
    }

    /// An event is about to be handled.
    pub(super) fn begin(&self, committed_at: Option<SystemTime>) {
        let mut known = lock(&self.known);
        known.state = Some(ConsumerState::Running);
        known.problem = None;
        known.has_headers = committed_at.is_some();
        known.committed_at = committed_at;
        drop(known);
        self.warn();
    }

    /// The handler of this event failed.
    pub(super) fn blocked(&self) {
        let mut known = lock(&self.known);
        known.problem = Some(ConsumerProblem::Handler);
        known.blocked_since.get_or_insert(self.clock.now());
        drop(known);
        self.warn();
        self.publish();
    }

    /// The event is done with.
    pub(super) fn done(&self, outcome: Outcome) {
        let mut known = lock(&self.known);
        let counter = match outcome {
            Outcome::Handled => Some(&mut known.handled),
            Outcome::Skipped => Some(&mut known.skipped),
            Outcome::Undecodable => Some(&mut known.undecodable),
            Outcome::PassedOver => None,
        };
        if let Some(counter) = counter {
            *counter += 1;
        }
        if known.blocked_since.take().is_some() {
            known.problem = None;
        }
        drop(known);
        self.count(outcome);
    }

    /// No event is left.
    pub(super) fn caught_up(&self) {
        lock(&self.known).committed_at = None;
        self.running();
        self.publish();
    }

    pub(super) fn health(&self) -> ConsumerHealth {
        let known = lock(&self.known);
        let state = known.state.unwrap_or(ConsumerState::Standby);
        ConsumerHealth {
            name: self.name.clone(),
            topic: self.topic.clone(),
            state,
            problem: known.problem,
            lag_seconds: self.lag(&known),
            blocked_since: known.blocked_since,
            handled: known.handled,
            skipped: known.skipped,
            undecodable: known.undecodable,
        }
    }

    fn lag(&self, known: &Known) -> Option<u64> {
        if known.state != Some(ConsumerState::Running) || !known.has_headers {
            return None;
        }
        let age = known.committed_at.map(|at| self.clock.now().duration_since(at).unwrap_or_default());
        Some(age.unwrap_or_default().as_secs())
    }

    /// Says that the consumer is a day behind, once in an hour: after 72 hours Salesforce deletes events.
    fn warn(&self) {
        let mut known = lock(&self.known);
        let now = self.clock.now();
        let age = |at: Option<SystemTime>| {
            at.and_then(|at| now.duration_since(at).ok()).map(|age| age.as_secs()).unwrap_or_default()
        };
        let (lag, blocked) = (age(known.committed_at), age(known.blocked_since));
        if lag.max(blocked) < LAG_WARNING {
            return;
        }
        let is_due = |at: SystemTime| now.duration_since(at).map_or(true, |since| since >= WARN_EVERY);
        if known.warned_at.is_none_or(is_due) {
            known.warned_at = Some(now);
            tracing::warn!(
                consumer = %self.name,
                lag_seconds = lag,
                blocked_seconds = blocked,
                "a consumer is a day behind. Salesforce deletes events after 72 hours: fix its handler, or skip the event"
            );
        }
    }

    #[cfg(feature = "metrics")]
    fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Handled => "actix_salesforce_consumer_handled_total",
            Outcome::Skipped => "actix_salesforce_consumer_skipped_total",
            Outcome::Undecodable => "actix_salesforce_consumer_undecodable_total",
            Outcome::PassedOver => return,
        };
        metrics::counter!(counter, "consumer" => self.name.clone()).increment(1);
        self.publish();
    }

    #[cfg(not(feature = "metrics"))]
    fn count(&self, outcome: Outcome) {
        let _ = (self, outcome);
    }

    /// Sets the gauges of the metrics.
    #[cfg(feature = "metrics")]
    pub(super) fn publish(&self) {
        let known = lock(&self.known);
        let blocked = known.blocked_since.and_then(|at| self.clock.now().duration_since(at).ok());
        let is_running = known.state == Some(ConsumerState::Running);
        for (gauge, value) in [
            ("actix_salesforce_consumer_running", f64::from(u8::from(is_running))),
            ("actix_salesforce_consumer_lag_seconds", self.lag(&known).unwrap_or_default() as f64),
            (
                "actix_salesforce_consumer_blocked_seconds",
                blocked.map(|blocked| blocked.as_secs_f64()).unwrap_or_default(),
            ),
        ] {
            metrics::gauge!(gauge, "consumer" => self.name.clone()).set(value);
        }
    }

    #[cfg(not(feature = "metrics"))]
    pub(super) fn publish(&self) {
        let _ = self;
    }
}
