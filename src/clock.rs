//! Time as it is injected: wall time for what is stored, monotonic time for durations.

use std::{
    fmt,
    time::{Instant, SystemTime},
};

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
            Source::System => SystemTime::now(),
            #[cfg(test)]
            Source::Manual(now) => now(),
        }
    }

    /// Monotonic time, which no change of the wall clock moves.
    pub(crate) fn instant(&self) -> Instant {
        Instant::now()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
