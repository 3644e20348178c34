//! Errors of a configuration.

use std::fmt;

/// An invalid setting and how to fix it. Never contains the setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The environment variable, or the field of [`Config`](crate::Config) if it has none.
    pub setting: &'static str,
    /// What is invalid and what to do.
    pub fix: String,
}

/// All mistakes of a configuration.
///
/// `Debug` prints the same as `Display`, because a `main` that returns this error prints `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    pub(crate) fn and(mut self, problem: Problem) -> Self {
        self.problems.push(problem);
        self
    }

    /// Returns each invalid setting with its fix.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the Salesforce settings cannot be used:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {}: {}", problem.setting, problem.fix))
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}
