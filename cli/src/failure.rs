//! Why a command could not do its work, and what to do next.

use std::{error::Error, fmt, io::Write as _, process::ExitCode};

use crate::{
    output::printable,
    style::{ERROR, HELP},
};

/// The exit status of findings: the command worked, and what it looked at has to be changed.
pub(crate) const FINDINGS: u8 = 1;
/// The exit status of wrong use, and of everything that kept a command from its work. Clap exits with it, too.
pub(crate) const WRONG_USE: u8 = 2;

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    next_step: Option<String>,
    /// Further reasons: all mistakes are reported at once.
    more: Vec<Self>,
}

impl FromIterator<Self> for Failure {
    fn from_iter<T: IntoIterator<Item = Self>>(failures: T) -> Self {
        let mut failures = failures.into_iter();
        let mut first = failures.next().unwrap_or_else(|| Self::new("unknown failure"));
        first.more.extend(failures);
        first
    }
}

impl Failure {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), next_step: None, more: Vec::new() }
    }

    /// The error with its sources, each of which says why the one before it came.
    pub(crate) fn of(doing: impl fmt::Display, error: &(dyn Error + 'static)) -> Self {
        let mut message = format!("{doing}: {error}");
        let mut source = error.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = error.source();
        }
        Self::new(message)
    }

    /// What the caller can do about it.
    pub(crate) fn help(mut self, next_step: impl Into<String>) -> Self {
        self.next_step = Some(next_step.into());
        self
    }

    /// Writes it to standard error.
    pub(crate) fn report(&self) -> ExitCode {
        let mut stderr = anstream::stderr().lock();
        for failure in std::iter::once(self).chain(&self.more) {
            // Nothing is left to tell of an error of standard error.
            let _ = writeln!(stderr, "{ERROR}error:{ERROR:#} {}", printable(&failure.message));
            if let Some(next_step) = &failure.next_step {
                let _ = writeln!(stderr, "  {HELP}help:{HELP:#} {}", printable(next_step));
            }
        }
        ExitCode::from(WRONG_USE)
    }
}
