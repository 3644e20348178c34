//! What a consumer does when something goes wrong: [`LostPosition`], [`OnFailure`], [`UndecodableEvent`].

use std::{error::Error as StdError, fmt, sync::Arc};

use futures_util::{FutureExt as _, future::BoxFuture};
use salesforce_connection::{
    Connection,
    events::{DecodeError, Position},
};

type AppResult<T> = Result<T, Box<dyn StdError + Send + Sync>>;

/// What to do when Salesforce no longer has the consumer's position, so that events are lost. For
/// [`Consumer::on_lost_position`](super::Consumer::on_lost_position).
///
/// A position is lost after 72 hours without a process that runs the consumer, after a reset of the topic, and after a
/// sandbox refresh.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum LostPosition {
    /// The consumer stops, its position stays stored, and [`Health`](crate::admin::Health) says so until a process starts
    /// with another policy. The default.
    #[default]
    Stop,
    /// Goes on with the oldest event that Salesforce retains. What happened before it is missed.
    Earliest,
    /// Goes on with the events from now on. What happened before is missed.
    Latest,
    /// Calls a function that reads the records again, then goes on with the events since before it was called. Made by
    /// [`resync`](Self::resync).
    Resync(Resync),
}

impl fmt::Debug for LostPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "Stop",
            Self::Earliest => "Earliest",
            Self::Latest => "Latest",
            Self::Resync(_) => "Resync",
        })
    }
}

impl LostPosition {
    /// Reads the records again by `function`, which gets the service user's connection.
    ///
    /// Events from before its call on are handled after it, so that nothing is missed. If it fails it is called again, with
    /// growing waits up to a minute.
    pub fn resync<F, R, E>(function: F) -> Self
    where
        F: Fn(Connection) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self::Resync(Resync(Arc::new(move |connection| {
            let called = function(connection);
            async move { called.await.map_err(Into::into) }.boxed()
        })))
    }
}

/// The function of [`LostPosition::resync`].
#[derive(Clone)]
pub struct Resync(Arc<dyn Fn(Connection) -> BoxFuture<'static, AppResult<()>> + Send + Sync>);

impl fmt::Debug for Resync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resync")
    }
}

impl Resync {
    pub(super) fn call(&self, connection: Connection) -> BoxFuture<'static, AppResult<()>> {
        (self.0)(connection)
    }
}

/// What to do with an event whose handler fails. For [`Consumer::on_failure`](super::Consumer::on_failure).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFailure {
    /// Tries again until it succeeds, with growing waits up to a minute. Later events wait. The default.
    #[default]
    Retry,
    /// Leaves the event out after so many tries, at least 1, reports it in the log and counts it.
    Skip {
        /// The number of tries.
        after: u32,
    },
}

/// An event that cannot be read: its data does not fit its schema, or the type of its handler. For
/// [`Consumer::on_undecodable`](super::Consumer::on_undecodable).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UndecodableEvent {
    /// The event's name, such as `AccountChangeEvent`; `None` if not even its schema could be read.
    pub name: Option<String>,
    /// The id of the schema that it names.
    pub schema_id: String,
    /// The position after it.
    pub position: Position,
    /// What is wrong with it. Never repeats its data.
    pub error: DecodeError,
}

/// Returns the position up to which the app's own table has the events: the function of
/// [`Consumer::resume_from`](super::Consumer::resume_from).
#[derive(Clone)]
pub(super) struct Resume(Arc<dyn Fn() -> BoxFuture<'static, AppResult<Option<Position>>> + Send + Sync>);

impl Resume {
    pub(super) fn new<F, R, E>(function: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<Position>, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self(Arc::new(move || {
            let called = function();
            async move { called.await.map_err(Into::into) }.boxed()
        }))
    }

    pub(super) fn call(&self) -> BoxFuture<'static, AppResult<Option<Position>>> {
        (self.0)()
    }
}

/// The function of [`Consumer::on_undecodable`](super::Consumer::on_undecodable).
pub(super) type OnUndecodable = dyn Fn(&UndecodableEvent) + Send + Sync;
