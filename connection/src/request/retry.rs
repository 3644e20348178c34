//! When a call is sent again. A pure decision; the waiting is done elsewhere.

use std::time::Duration;

/// Whether a call may take effect twice without harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// Reads, upserts by external id, deletions of a known id, and what the caller marked so.
    Idempotent,
    /// A second create makes a second record.
    Unsafe,
    /// So it was said of this very call, whatever the connection says.
    Forced,
    /// Not so for this very call, whatever the connection says.
    NoRetry,
}

/// How a try failed, as far as trying again is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No byte of the request was accepted.
    NeverSent,
    /// Sent, and no answer came.
    AnswerLost,
    /// 429, 502, 503 or 504: it may or may not have been done.
    Busy {
        /// How long the server asked to wait.
        retry_after: Option<Duration>,
    },
    /// `UNABLE_TO_LOCK_ROW`: nothing was written.
    RowLocked,
    /// Anything that asking again does not change, or makes worse: the API limit above all.
    Final,
}

/// How a connection tries again: give it to [`Connection::with_retry`](crate::connection::Connection::with_retry).
///
/// A call is sent again only when that can do no harm: when Salesforce certainly did not get it or did nothing (no
/// connection, a locked row), or when it may take effect twice (reads, deletions, upserts by external id, and what is
/// [said to be so](Self::idempotent)). The API limit is never asked again.
///
/// ```
/// use std::time::Duration;
///
/// use salesforce_connection::request::Retry;
///
/// let patient = Retry::default().max_retries(6).retry_timeout(Duration::from_secs(60));
/// assert_ne!(patient, Retry::none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Retry {
    retries: u32,
    initial_backoff: Duration,
    max_backoff: Duration,
    budget: Duration,
    idempotent: Option<bool>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            retries: 3,
            initial_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(5),
            budget: Duration::from_secs(20),
            idempotent: None,
        }
    }
}

impl Retry {
    /// No second try.
    pub fn none() -> Self {
        Self { retries: 0, ..Self::default() }
    }

    /// How many tries there are after the first; 3 by default.
    pub fn max_retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// The wait before the first retry, of which at least half is kept; doubled for each further one. 200 milliseconds
    /// by default.
    pub fn initial_backoff(self, initial_backoff: Duration) -> Self {
        Self { initial_backoff, ..self }
    }

    /// The longest wait, 5 seconds by default. When Salesforce asks for more (`Retry-After`), the caller hears
    /// of it at once.
    pub fn max_backoff(self, max_backoff: Duration) -> Self {
        Self { max_backoff, ..self }
    }

    /// No retry begins later than this after the call began; 20 seconds by default.
    pub fn retry_timeout(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }

    /// Whether the calls may take effect twice without harm: `true` for changes that set values and creations that a
    /// duplicate rule guards, `false` for reads that are better not repeated. If unset, each call decides for itself.
    ///
    /// What a request says of itself ([`RawRequest::idempotent`](crate::request::raw::RawRequest::idempotent)) overrides this. The
    /// data of a bulk job, `delete_many` and Apex code are never sent again because of it.
    pub fn idempotent(self, idempotent: bool) -> Self {
        Self { idempotent: Some(idempotent), ..self }
    }

    /// Whether a call that says `idempotency` of itself may take effect twice.
    fn may_repeat(&self, idempotency: Idempotency) -> bool {
        match idempotency {
            Idempotency::Forced => true,
            Idempotency::NoRetry => false,
            Idempotency::Idempotent => self.idempotent.unwrap_or(true),
            Idempotency::Unsafe => self.idempotent.unwrap_or(false),
        }
    }

