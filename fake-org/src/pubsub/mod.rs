//! The Pub/Sub API: gRPC over HTTP/2, with the events of row writes and of declared platform events.
//!
//! Follows the Pub/Sub API documentation, `pubsub_api.proto` of forcedotcom/pub-sub-api, and what users of its clients
//! captured. It has `GetTopic`, `GetSchema`, `Subscribe`, `Publish` and `PublishStream`; managed subscriptions are
//! missing, and so is the end of a stream ten minutes after its token was revoked.

mod avro;
pub(crate) mod change;
mod fault;
pub(crate) mod log;
mod messages;
pub(crate) mod platform;
pub(crate) mod service;
mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

pub use self::fault::PubSubFault;
use self::fault::PubSubFaults;
use self::log::{EventLog, Logged, replay_id};
use crate::base::lock;
use crate::state::Org;

/// What the org's Pub/Sub API did, and is to do.
#[derive(Debug, Default)]
pub(crate) struct PubSubState {
    pub(crate) log: Arc<EventLog>,
    pub(crate) faults: PubSubFaults,
    origin: Mutex<String>,
    calls: Mutex<HashMap<String, u64>>,
    fetches: Mutex<Vec<Fetch>>,
    violations: Mutex<Vec<String>>,
}

impl PubSubState {
    pub(crate) fn origin(&self) -> String {
        lock(&self.origin).clone()
    }

    pub(crate) fn set_origin(&self, origin: String) {
        *lock(&self.origin) = origin;
    }

    fn count(&self, method: &str) {
        *lock(&self.calls).entry(method.to_owned()).or_default() += 1;
    }

    fn note(&self, fetch: Fetch) {
        lock(&self.fetches).push(fetch);
    }

    /// Notes that a client broke a rule of the API that Salesforce forgives.
    fn violated(&self, rule: String) {
        lock(&self.violations).push(rule);
    }

    pub(crate) fn clear(&self) {
        self.faults.clear();
        self.log.forget();
        lock(&self.calls).clear();
        lock(&self.fetches).clear();
        lock(&self.violations).clear();
    }
}

/// A request of a subscription, as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetch {
    /// The number of the stream, from 1.
    pub stream: u64,
    /// `latest`, `earliest`, or the position that the stream begins after; `None` for all but the first request.
    pub start: Option<String>,
    /// How many events it requests.
    pub requested: i32,
    /// How many were outstanding before.
    pub outstanding: i32,
}

/// The Pub/Sub API of an org, for tests: [`FakeOrg::pubsub`](crate::FakeOrg::pubsub).
#[derive(Clone, Debug)]
pub struct PubSub(pub(crate) Arc<Org>);

impl PubSub {
    /// The address of the API: `http://…` for HTTP/2 without TLS, or `https://…` if the org has TLS.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.0.pubsub.origin()
    }

    /// Arms a fault. Faults strike in the order in which they were armed.
    pub fn arm(&self, fault: PubSubFault) {
        self.0.pubsub.faults.arm(fault);
    }

    /// Disarms all faults.
    pub fn disarm(&self) {
        self.0.pubsub.faults.clear();
    }

    /// Number of calls of a method, for example `GetSchema`.
    #[must_use]
    pub fn calls(&self, method: &str) -> u64 {
        lock(&self.0.pubsub.calls).get(method).copied().unwrap_or_default()
    }

    /// The requests of all subscriptions, oldest first.
    #[must_use]
    pub fn fetches(&self) -> Vec<Fetch> {
        lock(&self.0.pubsub.fetches).clone()
    }

    /// The rules that clients broke and Salesforce forgives, such as more than 100 outstanding events.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        lock(&self.0.pubsub.violations).clone()
    }

    /// Publishes any bytes as an event, for example ones that fit no schema. Returns its replay id, or `None` if the
    /// org has no such topic with a schema.
    pub fn publish_raw(&self, topic: &str, payload: &[u8]) -> Option<Vec<u8>> {
        let log = &self.0.pubsub.log;
        let schema_id = log.schema_id(&log.topic(topic)?)?;
        let name = topic.rsplit('/').next().unwrap_or_default().to_owned();
        let event = Logged { name, id: String::new(), schema_id, payload: Bytes::copy_from_slice(payload) };
        Some(replay_id(log.publish(self.0.clock.now(), event)))
    }

    /// Forgets all events. Their positions are unknown then, as after a reset of the event stream.
    pub fn forget_events(&self) {
        self.0.pubsub.log.forget();
    }
}
