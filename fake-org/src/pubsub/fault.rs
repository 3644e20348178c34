//! [`PubSubFault`]: what goes wrong with a call of the Pub/Sub API, on demand.

use std::sync::Mutex;

use crate::base::lock;

/// A fault of the Pub/Sub API. Armed with [`PubSub::arm`](crate::PubSub::arm).
#[derive(Clone, Debug)]
#[must_use = "a fault is armed with `PubSub::arm`"]
pub struct PubSubFault {
    method: &'static str,
    kind: Kind,
    after: u64,
    times: u64,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Status { status: i32, code: String },
    Reset,
    End,
    Stall,
}

impl PubSubFault {
    fn new(kind: Kind) -> Self {
        Self { method: "Subscribe", kind, after: 0, times: 1 }
    }

    /// A gRPC status, for example 14 (`UNAVAILABLE`), with Salesforce's `error-code` without its beginning
    /// `sfdc.platform.eventbus.grpc.`. An empty code: none.
    pub fn status(status: i32, code: &str) -> Self {
        Self::new(Kind::Status { status, code: code.to_owned() })
    }

    /// The stream is reset (RST_STREAM), without a status.
    pub fn reset() -> Self {
        Self::new(Kind::Reset)
    }

    /// The stream ends without an error, as for maintenance.
    pub fn end() -> Self {
        Self::new(Kind::End)
    }

    /// Nothing comes any more: no event, no sign of life, no end. The connection lives, and responds to PINGs.
    pub fn stall() -> Self {
        Self::new(Kind::Stall)
    }

    /// The method that it strikes: `GetTopic`, `GetSchema`, `Publish` or, by default, `Subscribe`. A status strikes any
    /// of them, all other faults strike streams only.
    pub fn on(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// Strikes a stream once it has delivered so many events; 0 by default.
    pub fn after_events(mut self, events: u64) -> Self {
        self.after = events;
        self
    }

    /// How many calls it strikes; 1 by default.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }
}

/// The armed faults, oldest first.
#[derive(Debug, Default)]
pub(crate) struct PubSubFaults(Mutex<Vec<PubSubFault>>);

impl PubSubFaults {
    pub(crate) fn arm(&self, fault: PubSubFault) {
        lock(&self.0).push(fault);
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }

    /// The number of events after which the next fault strikes a call.
    pub(crate) fn next(&self, method: &str) -> Option<u64> {
        lock(&self.0).iter().find(|fault| fault.method == method && fault.times > 0).map(|fault| fault.after)
    }

    /// The fault that strikes a call which has delivered so many events. It is used up by one.
    pub(crate) fn strike(&self, method: &str, delivered: u64) -> Option<Kind> {
        let mut armed = lock(&self.0);
        let fault = armed.iter_mut().find(|fault| fault.method == method && fault.times > 0)?;
        if delivered < fault.after {
            return None;
        }
        fault.times -= 1;
        Some(fault.kind.clone())
    }
}
