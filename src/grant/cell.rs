//! One grant in this process: what is current, and the refresh that all who need it wait for.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::watch;

use super::{
    GrantError, GrantKey, LiveGrant, Version,
    machine::{Machine, Need, Outcome},
};
use crate::store::LeaseHolder;

/// What the waiters of a refresh get.
pub(super) type Renewed = Result<Arc<LiveGrant>, GrantError>;
/// Where they wait. `None` until the refresh has ended.
pub(super) type Waiting = watch::Receiver<Option<Renewed>>;

#[derive(Debug)]
pub(super) struct Cell {
    key: GrantKey,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    machine: Machine,
    live: Option<Arc<LiveGrant>>,
    /// When `live` was last taken over, or ended. What a store was asked before then tells nothing new.
    as_of: Option<Instant>,
    waiting: Option<Waiting>,
    held: Option<Held>,
    /// The version whose refresh token was sent and no answer came: it may be spent.
    lost: Option<Version>,
    /// What is stored is being brought up to date.
    repairing: bool,
}

/// A renewed grant that the store has not taken yet. Its lease is kept until it has, and shared with the refreshes that
/// begin meanwhile.
#[derive(Debug)]
struct Held {
    holder: LeaseHolder,
    users: u32,
}

/// What to do for someone whose token was refused.
pub(super) enum Step {
    Use(Arc<LiveGrant>),
    Wait(Waiting),
    /// Begin a refresh of `from` and tell `result` how it ended.
    Begin {
        from: Arc<LiveGrant>,
        result: watch::Sender<Option<Renewed>>,
        waiting: Waiting,
    },
    Fail(GrantError),
}

impl Cell {
    pub(super) fn new(key: GrantKey) -> Self {
        Self {
            key,
            state: Mutex::new(State {
                machine: Machine::new(),
                live: None,
                as_of: None,
                waiting: None,
                held: None,
                lost: None,
                repairing: false,
            }),
        }
    }

    pub(super) fn key(&self) -> GrantKey {
        self.key
    }

