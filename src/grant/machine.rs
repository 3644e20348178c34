//! The refresh decision, without I/O and without a clock of its own.
//!
//! One machine per grant. It is told what happened and says what to do; everything else (store, lease, token endpoint)
//! happens between its answers.

use std::time::{Duration, Instant};

use super::Version;

/// Whatever the token endpoint asks for, a login is not kept waiting longer: the person cannot help themselves
/// meanwhile, and a figure that is out of all measure is a mistake more often than not.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is going on with one grant's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Machine {
    current: Option<Version>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    /// A refresh of this version is on its way.
    Refreshing(Version),
    /// The last refresh failed; the next one waits until then.
    CoolDown(Instant),
}

/// What someone whose token was refused is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// The grant has moved on since: use what is current.
    UseCurrent,
    /// Wait for the refresh that is on its way.
    Join,
    /// Begin a refresh. The machine counts on it from here on.
    Start,
    /// Not yet: the last refresh failed just now.
    Wait(Duration),
    /// The login is over.
    Over,
}

/// How a refresh ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// There is a version to use: made by this refresh, or found in the store.
    Moved(Version),
    /// It failed in a way that may pass.
    Failed { again_in: Duration },
    /// The grant is no longer good.
    Over,
}

/// What a store holds, seen by someone who refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// Nothing: the login was ended.
    Gone,
    /// The version that is to be refreshed, or one before it: a store that fell back to an older state of the same
    /// login is behind, not ahead.
    Ours,
    /// Someone else's: their refresh, or another login.
    Theirs,
}

impl Stored {
    /// Compares what is stored with the version `from` that is to be refreshed.
    pub(super) fn seen_from(from: Version, stored: Option<Version>) -> Self {
        match stored {
            None => Self::Gone,
            Some(stored) if stored == from || from.is_after(stored) => Self::Ours,
            Some(_) => Self::Theirs,
        }
    }
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { current: None, phase: Phase::Idle }
    }

    /// The version to use; `None` when the login is over.
    pub(super) fn current(&self) -> Option<Version> {
        self.current
    }

    /// Whether nothing is going on that anyone has to remember.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Idle => true,
            Phase::Refreshing(_) => false,
            Phase::CoolDown(until) => until <= now,
        }
    }

    /// The token of version `used` was refused.
    pub(super) fn need(&mut self, used: Version, now: Instant) -> Need {
        let Some(current) = self.current else { return Need::Over };
        if current != used {
            return Need::UseCurrent;
        }
        match self.phase {
            Phase::Refreshing(version) if version == used => Need::Join,
            Phase::CoolDown(until) if until > now => Need::Wait(until - now),
            // A refresh of before the last login may still be on its way; it has nothing to do with this one.
            Phase::Idle | Phase::CoolDown(_) | Phase::Refreshing(_) => {
                self.phase = Phase::Refreshing(used);
                Need::Start
            }
        }
    }

    /// The refresh of version `from` ended. Whether its outcome counts: not when a login or logout came in between.
    pub(super) fn finished(&mut self, from: Version, outcome: Outcome, now: Instant) -> bool {
        if self.phase == Phase::Refreshing(from) {
            self.phase = match outcome {
                Outcome::Failed { again_in } => {
                    // (Where the clock cannot tell a time that far away, there is no wait.)
                    Phase::CoolDown(now.checked_add(again_in.min(LONGEST_WAIT)).unwrap_or(now))
                }
                Outcome::Moved(_) | Outcome::Over => Phase::Idle,
            };
        }
        if self.current != Some(from) {
            return false;
        }
        match outcome {
            Outcome::Moved(version) => self.current = Some(version),
            Outcome::Over => self.current = None,
            Outcome::Failed { .. } => {}
        }
        true
    }

    /// A version was found that is newer than the current one (a login, or another process's refresh).
    pub(super) fn adopt(&mut self, version: Version) {
        self.current = Some(version);
        if let Phase::CoolDown(_) = self.phase {
            self.phase = Phase::Idle;
        }
    }

    /// The login was ended.
    pub(super) fn end(&mut self) {
        self.current = None;
        if let Phase::CoolDown(_) = self.phase {
            self.phase = Phase::Idle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Event {
        /// A request with the `n`th newest version ever seen was refused.
        Need(usize),
        Done,
        /// And the token endpoint asks to wait so many seconds.
        Failed(u64),
        Refused,
        LogIn,
        LogOut,
        Clock(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            6 => (0..3_usize).prop_map(Event::Need),
            3 => Just(Event::Done),
            2 => prop_oneof![Just(1), 1..=u64::MAX].prop_map(Event::Failed),
            1 => Just(Event::Refused),
            1 => Just(Event::LogIn),
            1 => Just(Event::LogOut),
            2 => prop_oneof![0..5_u64, Just(60)].prop_map(Event::Clock),
        ]
    }

    proptest! {
        /// Against a model that knows only: which refreshes are running, which versions were spent, who is logged in.
        #[test]
        fn one_refresh_at_a_time_and_nothing_spent_or_ended_comes_back(events in prop::collection::vec(event(), 1..80)) {
            let mut machine = Machine::new();
            let mut now = Instant::now();
            let mut lineage = 0;
            let mut seen: Vec<Version> = Vec::new();
            let mut spent: Vec<Version> = Vec::new();
            let mut running: Vec<Version> = Vec::new();
            let mut alive: Option<Version> = None;
            for event in events {
                match event {
                    Event::Need(age) => {
                        let Some(used) = seen.iter().rev().nth(age).copied() else { continue };
                        let need = machine.need(used, now);
                        match need {
                            Need::Start => {
                                prop_assert_eq!(alive, Some(used));
                                prop_assert!(!spent.contains(&used), "a spent token is never sent again");
                                prop_assert!(!running.contains(&used), "one refresh a version");
                                running.push(used);
                            }
                            Need::Join => prop_assert!(running.contains(&used)),
                            Need::UseCurrent => prop_assert!(alive.is_some() && alive != Some(used)),
                            Need::Over => prop_assert_eq!(alive, None),
                            Need::Wait(time) => prop_assert!(time <= LONGEST_WAIT),
                        }
                    }
                    Event::Done => {
                        let Some(from) = running.pop() else { continue };
                        spent.push(from);
                        seen.push(from.next());
                        let counted = machine.finished(from, Outcome::Moved(from.next()), now);
                        prop_assert_eq!(counted, alive == Some(from), "a refresh that a login or logout overtook is void");
                        if counted { alive = Some(from.next()); }
                    }
                    Event::Failed(wait) => {
                        let Some(from) = running.pop() else { continue };
                        machine.finished(from, Outcome::Failed { again_in: Duration::from_secs(wait) }, now);
                        if alive == Some(from) {
                            prop_assert!(matches!(machine.need(from, now), Need::Wait(_)), "one try a cool-down");
                        }
                    }
                    Event::Refused => {
                        let Some(from) = running.pop() else { continue };
                        if machine.finished(from, Outcome::Over, now) { alive = None; }
                    }
                    Event::LogIn => {
                        lineage += 1;
                        let version = Version { lineage, revision: 0 };
                        seen.push(version);
                        machine.adopt(version);
                        alive = Some(version);
                    }
                    Event::LogOut => {
                        machine.end();
                        alive = None;
                    }
                    Event::Clock(seconds) => now += Duration::from_secs(seconds),
                }
                prop_assert_eq!(machine.current(), alive);
            }
        }
    }
}
