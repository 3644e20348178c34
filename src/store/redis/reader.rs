//! [`Reader`]: the reads that a protected page waits for.
//!
//! They run on the worker that asks, over a connection of that worker: a hop to the store's thread and back would cost
//! more than the read itself. A read changes nothing, so nothing is left behind if its caller is dropped.
//!
//! A login and its grant are two keys, and the login names the grant. Which grant belongs to a login never changes, so
//! it is remembered: the next read asks for both with two plain commands in one round trip, without a script. A login that
//! was read lately is remembered whole (`known_login`): the next read asks only for what says that nothing has changed.

use std::sync::{Arc, Mutex};

use redis::RedisResult;
use tokio::runtime::{self, Handle};

use super::{
    super::{GrantKey, GrantRecord, LoginKey, LoginRecord, StoreError, encoding::hex},
    connection::{Arguments, Connection},
    connection_manager::{ConnectionManager, Demotions, Idempotency},
    known_login::KnownLogin,
    reply::Reply,
    script::{self, Script},
    servers::Servers,
};
use crate::{
    base::{evicting_map::EvictingMap, lock::lock, recent_map::RecentMap},
    store::runtime::{CALL_TIMEOUT, within},
};

/// Half of the number of logins whose grants are remembered: about 6 MB.
const GRANTS: usize = 25_000;
/// Half of the number of logins that are remembered whole, with the sealed tokens: about 8 MB. Only those of which two
/// requests come within half a minute gain by it.
const LOGINS: usize = 2_048;

/// Reads logins and grants on the runtime of the caller.
pub(super) struct Reader {
    servers: Arc<Servers>,
    demotions: Arc<Demotions>,
    prefix: Arc<str>,
    /// A connection belongs to the runtime that made it.
    connections: Mutex<EvictingMap<runtime::Id, Arc<Connection>>>,
    /// The grants of logins that were read lately.
    grants: Mutex<RecentMap<LoginKey, GrantKey>>,
    logins: Mutex<RecentMap<LoginKey, Arc<KnownLogin>>>,
}

type Fields = Vec<Option<Vec<u8>>>;

/// The fields of a login and of a grant, in the order in which the scripts return them.
const LOGIN_FIELDS: [&str; 5] = ["grant", "created", "seen", "expires", "proof"];
const GRANT_FIELDS: [&str; 4] = ["version", "sealed", "updated", "expires"];

impl Reader {
    pub(super) fn new(servers: Arc<Servers>, demotions: Arc<Demotions>, prefix: Arc<str>) -> Self {
        let (grants, logins) = (Mutex::new(RecentMap::new(GRANTS)), Mutex::new(RecentMap::new(LOGINS)));
        Self { servers, demotions, prefix, connections: Mutex::default(), grants, logins }
    }

    pub(super) async fn load_login(
        &self,
        key: LoginKey,
    ) -> Result<Option<(LoginRecord, GrantRecord)>, StoreError> {
        let connection = self.connection()?;
        within(CALL_TIMEOUT, async {
            let known = lock(&self.logins).get(&key);
            if let Some(known) = known
                && known.is_current(&connection).await?
            {
                return Ok(Some(known.records()));
            }
            // Rare, and its future is large.
            let found = Box::pin(self.read_login(&connection, key)).await?;
            if let Some((login, grant)) = &found {
                let known = KnownLogin::new(&connection.prefix, key, login, grant);
                lock(&self.logins).insert(key, Arc::new(known));
            }
            Ok(found)
        })
        .await
    }

    /// Has the next read of a login read all of it.
    pub(super) fn forget(&self, key: LoginKey) {
        lock(&self.logins).remove(&key);
    }

    async fn read_login(
        &self,
        connection: &Connection,
        key: LoginKey,
    ) -> Result<Option<(LoginRecord, GrantRecord)>, StoreError> {
        let login = hex(key.as_bytes());
        let grant = lock(&self.grants).get(&key);
        if let Some(grant) = grant
            && let Some(found) = plain(connection, &login, grant).await?
        {
            return Ok(found);
        }
        let mut reply = read(connection, &script::LOAD_LOGIN, login).await?;
        let login = reply.login()?;
        let found = login.zip(reply.grant()?);
        if let Some((login, _)) = &found {
            lock(&self.grants).insert(key, login.grant);
        }
        Ok(found)
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
        let manager = ConnectionManager::new(Arc::clone(&self.servers), Arc::clone(&self.demotions));
        let connection = Arc::new(Connection { manager, prefix: Arc::clone(&self.prefix) });
        // Runtimes that have ended use theirs no more.
        connections.insert(runtime, Arc::clone(&connection), |connection| Arc::strong_count(connection) > 1);
        Ok(connection)
    }
}

async fn read(connection: &Connection, script: &Script, argument: String) -> Result<Reply, StoreError> {
    connection.invoke(Idempotency::Idempotent, script, Arguments::of(argument)).await
}

/// Reads a login of a known grant. `None` if a script has to tell what is stored: a value of another type, another grant,
/// or an incomplete record.
async fn plain(
    connection: &Connection,
    login: &str,
    grant: GrantKey,
) -> Result<Option<Option<(LoginRecord, GrantRecord)>>, StoreError> {
    let prefix = &connection.prefix;
    let grant = grant.to_string();
    let mut both = redis::pipe();
    both.cmd("HMGET").arg(format!("{prefix}login:{login}")).arg(&LOGIN_FIELDS);
    both.cmd("HMGET").arg(format!("{prefix}grant:{grant}")).arg(&GRANT_FIELDS);
    both.ignore_errors();
    let both = &both;
    let query = |mut redis| async move { both.query_async::<Vec<RedisResult<Fields>>>(&mut redis).await };
    let replies = connection.manager.run(Idempotency::Idempotent, query).await?;
    let Ok([Ok(login), Ok(tokens)]) = <[_; 2]>::try_from(replies) else { return Ok(None) };
    let is_absent = |fields: &Fields| fields.iter().all(Option::is_none);
    if is_absent(&login) {
        return Ok(Some(None));
    }
    if login.first().and_then(Option::as_deref) != Some(grant.as_bytes()) {
        return Ok(None);
    }
    if is_absent(&tokens) {
        return Ok(Some(None));
    }
    if tokens.iter().any(Option::is_none) {
        return Ok(None);
    }
    let fields = login.into_iter().chain([Some(grant.into_bytes())]).chain(tokens);
    let mut reply = Reply::new(fields.map(Option::unwrap_or_default).collect());
    let login = reply.login()?;
    Ok(Some(login.zip(reply.grant()?)))
}
