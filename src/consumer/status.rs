//! [`Status`]: what is known of a consumer, for health checks, metrics and warnings.

use std::{
    sync::Mutex,
    time::{Duration, SystemTime},
};

use super::{ConsumerHealth, ConsumerProblem, ConsumerState, health::LAG_WARNING};
use crate::base::{clock::Clock, lock::lock};

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
    /// Since when no stream is open.
    cut_off_since: Option<SystemTime>,
    position_missing_at: Option<SystemTime>,
    handled: u64,
    skipped: u64,
    undecodable: u64,
    passed_over: u64,
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

impl Known {
    /// Forgets what was known of the events of a term.
    fn end_term(&mut self) {
        (self.committed_at, self.has_headers) = (None, false);
        (self.blocked_since, self.cut_off_since) = (None, None);
    }

    /// What blocked the consumer works again.
    fn works(&mut self) {
        if self.blocked_since.take().is_some() {
            self.problem = None;
        }
    }

    /// A stream is open, which proves nothing about the store.
    fn stream_works(&mut self) {
        self.state = Some(ConsumerState::Running);
        self.cut_off_since = None;
        if self.problem != Some(ConsumerProblem::Store) {
            self.problem = None;
        }
    }
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
        known.end_term();
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

    /// The store has no position.
    pub(super) fn position_missing(&self) {
        lock(&self.known).position_missing_at = Some(self.clock.now());
    }

    /// The consumer cannot run here.
    pub(super) fn stopped(&self, problem: ConsumerProblem) {
        let mut known = lock(&self.known);
        (known.state, known.problem) = (Some(ConsumerState::Stopped), Some(problem));
        known.end_term();
        drop(known);
        self.publish();
    }

    /// Something fails that is tried again at once.
    pub(super) fn troubled(&self, problem: ConsumerProblem) {
        lock(&self.known).problem = Some(problem);
    }

    /// No stream is open, or the events that arrived cannot be read yet.
    pub(super) fn cut_off(&self) {
        let mut known = lock(&self.known);
        (known.state, known.problem) = (Some(ConsumerState::Running), Some(ConsumerProblem::Unreachable));
        known.cut_off_since.get_or_insert(self.clock.now());
        drop(known);
        self.warn();
        self.publish();
    }

    /// This process runs the consumer.
    pub(super) fn running(&self) {
        lock(&self.known).state = Some(ConsumerState::Running);
        self.publish();
    }

    /// An event is about to be handled.
    pub(super) fn begin(&self, committed_at: Option<SystemTime>) {
        let mut known = lock(&self.known);
        known.stream_works();
        known.has_headers = committed_at.is_some();
        known.committed_at = committed_at;
        drop(known);
        self.warn();
    }

    /// The handler of this event failed, or a function of the app that has to work before events are read.
    pub(super) fn blocked(&self) {
        let mut known = lock(&self.known);
        (known.state, known.problem) = (Some(ConsumerState::Running), Some(ConsumerProblem::Handler));
        known.blocked_since.get_or_insert(self.clock.now());
        drop(known);
        self.warn();
        self.publish();
    }

    /// The event is done with.
    pub(super) fn done(&self, outcome: Outcome) {
        let mut known = lock(&self.known);
        let counter = match outcome {
            Outcome::Handled => &mut known.handled,
            Outcome::Skipped => &mut known.skipped,
            Outcome::Undecodable => &mut known.undecodable,
            Outcome::PassedOver => &mut known.passed_over,
        };
        *counter += 1;
        known.works();
        drop(known);
        self.count(outcome);
    }

    /// The function of the app that was called works.
    pub(super) fn works(&self) {
        lock(&self.known).works();
        self.publish();
    }

