//! The connection to the server: one, shared by everybody, made anew when it breaks.

use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use tokio::{sync::Mutex, time::timeout};

use super::servers::{Servers, Wire};
use crate::store::StoreError;

/// How long a command may take, connecting included. A little less than a call of the store, which then is told why.
const DEADLINE: Duration = Duration::from_millis(900);

pub(super) struct Link {
    servers: Servers,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    connection: Option<Wire>,
    /// Which connection it is, so that only the one that failed is thrown away.
    number: u64,
    /// How often a connection was tried for.
    tries: u64,
}

/// Whether a command may be sent a second time when the connection broke under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It only reads, or a second time changes nothing and answers the same.
    Safe,
    /// A second time would answer otherwise: that the key exists, that the value was used.
    Unsafe,
}

/// What the server or the way to it did wrong. Only its kind: an error of the server may repeat what it was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Redis: {0}")]
struct Fault(String);

/// The server did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Redis: no answer within {} ms", DEADLINE.as_millis())]
struct NoAnswer;

impl Link {
    pub(super) fn new(servers: Servers) -> Self {
        Self { servers, current: Mutex::default() }
    }

    /// Runs a command within the deadline, connecting first if need be.
    pub(super) async fn run<T, F>(
        &self,
        repeat: Repeat,
        command: impl Fn(Wire) -> F + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let mut used = None;
        let run = async {
            loop {
                let (number, connection, fresh) = self.connection().await?;
                used = Some(number);
                match command(connection).await {
                    Err(error) if is_broken(&error) => {
                        self.throw_away(number).await;
                        // A connection from before may have broken long ago, as when the server was started anew.
                        if fresh || repeat == Repeat::Unsafe {
                            return Err(error);
                        }
                    }
                    result => return result,
                }
            }
        };
        match timeout(DEADLINE, run).await {
            Ok(result) => result.map_err(|error| fault(&error)),
            Err(_) => {
                // A connection on which nothing comes back may be dead without anyone having said so.
                if let Some(number) = used {
                    self.throw_away(number).await;
                }
                Err(StoreError::Unavailable(NoAnswer.into()))
            }
        }
    }

    /// The connection, its number, and whether it was made just now.
    async fn connection(&self) -> RedisResult<(u64, Wire, bool)> {
        // Held while connecting: one connects, the others wait, each within its own deadline.
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok((current.number, connection.clone(), false));
        }
        current.tries += 1;
        let connection = self.servers.connect(current.tries - 1).await?;
        current.number += 1;
        current.connection = Some(connection.clone());
        Ok((current.number, connection, true))
    }

    async fn throw_away(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.number == number {
            current.connection = None;
        }
    }
}

/// Whether another connection could do better: this one is broken, or leads to a server that only replicates now, or to
/// a cluster that has changed.
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

/// A key of another type than it should have is a broken record; everything else is an outage.
pub(super) fn fault(error: &RedisError) -> StoreError {
    let kind = match (error.kind(), error.code()) {
        (ErrorKind::Io, _) if error.is_connection_refusal() => "the connection is refused".to_owned(),
        (ErrorKind::Io, _) => "the connection broke".to_owned(),
        (_, Some(code)) => format!("the server answered {code}"),
        _ => error.category().to_owned(),
    };
    if error.code() == Some("WRONGTYPE")
        || matches!(error.kind(), ErrorKind::UnexpectedReturnType | ErrorKind::Parse)
    {
        StoreError::Corrupt(Fault(kind).into())
    } else {
        StoreError::Unavailable(Fault(kind).into())
    }
}
