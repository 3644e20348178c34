//! [`RedisStore`] (feature `redis`): for apps of several processes.
//!
//! Needs Redis 6.2 or newer, or Valkey: one server, a primary watched by Sentinel, or a Cluster. A cluster keeps the
//! store available when a server dies, but does not distribute it: an operation touches the keys of a login and of its
//! grant in one step, so all keys have one hash tag and live on one server. One server is enough for the logins of an
//! app.
//!
//! Each operation is one script. Every key but the position of a consumer has a lifetime, set from durations, so the clocks
//! of the machines and of Redis need not agree. A login's key is the hash of the id that the browser holds, so a reader of the database cannot act as
//! a user, and tokens are sealed. A logout deletes the grant, and a refresh replaces only the version that it started
//! from: a deleted grant stays deleted.
//!
//! Redis confirms a write before its replicas have it, so a failover may lose the writes of the last moments. A lost
//! login means that the user logs in again. A lost token is written again by the process that uses it, as soon as it
//! notices. A lost logout has to be repeated by the user. If that is unacceptable, use Postgres.

mod address;
mod connection;
mod connection_manager;
mod direct_connection;
mod exchanges;
mod key_names;
mod known_login;
mod login_cache;
mod owners;
mod positions;
mod reader;
mod reply;
mod resp;
mod script;
mod servers;
mod set_up;
mod tracking;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::FutureExt as _;

use self::{
    address::Address,
    connection::{Arguments, Connection},
    connection_manager::{ConnectionManager, Idempotency},
    login_cache::Change,
    reader::Reader,
    reply::Reply,
    script::Script,
};
use super::{
    ConnectedOwner, ConsumerKey, DeletedLogin, DisconnectedOwner, GrantFilter, GrantKey, GrantRecord,
    GrantVersion, LeaseHolder, LeaseName, LoginKey, LoginRecord, OneTimeKey, OwnedFilter, OwnedKey,
    OwnedRecord, PositionRecord, PositionSwap, Sealed, Store, StoreError, StoreFuture, SwapOutcome,
    TOMBSTONE,
    encoding::{hex, holder_text, millis, proof_text, version_text, whole_millis},
    runtime::{LISTING_TIMEOUT, StoreRuntime},
};
use crate::base::clock::Clock;

/// How long [`RedisStore::connect`] waits for the server, which is often started together with the app.
const CONNECT: Duration = Duration::from_secs(5);
/// Number of grants per page of a listing. A page must be quick: Redis serves no other client during a script.
const CHUNK: usize = 200;

