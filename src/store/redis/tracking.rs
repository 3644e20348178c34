//! `RedisStore::cache_logins`, and the connection over which the server reports changes of cached logins.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{
    AsyncConnectionConfig, Client, ProtocolVersion, PushInfo, RedisResult, aio::MultiplexedConnection,
};
use tokio::time::{sleep, timeout};

use super::{
    super::StoreError,
    RedisStore,
    connection_manager::{Demotions, store_error},
    login_cache::{LoginCache, MAX_UNCONFIRMED},
};
use crate::base::error_chain::ErrorChain;

/// How often the server is asked for a sign of life: four times within the time that a cached login counts.
const INTERVAL: Duration = Duration::from_millis(250);

/// Logins are not cached with this address.
#[derive(Debug, thiserror::Error)]
#[error(
    "logins are cached with one Redis server only, and not with sentinels or a cluster. Leave the cache off"
)]
struct SeveralServers;

impl RedisStore {
    /// Lets a login that was read lately be used without asking Redis, until Redis reports that it has changed.
    ///
    /// A page of a user who has just sent another request costs no round trip then. The price: if the connection over
    /// which Redis reports changes breaks without a sign of it, a logout, a refresh or a revocation in another process
    /// is seen up to **one second** late; otherwise as soon as the report arrives. What this process changes, it sees
    /// at once. While Redis reports nothing (it is asked for a sign of life every 250 ms), each read asks it as before.
    /// Default: off. The setting `SALESFORCE_CACHE_LOGINS` does the same.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the address names sentinels or a cluster: for these it has not been shown that no
    /// report is missed when another server takes over.
    pub fn cache_logins(mut self) -> Result<Self, StoreError> {
        if self.reader.cache_logins(self.runtime.handle()) {
            Ok(self)
        } else {
            Err(StoreError::Unavailable(SeveralServers.into()))
        }
    }
}

/// Keeps a tracking connection, and makes a new one when it is lost, until the task is dropped.
pub(super) async fn track(
    server: Client,
    prefix: Arc<str>,
    demotions: Arc<Demotions>,
    cache: Arc<LoginCache>,
) {
    let mut is_reported = false;
    loop {
        let demoted = demotions.count();
        match connect(&server, &prefix, &cache).await {
            Ok((number, connection)) => {
                is_reported = false;
                // Another server may have taken over: this one does not learn of changes any more.
                while demotions.count() == demoted && is_alive(number, connection.clone(), &cache).await {
                    sleep(INTERVAL).await;
                }
                cache.disconnected(number);
            }
            Err(error) if !is_reported => {
                is_reported = true;
                let error = store_error(&error);
                tracing::warn!(error = %ErrorChain(&error), "logins are not cached: Redis does not report changes");
            }
            Err(_) => {}
        }
        sleep(INTERVAL).await;
    }
}

async fn connect(
    server: &Client,
    prefix: &Arc<str>,
    cache: &Arc<LoginCache>,
) -> RedisResult<(u64, MultiplexedConnection)> {
    let number = cache.next_connection();
    let info = server.get_connection_info().clone();
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(info.set_redis_settings(settings))?;
    let (prefix, receiver) = (Arc::clone(prefix), Arc::clone(cache));
    let receive = move |message: PushInfo| {
        receiver.receive(number, &prefix, &message);
        Ok::<(), std::convert::Infallible>(())
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(MAX_UNCONFIRMED))
        .set_response_timeout(Some(MAX_UNCONFIRMED))
        .set_push_sender(receive);
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let asked_at = Instant::now();
    redis::cmd("CLIENT").arg("TRACKING").arg("ON").exec_async(&mut connection).await?;
    cache.connected(number, connection.clone(), asked_at);
    Ok((number, connection))
}

/// Asks for a sign of life. What changed before the question has been reported when its reply is there.
async fn is_alive(number: u64, mut connection: MultiplexedConnection, cache: &LoginCache) -> bool {
    let asked_at = Instant::now();
    let ping = redis::cmd("PING");
    let is_alive = matches!(timeout(MAX_UNCONFIRMED, ping.exec_async(&mut connection)).await, Ok(Ok(())));
    if is_alive {
        cache.confirm(number, asked_at);
    }
    is_alive
}
