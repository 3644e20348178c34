//! [`InvalidRequest`]: why a request was not sent.

use std::error::Error as StdError;

use super::Error;
use crate::{
    actions::InvalidActionInput,
    graphql::InvalidGraphQl,
    http::InvalidApiHost,
    id::InvalidId,
    name::InvalidName,
    oauth::scopes::InvalidScopes,
    query::soql::{date::InvalidDate, time::InvalidTime},
    records::etag::InvalidRecordEtag,
    request::{call_options::InvalidCallOption, path::InvalidPath},
    ui::{InvalidRecordType, UnknownControllingValue},
    version::InvalidApiVersion,
};

/// Why a request was not sent.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// An invalid path or URL.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// A host that no token may be sent to.
    #[error(transparent)]
    ApiHost(#[from] InvalidApiHost),
    /// An invalid name of an object or a field.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// An invalid id of a record.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A date, or a date and time, outside of Salesforce's range.
    #[error(transparent)]
    Date(#[from] InvalidDate),
    /// A time of day outside of Salesforce's range.
    #[error(transparent)]
    Time(#[from] InvalidTime),
    /// A record ETag that was not made by this crate.
    #[error(transparent)]
    RecordEtag(#[from] InvalidRecordEtag),
    /// A call option that a header cannot contain.
    #[error(transparent)]
    CallOption(#[from] InvalidCallOption),
    /// Scopes with invalid characters.
    #[error(transparent)]
    Scopes(#[from] InvalidScopes),
    /// A text that is not an API version, or an unsupported one.
    #[error(transparent)]
    ApiVersion(#[from] InvalidApiVersion),
    /// Inputs of an action that do not fit its description.
    #[error(transparent)]
    ActionInput(#[from] InvalidActionInput),
    /// A record type that the object does not have.
    #[error(transparent)]
    RecordType(#[from] InvalidRecordType),
    /// A value that the controlling field of a picklist does not have.
    #[error(transparent)]
    ControllingValue(#[from] UnknownControllingValue),
    /// An invalid GraphQL document, or variables that do not fit it.
    #[error(transparent)]
    GraphQl(#[from] InvalidGraphQl),
    /// The body cannot be written as JSON.
    #[error("the request's body cannot be written as JSON")]
    Body(#[source] serde_json::Error),
    /// A record cannot be written as a row of CSV.
    ///
    /// It is not a struct or map of plain values.
    #[error("the record cannot be written as a row of CSV")]
    Csv,
    /// A value cannot be written into a field: as a cell of CSV, or a number that is not finite.
    #[error("the field `{column}`{} cannot be written: {reason}", of_record(*record))]
    #[non_exhaustive]
    Column {
        /// The field, or the column of the CSV.
        column: String,
        /// Why.
        reason: &'static str,
        /// Which record of a bulk load it was, from 1.
        record: Option<u64>,
    },
    /// A record of the caller's CSV does not end: a quote is opened and not closed.
    #[error(
        "the CSV record that starts in line {line} does not end. Close its quote, or double a quote inside quotes"
    )]
    #[non_exhaustive]
    CsvRecord {
        /// The line, from 1.
        line: u64,
    },
    /// A query that the Bulk API does not run.
    #[error("the Bulk API does not run queries with {part}. Use `fetch`")]
    #[non_exhaustive]
    BulkQuery {
        /// What it does not run.
        part: String,
    },
    /// The source of the data to load could not be read.
    #[error("the data to load could not be read")]
    Source(#[source] Box<dyn StdError + Send + Sync>),
    /// An invalid HTTP method.
    #[error("invalid HTTP method")]
    Method,
    /// A malformed header, one that only the connection may set, or a header of a subrequest in a batch.
    #[error(
        "invalid header: it is malformed, reserved for the connection, or set on a subrequest of a batch"
    )]
    Header,
    /// More subrequests or records in one request than Salesforce accepts.
    #[error("the request has more than {limit} parts. Split it into several requests")]
    #[non_exhaustive]
    TooManyCalls {
        /// The number that Salesforce accepts.
        limit: usize,
    },
    /// An invalid reference in a composite request, or a value that Salesforce would read as a reference.
    #[error(
        "a value contains `@{{`, which Salesforce reads as a reference to an earlier subrequest. Use `Reference::id` or \
         `Reference::field` of an earlier subrequest of the same composite request"
    )]
    Reference,
    /// A record that serializes to something other than a JSON object.
    #[error("the record does not serialize to a JSON object")]
    Record,
    /// [`if_match`](crate::records::SObjectHandle::if_match) on a method that does not support it.
    #[error("`if_match` is supported only by `update` and `delete` of one record by its id")]
    Condition,
    /// The query is longer than Salesforce accepts.
    ///
    /// A query may have 100,000 characters; tooling queries and query plans must fit into a URL.
    #[error(
        "the query has {characters} characters, but Salesforce accepts about {limit}. Split a long IN list with \
         `Query::bind_chunked`"
    )]
    #[non_exhaustive]
    QueryTooLong {
        /// The length of the query.
        characters: usize,
        /// The length that Salesforce accepts.
        limit: usize,
    },
    /// The URL and the headers are longer than Salesforce accepts (it would respond with 414 or 431).
    #[error(
        "the URL and the headers of the request have {bytes} bytes, but Salesforce accepts {limit}. Name fewer fields or \
         values, or ask for them in several requests"
    )]
    #[non_exhaustive]
    UrlTooLong {
        /// The length of URL and headers.
        bytes: usize,
        /// The length that Salesforce accepts.
        limit: usize,
    },
}

crate::debug::debug_as_display!(InvalidRequest);

impl InvalidRequest {
    /// Names the record of a bulk load, counted from 1, in which a column cannot be written.
    #[cfg(feature = "bulk")]
    pub(crate) fn in_record(self, number: u64) -> Self {
        match self {
            Self::Column { column, reason, .. } => Self::Column { column, reason, record: Some(number) },
            error => error,
        }
    }
}

fn of_record(record: Option<u64>) -> String {
    record.map(|number| format!(" of record {number}")).unwrap_or_default()
}

macro_rules! impl_from_for_error {
    ($($part:ident)*) => {$(
        impl From<$part> for Error {
            fn from(error: $part) -> Self {
                Self::InvalidRequest(error.into())
            }
        }
    )*};
}

impl_from_for_error! {
    InvalidPath InvalidName InvalidId InvalidDate InvalidTime InvalidRecordEtag InvalidCallOption InvalidScopes
    InvalidApiVersion InvalidRecordType UnknownControllingValue InvalidApiHost
}
