//! Writes an error with its causes in one line, for logs.

use std::{error::Error as StdError, fmt};

/// Displays an error followed by each of its causes, separated by `: `.
pub(crate) struct ErrorChain<'a>(pub(crate) &'a (dyn StdError + 'a));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}
