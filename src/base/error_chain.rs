//! Writes an error with its causes in one line, for logs and for `Debug`.

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

/// Implements `Debug` of errors as the text of `Display` and of the causes: a `main` that returns an error prints it with
/// `Debug`.
macro_rules! debug_as_display {
    ($error:ty) => {
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&$crate::base::error_chain::ErrorChain(self), f)
            }
        }
    };
}
pub(crate) use debug_as_display;
