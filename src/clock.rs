//! Time as it is injected: wall time for what is stored, monotonic time for durations.

use std::{
    fmt,
    time::{Instant, SystemTime},
};

/// By how many seconds the machine's clock is wrong on purpose: see `test::skew_clock`.
#[cfg(feature = "test-util")]
pub(crate) static SKEW: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);

/// What time it is.
#[derive(Clone)]
pub(crate) struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    #[cfg(test)]
    Manual(std::sync::Arc<dyn Fn() -> SystemTime + Send + Sync>),
}

impl Clock {
    /// The machine's clock.
    pub(crate) fn system() -> Self {
        Self(Source::System)
    }

    /// A wall clock of a test's own.
    #[cfg(test)]
    pub(crate) fn manual(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Source::Manual(std::sync::Arc::new(now)))
    }

    /// Wall time.
    pub(crate) fn now(&self) -> SystemTime {
        match &self.0 {
            Source::System => system_time(),
            #[cfg(test)]
            Source::Manual(now) => now(),
        }
    }

    /// Monotonic time, which no change of the wall clock moves.
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
