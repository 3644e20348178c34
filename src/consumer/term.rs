//! [`Term`]: decides when this process runs a consumer, and what it writes. Without I/O, so that a model can drive it.
//!
//! Three things keep two processes from harming each other. The lease says which one runs. A process stops on its own
//! clock before its lease ends. And each term begins with a write, the claim, which gives the record a new version: a
//! process that was paused, and goes on without noticing, writes against an old version, which fails.

use std::time::Instant;

use super::timing::ConsumerTiming;

/// How far a consumer is. `P` is a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place<P> {
    /// Where to go on; `None` before the first position. Moves on while the topic is quiet, too.
    pub(super) at: Option<P>,
    /// The position of the last event that was handled.
    pub(super) event: Option<P>,
}

impl<P> Default for Place<P> {
    fn default() -> Self {
        Self { at: None, event: None }
    }
}

/// A write of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write<P> {
    pub(super) expected: Option<u64>,
    pub(super) version: u64,
    pub(super) place: Place<P>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step<P> {
    /// Acquire the lease, or renew it.
    Acquire,
    /// Load the record.
    Load,
    /// Write the record. The same write is repeated until its outcome is known.
    Write(Write<P>),
    /// Release the lease.
    Release,
    /// Nothing before this time.
    Wait(Instant),
    /// The process has left the consumer for good.
    End,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Stored,
    Conflict,
    NotFound,
}

/// The store failed. What was sent may have taken effect, or may still do so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Another process may run the consumer.
    Standby {
        try_at: Instant,
    },
    /// The lease is here, and the record is to be loaded.
    Loading,
    /// The record is to get a new version.
    Claiming,
    /// Events are handled.
    Running,
    /// No more events are handled; the last position is to be written.
    Leaving {
        until: Instant,
    },
    Over,
}

/// The part of one process in a consumer, from its start until it leaves.
#[derive(Debug)]
pub(super) struct Term<P> {
    timing: ConsumerTiming,
    phase: Phase,
    /// Which term this is: each has another holder of the lease.
    number: u64,
    renew_at: Instant,
    /// When this process stops unless the lease is renewed.
    deadline: Instant,
    /// An operation failed: nothing is sent before this time.
    retry_at: Instant,
    /// The version of the record; `None` if there is no record.
    version: Option<u64>,
    stored: Place<P>,
    place: Place<P>,
    /// A write whose outcome is unknown.
    pending: Option<Write<P>>,
    /// Events since the last write was begun.
    events: u32,
    written_at: Instant,
    is_stopping: bool,
}

impl<P: Clone + PartialEq> Term<P> {
    pub(super) fn new(timing: ConsumerTiming, now: Instant) -> Self {
        Self {
            timing,
            phase: Phase::Standby { try_at: now },
            number: 0,
            renew_at: now,
            deadline: now,
            retry_at: now,
            version: None,
            stored: Place::default(),
            place: Place::default(),
            pending: None,
            events: 0,
            written_at: now,
            is_stopping: false,
        }
    }

    /// The number of this term. A late operation of an earlier one must not touch the lease of this one.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns whether no other term has had the record before.
    pub(super) fn is_first(&self) -> bool {
        self.version == Some(1)
    }

    /// Returns until when events may be handled; `None` if they may not.
    pub(super) fn runs_until(&self) -> Option<Instant> {
        (self.phase == Phase::Running).then_some(self.deadline)
    }

    /// Returns where to go on.
    pub(super) fn place(&self) -> &Place<P> {
        &self.place
    }

    /// Decides what to do next.
    pub(super) fn next(&mut self, now: Instant) -> Step<P> {
        if !matches!(self.phase, Phase::Standby { .. } | Phase::Over) && now >= self.deadline {
            self.lose(now);
        }
        match self.phase {
            Phase::Over => return Step::End,
            Phase::Standby { .. } if self.is_stopping => {
                self.phase = Phase::Over;
                return Step::End;
            }
            Phase::Standby { try_at } if now < try_at => return Step::Wait(try_at),
            Phase::Standby { .. } => return Step::Acquire,
            Phase::Leaving { until } if now >= until || !self.has_unwritten() => return Step::Release,
            _ => {}
        }
        if now < self.retry_at {
            return Step::Wait(self.retry_at.min(self.deadline));
        }
        match self.phase {
            Phase::Leaving { .. } => Step::Write(self.write()),
            _ if now >= self.renew_at => Step::Acquire,
            Phase::Loading => Step::Load,
            Phase::Claiming => Step::Write(self.write()),
            _ => match self.write_at(now) {
                Some(at) if now >= at => Step::Write(self.write()),
                Some(at) => Step::Wait(at.min(self.renew_at).min(self.deadline)),
                None => Step::Wait(self.renew_at.min(self.deadline)),
            },
        }
    }

