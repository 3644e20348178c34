//! Which servers there are, and how to come to the one that takes writes.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, Pipeline, RedisFuture, RedisResult, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};

/// How long a cluster's client waits for one of its servers, which leaves time to ask another.
const ONE_OF_MANY: Duration = Duration::from_millis(400);

/// The servers that an address names.
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

/// A connection to them. Clones share it.
#[derive(Clone)]
pub(super) enum Wire {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Servers {
    pub(super) fn cluster(nodes: Vec<ConnectionInfo>) -> RedisResult<Self> {
        let client = ClusterClient::builder(nodes)
            // The one who calls has the say over a second time.
            .retries(1)
            .connection_timeout(ONE_OF_MANY)
            .response_timeout(ONE_OF_MANY * 2)
            .build()?;
        Ok(Self::Cluster(Box::new(client)))
    }

    /// Connects, for the `n`th time.
    pub(super) async fn connect(&self, n: u64) -> RedisResult<Wire> {
        // The deadline is the caller's, over the connection and the command together.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        match self {
            Self::One(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Wire::One)
            }
            Self::Sentinel { sentinels, name, primary } => {
                let mut sentinels = sentinels.clone();
                // They are asked one after the other: one that is silent must not be the first each time.
                let len = sentinels.len().max(1);
                sentinels.rotate_left(usize::try_from(n).unwrap_or_default() % len);
                let node = SentinelNodeConnectionInfo::default()
                    .set_redis_connection_info(primary.redis_settings().clone());
                let node = match primary.addr() {
                    redis::ConnectionAddr::TcpTls { .. } => node.set_tls_mode(TlsMode::Secure),
                    _ => node,
                };
                let server = SentinelServerType::Master;
                let mut client = SentinelClient::build(sentinels, name, Some(node), server)?;
                client.get_async_connection_with_config(&config).await.map(Wire::One)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(Wire::Cluster),
        }
    }
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
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
            Self::One(connection) => connection.req_packed_commands(commands, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
