//! Random parts of waits, so that processes that failed at the same time do not retry at the same time.

use std::time::Duration;

/// Returns a random fraction from 0 to 1, or 0.5 if the system has no source of randomness.
pub(crate) fn fraction() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

/// Returns the pause before the next retry: 0.2 seconds, doubled `retries` times, plus a random part.
///
/// It doubles at most six times, to 12.8 seconds. The random part is up to half of the pause.
pub(crate) fn backoff(retries: u32) -> Duration {
    Duration::from_millis(200 << retries.min(6)).mul_f64(1.0 + fraction() / 2.0)
}
