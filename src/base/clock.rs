//! [`Clock`]: wall time for records, monotonic time for durations.

use std::{
    fmt,
    time::{Instant, SystemTime},
};

/// Offset of the wall clock in seconds, set by tests: see `test::skew_clock`.
#[cfg(feature = "test-util")]
pub(crate) static SKEW: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);

/// Returns the time. Tests can replace it.
#[derive(Clone)]
pub(crate) struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    #[cfg(test)]
    Manual(std::sync::Arc<dyn Fn() -> SystemTime + Send + Sync>),
}

impl Clock {
    /// Returns the clock of the machine.
    pub(crate) fn system() -> Self {
        Self(Source::System)
    }

    /// Returns a clock whose wall time a test sets.
    #[cfg(test)]
    pub(crate) fn manual(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Source::Manual(std::sync::Arc::new(now)))
    }

    /// Returns the wall time.
    pub(crate) fn now(&self) -> SystemTime {
        match &self.0 {
            Source::System => system_time(),
            #[cfg(test)]
            Source::Manual(now) => now(),
        }
    }

    /// Returns the monotonic time, which changes of the wall clock do not affect.
    pub(crate) fn instant(&self) -> Instant {
        Instant::now()
    }
}

fn system_time() -> SystemTime {
    let now = SystemTime::now();
    #[cfg(feature = "test-util")]
    {
        let seconds = SKEW.load(std::sync::atomic::Ordering::Relaxed);
        let skew = std::time::Duration::from_secs(seconds.unsigned_abs());
        let skewed = if seconds < 0 { now.checked_sub(skew) } else { now.checked_add(skew) };
        skewed.unwrap_or(now)
    }
    #[cfg(not(feature = "test-util"))]
    now
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
