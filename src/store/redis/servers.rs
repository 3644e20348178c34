//! The servers, and how to connect to the one that accepts writes.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, RedisFuture, RedisResult,
    TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};

use super::direct_connection::DirectConnection;
use crate::store::runtime::CALL_TIMEOUT;

/// How long a cluster's client waits for one server. Less than half of an operation's deadline, so that there is time to
/// try another.
const ONE_OF_MANY: Duration = Duration::from_millis(400);
const _: () = assert!(2 * ONE_OF_MANY.as_millis() < CALL_TIMEOUT.as_millis());

/// The servers of an address.
pub(super) enum Servers {
    One(Client),
    /// Sentinels, and the name of the primary that they watch.
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        name: String,
        primary: ConnectionInfo,
    },
    Cluster(Box<ClusterClient>),
}

/// A connection to the servers. Clones share it.
#[derive(Clone)]
pub(super) enum RawConnection {
    /// To one server without TLS.
    Direct(DirectConnection),
    /// To one server with TLS, or to the primary that sentinels watch.
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Servers {
    pub(super) fn cluster(nodes: Vec<ConnectionInfo>) -> RedisResult<Self> {
        let client = ClusterClient::builder(nodes)
            // The caller decides whether a command is sent again.
            .retries(1)
            .connection_timeout(ONE_OF_MANY)
            .response_timeout(ONE_OF_MANY * 2)
            .build()?;
        Ok(Self::Cluster(Box::new(client)))
    }

    /// Returns the server if there is one alone.
    pub(super) fn only(&self) -> Option<&Client> {
        match self {
            Self::One(server) => Some(server),
            Self::Sentinel { .. } | Self::Cluster(_) => None,
        }
    }

    /// Connects. `attempt` counts from 0.
    pub(super) async fn connect(&self, attempt: u64) -> RedisResult<RawConnection> {
        // The store operation has one deadline over connecting and the command together.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        match self {
            Self::One(client) => {
                let server = client.get_connection_info();
                if let ConnectionAddr::Tcp(host, port) = server.addr() {
                    let connected = DirectConnection::connect(host, *port, server.redis_settings()).await;
                    return connected.map(RawConnection::Direct);
                }
                client.get_multiplexed_async_connection_with_config(&config).await.map(RawConnection::One)
            }
            Self::Sentinel { sentinels, name, primary } => {
                let mut sentinels = sentinels.clone();
                // The client tries them in order: a silent sentinel must not be the first every time.
                let len = sentinels.len().max(1);
                sentinels.rotate_left(usize::try_from(attempt).unwrap_or_default() % len);
                let node = SentinelNodeConnectionInfo::default()
                    .set_redis_connection_info(primary.redis_settings().clone());
                let node = match primary.addr() {
                    ConnectionAddr::TcpTls { .. } => node.set_tls_mode(TlsMode::Secure),
                    _ => node,
                };
                let server = SentinelServerType::Master;
                let mut client = SentinelClient::build(sentinels, name, Some(node), server)?;
                client.get_async_connection_with_config(&config).await.map(RawConnection::One)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(RawConnection::Cluster),
        }
    }
}

impl ConnectionLike for RawConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Direct(connection) => connection.req_packed_command(command),
            Self::One(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Direct(connection) => connection.req_packed_commands(commands, offset, count),
            Self::One(connection) => connection.req_packed_commands(commands, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Direct(connection) => connection.get_db(),
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
