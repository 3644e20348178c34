//! [`RefreshState`]: decides when a grant is refreshed. Without I/O; the time is a parameter.
//!
//! Each grant has one state machine. The manager reports what happened and gets a decision; it talks to the store, the
//! lease and the token endpoint in between.

use std::time::{Duration, Instant};

use super::timing::MAX_COOL_DOWN;
use crate::store::GrantVersion;

/// The state of one grant's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RefreshState {
    current: Option<GrantVersion>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    /// A refresh of this version is running.
    Refreshing(GrantVersion),
    /// The last refresh failed; the next one may start at this time.
    CoolDown(Instant),
}

/// What a request does whose token was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// The grant has been refreshed since: use the current tokens.
    UseCurrent,
    /// Wait for the running refresh.
    JoinInFlight,
    /// Start a refresh. The state expects a call of [`finished`](RefreshState::finished) from now on.
    Start,
    /// Fail: the last refresh failed, and the cool-down lasts this much longer.
    BackOff(Duration),
    /// Fail: the login has ended.
    Ended,
}

/// How a refresh ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// There is a new version: made by this refresh, or found in the store.
    NewVersion(GrantVersion),
    /// It failed for now.
    Failed { again_in: Duration },
    /// The grant is revoked or deleted.
    Ended,
}

/// The stored version, compared with the one that a refresh starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoredVersion {
    /// There is no grant: it was deleted.
    Missing,
    /// The version to refresh, or an older one of the same login: the store fell back to an earlier state.
    SameOrOlder,
    /// Another process refreshed the grant, or the user logged in again.
    Newer,
}

impl StoredVersion {
    /// Compares the stored version with the version `from` to refresh.
    pub(super) fn compare(from: GrantVersion, stored: Option<GrantVersion>) -> Self {
        match stored {
            None => Self::Missing,
            Some(stored) if stored == from || from.is_after(stored) => Self::SameOrOlder,
            Some(_) => Self::Newer,
        }
    }
}

impl RefreshState {
    pub(super) fn new() -> Self {
        Self { current: None, phase: Phase::Idle }
    }

    /// Returns the version to use, or `None` if the login has ended.
    pub(super) fn current(&self) -> Option<GrantVersion> {
        self.current
    }

    /// Returns true if the state can be dropped: no refresh is running and no cool-down lasts.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Idle => true,
            Phase::Refreshing(_) => false,
            Phase::CoolDown(until) => until <= now,
        }
    }

    /// Decides what a request does whose token of version `used` was rejected.
    pub(super) fn decide(&mut self, used: GrantVersion, now: Instant) -> Decision {
        let Some(current) = self.current else { return Decision::Ended };
        if current != used {
            return Decision::UseCurrent;
        }
        match self.phase {
            Phase::Refreshing(version) if version == used => Decision::JoinInFlight,
            Phase::CoolDown(until) if until > now => Decision::BackOff(until - now),
            // A refresh that started before the last login may still run. It concerns another version.
            Phase::Idle | Phase::CoolDown(_) | Phase::Refreshing(_) => {
                self.phase = Phase::Refreshing(used);
                Decision::Start
            }
        }
    }

    /// Records that the refresh of version `from` ended. Returns false if a login or logout came in between: the outcome
    /// is void then.
    pub(super) fn finished(&mut self, from: GrantVersion, outcome: Outcome, now: Instant) -> bool {
        if self.phase == Phase::Refreshing(from) {
            self.phase = match outcome {
                Outcome::Failed { again_in } => {
                    // No cool-down if the clock cannot represent its end.
                    Phase::CoolDown(now.checked_add(again_in.min(MAX_COOL_DOWN)).unwrap_or(now))
                }
                Outcome::NewVersion(_) | Outcome::Ended => Phase::Idle,
            };
        }
        if self.current != Some(from) {
            return false;
        }
        match outcome {
            Outcome::NewVersion(version) => self.current = Some(version),
            Outcome::Ended => self.current = None,
            Outcome::Failed { .. } => {}
        }
        true
    }

    /// Takes over a newer version: of a login, or of a refresh in another process.
    pub(super) fn adopt(&mut self, version: GrantVersion) {
        self.current = Some(version);
        if let Phase::CoolDown(_) = self.phase {
            self.phase = Phase::Idle;
        }
    }

    /// Records that the login ended.
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
        /// A request with the `n`th newest version ever seen was rejected.
        Need(usize),
        Done,
        /// The token endpoint asks for a wait of this many seconds.
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
        /// Compares with a model that knows only which refreshes run, which versions are used, and the current version.
        #[test]
        fn one_refresh_at_a_time_and_no_used_or_ended_version_comes_back(events in prop::collection::vec(event(), 1..80)) {
            let mut state = RefreshState::new();
            let mut now = Instant::now();
            let mut epoch = 0;
            let mut seen: Vec<GrantVersion> = Vec::new();
            let mut used_versions: Vec<GrantVersion> = Vec::new();
            let mut running: Vec<GrantVersion> = Vec::new();
            let mut alive: Option<GrantVersion> = None;
            for event in events {
                match event {
                    Event::Need(age) => {
                        let Some(used) = seen.iter().rev().nth(age).copied() else { continue };
                        match state.decide(used, now) {
                            Decision::Start => {
                                prop_assert_eq!(alive, Some(used));
                                prop_assert!(!used_versions.contains(&used), "a used token is never sent again");
                                prop_assert!(!running.contains(&used), "one refresh per version");
                                running.push(used);
                            }
                            Decision::JoinInFlight => prop_assert!(running.contains(&used)),
                            Decision::UseCurrent => prop_assert!(alive.is_some() && alive != Some(used)),
                            Decision::Ended => prop_assert_eq!(alive, None),
                            Decision::BackOff(time) => prop_assert!(time <= MAX_COOL_DOWN),
                        }
                    }
                    Event::Done => {
                        let Some(from) = running.pop() else { continue };
                        used_versions.push(from);
                        seen.push(from.next());
                        let counted = state.finished(from, Outcome::NewVersion(from.next()), now);
                        prop_assert_eq!(counted, alive == Some(from), "a refresh is void after a login or logout");
                        if counted { alive = Some(from.next()); }
                    }
                    Event::Failed(wait) => {
                        let Some(from) = running.pop() else { continue };
                        state.finished(from, Outcome::Failed { again_in: Duration::from_secs(wait) }, now);
                        if alive == Some(from) {
                            prop_assert!(matches!(state.decide(from, now), Decision::BackOff(_)), "one attempt per cool-down");
                        }
                    }
                    Event::Refused => {
                        let Some(from) = running.pop() else { continue };
                        if state.finished(from, Outcome::Ended, now) { alive = None; }
                    }
                    Event::LogIn => {
                        epoch += 1;
                        let version = GrantVersion { epoch, revision: 0 };
                        seen.push(version);
                        state.adopt(version);
                        alive = Some(version);
                    }
                    Event::LogOut => {
                        state.end();
                        alive = None;
                    }
                    Event::Clock(seconds) => now += Duration::from_secs(seconds),
                }
                prop_assert_eq!(state.current(), alive);
            }
        }
    }
}
