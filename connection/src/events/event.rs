//! [`Event`]: what an event is read into; [`Change`], and [`RawEvent`] for topics with events of several kinds.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{
    avro::{self, FieldState, Schema},
    error::DecodeError,
    header::{ChangeHeader, ChangeInfo, ChangeKind},
    position::Position,
};

/// A type that an event can be read into.
///
/// Three kinds of types implement it: [`Change<T>`] for change events, every type with serde's `Deserialize` for platform
/// events (and `serde_json::Value` for any event), and [`RawEvent`], which is read later. An enum for a channel with events
/// of several objects implements it like this:
///
/// ```
/// use salesforce_connection::events::{Change, DecodeError, Event, Patch, RawEvent};
///
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "PascalCase", default)]
/// #[derive(Default)]
/// struct Account { name: Patch<String> }
///
/// enum CrmEvent { Account(Change<Account>), Other }
///
/// impl Event for CrmEvent {
///     fn decode(event: &RawEvent) -> Result<Self, DecodeError> {
///         match event.name() {
///             "AccountChangeEvent" => event.decode().map(Self::Account),
///             _ => Ok(Self::Other),
///         }
///     }
/// }
/// ```
pub trait Event: Sized + Send + 'static {
    /// Reads an event.
    ///
    /// # Errors
    /// If the event's data does not fit its schema, or this type.
    fn decode(event: &RawEvent) -> Result<Self, DecodeError>;
}

impl<T: DeserializeOwned + Send + 'static> Event for T {
    fn decode(event: &RawEvent) -> Result<Self, DecodeError> {
        Ok(avro::from_bytes(&event.schema.schema, &event.payload, event.state())?)
    }
}

/// A change of one or more records.
///
/// The fields of `T` are [`Patch`](super::Patch)es. A field of type `Option` has the event's value, whether it changed or
/// not: Salesforce sends unchanged fields only if the channel enriches its events with them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<T> {
    /// A new record, with all fields that have a value.
    Created(T),
    /// An update, with the fields that changed.
    Updated(T),
    /// The record was deleted. It has no fields; its id is in the header.
    Deleted,
    /// The record was restored, with all fields that have a value.
    Undeleted(T),
    /// The record changed in this way, and Salesforce has no details: the event was too large, or the change was made
    /// beside the application. Read the record, and ignore later events that were committed before that.
    Gap(ChangeKind),
    /// One transaction changed more than 100,000 records of the object. Read the whole object again.
    Overflow,
}

impl<T: DeserializeOwned + Send + 'static> Event for Change<T> {
    fn decode(event: &RawEvent) -> Result<Self, DecodeError> {
        let Some(info) = &event.change else { return Err(DecodeError::NotAChange) };
        Ok(match info.header.kind {
            ChangeKind::Create => Self::Created(T::decode(event)?),
            ChangeKind::Update => Self::Updated(T::decode(event)?),
            ChangeKind::Undelete => Self::Undeleted(T::decode(event)?),
            ChangeKind::Delete => Self::Deleted,
            gap @ (ChangeKind::GapCreate
            | ChangeKind::GapUpdate
            | ChangeKind::GapDelete
            | ChangeKind::GapUndelete) => Self::Gap(gap),
            ChangeKind::GapOverflow => Self::Overflow,
            ChangeKind::Snapshot => return Err(DecodeError::UnknownChange),
        })
    }
}

/// A schema of Salesforce, with its id.
#[derive(Debug)]
pub(crate) struct EventSchema {
    pub(crate) id: String,
    pub(crate) schema: Schema,
}

/// An event that is not read into a type yet. Cheap to clone.
#[derive(Clone)]
pub struct RawEvent {
    schema: Arc<EventSchema>,
    payload: Bytes,
    change: Option<Arc<ChangeInfo>>,
}

/// Without the data.
impl fmt::Debug for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawEvent")
            .field("name", &self.name())
            .field("schema_id", &self.schema_id())
            .finish_non_exhaustive()
    }
}

impl RawEvent {
    pub(crate) fn new(schema: Arc<EventSchema>, payload: Bytes) -> Result<Self, DecodeError> {
        let change = ChangeInfo::read(&schema.schema, &payload)?.map(Arc::new);
        Ok(Self { schema, payload, change })
    }

    /// Returns the API name of the event, for example `AccountChangeEvent` or `Order_Event__e`. On a channel with events
    /// of several objects, only this tells them apart.
    pub fn name(&self) -> &str {
        self.schema.schema.record().map_or("", |record| &record.name)
    }

    /// Returns the id of the schema that the event was written with.
    pub fn schema_id(&self) -> &str {
        &self.schema.id
    }

    /// Returns the size of the event's data in bytes, as it came.
    pub fn size(&self) -> usize {
        self.payload.len()
    }

    /// Returns the header of a change event; `None` for all others.
    pub fn header(&self) -> Option<&ChangeHeader> {
        self.change.as_ref().map(|change| &change.header)
    }

    /// Reads the event into a type.
    ///
    /// # Errors
    /// If its data does not fit the type.
    pub fn decode<E: Event>(&self) -> Result<E, DecodeError> {
        E::decode(self)
    }

    fn state(&self) -> FieldState<'_> {
        match &self.change {
            Some(change) if change.header.kind == ChangeKind::Update => FieldState::update(&change.bitmaps),
            _ => FieldState::COMPLETE,
        }
    }
}

impl Event for RawEvent {
    fn decode(event: &RawEvent) -> Result<Self, DecodeError> {
        Ok(event.clone())
    }
}

/// An event, and where it stands in its topic.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Delivery<E> {
    /// The event.
    pub event: E,
    /// The header of a change event.
    pub header: Option<ChangeHeader>,
    /// Where a subscription goes on after this event.
    pub position: Position,
    /// The event's UUID (`EventUuid`). A publisher's retry, and a repeated delivery, have the same one. `None` for most
    /// change events.
    pub id: Option<String>,
}

impl Delivery<RawEvent> {
    /// Reads the event into a type. The rest stays as it is.
    ///
    /// # Errors
    /// If its data does not fit the type.
    pub fn decode<E: Event>(&self) -> Result<Delivery<E>, DecodeError> {
        let Self { event, header, position, id } = self;
        let event = event.decode()?;
        Ok(Delivery { event, header: header.clone(), position: position.clone(), id: id.clone() })
    }
}
