//! Durable consumers of Salesforce's events. Feature `events`.
//!
//! A [`Consumer`] reads a topic of the Pub/Sub API for the app as a whole: one process of many runs it, its position is in
//! the store, and another process takes over when that one stops or dies. It starts with the app and ends with
//! [`Salesforce::shutdown`](crate::Salesforce::shutdown).
//!
//! | situation | what happens |
//! |---|---|
//! | the handler returns `Ok` | the position moves, and is written within a second or 100 events |
//! | the handler fails | it is called again, with growing waits up to a minute; later events wait ([`OnFailure`]) |
//! | an event cannot be read | it is reported, counted and passed over |
//! | the process ends | the handler ends, the position is written, another process goes on at once |
//! | the process dies or is paused | another process goes on within 30 seconds, from the last written position |
//! | the store is down | events go on for 20 seconds, then the consumer waits for the store |
//! | Salesforce no longer has the position | the consumer stops, or does what [`LostPosition`] says |
//!
//! The chapter "Events" has what is guaranteed and what is not.

mod check;
mod definition;
mod handler;
mod health;
#[cfg(test)]
mod model;
mod policy;
mod progress;
mod reader;
mod record;
mod runner;
mod status;
mod term;
mod timing;

use std::{io, sync::Arc};

use futures_util::future::join_all;
use salesforce_connection::{Client, http::HttpError};

pub(crate) use self::check::{problems, store_problem};
pub use self::{
    definition::Consumer,
    health::{ConsumerHealth, ConsumerProblem, ConsumerState},
    policy::{LostPosition, OnFailure, Resync, UndecodableEvent},
};
use self::{runner::Runner, status::Status};
use crate::{
    base::{background::BackgroundRuntime, clock::Clock},
    config::Settings,
    grants::GrantManager,
    store::Store,
};

/// The consumers of a process. Dropping them waits until they have left.
#[derive(Default)]
pub(crate) struct Consumers(Vec<Running>);

/// A consumer, and the thread that its handlers run on.
struct Running {
    status: Arc<Status>,
    thread: BackgroundRuntime,
}

/// Why consumers could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStarted {
    #[error("the thread of a consumer could not be started")]
    Thread(#[from] io::Error),
    #[error("the connections of a consumer could not be made")]
    Http(#[from] HttpError),
}

impl Drop for Consumers {
    fn drop(&mut self) {
        // All at once: each thread is waited for when it is dropped.
        self.0.iter().for_each(|running| running.thread.request_stop());
    }
}

impl Consumers {
    /// Asks all consumers to leave, and waits until they have, for a limited time.
    pub(crate) async fn finish(&self) {
        join_all(self.0.iter().map(|running| running.thread.finish())).await;
    }

    pub(crate) fn health(&self) -> Vec<ConsumerHealth> {
        self.0.iter().map(|running| running.status.health()).collect()
    }
}

/// Starts consumers, each on a thread of it: a handler that blocks its thread harms no other.
pub(crate) fn start(
    consumers: Vec<Consumer>,
    settings: &Settings,
    grants: &Arc<GrantManager>,
    store: &Arc<dyn Store>,
    client: &Client,
    clock: &Clock,
) -> Result<Consumers, NotStarted> {
    // Without a service user there are no consumers: that was checked.
    let Some(user) = &settings.service else { return Ok(Consumers::default()) };
    let mut running = Vec::with_capacity(consumers.len());
    for consumer in consumers {
        let thread = BackgroundRuntime::start_within(consumer.timing.shutdown)?;
        let status = Status::new(consumer.name.clone(), consumer.topic.clone(), clock.clone());
        let status = Arc::new(status);
        let runner = Runner {
            consumer: Arc::new(consumer),
            status: Arc::clone(&status),
            grants: Arc::clone(grants),
            store: Arc::clone(store),
            keys: settings.keys.clone(),
            // A connection belongs to the thread that made it.
            client: client.with_separate_pool()?,
            client_name: settings.client_name.clone(),
            user: user.clone(),
            clock: clock.clone(),
            stopping: thread.spawner().child_token(),
        };
        thread.spawner().spawn(runner.run());
        running.push(Running { status, thread });
    }
    Ok(Consumers(running))
}
