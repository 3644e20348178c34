//! [`Retry`]: whether and when a request is retried. A pure decision: `send.rs` runs the loop, and what an error response
//! means is in `error_response.rs` and `error/passing.rs`.

use std::time::Duration;

/// Whether a request may take effect twice without harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// It may: reads, upserts by external id, deletions by id. The connection may override this.
    Idempotent,
    /// It may not, for example since a second create makes a second record. The connection may override this.
    NotIdempotent,
    /// It may, independent of the connection: set by the caller for this request.
    Forced,
    /// It may not, independent of the connection.
    NoRetry,
}

/// How an attempt failed, as far as a retry depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server received nothing.
    NotSent,
    /// The request was sent, and no response arrived.
    ResponseLost,
    /// Salesforce is busy or fails by itself ([`Passing::Busy`](crate::error::passing::Passing)): the request may have
    /// taken effect.
    Busy {
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// `UNABLE_TO_LOCK_ROW`: nothing was written.
    RowLocked,
    /// A retry does not help, or makes it worse, as with the API request limit.
    Final,
}

/// Retry settings of a connection, for [`Connection::with_retry`](crate::Connection::with_retry).
///
/// A request is retried only if that does no harm:
///
/// | failure | retried |
/// |---|---|
/// | connecting failed, a row was locked: nothing was written | every request |
/// | Salesforce is busy (429, 502, 503, 504) or fails by itself, the response is lost: it may have taken effect | reads, deletions, upserts by external id, and requests marked as [idempotent](Self::idempotent) |
/// | Salesforce rejects the request, the API request limit is reached | none |
///
/// ```
/// use std::time::Duration;
///
/// use salesforce_connection::request::Retry;
///
/// let retry = Retry::default().max_retries(6).retry_timeout(Duration::from_secs(60));
/// assert_ne!(retry, Retry::none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "backoff")]
#[must_use]
pub struct Retry {
    max_retries: u32,
    initial_backoff: Duration,
    max_backoff: Duration,
    retry_timeout: Duration,
    idempotent: Option<bool>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_retries: 3,
            initial_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(5),
            retry_timeout: Duration::from_secs(20),
            idempotent: None,
        }
    }
}

impl Retry {
    /// Returns settings without any retry.
    pub fn none() -> Self {
        Self { max_retries: 0, ..Self::default() }
    }

    /// Sets the number of attempts after the first one. Default: 3.
    pub fn max_retries(self, max_retries: u32) -> Self {
        Self { max_retries, ..self }
    }

    /// Sets the wait before the first retry; it doubles with each further retry. Default: 200 milliseconds.
    ///
    /// The actual wait is a random time between half and all of it.
    pub fn initial_backoff(self, initial_backoff: Duration) -> Self {
        Self { initial_backoff, ..self }
    }

    /// Sets the longest wait before a retry. Default: 5 seconds.
    ///
    /// If Salesforce asks for a longer wait (`Retry-After`), the request fails without a retry.
    pub fn max_backoff(self, max_backoff: Duration) -> Self {
        Self { max_backoff, ..self }
    }

    /// Sets the time after the start of the first attempt in which retries may start. Default: 20 seconds.
    pub fn retry_timeout(self, retry_timeout: Duration) -> Self {
        Self { retry_timeout, ..self }
    }

    /// Returns these settings with at most this time in which retries may start.
    pub(crate) fn within(self, retry_timeout: Duration) -> Self {
        Self { retry_timeout: self.retry_timeout.min(retry_timeout), ..self }
    }

    /// Sets whether the connection's requests may take effect twice without harm. Default: unset, each method decides.
    ///
    /// `true` is for updates that set values and for creates that a duplicate rule guards; `false` also prevents retries of
    /// reads. [`RawRequest::idempotent`](crate::request::RawRequest::idempotent) overrides this for one request. Uploads of
    /// bulk data, `delete_many`, anonymous Apex code, mutations of GraphQL, invocable and quick actions, approvals, and what
    /// is sent to agents are not retried because of it.
    pub fn idempotent(self, idempotent: bool) -> Self {
        Self { idempotent: Some(idempotent), ..self }
    }

    /// Returns whether a request with this idempotency may be repeated after it may have taken effect.
    pub(crate) fn may_repeat(&self, idempotency: Idempotency) -> bool {
        match idempotency {
            Idempotency::Forced => true,
            Idempotency::NoRetry => false,
            Idempotency::Idempotent => self.idempotent.unwrap_or(true),
            Idempotency::NotIdempotent => self.idempotent.unwrap_or(false),
        }
    }