    /// No event is left.
    pub(super) fn caught_up(&self) {
        let mut known = lock(&self.known);
        known.stream_works();
        known.committed_at = None;
        drop(known);
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
            position_missing_at: known.position_missing_at,
            handled: known.handled,
            skipped: known.skipped,
            undecodable: known.undecodable,
            passed_over: known.passed_over,
        }
    }

    fn lag(&self, known: &Known) -> Option<u64> {
        if known.state != Some(ConsumerState::Running) {
            return None;
        }
        let now = self.clock.now();
        let age = |at: SystemTime| now.duration_since(at).unwrap_or_default().as_secs();
        let since = [known.committed_at, known.blocked_since, known.cut_off_since];
        since.into_iter().flatten().map(age).max().or(known.has_headers.then_some(0))
    }

    /// Says that the consumer is a day behind, once in an hour: after 72 hours Salesforce deletes events.
    fn warn(&self) {
        let mut known = lock(&self.known);
        let now = self.clock.now();
        let Some(lag) = self.lag(&known).filter(|lag| *lag >= LAG_WARNING) else { return };
        let is_due = |at: SystemTime| now.duration_since(at).map_or(true, |since| since >= WARN_EVERY);
        if known.warned_at.is_none_or(is_due) {
            known.warned_at = Some(now);
            tracing::warn!(
                consumer = %self.name,
                lag_seconds = lag,
                problem = ?known.problem,
                "a consumer is a day behind. Salesforce deletes events after 72 hours: cure the problem that is named here"
            );
        }
    }

    #[cfg(feature = "metrics")]
    fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Handled => "actix_salesforce_consumer_handled_total",
            Outcome::Skipped => "actix_salesforce_consumer_skipped_total",
            Outcome::Undecodable => "actix_salesforce_consumer_undecodable_total",
            Outcome::PassedOver => "actix_salesforce_consumer_passed_over_total",
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

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    /// A status, and its clock in seconds.
    fn status() -> (Status, Arc<AtomicU64>) {
        let clock = Arc::new(AtomicU64::new(DAY));
        let seconds = Arc::clone(&clock);
        let clock_of_status = Clock::manual(move || {
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::SeqCst))
        });
        (Status::new("crm".to_owned(), "/data/ChangeEvents".to_owned(), clock_of_status), clock)
    }

    #[test]
    fn a_consumer_without_a_stream_falls_behind_although_it_had_read_all() {
        for committed_at in [Some(SystemTime::UNIX_EPOCH + Duration::from_secs(DAY)), None] {
            let (status, clock) = status();
            status.begin(committed_at);
            status.done(Outcome::Handled);
            status.caught_up();
            let lag = status.health().lag_seconds;
            assert_eq!(lag, committed_at.map(|_| 0));
            for seconds in [0, DAY - 1, DAY] {
                clock.store(2 * DAY + seconds, Ordering::SeqCst);
                status.cut_off();
                let health = status.health();
                assert_eq!(health.problem, Some(ConsumerProblem::Unreachable));
                assert_eq!(health.lag_seconds, Some(seconds));
                assert_eq!(health.is_healthy(), seconds < DAY);
            }
            status.caught_up();
            assert_eq!((status.health().lag_seconds, status.health().problem), (lag, None));
        }
    }

    #[test]
    fn a_handler_that_has_failed_for_a_day_is_unhealthy_for_platform_events_too() {
        let (status, clock) = status();
        status.begin(None);
        status.blocked();
        assert!(status.health().is_healthy());
        clock.store(2 * DAY, Ordering::SeqCst);
        let health = status.health();
        assert!(!health.is_healthy(), "{health:?}");
    }

    #[test]
    fn events_that_arrive_do_not_hide_a_store_that_fails() {
        let (status, _) = status();
        status.troubled(ConsumerProblem::Store);
        status.caught_up();
        status.begin(None);
        status.done(Outcome::PassedOver);
        let health = status.health();
        assert_eq!((health.problem, health.passed_over), (Some(ConsumerProblem::Store), 1));
        status.store_works(false);
        assert_eq!(status.health().problem, None);
    }
}
