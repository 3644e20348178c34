//! [`AvroError`]: why an event's data does not fit its schema or its type.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// Why an event's data cannot be read or written. Names the field and never repeats a value.
#[derive(Clone, PartialEq, Eq)]
pub struct AvroError(
    /// In a box: each value that is read passes through several results, whose size is that of their error.
    Box<Details>,
);

#[derive(Clone, PartialEq, Eq)]
struct Details {
    /// From the innermost field outwards.
    path: Vec<String>,
    reason: Reason,
}

/// What is wrong with the data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error("the data ends early")]
    UnexpectedEnd,
    #[error("a length is negative or longer than the data")]
    Length,
    #[error("a number has more digits than its type")]
    Number,
    #[error("a text is not UTF-8")]
    Utf8,
    #[error("a union or an enumeration has no such branch")]
    Branch,
    #[error("values are nested too deeply")]
    TooDeep,
    #[error("the data has more values than bytes")]
    TooMany,
    #[error("data follows after the last value")]
    TrailingData,
    #[error("the type takes fewer items than the data has")]
    TooManyItems,
    #[error("{found} does not fit: expected {expected}")]
    Type { found: &'static str, expected: String },
    #[error("the field is missing")]
    Missing,
    #[error("the schema has no such field")]
    Unknown,
    #[error("the type rejects the value")]
    Rejected,
    #[error(
        "the value is a diff, which only a `Patch` directly in the struct of the event can read, not one below \
         `#[serde(flatten)]` or in an untagged or internally tagged enum"
    )]
    Diff,
}

impl AvroError {
    #[cold]
    pub(crate) fn new(reason: Reason) -> Self {
        Self(Box::new(Details { path: Vec::new(), reason }))
    }

    /// Adds the name of the field in which the error was found.
    #[cold]
    pub(crate) fn within(mut self, field: &str) -> Self {
        self.0.path.push(field.to_owned());
        self
    }

    #[cfg(test)]
    pub(crate) fn reason(&self) -> &Reason {
        &self.0.reason
    }
}

impl fmt::Display for AvroError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            let path: Vec<&str> = self.0.path.iter().rev().map(String::as_str).collect();
            write!(f, "field `{}`: ", path.join("."))?;
        }
        self.0.reason.fmt(f)
    }
}

impl std::error::Error for AvroError {}

crate::debug::debug_as_display!(AvroError);

/// The kind of a value, without the value.
fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a text",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "a record",
        _ => "a value",
    }
}

impl de::Error for AvroError {
    /// Drops the message: that of a type's parser may repeat the value.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::new(Reason::Rejected)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Reason::Type { found: kind(&found), expected: expected.to_string() })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(Reason::Type { found: "another number of items", expected: expected.to_string() })
    }

    /// The variants are those of the type; the unknown one is a value.
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::new(Reason::Type { found: "another text", expected: "a variant of the type".to_owned() })
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::new(Reason::Rejected).within(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Reason::Missing).within(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Reason::Rejected).within(field)
    }
}