    /// The lock is held for a few instructions, never across an await.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn current(&self) -> Option<Arc<LiveGrant>> {
        self.lock().live.clone()
    }

    /// Takes over what a store that was asked at `as_of` holds, if it is newer than what is here: a later refresh of
    /// the same login, or another login that was not overtaken by one of this process, or by a logout.
    ///
    /// Not decided by the records' times: machines' clocks differ.
    pub(super) fn adopt(&self, grant: LiveGrant, as_of: Instant) {
        let mut state = self.lock();
        let newer = match &state.live {
            Some(live) if live.version.lineage == grant.version.lineage => {
                grant.version.is_after(live.version)
            }
            _ => state.as_of.is_none_or(|known| as_of >= known),
        };
        if newer {
            state.machine.adopt(grant.version);
            state.live = Some(Arc::new(grant));
            state.as_of = Some(as_of);
        }
    }

    /// Takes over what is stored in place of what is here under the same version: another process made it from the same
    /// token, and everybody is to use the same.
    pub(super) fn replace(&self, stored: LiveGrant) {
        let mut state = self.lock();
        if state.live.as_ref().is_some_and(|live| live.version == stored.version) {
            state.live = Some(Arc::new(stored));
        }
    }

    /// Whether the stored version is already here, or something newer than it.
    pub(super) fn knows(&self, version: Version) -> bool {
        let state = self.lock();
        state.machine.current().is_some_and(|current| current == version || current.is_after(version))
    }

    /// Ends the grant here, if it is still the one meant.
    pub(super) fn end(&self, lineage: Option<u64>, now: Instant) {
        let mut state = self.lock();
        let same = |live: &Arc<LiveGrant>| lineage.is_none_or(|lineage| live.version.lineage == lineage);
        if state.live.as_ref().is_some_and(same) {
            state.machine.end();
            state.live = None;
            state.as_of = Some(now);
        }
    }

    pub(super) fn need(&self, used: Version, now: Instant) -> Step {
        let mut state = self.lock();
        match (state.machine.need(used, now), &state.live, &state.waiting) {
            (Need::UseCurrent, Some(live), _) => Step::Use(Arc::clone(live)),
            (Need::Join, _, Some(waiting)) => Step::Wait(waiting.clone()),
            (Need::Wait(retry_after), _, _) => Step::Fail(GrantError::cooling_down(retry_after)),
            (Need::Start, Some(live), _) => {
                let from = Arc::clone(live);
                let (result, waiting) = watch::channel(None);
                state.waiting = Some(waiting.clone());
                Step::Begin { from, result, waiting }
            }
            _ => Step::Fail(GrantError::LoginOver),
        }
    }

    /// A refresh of `from` ended: publishes its outcome, if no login or logout came in between, and gives what its
    /// waiters are to get.
    pub(super) fn finish(
        &self,
        from: Version,
        renewed: Result<LiveGrant, GrantError>,
        now: Instant,
    ) -> Renewed {
        let mut state = self.lock();
        let outcome = match &renewed {
            Ok(live) => Outcome::Moved(live.version),
            Err(GrantError::Unavailable { retry_after, .. }) => Outcome::Failed { again_in: *retry_after },
            // (A grant of a person is never one of a service user.)
            Err(GrantError::LoginOver) => Outcome::Over,
        };
        let counts = state.machine.finished(from, outcome, now);
        match renewed {
            Ok(live) if counts => {
                let live = Arc::new(live);
                state.live = Some(Arc::clone(&live));
                state.as_of = Some(now);
                Ok(live)
            }
            Err(GrantError::LoginOver) if counts => {
                state.live = None;
                state.as_of = Some(now);
                Err(GrantError::LoginOver)
            }
            Err(error @ GrantError::Unavailable { .. }) => Err(error),
            // Overtaken: what is current now is the answer.
            _ => state.live.clone().ok_or(GrantError::LoginOver),
        }
    }

    /// The refresh token of this version was sent, here or in another process, and no answer came.
    pub(super) fn answer_lost(&self, version: Version) {
        self.lock().lost = Some(version);
    }

    /// Whether that happened before, in an earlier refresh too.
    pub(super) fn was_answer_lost(&self, version: Version) -> bool {
        self.lock().lost == Some(version)
    }

    /// In whose name a refresh takes the lease: `fresh`, unless a held grant has it.
    pub(super) fn lease_holder(&self, fresh: LeaseHolder) -> LeaseHolder {
        match &mut self.lock().held {
            Some(held) => {
                held.users += 1;
                held.holder
            }
            None => fresh,
        }
    }

    /// The refresh that has the lease in this name goes on to hold what it renewed.
    pub(super) fn hold_lease(&self, holder: LeaseHolder) {
        self.lock().held.get_or_insert(Held { holder, users: 1 });
    }

    /// A refresh, or what it held, needs the lease no longer. Whether nobody else here does.
    pub(super) fn leave_lease(&self, holder: LeaseHolder) -> bool {
        let held = &mut self.lock().held;
        match held {
            Some(Held { holder: same, users }) if *same == holder => {
                *users -= 1;
                if *users == 0 {
                    *held = None;
                }
                held.is_none()
            }
            _ => true,
        }
    }

    /// Whether a store that was asked at `asked_at` is behind what it once took: it fell back to an older state. `true`
    /// for one caller at a time, who says when it has been [`repaired`](Self::repaired).
    pub(super) fn begin_repair(&self, stored: Version, asked_at: Instant) -> Option<Arc<LiveGrant>> {
        let mut state = self.lock();
        let is_behind = state.as_of.is_some_and(|known| asked_at > known) && state.held.is_none();
        let live = state.live.as_ref().filter(|live| is_behind && live.version.is_after(stored))?;
        let live = Arc::clone(live);
        (!std::mem::replace(&mut state.repairing, true)).then_some(live)
    }

    pub(super) fn repaired(&self) {
        self.lock().repairing = false;
    }

    /// Whether nobody would miss this cell.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        let state = self.lock();
        state.held.is_none() && state.machine.is_quiet(now)
    }
}
