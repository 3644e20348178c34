//! [`Consumer`]: what an app says about a consumer of events.

use std::{error::Error as StdError, fmt, sync::Arc};

use salesforce_connection::{
    Connection,
    events::{Delivery, Event, Position, StartFrom},
};

use super::{
    handler::Handlers,
    policy::{LostPosition, OnFailure, OnUndecodable, Resume, UndecodableEvent},
    timing::ConsumerTiming,
};

/// A durable consumer of a topic: one process of many runs it, and its position is in the store. Passed to
/// [`SalesforceBuilder::consumer`](crate::SalesforceBuilder::consumer).
///
/// Events are handled one after the other, in order, each at least once: a crash repeats those of the last second, about 100
/// at most while the store works. Two processes never move the position at once, and a process that was paused never moves
/// it back. A handler that was running when its process was paused may end at the same time as the same event is handled
/// elsewhere: write what it does so that it may happen twice, or use [`resume_from`](Self::resume_from).
///
/// Handlers run on a thread of the consumer, with the connection of the [service
/// user](crate::SalesforceBuilder::service_user), who needs "View All" for the objects. They must not block the thread.
///
/// ```
/// use actix_salesforce::{
///     Connection, Result, Salesforce,
///     consumer::Consumer,
///     events::{Change, Delivery, Patch, StartFrom},
/// };
///
/// #[derive(Default, serde::Deserialize)]
/// #[serde(rename_all = "PascalCase", default)]
/// struct Account {
///     name: Patch<String>,
/// }
///
/// async fn account_changed(delivery: Delivery<Change<Account>>, sf: Connection) -> Result<()> {
///     if let Change::Updated(account) = delivery.event {
///         println!("{}: {:?}", sf.organization_id(), account.name);
///     }
///     Ok(())
/// }
///
/// let consumer = Consumer::new("crm-sync", "/data/ChangeEvents", StartFrom::Earliest)
///     .on("Account", account_changed);
/// let builder = Salesforce::builder().consumer(consumer);
/// ```
#[derive(Clone)]
#[must_use = "a consumer runs once it is passed to `SalesforceBuilder::consumer`"]
pub struct Consumer {
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) start: StartFrom,
    pub(super) handlers: Handlers,
    pub(super) lost_position: LostPosition,
    pub(super) on_failure: OnFailure,
    pub(super) on_undecodable: Option<Arc<OnUndecodable>>,
    pub(super) resume: Option<Resume>,
    pub(super) ignores_own_changes: bool,
    pub(super) timing: ConsumerTiming,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("name", &self.name)
            .field("topic", &self.topic)
            .field("start", &self.start)
            .field("on", &self.handlers.names())
            .field("lost_position", &self.lost_position)
            .field("on_failure", &self.on_failure)
            .finish_non_exhaustive()
    }
}

impl Consumer {
    /// Defines a consumer.
    ///
    /// `name` is 1 to 64 letters, digits, `.`, `-` and `_`. Position and lease belong to the name, the service user's org and
    /// the topic: all processes with one store use the same name, and another name starts afresh. `topic` is one of
    /// [`Connection::subscribe`](crate::Connection::subscribe), and `start` says where the first process begins that finds
    /// no position in the store.
    pub fn new(name: impl Into<String>, topic: impl Into<String>, start: StartFrom) -> Self {
        Self {
            name: name.into(),
            topic: topic.into(),
            start,
            handlers: Handlers::default(),
            lost_position: LostPosition::default(),
            on_failure: OnFailure::default(),
            on_undecodable: None,
            resume: None,
            ignores_own_changes: false,
            timing: ConsumerTiming::of_process(),
        }
    }

    /// Handles the changes of an object, by its API name (`Account`), or the platform events of a name
    /// (`Order_Event__e`).
    ///
    /// The handler is `async fn(Delivery<Change<Account>>, Connection) -> Result<(), E>`, with the struct of the event in
    /// place of `Change<Account>` for a platform event. `Ok` moves the position. Events of the topic without a handler are
    /// passed over: counted, and named in the log. Two handlers for one name are an error of the start.
    pub fn on<E, F, R, X>(mut self, name: impl Into<String>, handler: F) -> Self
    where
        E: Event,
        F: Fn(Delivery<E>, Connection) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.handlers.add(name.into(), handler);
        self
    }

    /// Handles all events that have no handler by name: for a topic with events of one kind, or with
    /// [`RawEvent`](crate::events::RawEvent) for those of any kind. Twice is an error of the start.
    pub fn on_event<E, F, R, X>(mut self, handler: F) -> Self
    where
        E: Event,
        F: Fn(Delivery<E>, Connection) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.handlers.set_others(handler);
        self
    }

    /// Sets what happens when Salesforce no longer has the position. Default: [`LostPosition::Stop`].
    pub fn on_lost_position(mut self, policy: LostPosition) -> Self {
        self.lost_position = policy;
        self
    }

    /// Sets what happens to an event whose handler fails. Default: [`OnFailure::Retry`].
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.on_failure = policy;
        self
    }

    /// Calls `function` with each event that cannot be read. Default: the log names its position and schema.
    ///
    /// The event is passed over and counted either way: Salesforce does not check what is published, and one bad event must
    /// not stop a topic. The call is synchronous, on the consumer's thread: send long work through a channel.
    pub fn on_undecodable(mut self, function: impl Fn(&UndecodableEvent) + Send + Sync + 'static) -> Self {
        self.on_undecodable = Some(Arc::new(function));
        self
    }

    /// Takes the position from the app's own table: each event exactly once, if the handler writes
    /// [`Delivery::position`] there in the transaction of its other work.
    ///
    /// `function` is called when this process begins to run the consumer. It returns the position that was written last;
    /// `None` before the first. A handler has to write the position of each event for which it returns `Ok`, also of one that it
    /// leaves out. The store still has the lease, and how far a quiet topic is. If the function fails it is
    /// called again, with growing waits up to a minute.
    ///
    /// A process that was paused may handle an event at the same time as another one. In the handler's transaction, read the
    /// row of the position: if it is [`Delivery::position`] already, the event is done, and the handler returns `Ok`. Else
    /// update the row only where it still has the position that was read, and fail if it has not.
    pub fn resume_from<F, R, X>(mut self, function: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<Position>, X>> + Send + 'static,
        X: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.resume = Some(Resume::new(function));
        self
    }

    /// Passes over changes that this app made itself: those with the
    /// [`client_name`](crate::SalesforceBuilder::client_name) of the settings, which has to be set.
    pub fn ignore_own_changes(mut self) -> Self {
        self.ignores_own_changes = true;
        self
    }

    /// Makes all waits short, for tests.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub fn with_test_timing(mut self) -> Self {
        self.timing = ConsumerTiming::FAST;
        self
    }
}
