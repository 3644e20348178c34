//! [`Reader`]: the reads that a protected page waits for.
//!
//! They run on the worker that asks, over a connection of that worker: a hop to the store's thread and back would cost
//! more than the read itself. A read changes nothing, so nothing is left behind if its caller is dropped.
//!
//! A login and its grant are two keys, and the login names the grant. Which grant belongs to a login never changes, so
//! it is remembered: the next read asks for both with two plain commands in one round trip, without a script.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::runtime::{self, Handle};

use super::{
    super::{GrantKey, GrantRecord, LoginKey, LoginRecord, StoreError, encoding::hex, runtime::TimedOut},
    connection::{Arguments, Connection},
    connection_manager::{ConnectionManager, Idempotency},
    reply::Reply,
    script::{self, Script},
    servers::Servers,
};
use crate::{
    base::{evicting_map::EvictingMap, lock::lock},
    store::runtime::CALL_TIMEOUT,
};

/// Reads logins and grants on the runtime of the caller.
pub(super) struct Reader {
    servers: Arc<Servers>,
    prefix: Arc<str>,
    /// A connection belongs to the runtime that made it.
    connections: Mutex<EvictingMap<runtime::Id, Arc<Connection>>>,
    /// The grants of logins that were read lately.
    grants: Mutex<EvictingMap<LoginKey, GrantKey>>,
}

type Fields = Vec<Option<Vec<u8>>>;

impl Reader {
    pub(super) fn new(servers: Arc<Servers>, prefix: Arc<str>) -> Self {
        Self { servers, prefix, connections: Mutex::default(), grants: Mutex::default() }
    }

    pub(super) async fn load_login(
        &self,
        key: LoginKey,
    ) -> Result<Option<(LoginRecord, GrantRecord)>, StoreError> {
        let connection = self.connection()?;
        within(CALL_TIMEOUT, async {
            let login = hex(key.as_bytes());
            let grant = lock(&self.grants).get(&key).copied();
            if let Some(grant) = grant
                && let Some(found) = plain(&connection, &login, grant).await?
            {
                return Ok(found);
            }
            let mut reply = read(&connection, &script::LOAD_LOGIN, login).await?;
            let login = reply.login()?;
            let found = login.zip(reply.grant()?);
            if let Some((login, _)) = &found {
                // Dropping all of them costs each login one script.
                lock(&self.grants).insert(key, login.grant, |_| false);
            }
            Ok(found)
        })
        .await
    }

    pub(super) async fn load_grant(&self, key: GrantKey) -> Result<Option<GrantRecord>, StoreError> {
        let connection = self.connection()?;
        let work = async { read(&connection, &script::LOAD_GRANT, key.to_string()).await?.grant() };
        within(CALL_TIMEOUT, work).await
    }

    /// Returns the connection of the caller's runtime.
    fn connection(&self) -> Result<Arc<Connection>, StoreError> {
        let runtime = Handle::try_current().map_err(|error| StoreError::Unavailable(error.into()))?.id();
        let mut connections = lock(&self.connections);
        if let Some(connection) = connections.get(&runtime) {
            return Ok(Arc::clone(connection));
        }
        let manager = ConnectionManager::new(Arc::clone(&self.servers));
        let connection = Arc::new(Connection { manager, prefix: Arc::clone(&self.prefix) });
        // Runtimes that have ended use theirs no more.
        connections.insert(runtime, Arc::clone(&connection), |connection| Arc::strong_count(connection) > 1);
        Ok(connection)
    }
}

async fn read(connection: &Connection, script: &Script, argument: String) -> Result<Reply, StoreError> {
    connection.invoke(Idempotency::Idempotent, script, Arguments::of(argument)).await
}

/// Reads a login of a known grant. `None` if a script has to tell what is stored: a value of another type, or another
/// grant.
async fn plain(
    connection: &Connection,
    login: &str,
    grant: GrantKey,
) -> Result<Option<Option<(LoginRecord, GrantRecord)>>, StoreError> {
    let prefix = &connection.prefix;
    let grant = grant.to_string();
    let mut both = redis::pipe();
    both.cmd("HMGET").arg(format!("{prefix}login:{login}")).arg(&["grant", "created", "seen", "expires"]);
    both.cmd("HMGET").arg(format!("{prefix}grant:{grant}")).arg(&["version", "sealed", "updated", "expires"]);
    let both = &both;
    let query = |mut redis| async move { both.query_async::<(Fields, Fields)>(&mut redis).await };
    let (found, tokens) = match connection.manager.run(Idempotency::Idempotent, query).await {
        Err(StoreError::Corrupt(_)) => return Ok(None),
        fields => fields?,
    };
    match found.first() {
        Some(Some(named)) if *named == grant.as_bytes() => {}
        Some(None) => return Ok(Some(None)),
        _ => return Ok(None),
    }
    if !matches!(tokens.first(), Some(Some(_))) {
        return Ok(Some(None));
    }
    let fields = found.into_iter().chain([Some(grant.into_bytes())]).chain(tokens);
    let mut reply = Reply::new(fields.map(Option::unwrap_or_default).collect());
    let login = reply.login()?;
    Ok(Some(login.zip(reply.grant()?)))
}

async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let result = tokio::time::timeout(deadline, work).await;
    result.unwrap_or_else(|_| Err(StoreError::Unavailable(TimedOut(deadline).into())))
}
