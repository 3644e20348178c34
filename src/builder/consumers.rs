//! Consumers of events.

use super::SalesforceBuilder;
use crate::{
    config::{ConfigError, Settings},
    consumer::{self, Consumer},
    store::Store,
};

impl SalesforceBuilder {
    /// Adds a durable consumer of Salesforce's events, which runs in one of the processes that share the store. Default:
    /// none. Feature `events`.
    ///
    /// It starts with the app, with the [service user](Self::service_user), and ends with
    /// [`Salesforce::shutdown`](crate::Salesforce::shutdown). [`Salesforce::health`](crate::Salesforce::health) has its
    /// state. [`build`](Self::build) fails without a service user, with two consumers of one name, with an odd name or topic,
    /// without a handler, and if the [store](Self::store) of the app has no positions.
    #[doc(alias = "pubsub")]
    #[doc(alias = "change data capture")]
    #[doc(alias = "subscribe")]
    pub fn consumer(mut self, consumer: Consumer) -> Self {
        self.consumers.push(consumer);
        self
    }
}

/// Fails with all that is wrong with the consumers.
pub(super) fn check(consumers: &[Consumer], settings: &Settings) -> Result<(), ConfigError> {
    let problems = consumer::problems(consumers, settings);
    if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems)) }
}

/// Fails if the store has no positions.
pub(super) async fn check_store(consumers: &[Consumer], store: &dyn Store) -> Result<(), ConfigError> {
    match consumer::store_problem(consumers, store).await {
        Some(problem) => Err(ConfigError::new(vec![problem])),
        None => Ok(()),
    }
}
