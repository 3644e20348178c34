//! The Pub/Sub API: gRPC over HTTP/2.

mod calls;
mod channel;
mod credit;
mod endpoint;
mod engine;
mod messages;
mod publish;
mod schemas;
mod status;
mod subscription;
#[cfg(test)]
mod tests;

pub(crate) use self::channel::PubSub;
#[doc(hidden)]
pub use self::engine::Openings;
use self::{calls::Calls, engine::Engine};
pub use self::{
    endpoint::{InvalidEndpoint, PubSubEndpoint},
    publish::{NotPublished, Published, Publisher},
    status::{PubSubError, RejectedCall},
    subscription::Subscription,
};
use super::{
    event::{Delivery, Event, RawEvent},
    position::StartFrom,
};
use crate::{connection::Connection, error::Result};

impl Connection {
    /// Subscribes to the events of a topic.
    ///
    /// `topic` is `/data/AccountChangeEvent` for the changes of an object, `/data/Order__ChangeEvent` for those of a
    /// custom object, `/data/ChangeEvents` for those of all selected objects, `/event/Order_Event__e` for a platform
    /// event, or a custom channel (`…__chn`). Names are case-sensitive. `E` is [`Change`](super::Change) of a struct
    /// for change events, a struct with serde's `Deserialize` for platform events, or [`RawEvent`] for a topic with
    /// events of several kinds.
    ///
    /// Nothing is sent before the stream is polled. Each subscription counts against the org's event deliveries: Salesforce
    /// delivers 10,000 to 50,000 events in 24 hours, counted for each subscriber.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// use salesforce_connection::events::{Change, Patch, StartFrom};
    ///
    /// #[derive(Debug, Default, serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase", default)]
    /// struct Account {
    ///     name: Patch<String>,
    ///     phone: Patch<String>,
    /// }
    ///
    /// # fake_org::connected(async |sf| {
    /// let mut accounts = sf.subscribe::<Change<Account>>("/data/AccountChangeEvent", StartFrom::Earliest);
    /// # sf.sobject("Account").create(&serde_json::json!({"Name": "Acme"})).await?;
    /// while let Some(delivery) = accounts.try_next().await? {
    ///     if let Change::Created(account) = delivery.event {
    ///         println!("new: {:?}", account.name);
    ///     }
    ///     // Stored by the program, it is where the next subscription starts: StartFrom::After.
    ///     let position = delivery.position.to_string();
    /// #   assert!(!position.is_empty());
    /// #   break;
    /// }
    /// # Ok(()) });
    /// ```
    #[doc(alias = "pubsub")]
    #[doc(alias = "change data capture")]
    #[doc(alias = "platform event")]
    pub fn subscribe<E: Event>(&self, topic: impl Into<String>, start: StartFrom) -> Subscription<E> {
        Subscription::new(Engine::new(Calls::new(self.clone()), topic.into(), start))
    }

    /// Returns a publisher of a platform event, for example `/event/Order_Event__e`.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// #[derive(serde::Serialize)]
    /// struct OrderEvent {
    ///     #[serde(rename = "Number__c")]
    ///     number: String,
    /// }
    ///
    /// # fake_org::connected(async |sf| {
    /// let results = sf.publish("/event/Order_Event__e").send(&[OrderEvent { number: "A-17".into() }]).await?;
    /// for result in results {
    ///     result.outcome?;
    /// }
    /// # Ok(()) });
    /// ```
    #[doc(alias = "pubsub")]
    #[doc(alias = "platform event")]
    pub fn publish(&self, topic: impl Into<String>) -> Publisher {
        Publisher::new(Calls::new(self.clone()), topic.into())
    }
}

/// Reads an event into the caller's type.
fn decode<E: Event>(delivery: Delivery<RawEvent>) -> Result<Delivery<E>> {
    delivery.decode().map_err(|error| {
        let schema_id = delivery.event.schema_id().to_owned();
        let Delivery { position, .. } = delivery;
        PubSubError::Undecodable { schema_id, position, source: Box::new(error) }.into()
    })
}
