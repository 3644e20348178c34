//! Why a command could not do its work, and what to do next.

use std::{error::Error, fmt, io::Write as _, process::ExitCode};

use anstyle::Style;

use crate::style::{ERROR, HELP, WARNING, printable};

/// The exit status of findings: the command worked, and what it looked at has to be changed.
pub(crate) const FINDINGS: u8 = 1;
/// The exit status of wrong use, and of everything that kept a command from its work. Clap exits with it, too.
pub(crate) const WRONG_USE: u8 = 2;
/// The exit status of a program that SIGINT ended, as shells report it.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    next_step: String,
    /// Further reasons: all mistakes are reported at once.
    more: Vec<Self>,
}

/// A failure without its next step, which each has to have: only [`help`](Self::help) makes it one.
#[derive(Debug)]
pub(crate) struct WithoutHelp(String);

impl WithoutHelp {
    /// What the caller can do about it.
    pub(crate) fn help(self, next_step: impl Into<String>) -> Failure {
        Failure { message: self.0, next_step: next_step.into(), more: Vec::new() }
    }
}

impl FromIterator<Self> for Failure {
    fn from_iter<T: IntoIterator<Item = Self>>(failures: T) -> Self {
        let mut failures = failures.into_iter();
        let unknown = || Self::new("unknown failure").help("report it, with the arguments of this run");
        let mut first = failures.next().unwrap_or_else(unknown);
        first.more.extend(failures);
        first
    }
}

impl Failure {
    #[expect(clippy::new_ret_no_self, reason = "it is one with its next step only")]
    pub(crate) fn new(message: impl fmt::Display) -> WithoutHelp {
        WithoutHelp(message.to_string())
    }

    /// With an error, and what that error says of its causes.
    pub(crate) fn of(doing: impl fmt::Display, error: &dyn Error) -> WithoutHelp {
        Self::new(format_args!("{doing}: {}", sentence(error)))
    }

    /// Writes it to standard error.
    pub(crate) fn report(&self) -> ExitCode {
        self.write("error:", ERROR);
        ExitCode::from(WRONG_USE)
    }

    /// Writes it to standard error. The command has done its work all the same.
    pub(crate) fn warn(&self) {
        self.write("warning:", WARNING);
    }

    fn write(&self, word: &str, style: Style) {
        let mut stderr = anstream::stderr().lock();
        for failure in std::iter::once(self).chain(&self.more) {
            // Nothing is left to tell of an error of standard error.
            let _ = writeln!(stderr, "{style}{word}{style:#} {}", printable(&failure.message));
            let _ = writeln!(stderr, "  {HELP}help:{HELP:#} {}", printable(&failure.next_step));
        }
    }
}

/// Returns an error with its sources, each of which says why the one before it came.
pub(crate) fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}
