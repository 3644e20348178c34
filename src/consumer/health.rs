//! [`ConsumerHealth`]: what a process knows of a consumer of events, for health checks.

use std::time::SystemTime;

use serde::Serialize;

use crate::grants::unix_seconds;

/// How far a consumer may be behind before it counts as unhealthy, in seconds: a day. Salesforce deletes events after three.
pub(super) const LAG_WARNING: u64 = 24 * 60 * 60;

/// The state of a consumer in this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConsumerHealth {
    /// Its name.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// Whether this process runs it.
    pub state: ConsumerState,
    /// Why it does not run here, or does not go on; the log has the details.
    pub problem: Option<ConsumerProblem>,
    /// How far it is behind, in seconds: how long ago the event was committed that is being handled, or was handled last; or,
    /// if that is longer, for how long the handler has failed or no stream has been open. 0 if no event is left. `None` unless
    /// this process runs the consumer, and for platform events, whose time of commit is unknown, while all is well.
    pub lag_seconds: Option<u64>,
    /// Since when the handler has failed for the event that is next, or a function of the app that has to work before events
    /// are read.
    #[serde(serialize_with = "unix_seconds_or_none")]
    pub blocked_since: Option<SystemTime>,
    /// When this process found no position in the store: at the very first start, or because the store has lost its data. The
    /// consumer began where its `start` says; if it was running, it wrote its position again. `None` if that did not happen.
    #[serde(serialize_with = "unix_seconds_or_none")]
    pub position_missing_at: Option<SystemTime>,
    /// Events that this process handled.
    pub handled: u64,
    /// Events that were left out because their handler failed.
    pub skipped: u64,
    /// Events that could not be read.
    pub undecodable: u64,
    /// Events that no handler was for, and changes of the app itself that it passes over.
    pub passed_over: u64,
}

impl ConsumerHealth {
    /// Returns false if the consumer has stopped, or is a day behind.
    ///
    /// A process in which it is on standby is healthy: the process that runs it has the lag.
    pub fn is_healthy(&self) -> bool {
        self.state != ConsumerState::Stopped && self.lag_seconds.is_none_or(|lag| lag < LAG_WARNING)
    }
}

/// Whether a process runs a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsumerState {
    /// Another process may run it. This one tries to.
    Standby,
    /// This process runs it.
    Running,
    /// This process cannot run it: see [`ConsumerHealth::problem`].
    Stopped,
}

/// Why a consumer does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsumerProblem {
    /// Salesforce no longer has the position. The consumer stays stopped until a process starts with another policy.
    LostPosition,
    /// The stored position does not open: its key is missing in `SALESFORCE_KEYS`. It is tried again.
    PositionUnreadable,
    /// Salesforce rejects the service user's token, or gives it none. It is tried again.
    ServiceUser,
    /// Salesforce rejects the subscription: the topic is unknown, or a right is missing. It is tried again.
    Rejected,
    /// What Salesforce sends cannot be received: it is too large, or against the protocol. It is tried again.
    Unreadable,
    /// No stream of events is open: Salesforce cannot be reached, or the org's deliveries are used up.
    Unreachable,
    /// The store fails.
    Store,
    /// The handler fails, or one of the app's other functions.
    Handler,
}

fn unix_seconds_or_none<S: serde::Serializer>(
    time: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => unix_seconds(time, serializer),
        None => serializer.serialize_none(),
    }
}
