//! [`ConnectionManager`]: the connection to the server. One connection, shared by all callers, replaced when it breaks.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use tokio::time::Instant;

use super::{
    direct_connection::DirectConnection,
    servers::{RawConnection, Servers},
};
use crate::{base::lock::lock, store::StoreError};

pub(super) struct ConnectionManager {
    servers: Arc<Servers>,
    demotions: Arc<Demotions>,
    current: Mutex<Current>,
    /// Held while connecting: one caller connects, the others wait, each within its own deadline.
    connecting: tokio::sync::Mutex<()>,
    /// The newest connection on which a command ended without a response. It is not used again.
    silent: AtomicU64,
}

/// How often a server of this store said that it is no primary any more.
///
/// Only a write learns that: a replica serves reads. So the managers of a store share the number, and a connection from
/// before the latest demotion is not used again.
#[derive(Debug, Default)]
pub(super) struct Demotions(AtomicU64);

impl Demotions {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Current {
    connection: Option<RawConnection>,
    /// The number of the connection, so that a failure discards only the connection that failed.
    number: u64,
    /// How often connecting was attempted.
    attempts: u64,
    /// The number of demotions when the connection was made.
    demotions: u64,
}

/// Whether a command may be sent a second time if the connection broke during the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idempotency {
    /// The command only reads, or a second execution changes nothing and returns the same.
    Idempotent,
    /// A second execution would return something else: that the key exists, that the value was used.
    Unsafe,
}

/// The server or the connection failed. Holds only the kind: an error of the server may repeat what was sent to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Redis: {0}")]
struct RedisFailure(String);

/// A command that is dropped after this long without a response makes its connection suspect. A request that its client
/// cancels earlier says nothing of the connection.
const SILENT_AFTER: Duration = Duration::from_millis(250);

/// Discards the connection if the command is dropped before it has ended: a connection without a response may be dead
/// without a report from the network.
pub(super) struct DiscardOnDrop<'a> {
    manager: &'a ConnectionManager,
    number: Option<u64>,
    started: Instant,
}

impl DiscardOnDrop<'_> {
    /// The command has ended.
    pub(super) fn end(mut self) {
        self.number = None;
    }
}

impl Drop for DiscardOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number
            && self.started.elapsed() >= SILENT_AFTER
        {
            self.manager.silent.fetch_max(number, Ordering::Relaxed);
        }
    }
}

impl ConnectionManager {
    pub(super) fn new(servers: Arc<Servers>, demotions: Arc<Demotions>) -> Self {
        let (current, connecting) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { servers, demotions, current, connecting, silent: AtomicU64::new(0) }
    }

    /// Runs a command, connecting first if necessary. The deadline is that of the store operation, which drops this
    /// future.
    pub(super) async fn run<T, F>(
        &self,
        idempotency: Idempotency,
        command: impl Fn(RawConnection) -> F + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        loop {
            let (number, connection, fresh) = match self.usable() {
                Some((number, connection)) => (number, connection, false),
                // The future that connects takes kilobytes, which are moved with each future around it.
                None => Box::pin(self.connect()).await.map_err(|error| store_error(&error))?,
            };
            let discard = DiscardOnDrop { manager: self, number: Some(number), started: Instant::now() };
            let result = command(connection).await;
            discard.end();
            match result {
                Err(error) if is_broken(&error) => {
                    if is_demoted(&error) {
                        self.demotions.0.fetch_add(1, Ordering::Relaxed);
                    }
                    self.discard(number);
                    // An older connection may have broken long ago, for example when the server restarted.
                    if fresh || idempotency == Idempotency::Unsafe {
                        return Err(store_error(&error));
                    }
                }
                result => return result.map_err(|error| store_error(&error)),
            }
        }
    }

    /// Returns whether the connection is there and a direct one.
    pub(super) fn is_direct(&self) -> bool {
        matches!(lock(&self.current).connection, Some(RawConnection::Direct(_)))
    }

    /// Returns the connection if it is there and a direct one, for a command that starts at `started`.
    ///
    /// The second value has to be told when the command has ended.
    pub(super) fn direct(&self, started: Instant) -> Option<(DirectConnection, DiscardOnDrop<'_>)> {
        let (number, RawConnection::Direct(connection)) = self.usable()? else { return None };
        Some((connection, DiscardOnDrop { manager: self, number: Some(number), started }))
    }

    /// Returns the connection and its number, if there is one that may be used.
    fn usable(&self) -> Option<(u64, RawConnection)> {
        let current = lock(&self.current);
        let connection = current.connection.as_ref()?;
        let is_usable = current.number > self.silent.load(Ordering::Relaxed)
            && current.demotions == self.demotions.count();
        is_usable.then(|| (current.number, connection.clone()))
    }

    /// Connects, unless another caller has just done so. Returns the connection, its number, and whether it is new.
    async fn connect(&self) -> RedisResult<(u64, RawConnection, bool)> {
        let _connecting = self.connecting.lock().await;
        if let Some((number, connection)) = self.usable() {
            return Ok((number, connection, false));
        }
        let demotions = self.demotions.count();
        let attempt = {
            let mut current = lock(&self.current);
            current.connection = None;
            current.attempts += 1;
            current.attempts - 1
        };
        let connection = self.servers.connect(attempt).await?;
        let mut current = lock(&self.current);
        current.number += 1;
        current.demotions = demotions;
        current.connection = Some(connection.clone());
        Ok((current.number, connection, true))
    }

    fn discard(&self, number: u64) {
        let mut current = lock(&self.current);
        if current.number == number {
            current.connection = None;
        }
    }
}

/// Returns true if a new connection may succeed: this one is broken, or leads to a server that has become a replica, or
/// to a cluster that has changed.
fn is_broken(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_io_error()
        || matches!(
            error.kind(),
            ErrorKind::ClusterConnectionNotFound
                | ErrorKind::Server(
                    ServerErrorKind::ReadOnly
                        | ServerErrorKind::MasterDown
                        | ServerErrorKind::ClusterDown
                        | ServerErrorKind::Moved
                )
        )
}

/// Returns whether the server has become a replica.
fn is_demoted(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

/// Converts an error. A key of the wrong type is a corrupt record; everything else is an outage.
pub(super) fn store_error(error: &RedisError) -> StoreError {
    let kind = match (error.kind(), error.code()) {
        (ErrorKind::Io, _) if error.is_connection_refusal() => "connection refused".to_owned(),
        (ErrorKind::Io, _) => "connection lost".to_owned(),
        (_, Some(code)) => format!("error {code} of the server"),
        _ => error.category().to_owned(),
    };
    if error.code() == Some("WRONGTYPE")
        || matches!(error.kind(), ErrorKind::UnexpectedReturnType | ErrorKind::Parse)
    {
        StoreError::Corrupt(RedisFailure(kind).into())
    } else {
        StoreError::Unavailable(RedisFailure(kind).into())
    }
}
