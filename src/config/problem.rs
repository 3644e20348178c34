//! What is wrong with a configuration.

use std::fmt;

/// A setting that is wrong, and how to mend it. Never contains the setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The environment variable, or the member of [`Config`](crate::Config) where there is none.
    pub setting: &'static str,
    /// What is wrong and what to do.
    pub fix: String,
}

/// Everything that is wrong with a configuration. The app does not start with it.
///
/// `Debug` reads like `Display`: it is what a `main` that ends in this error prints.
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

    /// Each wrong setting with its fix.
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
