//! Events of Salesforce: changes of records, and platform events.

mod avro;
mod bitmap;
mod error;
mod event;
mod header;
mod patch;
mod position;
pub(crate) mod pubsub;

pub use self::{
    avro::{AvroError, InvalidSchema},
    error::DecodeError,
    event::{Change, Delivery, Event, RawEvent},
    header::{ChangeHeader, ChangeKind},
    patch::Patch,
    position::{InvalidPosition, Position, StartFrom},
    pubsub::{
        InvalidEndpoint, NotPublished, PubSubEndpoint, PubSubError, Published, Publisher, RejectedCall,
        Subscription,
    },
};

#[cfg(test)]
mod tests;
