//! [`Handlers`]: the app's functions for events, by the object or the event that they are for.

use std::{collections::HashMap, error::Error as StdError, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt as _, future::BoxFuture};
use salesforce_connection::{
    Connection,
    events::{DecodeError, Delivery, Event, RawEvent},
};

/// Why an event was not handled.
#[derive(Debug)]
pub(super) enum HandlerError {
    /// The event does not fit the handler's type. Another try has the same outcome.
    Undecodable(DecodeError),
    /// The handler returned an error, or panicked.
    Failed(Box<dyn StdError + Send + Sync>),
}

/// A function of the app panicked. The panic hook has reported where.
#[derive(Debug, thiserror::Error)]
#[error("the function panicked")]
pub(super) struct Panicked;

type Handler =
    dyn Fn(&Delivery<RawEvent>, Connection) -> BoxFuture<'static, Result<(), HandlerError>> + Send + Sync;

/// The handlers of a consumer.
#[derive(Clone, Default)]
pub(super) struct Handlers {
    by_name: HashMap<String, Arc<Handler>>,
    others: Option<Arc<Handler>>,
    /// Names that were given twice.
    pub(super) duplicates: Vec<String>,
}

impl Handlers {
    pub(super) fn add<E, F, R, X>(&mut self, name: String, handler: F)
    where
        E: Event,
        F: Fn(Delivery<E>, Connection) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Box<dyn StdError + Send + Sync>>,
    {
        if self.by_name.insert(name.clone(), boxed(handler)).is_some() {
            self.duplicates.push(name);
        }
    }

    pub(super) fn set_others<E, F, R, X>(&mut self, handler: F)
    where
        E: Event,
        F: Fn(Delivery<E>, Connection) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Box<dyn StdError + Send + Sync>>,
    {
        if self.others.replace(boxed(handler)).is_some() {
            self.duplicates.push("all other events".to_owned());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.others.is_none()
    }

    /// Returns the names that have a handler.
    pub(super) fn names(&self) -> Vec<&str> {
        self.by_name.keys().map(String::as_str).collect()
    }

    /// Handles an event with the handler that it is for; `None` if there is none.
    pub(super) async fn handle(
        &self,
        delivery: &Delivery<RawEvent>,
        connection: &Connection,
    ) -> Option<Result<(), HandlerError>> {
        let object = delivery.header.as_ref().map(|header| header.object.as_str());
        let by_name = object.and_then(|object| self.by_name.get(object));
        let by_name = by_name.or_else(|| self.by_name.get(delivery.event.name()));
        let handler = by_name.or(self.others.as_ref())?;
        // A handler that panics must not end the consumer: it counts as one that fails.
        let work = async { handler(delivery, connection.clone()).await };
        let result = AssertUnwindSafe(work).catch_unwind().await;
        Some(result.unwrap_or_else(|_| Err(HandlerError::Failed(Panicked.into()))))
    }
}

fn boxed<E, F, R, X>(handler: F) -> Arc<Handler>
where
    E: Event,
    F: Fn(Delivery<E>, Connection) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), X>> + Send + 'static,
    X: Into<Box<dyn StdError + Send + Sync>>,
{
    Arc::new(move |delivery, connection| {
        let delivery = match delivery.decode::<E>() {
            Ok(delivery) => delivery,
            Err(error) => return std::future::ready(Err(HandlerError::Undecodable(error))).boxed(),
        };
        let handled = handler(delivery, connection);
        async move { handled.await.map_err(|error| HandlerError::Failed(error.into())) }.boxed()
    })
}
