//! Whether the user of a login has proved recently who they are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use actix_web::{HttpMessage as _, HttpRequest};

use crate::web::{session::FreshLogin, worker::WorkerState};

/// How far the clock may have been set back since a login, or differ from Salesforce's.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(120);

/// What a login says about the time at which its user logged in at Salesforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Within the time that is asked for.
    Fresh,
    /// Earlier, or the login did not ask for Salesforce's login page.
    Old,
    /// The login asked for Salesforce's login page, and the ID token says that the user did not log in there.
    NotConfirmed,
}

/// The shortest time that a rule around a request asks for. It holds for each login that the handler works with, not only
/// for the current one.
///
/// Shared, because an extractor's rule is known as late as when the other extractors have run.
#[derive(Debug, Clone)]
pub(crate) struct RequiredFreshness(Arc<AtomicU64>);

/// No rule asks for a recent login.
const NOT_REQUIRED: u64 = u64::MAX;

impl RequiredFreshness {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let mut extensions = request.extensions_mut();
        if let Some(known) = extensions.get::<Self>() {
            return known.clone();
        }
        let required = Self(Arc::new(AtomicU64::new(NOT_REQUIRED)));
        extensions.insert(required.clone());
        required
    }

    pub(super) fn require(&self, within: Duration) {
        self.0.fetch_min(within.as_secs(), Ordering::Relaxed);
    }

    /// Returns what a login lacks. `None`: it is recent enough, or no rule asks for it.
    pub(crate) fn missing(&self, login: Option<FreshLogin>, now: SystemTime) -> Option<NotFresh> {
        let within = match self.0.load(Ordering::Relaxed) {
            NOT_REQUIRED => return None,
            seconds => Duration::from_secs(seconds),
        };
        match Freshness::at(login, now, within) {
            Freshness::Fresh => None,
            Freshness::Old => Some(NotFresh { within, is_confirmable: true }),
            Freshness::NotConfirmed => Some(NotFresh { within, is_confirmable: false }),
        }
    }
}

/// A login is older than the rules ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotFresh {
    /// How old it may be.
    pub(crate) within: Duration,
    /// Whether another login helps. Salesforce did not ask the user to log in again for the last one.
    pub(crate) is_confirmable: bool,
}

impl Freshness {
    pub(super) fn of(worker: &WorkerState, request: &HttpRequest, within: Duration) -> Self {
        let login = worker.opened_login(request).and_then(|login| login.contents.fresh);
        Self::at(login, worker.salesforce().now(), within)
    }

    fn at(login: Option<FreshLogin>, now: SystemTime, within: Duration) -> Self {
        let Some(FreshLogin { completed_at, auth_time }) = login else { return Self::Old };
        if !is_within(completed_at, now, within) {
            return Self::Old;
        }
        let Some(auth_time) = auth_time else { return Self::Fresh };
        if !is_within(auth_time, completed_at, within + CLOCK_TOLERANCE) {
            // Another login would end the same way, so that sending the browser there could go on without end.
            return Self::NotConfirmed;
        }
        if is_within(auth_time, now, within + CLOCK_TOLERANCE) { Self::Fresh } else { Self::Old }
    }
}

fn is_within(time: SystemTime, now: SystemTime, within: Duration) -> bool {
    match now.duration_since(time) {
        Ok(age) => age <= within,
        Err(ahead) => ahead.duration() <= CLOCK_TOLERANCE,
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_login_is_fresh_for_as_long_as_the_rule_says() {
        use Freshness::{Fresh, NotConfirmed, Old};
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(100_000 + seconds);
        let five = Duration::from_secs(300);
        let login = |completed: u64, auth_time: Option<u64>| {
            Some(FreshLogin { completed_at: at(completed), auth_time: auth_time.map(at) })
        };
        for (login, now, expected) in [
            (None, 0, Old),
            (login(1_000, None), 1_000, Fresh),
            (login(1_000, None), 1_300, Fresh),
            (login(1_000, None), 1_301, Old),
            // The clock was set back a little, and by far too much.
            (login(1_000, None), 900, Fresh),
            (login(1_000, None), 800, Old),
            (login(1_000, Some(990)), 1_300, Fresh),
            // The session at Salesforce is hours old.
            (login(9_000, Some(1_000)), 9_010, NotConfirmed),
            (login(9_000, Some(1_000)), 9_301, Old),
            (login(1_000, Some(700)), 1_290, Old),
            // Salesforce's clock is ahead.
            (login(1_000, Some(1_100)), 1_010, Fresh),
        ] {
            assert_eq!(Freshness::at(login, at(now), five), expected, "{login:?} at {now}");
        }
    }
}
