//! [`DecodeError`]: why an event could not be read.

use super::avro::{AvroError, InvalidBitmap, InvalidSchema};

/// Why an event could not be read. Never repeats its data.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The data does not fit the schema, or the type that it is read into. Salesforce does not check what is published.
    #[error("the event cannot be read: {0}")]
    Data(#[from] AvroError),
    /// Salesforce's schema of the event.
    #[error("the schema of the event cannot be read: {0}")]
    Schema(#[from] InvalidSchema),
    /// Salesforce does not know the schema that the event names.
    #[error("the event names a schema that Salesforce does not know")]
    UnknownSchema,
    /// The bitmap of changed fields is invalid, or names a field that the schema does not have.
    #[error("the bitmap of the event's changed fields is invalid")]
    ChangedFields,
    /// The event has no `ChangeEventHeader`, so that it is not a [`Change`](super::Change).
    #[error(
        "the event is not a change event. Subscribe to a topic `/data/…`, or use another type than `Change`"
    )]
    NotAChange,
    /// A kind of change that this version does not know.
    #[error("the event has an unknown kind of change")]
    UnknownChange,
}

crate::debug::debug_as_display!(DecodeError);

impl From<InvalidBitmap> for DecodeError {
    fn from(_: InvalidBitmap) -> Self {
        Self::ChangedFields
    }
}
