//! [`Reader`]: the reads that a protected page waits for.
//!
//! They run on the worker that asks, over a connection of that worker: a hop to the store's thread and back would cost
//! more than the read itself. A read changes nothing, so nothing is left behind if its caller is dropped.
//!
//! A login and its grant are two keys, and the login names the grant. Which grant belongs to a login never changes, so
//! it is remembered: the next read asks for both with two plain commands in one round trip, without a script. A login that
//! was read lately is remembered whole (`known_login`): the next read asks only for what says that nothing has changed.
//! With a cache of logins it asks for nothing (`login_cache`).

use std::{
    future::ready,
    sync::{Arc, Mutex},
};

use redis::{Pipeline, RedisResult};
use tokio::{
    runtime::{self, Handle},
    time::Instant,
};

use super::{
    super::{GrantKey, GrantRecord, LoginKey, LoginRecord, StoreError, StoreFuture, encoding::hex},
    connection::{Arguments, Connection},
    connection_manager::{ConnectionManager, Demotions, Idempotency},
    key_names,
    known_login::KnownLogin,
    login_cache::{Change, LoginCache, Reading},
    reply::Reply,
    script::{self, Script},
    servers::Servers,
    tracking::track,
};
use crate::{
    base::{
        evicting_map::EvictingMap,
        lock::lock,
        recent_map::{FirstBytes, RecentMap},
    },
    store::runtime::{CALL_TIMEOUT, within, within_call_since},
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
    grants: Mutex<RecentMap<LoginKey, GrantKey, FirstBytes>>,
    logins: Mutex<RecentMap<LoginKey, Arc<KnownLogin>, FirstBytes>>,
    caching: Option<Caching>,
}

/// The cache of logins, and the runtime that reads what is cached.
struct Caching {
    cache: Arc<LoginCache>,
    runtime: Handle,
}

/// A login and its grant.
type Records = (LoginRecord, GrantRecord);
type Fields = Vec<Option<Vec<u8>>>;

/// The fields of a login and of a grant, in the order in which the scripts return them.
const LOGIN_FIELDS: [&str; 5] = ["grant", "created", "seen", "expires", "proof"];
const GRANT_FIELDS: [&str; 4] = ["version", "sealed", "updated", "expires"];

impl Reader {
    pub(super) fn new(servers: Arc<Servers>, demotions: Arc<Demotions>, prefix: Arc<str>) -> Self {
        let (grants, logins) = (Mutex::new(RecentMap::new(GRANTS)), Mutex::new(RecentMap::new(LOGINS)));
        Self { servers, demotions, prefix, connections: Mutex::default(), grants, logins, caching: None }
    }

    /// Caches logins, by changes that the server reports to a task on `runtime`. `false` if there are several servers.
    pub(super) fn cache_logins(&mut self, runtime: Handle) -> bool {
        let Some(server) = self.servers.only() else { return false };
        let cache = Arc::new(LoginCache::new());
        let prefix = Arc::clone(&self.prefix);
        runtime.spawn(track(server.clone(), prefix, Arc::clone(&self.demotions), Arc::clone(&cache)));
        self.caching = Some(Caching { cache, runtime });
        true
    }

    pub(super) fn cache(&self) -> Option<&Arc<LoginCache>> {
        self.caching.as_ref().map(|caching| &caching.cache)
    }

