//! The error of the second reader, which records what a type rejects.

use std::{cell::RefCell, fmt};

use serde::de::{self, Expected, Unexpected};

use crate::json::probe;

/// What the type of a decimal number expects: all digits, not the nearest float.
pub(crate) const EXPECTED_DECIMAL: &str = "a decimal number with all its digits";

thread_local! {
    /// The floats that a type rejected while a value was read. serde drops some errors, for example those of an `Option`
    /// with `#[serde(flatten)]`, so that the returned error does not have all of them.
    static REJECTED: RefCell<Vec<Rejected>> = const { RefCell::new(Vec::new()) };
    /// The error of this crate's own that came up while a value was read, for the same reason.
    static OWN: RefCell<Option<&'static str>> = const { RefCell::new(None) };
}

/// Returns an error of this crate's own, and records it in case serde drops it.
pub(crate) fn own<E: de::Error>(text: &'static str) -> E {
    OWN.set(Some(text));
    E::custom(text)
}

/// Returns the error of this crate's own that came up since the last call.
pub(crate) fn take_own() -> Option<&'static str> {
    OWN.take()
}

/// A float that a type rejected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rejected {
    pub(crate) float: f64,
    /// Whether the type needs all digits of the number.
    pub(crate) needs_digits: bool,
}

/// Returns the floats that were rejected since the last call.
pub(crate) fn take_rejected() -> Vec<Rejected> {
    REJECTED.take()
}

/// Why a value does not fit its type. It has no text: the first reader's error is the one that is reported.
#[derive(Debug)]
pub(crate) struct ReadError;

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value does not fit its field")
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        probe::note(found);
        if let Unexpected::Float(float) = found {
            let needs_digits = expected.to_string() == EXPECTED_DECIMAL;
            REJECTED.with_borrow_mut(|rejected| rejected.push(Rejected { float, needs_digits }));
        }
        Self
    }

    fn duplicate_field(_: &'static str) -> Self {
        probe::note_duplicate();
        Self
    }

    fn invalid_value(found: Unexpected<'_>, _: &dyn Expected) -> Self {
        probe::note(found);
        Self
    }
}
