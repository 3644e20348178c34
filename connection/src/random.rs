//! Randomness for waits: processes that fail together do not retry together.

use std::time::Duration;

/// Returns a fraction from 0 to 1. Without a source of randomness it is the middle, 0.5.
pub(crate) fn fraction() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

/// Returns the pause before retry number `retries`: 0.2 s, 0.4 s, … up to 12.8 s, with up to half of it added at random.
pub(crate) fn backoff(retries: u32) -> Duration {
    Duration::from_millis(200 << retries.min(6)).mul_f64(1.0 + fraction() / 2.0)
}
