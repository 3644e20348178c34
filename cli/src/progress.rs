//! [`Progress`]: the line on a terminal that says what takes time.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on standard error. Hidden by itself unless that is a terminal; gone when this value is.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// `is_shown`: `false` for `--quiet`.
    pub(crate) fn new(is_shown: bool) -> Self {
        let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::default_spinner());
        Self(bar)
    }

    /// Shows what takes time from now on.
    pub(crate) fn working_on(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
        self.0.enable_steady_tick(Duration::from_millis(120));
    }

    /// Runs something that writes to the terminal by itself.
    pub(crate) fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.suspend(work)
    }

    /// Takes the line away, until there is other work.
    pub(crate) fn settle(&self) {
        self.0.disable_steady_tick();
        self.0.finish_and_clear();
        self.0.reset();
    }
}