    /// How long to wait before sending again, or `None` when the failure is the call's result.
    ///
    /// `done` counts the retries so far, `spent` is the time since the call began, `jitter` a random number from 0 to 1
    /// that spreads callers who failed together.
    pub(crate) fn wait(
        &self,
        idempotency: Idempotency,
        failure: Failure,
        done: u32,
        spent: Duration,
        jitter: f64,
    ) -> Option<Duration> {
        let asked = match (failure, self.may_repeat(idempotency)) {
            (Failure::NeverSent | Failure::RowLocked, _) | (Failure::AnswerLost, true) => Duration::ZERO,
            (Failure::Busy { retry_after }, true) => retry_after.unwrap_or_default(),
            (Failure::Final, _) | (_, false) => return None,
        };
        if done >= self.retries || asked > self.max_backoff {
            return None;
        }
        let backoff = self.initial_backoff.saturating_mul(1 << done.min(16)).min(self.max_backoff);
        // Between half and all of it, so that no retry comes at once.
        let share = 0.5 + jitter.clamp(0.0, 1.0) / 2.0;
        // (A wait without end has no product.)
        let backoff = Duration::try_from_secs_f64(backoff.as_secs_f64() * share).unwrap_or(backoff);
        let wait = asked.max(backoff);
        (spent.saturating_add(wait) <= self.budget).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUSY: Failure = Failure::Busy { retry_after: None };

    fn retried(idempotency: Idempotency, failure: Failure) -> bool {
        Retry::default().wait(idempotency, failure, 0, Duration::ZERO, 0.5).is_some()
    }

    // The idempotency table of the requirements, line by line.
    #[test]
    fn only_what_cannot_do_harm_is_sent_again() {
        for (failure, harmless, harmful) in [
            (Failure::NeverSent, true, true),
            (Failure::AnswerLost, true, false),
            (BUSY, true, false),
            (Failure::RowLocked, true, true),
            (Failure::Final, false, false),
        ] {
            assert_eq!(retried(Idempotency::Idempotent, failure), harmless, "{failure:?}");
            assert_eq!(retried(Idempotency::Unsafe, failure), harmful, "{failure:?}");
        }
    }

    #[test]
    fn the_caller_may_know_better() {
        for (idempotent, harmless, harmful) in
            [(None, true, false), (Some(true), true, true), (Some(false), false, false)]
        {
            let retry = Retry { idempotent, ..Retry::default() };
            let again =
                |idempotency| retry.wait(idempotency, Failure::AnswerLost, 0, Duration::ZERO, 0.5).is_some();
            assert_eq!((again(Idempotency::Idempotent), again(Idempotency::Unsafe)), (harmless, harmful));
            assert_eq!((again(Idempotency::Forced), again(Idempotency::NoRetry)), (true, false));
            assert!(retry.wait(Idempotency::Idempotent, Failure::Final, 0, Duration::ZERO, 0.5).is_none());
        }
        assert_eq!(Retry::none().wait(Idempotency::Idempotent, BUSY, 0, Duration::ZERO, 0.5), None);
    }

    #[test]
    fn a_wait_the_server_asks_for_is_kept_or_surfaces_at_once() {
        let policy = Retry::default();
        let wait = |seconds| {
            let failure = Failure::Busy { retry_after: Some(Duration::from_secs(seconds)) };
            policy.wait(Idempotency::Idempotent, failure, 0, Duration::ZERO, 1.0)
        };
        assert_eq!(wait(0), Some(policy.initial_backoff));
        assert_eq!(wait(5), Some(Duration::from_secs(5)));
        assert_eq!(wait(6), None);
    }

    #[test]
    fn waits_without_end_are_no_fault() {
        let endless = Retry::default()
            .initial_backoff(Duration::MAX)
            .max_backoff(Duration::MAX)
            .retry_timeout(Duration::MAX);
        assert!(endless.wait(Idempotency::Idempotent, BUSY, 2, Duration::ZERO, 1.0).is_some());
    }

    proptest! {
        #[test]
        fn retries_end(done in 0_u32..100, spent in 0_u64..100, jitter in any::<f64>()) {
            let policy = Retry::default();
            let spent = Duration::from_secs(spent);
            if let Some(wait) = policy.wait(Idempotency::Idempotent, BUSY, done, spent, jitter) {
                prop_assert!(done < policy.retries);
                prop_assert!(spent + wait <= policy.budget);
                prop_assert!(wait >= policy.initial_backoff / 2 && wait <= policy.max_backoff);
            }
        }
    }
}
