//! [`GrantEntry`]: one grant in this process, its current tokens, and the refresh that its requests wait for.

use std::{
    error::Error as StdError,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use url::Url;

use super::{
    GrantError, GrantTokens,
    broken::BrokenGrant,
    refresh_state::{Decision, Outcome, RefreshState},
    rejected::Rejected,
    timing::MAX_COOL_DOWN,
};
use crate::{
    base::{backoff::Backoff, lock::lock},
    store::{GrantKey, GrantVersion, LeaseHolder},
};

/// The outcome of a refresh, for all requests that wait for it.
pub(super) type RefreshResult = Result<Arc<GrantTokens>, GrantError>;
/// Receives the outcome of a refresh. `None` until it has ended.
pub(super) type Waiting = watch::Receiver<Option<RefreshResult>>;

/// One grant as this process knows it: its tokens, its refresh, and what keeps it from being refreshed.
#[derive(Debug)]
pub(super) struct GrantEntry {
    key: GrantKey,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    refresh: RefreshState,
    tokens: Option<Arc<GrantTokens>>,
    /// When `tokens` last changed. A record that was read from the store before then is obsolete.
    as_of: Option<Instant>,
    waiting: Option<Waiting>,
    pending_write: Option<PendingWrite>,
    /// The version whose refresh token is in doubt: it was sent and no response came.
    in_doubt: Option<GrantVersion>,
    /// Whether an older state in the store is being updated.
    repairing: bool,
    /// The version whose refresh token arrived without a usable access token. It is not refreshed before this time.
    unusable: Option<(GrantVersion, Instant)>,
    /// The last version whose access token was rejected although it was new.
    rejected: Option<Rejected>,
    /// How many refreshes in a row failed in a way that a retry does not change.
    permanent_failures: u32,
    /// Whether Salesforce no longer takes the credentials that the grant was given to.
    credentials_over: bool,
    /// Why the last refresh failed: requests within its cool-down fail for the same reason.
    last_failure: Option<Arc<dyn StdError + Send + Sync>>,
    /// The host to which the last refresh was redirected with success.
    token_host: Option<Url>,
    /// When this process looks again whether Salesforce is to be asked about the grant. `None`: at once.
    next_recheck: Option<Instant>,
    /// How many times in a row Salesforce did not say whether the grant is valid.
    unknown_rechecks: u32,
    /// Why Salesforce refused the grant for good; until a login.
    broken: Option<Arc<BrokenGrant>>,
}

/// Refreshed tokens that are not stored yet. They hold the grant's lease until they are stored, and share it with refreshes
/// that start meanwhile.
#[derive(Debug)]
struct PendingWrite {
    holder: LeaseHolder,
    users: u32,
}

/// A [`Decision`] with what it needs: the tokens, or the channel of the outcome.
pub(super) enum Step {
    Use(Arc<GrantTokens>),
    Wait(Waiting),
    /// Start a refresh of `from` and send its outcome to `result`.
    Begin {
        from: Arc<GrantTokens>,
        result: watch::Sender<Option<RefreshResult>>,
        waiting: Waiting,
    },
    Fail(GrantError),
}

impl GrantEntry {
    pub(super) fn new(key: GrantKey) -> Self {
        Self {
            key,
            state: Mutex::new(State {
                refresh: RefreshState::new(),
                tokens: None,
                as_of: None,
                waiting: None,
                pending_write: None,
                in_doubt: None,
                repairing: false,
                unusable: None,
                rejected: None,
                permanent_failures: 0,
                credentials_over: false,
                last_failure: None,
                token_host: None,
                next_recheck: None,
                unknown_rechecks: 0,
                broken: None,
            }),
        }
    }

    pub(super) fn key(&self) -> GrantKey {
        self.key
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn current(&self) -> Option<Arc<GrantTokens>> {
        self.lock().tokens.clone()
    }

    /// Takes over tokens that were read from the store at `as_of`, if they are newer: a later refresh of the same login,
    /// or another login, unless this process has handled a login or logout since.
    ///
    /// The times in the records are not compared, because the clocks of machines differ.
    pub(super) fn adopt(&self, grant: GrantTokens, as_of: Instant) {
        let mut state = self.lock();
        let newer = match &state.tokens {
            Some(live) if live.version.epoch == grant.version.epoch => grant.version.is_after(live.version),
            _ => state.as_of.is_none_or(|known| as_of >= known),
        };
        if newer {
            // Another login may have another login host and instance.
            if state.tokens.as_ref().is_none_or(|live| live.version.epoch != grant.version.epoch) {
                state.token_host = None;
            }
            state.permanent_failures = 0;
            state.broken = None;
            state.credentials_over = false;
            state.refresh.adopt(grant.version);
            state.tokens = Some(Arc::new(grant));
            state.as_of = Some(as_of);
        }
    }

    /// Replaces the tokens with stored ones of the same version. Another process got them with the same refresh token, and
    /// all processes are to use the same tokens.
    pub(super) fn replace(&self, stored: GrantTokens) {
        let mut state = self.lock();
        if state.tokens.as_ref().is_some_and(|live| live.version == stored.version) {
            state.tokens = Some(Arc::new(stored));
        }
    }

    /// Returns true if the entry has the stored version or a newer one.
    pub(super) fn knows(&self, version: GrantVersion) -> bool {
        let state = self.lock();
        state.refresh.current().is_some_and(|current| current == version || current.is_after(version))
    }

    /// Removes the tokens if they belong to the login `epoch` (`None`: any login).
    pub(super) fn end(&self, epoch: Option<u64>, now: Instant) {
        let mut state = self.lock();
        let same = |live: &Arc<GrantTokens>| epoch.is_none_or(|epoch| live.version.epoch == epoch);
        if state.tokens.as_ref().is_some_and(same) {
            state.refresh.end();
            state.tokens = None;
            state.as_of = Some(now);
            state.broken = None;
        }
    }

    /// Records that Salesforce refused the version `from` for good, unless a login came in between.
    pub(super) fn set_broken(&self, from: GrantVersion, broken: Arc<BrokenGrant>) {
        let mut state = self.lock();
        if state.tokens.as_ref().is_none_or(|live| live.version.epoch == from.epoch) {
            state.broken = Some(broken);
        }
    }

    /// Returns why Salesforce refused the grant for good, unless it has tokens.
    pub(super) fn broken(&self) -> Option<Arc<BrokenGrant>> {
        let state = self.lock();
        state.broken.clone().filter(|_| state.tokens.is_none())
    }

    /// Decides what a request does whose token of version `used` was rejected, and takes part in the refresh.
    pub(super) fn decide(&self, used: GrantVersion, now: Instant) -> Step {
        let mut state = self.lock();
        if let Some(live) = state.tokens.as_ref().filter(|live| live.version == used) {
            if let Some((_, until)) =
                state.unusable.filter(|(version, until)| *version == used && *until > now)
            {
                return Step::Fail(GrantError::cooling_down(until - now));
            }
            if state.rejected.is_some_and(|rejected| rejected.time_left(used, now).is_some()) {
                return Step::Use(Arc::clone(live));
            }
        }
        match (state.refresh.decide(used, now), &state.tokens, &state.waiting) {
            (Decision::UseCurrent, Some(live), _) => Step::Use(Arc::clone(live)),
            (Decision::JoinInFlight, _, Some(waiting)) => Step::Wait(waiting.clone()),
            (Decision::BackOff(_), _, _) if state.credentials_over => Step::Fail(GrantError::CredentialsOver),
            (Decision::BackOff(retry_after), _, _) => Step::Fail(match state.last_failure.clone() {
                Some(source) => GrantError::Unavailable { retry_after, source },
                None => GrantError::cooling_down(retry_after),
            }),
            (Decision::Start, Some(live), _) => {
                let from = Arc::clone(live);
                let (result, waiting) = watch::channel(None);
                state.waiting = Some(waiting.clone());
                Step::Begin { from, result, waiting }
            }
            _ => Step::Fail(GrantError::LoginOver),
        }
    }

    /// Publishes the outcome of a refresh of `from` unless a login or logout came in between. Returns what the waiting
    /// requests get.
    pub(super) fn finish(
        &self,
        from: GrantVersion,
        refreshed: Result<GrantTokens, GrantError>,
        now: Instant,
    ) -> RefreshResult {
        let mut state = self.lock();
        let outcome = match &refreshed {
            Ok(live) => Outcome::NewVersion(live.version),
            Err(GrantError::Unavailable { retry_after, .. }) => Outcome::Failed { again_in: *retry_after },
            // The settings of this process have no others.
            Err(GrantError::CredentialsOver) => Outcome::Failed { again_in: MAX_COOL_DOWN },
            Err(GrantError::LoginOver | GrantError::Refused(_)) => Outcome::Ended,
        };
        if refreshed.is_ok() {
            state.permanent_failures = 0;
        }
        match &refreshed {
            Ok(_) => state.credentials_over = false,
            Err(GrantError::CredentialsOver) => state.credentials_over = true,
            Err(GrantError::Unavailable { source, .. }) => state.last_failure = Some(Arc::clone(source)),
            Err(_) => {}
        }
        let counts = state.refresh.finished(from, outcome, now);
        match refreshed {
            Ok(live) if counts => {
                let live = Arc::new(live);
                state.tokens = Some(Arc::clone(&live));
                state.as_of = Some(now);
                Ok(live)
            }
            Err(error @ (GrantError::LoginOver | GrantError::Refused(_))) if counts => {
                state.tokens = None;
                state.as_of = Some(now);
                Err(error)
            }
            Err(error @ (GrantError::Unavailable { .. } | GrantError::CredentialsOver)) => Err(error),
            // A login or logout came in between: the current state is the outcome.
            _ => state.tokens.clone().ok_or(GrantError::LoginOver),
        }
    }

    /// Records that a new access token of this version was rejected like the one before it. Returns how long no process
    /// refreshes it; `None` if that is known already.
    pub(super) fn rejected_again(
        &self,
        version: GrantVersion,
        now: Instant,
        pauses: Backoff,
    ) -> Option<Duration> {
        let mut state = self.lock();
        // A late response to a request with an older token says nothing about the tokens of now.
        let is_current = state.tokens.as_ref().is_some_and(|live| live.version == version);
        if !is_current || state.rejected.is_some_and(|rejected| rejected.time_left(version, now).is_some()) {
            return None;
        }
        let rejected = Rejected::here(state.rejected, version, now, pauses);
        state.rejected = Some(rejected);
        let pause = rejected.time_left(version, now)?;
        tracing::warn!(
            grant = %self.key,
            ?pause,
            "a new access token was rejected like the one before it. It is not refreshed for a while. Check the session \
             settings, the scopes of the app and the API access control of the org"
        );
        Some(pause)
    }

    /// Records that another process found so. The store says for how long, and is read again after `look_again`.
    pub(super) fn rejected_elsewhere(
        &self,
        version: GrantVersion,
        now: Instant,
        pauses: Backoff,
        look_again: Duration,
    ) {
        let mut state = self.lock();
        // What this process found itself lasts longer.
        if state.rejected.is_some_and(|rejected| rejected.time_left(version, now).is_some()) {
            return;
        }
        state.rejected = Some(Rejected::elsewhere(state.rejected, version, now, pauses, look_again));
    }

    /// Returns whether a new access token of this version was rejected, and the pause after that is not over.
    pub(super) fn rests(&self, version: GrantVersion, now: Instant) -> bool {
        self.lock().rejected.is_some_and(|rejected| rejected.time_left(version, now).is_some())
    }

    /// Ends a refresh of `from` that left the tokens as they are. Returns what the waiting requests get.
    pub(super) fn finish_unchanged(&self, from: GrantVersion, now: Instant) -> RefreshResult {
        let mut state = self.lock();
        state.refresh.finished(from, Outcome::NewVersion(from), now);
        state.tokens.clone().ok_or(GrantError::LoginOver)
    }

    /// Records that this version has a new refresh token and no usable access token.
    pub(super) fn set_unusable(&self, version: GrantVersion, until: Instant) {
        self.lock().unusable = Some((version, until));
    }

    /// Counts a refresh that failed in a way that a retry does not change. Returns how many did so in a row.
    pub(super) fn count_permanent_failure(&self) -> u32 {
        let mut state = self.lock();
        state.permanent_failures = state.permanent_failures.saturating_add(1);
        state.permanent_failures
    }

    /// Returns whether the grant's user has to log in again under other credentials of the app.
    pub(super) fn needs_other_credentials(&self) -> bool {
        self.lock().credentials_over
    }

    /// Returns true to one request if a check of the grant may be due, and then not before `look_again`.
    pub(super) fn take_recheck(&self, now: Instant, look_again: Duration) -> bool {
        let mut state = self.lock();
        let is_due = state.next_recheck.is_none_or(|next| next <= now);
        if is_due {
            state.next_recheck = now.checked_add(look_again);
        }
        is_due
    }

    /// Records that Salesforce accepts the grant: the next check is due after `period`.
    pub(super) fn rechecked(&self, now: Instant, period: Duration) {
        let mut state = self.lock();
        state.next_recheck = now.checked_add(period);
        state.unknown_rechecks = 0;
    }

    /// Records that Salesforce did not say whether the grant is valid.
    pub(super) fn recheck_unknown(&self, now: Instant, pause: Duration) {
        let mut state = self.lock();
        state.next_recheck = now.checked_add(pause);
        state.unknown_rechecks = state.unknown_rechecks.saturating_add(1);
    }

    pub(super) fn unknown_rechecks(&self) -> u32 {
        self.lock().unknown_rechecks
    }

    /// Returns the host to which refreshes are sent instead of the login host.
    pub(super) fn token_host(&self) -> Option<Url> {
        self.lock().token_host.clone()
    }

    pub(super) fn set_token_host(&self, host: Option<Url>) {
        self.lock().token_host = host;
    }

    /// Marks the refresh token of this version as in doubt: it was sent, here or in another process, and no response
    /// came.
    pub(super) fn set_in_doubt(&self, version: GrantVersion) {
        self.lock().in_doubt = Some(version);
    }

    /// Returns true if the refresh token of this version is in doubt since this refresh or an earlier one.
    pub(super) fn is_in_doubt(&self, version: GrantVersion) -> bool {
        self.lock().in_doubt == Some(version)
    }

    /// Returns the holder under which a refresh acquires the lease: `fresh`, unless a pending write has the lease.
    pub(super) fn lease_holder(&self, fresh: LeaseHolder) -> LeaseHolder {
        match &mut self.lock().pending_write {
            Some(pending) => {
                pending.users += 1;
                pending.holder
            }
            None => fresh,
        }
    }

    /// Keeps the lease of a refresh for its pending write.
    pub(super) fn keep_lease(&self, holder: LeaseHolder) {
        self.lock().pending_write.get_or_insert(PendingWrite { holder, users: 1 });
    }

    /// Ends the use of the lease by a refresh or a pending write. Returns true if it has no other user in this process.
    pub(super) fn leave_lease(&self, holder: LeaseHolder) -> bool {
        let pending = &mut self.lock().pending_write;
        match pending {
            Some(PendingWrite { holder: same, users }) if *same == holder => {
                *users -= 1;
                if *users == 0 {
                    *pending = None;
                }
                pending.is_none()
            }
            _ => true,
        }
    }

    /// Returns the tokens to store if the store, read at `read_at`, fell back to an older state. Only to one caller at a
    /// time, which then calls [`repaired`](Self::repaired).
    pub(super) fn begin_repair(&self, stored: GrantVersion, read_at: Instant) -> Option<Arc<GrantTokens>> {
        let mut state = self.lock();
        let is_behind = state.as_of.is_some_and(|known| read_at > known) && state.pending_write.is_none();
        let live = state.tokens.as_ref().filter(|live| is_behind && live.version.is_after(stored))?;
        let live = Arc::clone(live);
        (!std::mem::replace(&mut state.repairing, true)).then_some(live)
    }

    pub(super) fn repaired(&self) {
        self.lock().repairing = false;
    }

    /// Returns true if the entry can be dropped without loss: all it holds is in the store.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let state = self.lock();
        let is_paused = state.rejected.is_some_and(|rejected| !rejected.is_over(now));
        state.pending_write.is_none() && state.refresh.is_idle(now) && !is_paused
    }
}
