//! Random parts of waits, so that processes that failed at the same time do not retry at the same time.

use std::time::Duration;

/// Returns a random fraction from 0 to 1, or 0.5 if the system has no source of randomness.
pub(crate) fn fraction() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

/// Returns the pause after `retries` retries: 0.2 s, doubled each time up to 12.8 s, plus a random part of up to half.
pub(crate) fn backoff(retries: u32) -> Duration {
    Duration::from_millis(200 << retries.min(6)).mul_f64(1.0 + fraction() / 2.0)
}
