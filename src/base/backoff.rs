//! Waits between attempts: growing, and different in each process.

use std::time::Duration;

use super::random;

/// A wait that doubles with each attempt up to a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// The wait before the first retry, without jitter.
    pub(crate) initial: Duration,
    /// The longest wait, without jitter.
    pub(crate) max: Duration,
}

impl Backoff {
    /// Returns the wait before retry number `retries` (0 is the first), without jitter.
    pub(crate) const fn base(self, retries: u32) -> Duration {
        let factor = 1_u32 << if retries > 16 { 16 } else { retries };
        let wait = self.initial.saturating_mul(factor);
        if wait.as_nanos() < self.max.as_nanos() { wait } else { self.max }
    }

    /// Returns the wait before retry number `retries` (0 is the first), plus up to `jitter_percent` of it.
    pub(crate) fn wait(self, retries: u32, jitter_percent: u32) -> Duration {
        let base = self.base(retries);
        plus_jitter(base, base.saturating_mul(jitter_percent) / 100, random::byte_or_zero())
    }
}

/// Returns `time` plus the part of `jitter` that `random` stands for: 0 for none, 255 for all.
///
/// Without jitter, processes that failed together would retry together.
pub(crate) fn plus_jitter(time: Duration, jitter: Duration, random: u8) -> Duration {
    time.saturating_add(jitter * u32::from(random) / 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_doubles_up_to_its_maximum() {
        let backoff = Backoff { initial: Duration::from_millis(200), max: Duration::from_secs(1) };
        let waits: Vec<_> = (0..5).map(|retries| backoff.base(retries).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1_000, 1_000]);
        assert_eq!(backoff.base(u32::MAX), backoff.max);
        for retries in 0..5 {
            let (base, wait) = (backoff.base(retries), backoff.wait(retries, 50));
            assert!((base..=base * 3 / 2).contains(&wait), "{wait:?}");
        }
    }

    #[test]
    fn each_random_byte_is_another_wait() {
        let at = |random| plus_jitter(Duration::from_secs(60), Duration::from_secs(12), random);
        assert_eq!((at(0), at(255)), (Duration::from_secs(60), Duration::from_secs(72)));
        assert!((1..=255).all(|random| at(random - 1) < at(random)));
        assert!((0..100).any(|_| random::byte_or_zero() != random::byte_or_zero()), "and they differ");
    }
}