    /// Notes whether the lease was acquired or renewed, by an operation that was sent at that time.
    pub(super) fn acquired(&mut self, sent: Instant, now: Instant, outcome: Result<bool, Failed>) {
        // The lease may have begun as early as that. A response that comes later than the deadline is of no use.
        let deadline = sent + self.timing.give_up_after;
        let is_held = outcome == Ok(true) && now < deadline;
        match self.phase {
            Phase::Standby { .. } if is_held => {
                self.hold(sent, deadline);
                (self.phase, self.retry_at) = (Phase::Loading, now);
            }
            Phase::Standby { .. } => {
                self.phase = Phase::Standby { try_at: now + self.timing.poll_interval };
            }
            Phase::Over => {}
            _ if is_held => self.hold(sent, deadline),
            _ if outcome == Ok(false) => self.lose(now),
            _ => self.retry_at = now + self.timing.store_retry,
        }
    }

    fn hold(&mut self, sent: Instant, deadline: Instant) {
        self.renew_at = sent + self.timing.renew_interval;
        self.deadline = deadline;
    }

    /// Notes the record that is stored.
    pub(super) fn loaded(&mut self, now: Instant, found: Result<Option<(u64, Place<P>)>, Failed>) {
        if self.phase != Phase::Loading {
            return;
        }
        let Ok(found) = found else {
            self.retry_at = now + self.timing.store_retry;
            return;
        };
        let (version, place) =
            found.map_or((None, Place::default()), |(version, place)| (Some(version), place));
        (self.version, self.stored, self.place) = (version, place.clone(), place);
        self.pending = None;
        self.phase = Phase::Claiming;
    }

    /// Notes what the write did that [`next`](Self::next) asked for.
    pub(super) fn written(&mut self, now: Instant, outcome: Result<Written, Failed>) {
        let Some(write) = &mut self.pending else { return };
        match outcome {
            Err(Failed) => self.retry_at = now + self.timing.store_retry,
            // The store lost its data. It gets them back from the process that runs the consumer.
            Ok(Written::NotFound) => write.expected = None,
            Ok(Written::Conflict) if self.phase == Phase::Claiming => {
                self.pending = None;
                self.phase = Phase::Loading;
            }
            // Another process has claimed the record.
            Ok(Written::Conflict) => self.lose(now),
            Ok(Written::Stored) => {
                (self.version, self.stored) = (Some(write.version), write.place.clone());
                self.pending = None;
                self.written_at = now;
                if self.phase == Phase::Claiming {
                    self.phase = Phase::Running;
                }
            }
        }
    }

    /// Notes that so many events were handled, up to this place.
    pub(super) fn handled(&mut self, place: Place<P>, events: u32) {
        if self.phase == Phase::Running {
            self.place = place;
            self.events = self.events.saturating_add(events);
        }
    }

    /// Writes the last position and releases the lease. No events are handled any more.
    pub(super) fn leave(&mut self, now: Instant) {
        self.is_stopping = true;
        match self.phase {
            Phase::Standby { .. } | Phase::Over => self.phase = Phase::Over,
            Phase::Leaving { .. } => {}
            // What is not claimed yet has nothing to write.
            Phase::Loading | Phase::Claiming => {
                self.pending = None;
                self.place = self.stored.clone();
                self.phase = Phase::Leaving { until: now };
            }
            Phase::Running => self.phase = Phase::Leaving { until: now + self.timing.last_write },
        }
    }

    /// Notes that the lease was released, or that this failed: it expires then.
    pub(super) fn released(&mut self) {
        self.phase = Phase::Over;
    }

    /// The lease is, or may be, that of another process.
    fn lose(&mut self, now: Instant) {
        self.phase = Phase::Standby { try_at: now + self.timing.poll_interval };
        self.number += 1;
        self.pending = None;
        self.events = 0;
    }

    fn has_unwritten(&self) -> bool {
        self.pending.is_some() || self.place != self.stored
    }

    /// Returns when the next write is due.
    fn write_at(&self, now: Instant) -> Option<Instant> {
        match self.events {
            _ if self.pending.is_some() => Some(now),
            _ if self.place == self.stored => None,
            0 => Some(self.written_at + self.timing.idle_write_interval),
            events if events >= self.timing.write_events => Some(now),
            _ => Some(self.written_at + self.timing.write_interval),
        }
    }

    /// Returns the write whose outcome is unknown, or begins one.
    fn write(&mut self) -> Write<P> {
        if let Some(pending) = &self.pending {
            return pending.clone();
        }
        let version = self.version.map_or(1, |version| version.saturating_add(1));
        let write = Write { expected: self.version, version, place: self.place.clone() };
        self.events = 0;
        self.pending.insert(write).clone()
    }
}
