//! [`ConfigError`]: the problems of a configuration.

use std::fmt;

/// An invalid setting and how to fix it. Never contains the value of the setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// The environment variable, or the member of [`Config`](crate::Config) if there is no variable.
    pub setting: &'static str,
    /// The problem and what to do about it.
    pub hint: String,
}

/// All problems of a configuration. The app does not start with it.
///
/// `Debug` is the same as `Display`, because a `main` that returns this error prints it with `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

impl ConfigError {
    pub(crate) fn new(problems: Vec<ConfigProblem>) -> Self {
        Self { problems }
    }

    pub(crate) fn and(mut self, problem: ConfigProblem) -> Self {
        self.problems.push(problem);
        self
    }

    /// Adds problems that say more than those of the same settings do.
    pub(crate) fn replacing(mut self, better: Vec<ConfigProblem>) -> Self {
        self.problems.retain(|problem| better.iter().all(|better| better.setting != problem.setting));
        self.problems.extend(better);
        self
    }

    /// Returns each invalid setting with a hint.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid Salesforce settings:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {}: {}", problem.setting, problem.hint))
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}