    pub(super) fn load_login(&self, key: LoginKey) -> StoreFuture<'_, Option<Records>> {
        if let Some(found) = self.cache().and_then(|cache| cache.get(key)) {
            return Box::pin(ready(Ok(Some(found))));
        }
        let connection = match self.connection() {
            Ok(connection) => connection,
            Err(error) => return Box::pin(ready(Err(error))),
        };
        let started = Instant::now();
        let known = lock(&self.logins).get(&key).filter(|known| known.is_young(started));
        match known {
            // What is common has a small future, and no timer.
            Some(known) if connection.manager.is_direct() => {
                Box::pin(self.confirm(connection, key, known, started))
            }
            known => Box::pin(within_call_since(started, self.load(connection, key, known))),
        }
    }

    /// Asks over a connection that is there whether a known login is still the same.
    async fn confirm(
        &self,
        connection: Arc<Connection>,
        key: LoginKey,
        known: Arc<KnownLogin>,
        started: Instant,
    ) -> Result<Option<Records>, StoreError> {
        let mut is_known = true;
        if let Some((direct, discard)) = connection.manager.direct(started) {
            let confirmed = known.is_confirmed_by(&direct, started).await;
            discard.end();
            match confirmed {
                Ok(true) => return Ok(Some(self.found(key, &known))),
                Ok(false) => is_known = false,
                // Another connection is made, in the time that is left.
                Err(_) => {}
            }
        }
        let known = is_known.then_some(known);
        Box::pin(within_call_since(started, self.load(connection, key, known))).await
    }

    /// Reads a login. It may still be the one that is `known`.
    async fn load(
        &self,
        connection: Arc<Connection>,
        key: LoginKey,
        known: Option<Arc<KnownLogin>>,
    ) -> Result<Option<Records>, StoreError> {
        if let Some(known) = known
            && known.is_current(&connection).await?
        {
            return Ok(Some(self.found(key, &known)));
        }
        let found = self.read_login(&connection, key).await?;
        if let Some((login, grant)) = &found {
            let known = KnownLogin::new(&connection.prefix, key, login, grant);
            lock(&self.logins).insert(key, Arc::new(known));
        }
        // As in `load_grant`. The message about a change may come later, and a read for the cache may be under way.
        if let Some(cache) = self.cache() {
            cache.changed(found.as_ref().map_or(Change::Login(key), |(_, grant)| Change::Grant(grant.key)));
        }
        Ok(found)
    }

    /// Returns a known login that is still the same. It was read twice within a short time, so it is worth caching.
    fn found(&self, key: LoginKey, known: &KnownLogin) -> Records {
        let records = known.records();
        self.start_caching(key, records.0.grant);
        records
    }

    /// Reads the login for the cache. No page waits for that.
    fn start_caching(&self, key: LoginKey, grant: GrantKey) {
        if let Some(caching) = &self.caching
            && let Some(reading) = caching.cache.read(key)
        {
            drop(caching.runtime.spawn(cache_login(reading, Arc::clone(&self.prefix), key, grant)));
        }
    }

    /// Has the next read of a login read all of it.
    pub(super) fn forget(&self, key: LoginKey) {
        lock(&self.logins).remove(&key);
        if let Some(cache) = self.cache() {
            cache.changed(Change::Login(key));
        }
    }

    async fn read_login(
        &self,
        connection: &Connection,
        key: LoginKey,
    ) -> Result<Option<Records>, StoreError> {
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
        let found = within(CALL_TIMEOUT, work).await;
        // What is read now may be newer than what is cached, and must not be followed by it.
        if let Some(cache) = self.cache() {
            cache.changed(Change::Grant(key));
        }
        found
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
) -> Result<Option<Option<Records>>, StoreError> {
    let grant = grant.to_string();
    let mut both = both(&connection.prefix, login, &grant);
    both.ignore_errors();
    let both = &both;
    let query = |mut redis| async move { both.query_async::<Vec<RedisResult<Fields>>>(&mut redis).await };
    let replies = connection.manager.run(Idempotency::Idempotent, query).await?;
    let Ok([Ok(login), Ok(tokens)]) = <[_; 2]>::try_from(replies) else { return Ok(None) };
    records(login, grant, tokens)
}

/// The commands that read a login and its grant.
fn both(prefix: &str, login: &str, grant: &str) -> Pipeline {
    let mut both = redis::pipe();
    both.cmd("HMGET").arg(key_names::login(prefix, login)).arg(&LOGIN_FIELDS);
    both.cmd("HMGET").arg(key_names::grant(prefix, grant)).arg(&GRANT_FIELDS);
    both
}

/// Returns the records of these fields. `None` outside if they do not say what is stored.
fn records(login: Fields, grant: String, tokens: Fields) -> Result<Option<Option<Records>>, StoreError> {
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

/// Reads a login over the tracking connection, and caches it. What fails here is read and reported by the next page.
async fn cache_login(mut reading: Reading, prefix: Arc<str>, key: LoginKey, grant: GrantKey) {
    let (login, grant) = (hex(key.as_bytes()), grant.to_string());
    let mut commands = both(&prefix, &login, &grant);
    commands.cmd("PTTL").arg(key_names::login(&prefix, &login));
    commands.cmd("PTTL").arg(key_names::grant(&prefix, &grant));
    let read = commands.query_async::<(Fields, Fields, i64, i64)>(&mut reading.connection).await;
    if let Ok((login, tokens, login_lifetime, grant_lifetime)) = read
        && let Ok(Some(Some((login, tokens)))) = records(login, grant, tokens)
    {
        reading.store((login, login_lifetime), (tokens, grant_lifetime));
    }
}
