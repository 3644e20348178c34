//! When an organization that reached its API limit is asked again. A pure decision.
//!
//! A call beyond the limit is refused and counts all the same, so that asking on prolongs the outage: for a while
//! nobody asks, then one call tries.

use std::time::{Duration, Instant};

/// The first pause after the daily limit.
const DAILY: Duration = Duration::from_secs(15);
/// The first pause after too many calls at a time.
const BURST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// A try that has not come back after so long is given up for lost.
const TRY_LASTS: Duration = Duration::from_secs(10);

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The allocation of 24 hours.
    Daily,
    /// Calls at the same time.
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
    /// One call tries.
    HalfOpen {
        since: Instant,
        trips: u32,
    },
}

impl CircuitBreaker {
    pub(crate) fn is_closed(self) -> bool {
        self.0 == Phase::Closed
    }

    /// Whether a call may be sent now; if not, when to come back.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        match self.0 {
            Phase::Closed => Ok(()),
            Phase::Open { until, .. } if now < until => Err(until - now),
            Phase::HalfOpen { since, .. } if now.saturating_duration_since(since) < TRY_LASTS => Err(BURST),
            Phase::Open { trips, .. } | Phase::HalfOpen { trips, .. } => {
                self.0 = Phase::HalfOpen { since: now, trips };
                Ok(())
            }
        }
    }

    /// A call was refused because of the limit. Gives how long nobody asks.
    pub(crate) fn on_limit(&mut self, limit: Limit, now: Instant) -> Duration {
        let trips = match self.0 {
            // Calls that were under way when the first one was refused: one trip.
            Phase::Open { until, .. } if now < until => return until - now,
            Phase::Closed => 0,
            Phase::Open { trips, .. } | Phase::HalfOpen { trips, .. } => trips + 1,
        };
        let first = match limit {
            Limit::Daily => DAILY,
            Limit::Burst => BURST,
        };
        let pause = first.saturating_mul(1 << trips.min(16)).min(LONGEST);
        self.0 = Phase::Open { until: now.checked_add(pause).unwrap_or(now), trips };
        pause
    }

    /// A call was answered otherwise.
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
    fn after_the_limit_nobody_asks_for_a_while_and_then_one_tries() {
        let start = Instant::now();
        let mut breaker = CircuitBreaker::default();
        assert!(breaker.admit(start).is_ok());
        breaker.on_limit(Limit::Daily, start);
        // Late answers of calls that were under way change nothing.
        breaker.on_limit(Limit::Daily, start + SECOND);
        breaker.on_success();
        assert_eq!(breaker.admit(start + SECOND), Err(14 * SECOND));
        assert!(breaker.admit(start + 15 * SECOND).is_ok());
        assert!(breaker.admit(start + 15 * SECOND).is_err(), "one at a time");
        breaker.on_limit(Limit::Daily, start + 16 * SECOND);
        assert_eq!(breaker.admit(start + 16 * SECOND), Err(30 * SECOND), "twice as long");
        assert!(breaker.admit(start + 46 * SECOND).is_ok());
        breaker.on_success();
        assert!(breaker.is_closed() && breaker.admit(start + 46 * SECOND).is_ok());
        breaker.on_limit(Limit::Burst, start);
        assert_eq!(breaker.admit(start), Err(SECOND), "it begins anew");
    }

    proptest! {
        #[test]
        fn it_always_opens_again(events in prop::collection::vec((0..4_u8, 0..400_u64), 0..60)) {
            let mut now = Instant::now();
            let mut breaker = CircuitBreaker::default();
            for (event, seconds) in events {
                match event {
                    0 => drop(breaker.on_limit(Limit::Daily, now)),
                    1 => drop(breaker.on_limit(Limit::Burst, now)),
                    2 => breaker.on_success(),
                    _ => if let Err(wait) = breaker.admit(now) {
                        prop_assert!(wait > Duration::ZERO && wait <= LONGEST);
                    },
                }
                now += Duration::from_secs(seconds);
            }
            prop_assert!(breaker.admit(now + LONGEST).is_ok());
        }
    }
}
