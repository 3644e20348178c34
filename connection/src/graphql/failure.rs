//! [`GraphQlFailure`]: the errors inside of a GraphQL response.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    error::Result,
    request::{
        decode,
        error_body::{self, MAX_ENTRIES},
    },
};

/// The kinds of errors that the program causes, and not the values.
const PROGRAM_MISTAKES: [&str; 3] = ["InvalidSyntax", "ValidationError", "OperationNotSupported"];

/// The errors of a GraphQL operation, and the data that came beside them.
///
/// `Display` and `Debug` name kinds and places; Salesforce's messages, which may repeat data, are in
/// [`errors`](Self::errors).
pub struct GraphQlFailure {
    errors: Vec<GraphQlError>,
    data: Option<Bytes>,
}

/// One error of a GraphQL operation.
///
/// `Debug` omits the message, which often repeats the data that was sent.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphQlError {
    /// The kind: `InvalidSyntax`, `ValidationError`, `DataFetchingException`, `OperationNotSupported`,
    /// `ExecutionAborted`. Empty if Salesforce names none.
    pub kind: String,
    /// The text for people. It may repeat data: keep it out of logs.
    pub message: String,
    /// The names that lead to the failed part of the data, for example `uiapi` and the alias of a mutation. Empty if
    /// Salesforce names none.
    pub path: Vec<String>,
    /// Where in the document the failed part stands.
    pub locations: Vec<SourceLocation>,
}

/// A place in a GraphQL document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SourceLocation {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl GraphQlFailure {
    pub(super) fn new(errors: Vec<GraphQlError>, data: Option<Bytes>) -> Self {
        Self { errors, data }
    }

    pub(super) fn into_errors(self) -> Vec<GraphQlError> {
        self.errors
    }

    /// Returns the errors, at least one.
    pub fn errors(&self) -> &[GraphQlError] {
        &self.errors
    }

    /// Reads the data that came beside the errors; `None` if there is none.
    ///
    /// What failed is `null`. After a mutation with `allOrNone: false` this is what was written all the same.
    ///
    /// # Errors
    /// [`Error::InvalidResponse`](crate::Error::InvalidResponse) if the data does not fit `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        Ok(self.data.as_deref().map(decode::record).transpose()?)
    }

    /// Returns whether the document does not fit the org's schema.
    pub(crate) fn is_program_mistake(&self) -> bool {
        self.errors.iter().any(|error| PROGRAM_MISTAKES.contains(&error.kind.as_str()))
    }

    /// Returns whether Salesforce refused values or records, and nothing else failed.
    #[cfg(feature = "actix-web")]
    pub(crate) fn is_refused(&self) -> bool {
        self.errors.iter().all(|error| error.kind == "DataFetchingException")
    }
}

impl fmt::Display for GraphQlFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salesforce reports errors in the GraphQL response (")?;
        for (index, error) in self.errors.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(if error.kind.is_empty() { "no kind" } else { &error.kind })?;
            if !error.path.is_empty() {
                write!(f, " at {}", error.path.join("."))?;
            } else if let Some(SourceLocation { line, column }) = error.locations.first() {
                write!(f, " at line {line}, column {column}")?;
            }
        }
        f.write_str(")")
    }
}

crate::debug::debug_as_display!(GraphQlFailure);

impl std::error::Error for GraphQlFailure {}

impl fmt::Debug for GraphQlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphQlError")
            .field("kind", &self.kind)
            .field("path", &self.path)
            .field("locations", &self.locations)
            .finish_non_exhaustive()
    }
}

/// An error as it is sent. Read tolerantly: a member of an unexpected type is left out, and the error stays one.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawError<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    /// Salesforce's name for what the specification calls `path`.
    #[serde(borrow)]
    paths: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    locations: Option<&'a RawValue>,
    #[serde(borrow)]
    extensions: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extensions<'a> {
    #[serde(borrow, rename = "ErrorType")]
    error_type: Option<&'a RawValue>,
    #[serde(borrow)]
    classification: Option<&'a RawValue>,
}

impl GraphQlError {
    pub(super) fn read(json: &RawValue) -> Self {
        let raw: RawError<'_> = object(json).unwrap_or_default();
        let extensions: Extensions<'_> = raw.extensions.and_then(object).unwrap_or_default();
        let kind = [extensions.error_type, extensions.classification];
        let kind = kind.into_iter().flatten().find_map(error_body::text).unwrap_or_default();
        let path = [raw.paths, raw.path].into_iter().flatten().map(steps).find(|steps| !steps.is_empty());
        let locations = raw.locations.and_then(|list| error_body::elements(list.get(), MAX_ENTRIES));
        let locations =
            locations.into_iter().flatten().filter_map(|place| serde_json::from_str(place.get()).ok());
        Self {
            kind: error_body::word(kind, ""),
            message: error_body::shortened(raw.message.and_then(error_body::text).unwrap_or_default()),
            path: path.unwrap_or_default(),
            locations: locations.collect(),
        }
    }
}

/// Reads an object; `None` for a list, which would be read as the members of the struct.
fn object<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Option<T> {
    json.get().starts_with('{').then(|| serde_json::from_str(json.get()).ok()).flatten()
}

/// Returns the names and the positions in a path.
fn steps(json: &RawValue) -> Vec<String> {
    let steps = error_body::elements(json.get(), MAX_ENTRIES).unwrap_or_default().into_iter();
    let step = |step: &RawValue| error_body::text(step).unwrap_or_else(|| step.get().to_owned());
    steps.map(|json| error_body::word(step(json), "/")).collect()
}
