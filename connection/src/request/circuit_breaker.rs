//! [`CircuitBreaker`]: pauses the requests to an org that has reached its API request limit. A pure decision.
//!
//! Salesforce counts a request beyond the limit although it rejects it, so that further requests prolong the outage. After
//! a pause one request probes whether the limit is over.

use std::time::{Duration, Instant};

/// First pause after the daily limit. It doubles with each failed probe up to [`MAX_PAUSE`].
const DAILY_PAUSE: Duration = Duration::from_secs(15);
/// First pause after too many concurrent requests, which end soon. It doubles with each failed probe.
const BURST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause, so that a new day's allocation is noticed within minutes.
const MAX_PAUSE: Duration = Duration::from_secs(5 * 60);
/// Time after which a running probe no longer blocks the next one: its request may have been dropped.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The allocation of requests in 24 hours.
    Daily,
    /// The number of concurrent requests.
    Burst,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CircuitBreaker(Phase);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Closed,
    Open {
        until: Instant,
        trips: u32,
    },
    /// One request probes.
    HalfOpen {
        since: Instant,
        trips: u32,
    },
}

impl CircuitBreaker {
    pub(crate) fn is_closed(self) -> bool {
        self.0 == Phase::Closed
    }

    /// Returns whether a request may be sent now; if not, how long to wait.
    pub(crate) fn try_acquire(&mut self, now: Instant) -> Result<(), Duration> {
        match self.0 {
            Phase::Closed => Ok(()),
            Phase::Open { until, .. } if now < until => Err(until - now),
            Phase::HalfOpen { since, .. } if now.saturating_duration_since(since) < PROBE_TIMEOUT => {
                Err(BURST_PAUSE)
            }
            Phase::Open { trips, .. } | Phase::HalfOpen { trips, .. } => {
                self.0 = Phase::HalfOpen { since: now, trips };
                Ok(())
            }
        }
    }

    /// Records a request that was rejected because of the limit. Returns the length of the pause.
    pub(crate) fn on_limit(&mut self, limit: Limit, now: Instant) -> Duration {
        let trips = match self.0 {
            // Requests that were running when the first one was rejected count as the same trip.
            Phase::Open { until, .. } if now < until => return until - now,
            Phase::Closed => 0,
            Phase::Open { trips, .. } | Phase::HalfOpen { trips, .. } => trips + 1,
        };
        let first = match limit {
            Limit::Daily => DAILY_PAUSE,
            Limit::Burst => BURST_PAUSE,
        };
        let pause = first.saturating_mul(1 << trips.min(16)).min(MAX_PAUSE);
        self.0 = Phase::Open { until: now.checked_add(pause).unwrap_or(now), trips };
        pause
    }

    /// Records a request with any other outcome. Closes the breaker after a probe.
    pub(crate) fn on_success(&mut self) {
        if matches!(self.0, Phase::HalfOpen { .. }) {
            self.0 = Phase::Closed;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_limit_pauses_requests_until_a_probe_succeeds() {
        let start = Instant::now();
        let mut breaker = CircuitBreaker::default();
        assert!(breaker.try_acquire(start).is_ok());
        breaker.on_limit(Limit::Daily, start);
        // Late outcomes of requests that were running change nothing.
        breaker.on_limit(Limit::Daily, start + SECOND);
        breaker.on_success();
        assert_eq!(breaker.try_acquire(start + SECOND), Err(14 * SECOND));
        assert!(breaker.try_acquire(start + 15 * SECOND).is_ok());
        assert!(breaker.try_acquire(start + 15 * SECOND).is_err(), "one at a time");
        breaker.on_limit(Limit::Daily, start + 16 * SECOND);
        assert_eq!(breaker.try_acquire(start + 16 * SECOND), Err(30 * SECOND), "twice as long");
        assert!(breaker.try_acquire(start + 46 * SECOND).is_ok());
        breaker.on_success();
        assert!(breaker.is_closed() && breaker.try_acquire(start + 46 * SECOND).is_ok());
        breaker.on_limit(Limit::Burst, start);
        assert_eq!(breaker.try_acquire(start), Err(SECOND), "the pauses start again");
    }

    proptest! {
        #[test]
        fn every_pause_ends(events in prop::collection::vec((0..4_u8, 0..400_u64), 0..60)) {
            let mut now = Instant::now();
            let mut breaker = CircuitBreaker::default();
            for (event, seconds) in events {
                match event {
                    0 => drop(breaker.on_limit(Limit::Daily, now)),
                    1 => drop(breaker.on_limit(Limit::Burst, now)),
                    2 => breaker.on_success(),
                    _ => if let Err(wait) = breaker.try_acquire(now) {
                        prop_assert!(wait > Duration::ZERO && wait <= MAX_PAUSE);
                    },
                }
                now += Duration::from_secs(seconds);
            }
            prop_assert!(breaker.try_acquire(now + MAX_PAUSE).is_ok());
        }
    }
}
