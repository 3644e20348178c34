//! [`RowError`]: why a row of CSV does not fit its type.

use std::{cell::RefCell, fmt};

use serde::de::{self, Expected, Unexpected};

use crate::json::probe;

/// Why a row does not fit its type. Never repeats a value, which may be personal data.
#[derive(Debug)]
pub(crate) struct RowError {
    column: Option<String>,
    what: String,
    /// Address of the rejected text, which says which cell it was.
    pub(super) address: Option<usize>,
}

impl RowError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { column: None, what: what.into(), address: None }
    }

    pub(super) fn in_column(mut self, column: &str) -> Self {
        self.column.get_or_insert_with(|| column.to_owned());
        self
    }
}

impl RowError {
    /// Names the parent in whose columns the error is.
    pub(super) fn in_parent(mut self, parent: &str) -> Self {
        let column = self.column.take();
        self.column = Some(column.map_or_else(|| parent.to_owned(), |column| format!("{parent}.{column}")));
        self
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column `{column}`: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for RowError {}

thread_local! {
    /// Addresses of the texts that a type rejected while the current row was read. serde drops some errors, for example
    /// those of an `Option` with `#[serde(flatten)]`, so that the returned error does not have all of them.
    static REJECTED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Returns the addresses of the texts that were rejected since the last call.
pub(super) fn take_rejected() -> Vec<usize> {
    REJECTED.take()
}

impl de::Error for RowError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        // The message may repeat the value.
        Self::new("a value does not fit its field")
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let address = match found {
            Unexpected::Str(text) => Some(text.as_ptr() as usize),
            _ => None,
        };
        REJECTED.with_borrow_mut(|rejected| rejected.extend(address));
        probe::note(found);
        let what = match found {
            Unexpected::Unit | Unexpected::Option => format!("empty, where {expected} is expected"),
            _ => format!("found a value where {expected} is expected"),
        };
        Self { address, ..Self::new(what) }
    }

    fn invalid_value(found: Unexpected<'_>, _: &dyn Expected) -> Self {
        probe::note(found);
        Self::new("a value does not fit its field")
    }

    fn duplicate_field(field: &'static str) -> Self {
        probe::note_duplicate();
        Self::new(format!("duplicate field `{field}`"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("missing field `{field}`"))
    }
}