    /// Returns how long to wait before a retry, or `None` if the failure is final.
    ///
    /// `retries` is the number of retries so far, `elapsed` the time since the first attempt began, `jitter` a random
    /// number from 0 to 1 that spreads the retries of callers that failed at the same time.
    pub(crate) fn wait(
        &self,
        idempotency: Idempotency,
        failure: Failure,
        retries: u32,
        elapsed: Duration,
        jitter: f64,
    ) -> Option<Duration> {
        let requested = match (failure, self.may_repeat(idempotency)) {
            (Failure::NotSent, _) | (Failure::ResponseLost, true) => Duration::ZERO,
            // Nothing was saved, but code of the org may have called another service before it was locked out.
            (Failure::RowLocked, _) if idempotency != Idempotency::NoRetry => Duration::ZERO,
            (Failure::Busy { retry_after }, true) => retry_after.unwrap_or_default(),
            (Failure::Final | Failure::RowLocked, _) | (_, false) => return None,
        };
        if retries >= self.max_retries || requested > self.max_backoff {
            return None;
        }
        let backoff = self.initial_backoff.saturating_mul(1 << retries.min(16)).min(self.max_backoff);
        // At least half of it, so that no retry is immediate.
        let share = 0.5 + jitter.clamp(0.0, 1.0) / 2.0;
        // The product overflows only for waits that are practically endless.
        let backoff = Duration::try_from_secs_f64(backoff.as_secs_f64() * share).unwrap_or(backoff);
        let wait = requested.max(backoff);
        (elapsed.saturating_add(wait) <= self.retry_timeout).then_some(wait)
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

    #[test]
    fn only_harmless_retries_are_made() {
        for (failure, idempotent, not_idempotent) in [
            (Failure::NotSent, true, true),
            (Failure::ResponseLost, true, false),
            (BUSY, true, false),
            (Failure::RowLocked, true, true),
            (Failure::Final, false, false),
        ] {
            assert_eq!(retried(Idempotency::Idempotent, failure), idempotent, "{failure:?}");
            assert_eq!(retried(Idempotency::NotIdempotent, failure), not_idempotent, "{failure:?}");
        }
    }

    #[test]
    fn the_caller_can_override_idempotency() {
        for (setting, idempotent, not_idempotent) in
            [(None, true, false), (Some(true), true, true), (Some(false), false, false)]
        {
            let retry = Retry { idempotent: setting, ..Retry::default() };
            let retried = |idempotency| {
                retry.wait(idempotency, Failure::ResponseLost, 0, Duration::ZERO, 0.5).is_some()
            };
            assert_eq!(
                (retried(Idempotency::Idempotent), retried(Idempotency::NotIdempotent)),
                (idempotent, not_idempotent)
            );
            assert_eq!((retried(Idempotency::Forced), retried(Idempotency::NoRetry)), (true, false));
            let locked =
                |idempotency| retry.wait(idempotency, Failure::RowLocked, 0, Duration::ZERO, 0.5).is_some();
            assert_eq!((locked(Idempotency::NotIdempotent), locked(Idempotency::NoRetry)), (true, false));
            assert!(retry.wait(Idempotency::Idempotent, Failure::Final, 0, Duration::ZERO, 0.5).is_none());
        }
        assert_eq!(Retry::none().wait(Idempotency::Idempotent, BUSY, 0, Duration::ZERO, 0.5), None);
    }

    #[test]
    fn retry_after_is_observed_up_to_the_longest_backoff() {
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
    fn endless_waits_do_not_overflow() {
        let endless = Retry::default()
            .initial_backoff(Duration::MAX)
            .max_backoff(Duration::MAX)
            .retry_timeout(Duration::MAX);
        assert!(endless.wait(Idempotency::Idempotent, BUSY, 2, Duration::ZERO, 1.0).is_some());
    }

    proptest! {
        #[test]
        fn retries_end(retries in 0_u32..100, elapsed in 0_u64..100, jitter in any::<f64>()) {
            let policy = Retry::default();
            let elapsed = Duration::from_secs(elapsed);
            if let Some(wait) = policy.wait(Idempotency::Idempotent, BUSY, retries, elapsed, jitter) {
                prop_assert!(retries < policy.max_retries);
                prop_assert!(elapsed + wait <= policy.retry_timeout);
                prop_assert!(wait >= policy.initial_backoff / 2 && wait <= policy.max_backoff);
            }
        }
    }
}
