//! Events of Salesforce: changes of records (Change Data Capture) and platform events, over the Pub/Sub API.
//!
//! [`Connection::subscribe`](crate::Connection::subscribe) returns a [`Subscription`], a stream of [`Delivery`]s. Its
//! events are [`Change`]s of a struct whose fields are [`Patch`]es, structs of the program for platform events, or
//! [`RawEvent`]s for topics with events of several kinds. [`Connection::publish`](crate::Connection::publish) returns a
//! [`Publisher`].
//!
//! | situation | what happens |
//! |---|---|
//! | the stream is lost, ended by Salesforce, or silent for 300 seconds | it is opened again after the last event |
//! | the token is rejected when a stream or a call starts | one refresh, then the call again |
//! | an event cannot be read | the item is [`PubSubError::Undecodable`], and the next event follows |
//! | the position is older than 72 hours, or of another org | [`PubSubError::LostPosition`] ends the subscription |
//! | the topic is unknown, a right is missing, the login has ended | an error ends the subscription |
//!
//! Not tried with a real org: `docs/protocol/pub-sub.md` of the repository has the sources, and what is unverified.

mod avro;
mod error;
mod event;
mod header;
mod patch;
mod position;
pub(crate) mod pubsub;

#[doc(hidden)]
pub use self::pubsub::Openings;
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