/// Stores grants and logins in Redis.
pub struct RedisStore {
    runtime: StoreRuntime,
    connection: Arc<Connection>,
    reader: Reader,
    clock: Clock,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.connection.prefix).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects to one of
    ///
    /// - `redis://[user:password@]host[:port][/database]`,
    /// - `redis+sentinel://[user:password@]sentinel[:port],…/name[/database]`: the current primary of that name (user,
    ///   password and database are the primary's; `?sentinel_user=` and `&sentinel_password=` those of the sentinels),
    /// - `redis+cluster://[user:password@]host[:port],…`: some of the servers of a cluster,
    ///
    /// each with `rediss` for TLS, to the sentinels too. All keys begin with `prefix`, so that several apps can share a
    /// Redis; `?prefix=` in the URL overrides it. In a cluster the prefix becomes a hash tag unless it contains one.
    ///
    /// Afterwards the store reconnects by itself: when the connection breaks, when a response does not arrive in time,
    /// and when another server takes over.
    ///
    /// # Errors
    /// The URL is invalid, or Redis does not respond within five seconds.
    pub async fn connect(url: &str, prefix: &str) -> Result<Self, StoreError> {
        let address = Address::parse(url, prefix).map_err(|error| StoreError::Unavailable(error.into()))?;
        if address.is_tls() {
            ensure_crypto_provider();
        }
        let servers = address.servers().map_err(|error| connection_manager::store_error(&error))?;
        let (servers, prefix) = (Arc::new(servers), Arc::from(address.prefix));
        let demotions = Arc::default();
        let reader = Reader::new(Arc::clone(&servers), Arc::clone(&demotions), Arc::clone(&prefix));
        let connection = Arc::new(Connection { manager: ConnectionManager::new(servers, demotions), prefix });
        let store = Self { runtime: StoreRuntime::start()?, connection, reader, clock: Clock::system() };
        store.wait_until_ready().await?;
        Ok(store)
    }

    /// Waits until the server responds. App and server are often started together.
    async fn wait_until_ready(&self) -> Result<(), StoreError> {
        let started = self.clock.instant();
        loop {
            let connection = Arc::clone(&self.connection);
            let test = self.runtime.call(async move { connection.test().await });
            match test.await {
                Ok(()) => return Ok(()),
                Err(error) if started.elapsed() >= CONNECT => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
    }

    /// Runs a script within the deadline of an operation.
    fn run<'a, T: Send + 'static>(
        &'a self,
        idempotency: Idempotency,
        script: &'static Script,
        arguments: Arguments,
        read: impl FnOnce(Reply) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let connection = Arc::clone(&self.connection);
        self.runtime.call(async move { read(connection.invoke(idempotency, script, arguments).await?) })
    }

    /// Runs a script that changes a record, and forgets that record.
    fn write<'a, T: Send + 'static>(
        &'a self,
        change: Change,
        idempotency: Idempotency,
        script: &'static Script,
        arguments: Arguments,
        read: impl FnOnce(Reply) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let (cache, connection) = (self.reader.cache().cloned(), Arc::clone(&self.connection));
        self.runtime.call(async move {
            let reply = connection.invoke(idempotency, script, arguments).await;
            // After an error, too: it may have taken effect.
            cache.inspect(|cache| cache.changed(change));
            read(reply?)
        })
    }

    /// Returns the milliseconds from now until `time`, or 0 if it is past.
    fn ttl(&self, time: std::time::SystemTime) -> i64 {
        millis(time).saturating_sub(millis(self.clock.now())).max(0)
    }

    fn grant_arguments(&self, arguments: Arguments, grant: &GrantRecord) -> Arguments {
        arguments
            .text(version_text(grant.version))
            .bytes(grant.sealed.as_bytes())
            .number(millis(grant.updated_at))
            .number(millis(grant.expires_at))
            .number(self.ttl(grant.expires_at))
    }

    /// Runs `script` over all records that `keys` names, [`CHUNK`] at a time.
    fn list<'a, T: Send + 'static, F: Future<Output = Result<Vec<String>, StoreError>> + Send + 'static>(
        &'a self,
        keys: impl FnOnce(Arc<Connection>) -> F,
        script: &'static Script,
        read: impl Fn(&mut Reply) -> Result<Option<T>, StoreError> + Send + 'static,
    ) -> StoreFuture<'a, Vec<T>> {
        let connection = Arc::clone(&self.connection);
        let keys = keys(Arc::clone(&connection));
        self.runtime.within(LISTING_TIMEOUT, async move {
            let mut list = Vec::new();
            for keys in keys.await?.chunks(CHUNK) {
                let arguments =
                    keys.iter().fold(Arguments::default(), |arguments, key| arguments.text(key.clone()));
                let mut reply = connection.invoke_page(script, arguments).await?;
                loop {
                    match read(&mut reply) {
                        Ok(Some(record)) => list.push(record),
                        Ok(None) => break,
                        // A corrupt record must not hide the others.
                        Err(StoreError::Corrupt(error)) => {
                            tracing::error!(%error, "unreadable record ignored");
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Ok(list)
        })
    }
}

/// Chooses the cryptography for TLS unless the program has chosen one. If a program links two and chooses none, rustls
/// panics.
fn ensure_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread has just chosen one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

impl Store for RedisStore {
    fn create_login(
        &self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        let arguments = Arguments::of(hex(key.as_bytes()))
            .text(login.grant.to_string())
            .number(millis(login.created_at))
            .number(millis(login.last_used_at))
            .number(millis(login.expires_at))
            .number(self.ttl(login.expires_at))
            .text(proof_text(login.proof.as_ref()));
        self.write(
            Change::Grant(grant.key),
            Idempotency::Unsafe,
            &script::CREATE_LOGIN,
            self.grant_arguments(arguments, &grant),
            |mut reply| match reply.word()?.as_str() {
                "exists" => Err(StoreError::AlreadyExists),
                _ => reply.previous_grant(),
            },
        )
    }

    fn load_login(&self, key: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        self.reader.load_login(key)
    }

    fn touch_login(
        &self,
        key: LoginKey,
        last_used_at: std::time::SystemTime,
        expires_at: std::time::SystemTime,
    ) -> StoreFuture<'_, bool> {
        let arguments = Arguments::of(hex(key.as_bytes()))
            .number(millis(last_used_at))
            .number(millis(expires_at))
            .number(self.ttl(expires_at));
        let touched = self.write(
            Change::Login(key),
            Idempotency::Idempotent,
            &script::TOUCH_LOGIN,
            arguments,
            |mut reply| Ok(reply.word()? == "touched"),
        );
        Box::pin(touched.inspect(move |_| self.reader.forget(key)))
    }

    fn delete_login(&self, key: LoginKey) -> StoreFuture<'_, DeletedLogin> {
        let arguments = Arguments::of(hex(key.as_bytes())).number(positive_millis(TOMBSTONE));
        self.write(Change::Login(key), Idempotency::Unsafe, &script::DELETE_LOGIN, arguments, |mut reply| {
            Ok(match reply.word()?.as_str() {
                "others" => DeletedLogin::GrantKept(reply.grant_key()?),
                "last" => reply.previous_grant()?.map_or(DeletedLogin::NotFound, DeletedLogin::GrantDeleted),
                _ => DeletedLogin::NotFound,
            })
        })
    }

    fn put_grant(&self, grant: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        let arguments = self.grant_arguments(Arguments::of(grant.key.to_string()), &grant);
        self.write(
            Change::Grant(grant.key),
            Idempotency::Unsafe,
            &script::PUT_GRANT,
            arguments,
            |mut reply| {
                reply.word()?;
                reply.previous_grant()
            },
        )
    }

    fn load_grant(&self, key: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
        Box::pin(self.reader.load_grant(key))
    }

    fn compare_and_swap_grant(
        &self,
        expected: GrantVersion,
        next: GrantRecord,
    ) -> StoreFuture<'_, SwapOutcome> {
        let arguments = Arguments::of(next.key.to_string()).text(version_text(expected));
        self.write(
            Change::Grant(next.key),
            Idempotency::Idempotent,
            &script::COMPARE_AND_SWAP_GRANT,
            self.grant_arguments(arguments, &next),
            |mut reply| {
                Ok(match reply.word()?.as_str() {
                    "done" => SwapOutcome::Stored,
                    "moved" => reply.grant()?.map_or(SwapOutcome::NotFound, SwapOutcome::Conflict),
                    _ => SwapOutcome::NotFound,
                })
            },
        )
    }

    fn delete_grant(
        &self,
        key: GrantKey,
        expected: Option<GrantVersion>,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        let expected = expected.map(version_text).unwrap_or_default();
        self.write(
            Change::Grant(key),
            Idempotency::Unsafe,
            &script::DELETE_GRANT,
            Arguments::of(key.to_string()).text(expected),
            |mut reply| reply.previous_grant(),
        )
    }

    fn break_grant(&self, expected: GrantVersion, broken: GrantRecord) -> StoreFuture<'_, bool> {
        let arguments = Arguments::of(broken.key.to_string()).text(version_text(expected));
        self.write(
            Change::Grant(broken.key),
            Idempotency::Unsafe,
            &script::BREAK_GRANT,
            self.grant_arguments(arguments, &broken),
            |mut reply| Ok(reply.word()? == "broken"),
        )
    }

    fn connect_owner(
        &self,
        owned: OwnedRecord,
        grant: GrantRecord,
        keep_unused: Duration,
    ) -> StoreFuture<'_, ConnectedOwner> {
        owners::connect(self, owned, &grant, keep_unused)
    }

    fn load_owned(&self, key: OwnedKey) -> StoreFuture<'_, Option<(OwnedRecord, Option<GrantRecord>)>> {
        owners::load(self, key)
    }

    fn disconnect_owner(
        &self,
        key: OwnedKey,
        expected: Sealed,
        keep_unused: Duration,
        ended_at: std::time::SystemTime,
    ) -> StoreFuture<'_, DisconnectedOwner> {
        owners::disconnect(self, key, &expected, keep_unused, ended_at)
    }

    fn list_owned(&self, filter: OwnedFilter) -> StoreFuture<'_, Vec<OwnedRecord>> {
        owners::list(self, filter)
    }

    fn reseal_owned(&self, key: OwnedKey, expected: Sealed, next: Sealed) -> StoreFuture<'_, bool> {
        owners::reseal(self, key, &expected, &next)
    }

    fn list_logins(&self, filter: GrantFilter) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        let grants = move |connection: Arc<Connection>| async move { connection.grants(filter).await };
        self.list(grants, &script::LIST_LOGINS, Reply::keyed_login)
    }

    fn list_grants(&self, filter: GrantFilter) -> StoreFuture<'_, Vec<GrantRecord>> {
        let grants = move |connection: Arc<Connection>| async move { connection.grants(filter).await };
        self.list(grants, &script::LIST_GRANTS, Reply::grant)
    }

    fn consume_once(&self, once: OneTimeKey, lifetime: Duration) -> StoreFuture<'_, bool> {
        let arguments = Arguments::of(hex(once.as_bytes())).number(positive_millis(lifetime));
        self.run(Idempotency::Unsafe, &script::CONSUME_ONCE, arguments, |mut reply| {
            Ok(reply.word()? == "first")
        })
    }

    fn acquire_lease(
        &self,
        name: LeaseName,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'_, bool> {
        let arguments =
            Arguments::of(name.to_string()).text(holder_text(holder)).number(positive_millis(lifetime));
        self.run(Idempotency::Idempotent, &script::ACQUIRE_LEASE, arguments, |mut reply| {
            Ok(reply.word()? == "acquired")
        })
    }

    fn release_lease(&self, name: LeaseName, holder: LeaseHolder) -> StoreFuture<'_, ()> {
        let arguments = Arguments::of(name.to_string()).text(holder_text(holder));
        self.run(Idempotency::Idempotent, &script::RELEASE_LEASE, arguments, |_| Ok(()))
    }

    fn load_position(&self, key: ConsumerKey) -> StoreFuture<'_, Option<PositionRecord>> {
        positions::load(self, key)
    }

    fn compare_and_swap_position(
        &self,
        expected: Option<u64>,
        next: PositionRecord,
    ) -> StoreFuture<'_, PositionSwap> {
        positions::compare_and_swap(self, expected, &next)
    }
}

/// Returns the milliseconds of `lifetime`, at least 1: Redis rejects 0.
fn positive_millis(lifetime: Duration) -> i64 {
    whole_millis(lifetime).max(1)
}
