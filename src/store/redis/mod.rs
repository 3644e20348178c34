//! Grants and logins in Redis (feature `redis`): for apps of several processes.
//!
//! Needs Redis 6.2 or newer, or Valkey: one server, a primary that Sentinel watches, or a Cluster. A cluster keeps the
//! store available when a server dies, and does not spread it: an operation touches the keys of a login and of its
//! grant in one step, so that all keys have one hash tag and live on one of the servers. That is far more than enough
//! for the logins of an app.
//!
//! Each operation is one script. Every key has a lifetime, set from durations, so that neither the clocks of the
//! machines nor that of Redis have to agree. A login's key is the hash of what the browser holds, so that nobody can
//! act with what they read here, and tokens are sealed. A logout removes the grant, and a refresh that is under way
//! replaces only the very version that it started from: what is gone stays gone.
//!
//! Redis answers before it has told its replicas, and after a failover it may have forgotten the last moments: a login
//! that was just made asks for another one, a token that was just renewed is written anew by the process that uses it
//! as soon as it notices, and a logout of the last moment is the one thing that may have to be repeated. Where that
//! matters, use Postgres.

mod address;
mod connection;
mod link;
mod reply;
mod script;
mod servers;

use std::{fmt, sync::Arc, time::Duration};

use self::{
    address::Address,
    connection::{Arguments, Connection},
    link::{Link, Repeat},
    reply::Reply,
    script::Script,
};
use super::{
    EndedLogin, GrantRecord, LeaseHolder, LoginKey, LoginRecord, OnceKey, Store, StoreError, StoreFuture,
    Subject, Swap, TOMBSTONE,
    fields::{hex, millis, version_text},
    home::Home,
};
use crate::{
    clock::Clock,
    grant::{GrantKey, Version},
};

/// How long the first connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a listing may take.
const LISTING: Duration = Duration::from_secs(10);
/// How many grants a listing asks for at once.
const CHUNK: usize = 200;

/// Keeps grants and logins in Redis.
pub struct RedisStore {
    home: Home,
    connection: Arc<Connection>,
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
    /// - `redis+sentinel://[user:password@]sentinel[:port],…/name[/database]`: the primary of that name, whichever
    ///   server that is (user, password and database are the primary's; `?sentinel_user=` and `&sentinel_password=`
    ///   those of the sentinels),
    /// - `redis+cluster://[user:password@]host[:port],…`: some of the servers of a cluster,
    ///
    /// each with `rediss` for TLS, to the sentinels too. `prefix` stands before every key, so that several apps can
    /// share a Redis; `?prefix=` in the URL goes before it. In a cluster it becomes a hash tag, unless it holds one.
    ///
    /// From then on it reconnects by itself: when the connection breaks, when nothing comes back on it, and when
    /// another server takes over.
    ///
    /// # Errors
    /// The URL is invalid, or Redis does not answer within five seconds.
    pub async fn connect(url: &str, prefix: &str) -> Result<Self, StoreError> {
        let address = Address::parse(url, prefix).map_err(|error| StoreError::Unavailable(error.into()))?;
        if address.is_tls() {
            ensure_crypto_provider();
        }
        let servers = address.servers().map_err(|error| link::fault(&error))?;
        let connection = Arc::new(Connection { link: Link::new(servers), prefix: address.prefix });
        let store = Self { home: Home::start()?, connection, clock: Clock::system() };
        store.wait_until_it_answers().await?;
        Ok(store)
    }

    /// App and server are often started together: tries for a while.
    async fn wait_until_it_answers(&self) -> Result<(), StoreError> {
        let started = self.clock.instant();
        loop {
            let connection = Arc::clone(&self.connection);
            let ask = self.home.call(async move {
                // Of the server that has the keys.
                let mut exists = redis::cmd("EXISTS");
                exists.arg(&connection.prefix);
                let exists = &exists;
                let ask = |mut redis| async move { exists.exec_async(&mut redis).await };
                connection.link.run(Repeat::Safe, ask).await
            });
            match ask.await {
                Ok(()) => return Ok(()),
                Err(error) if started.elapsed() >= CONNECT => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
    }

    /// Runs a script.
    fn run<'a, T: Send + 'static>(
        &'a self,
        repeat: Repeat,
        script: &'static Script,
        arguments: Arguments,
        read: impl FnOnce(Reply) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let connection = Arc::clone(&self.connection);
        self.home.call(async move { read(connection.invoke(repeat, script, arguments).await?) })
    }

    /// Milliseconds from now until `time`; 0 when it is past.
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

    /// Runs `script` over all grants of `of`, some at a time.
    fn list<'a, T: Send + 'static>(
        &'a self,
        of: Subject,
        script: &'static Script,
        read: impl Fn(&mut Reply) -> Result<Option<T>, StoreError> + Send + 'static,
    ) -> StoreFuture<'a, Vec<T>> {
        let connection = Arc::clone(&self.connection);
        self.home.within(LISTING, async move {
            let grants = connection.grants(of).await?;
            let mut list = Vec::new();
            for grants in grants.chunks(CHUNK) {
                let arguments = grants
                    .iter()
                    .fold(Arguments::default(), |arguments, grant| arguments.text(grant.clone()));
                let mut reply = connection.invoke(Repeat::Safe, script, arguments).await?;
                loop {
                    match read(&mut reply) {
                        Ok(Some(record)) => list.push(record),
                        Ok(None) => break,
                        // One broken record hides no other.
                        Err(StoreError::Corrupt(error)) => {
                            tracing::error!(%error, "a stored record counts as absent");
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Ok(list)
        })
    }
}

/// TLS needs to know whose cryptography to use. Where a program links two and has chosen none, rustls would panic.
fn ensure_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error says that somebody else has just chosen.
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
            .number(millis(login.seen_at))
            .number(millis(login.expires_at))
            .number(self.ttl(login.expires_at));
        self.run(
            Repeat::Unsafe,
            &script::CREATE_LOGIN,
            self.grant_arguments(arguments, &grant),
            |mut reply| match reply.word()?.as_str() {
                "exists" => Err(StoreError::Exists),
                _ => reply.former_grant(),
            },
        )
    }

    fn login(&self, key: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        self.run(Repeat::Safe, &script::LOGIN, Arguments::of(hex(key.as_bytes())), |mut reply| {
            let login = reply.login()?;
            Ok(login.zip(reply.grant()?))
        })
    }

    fn touch_login(
        &self,
        key: LoginKey,
        seen_at: std::time::SystemTime,
        expires_at: std::time::SystemTime,
    ) -> StoreFuture<'_, bool> {
        let arguments = Arguments::of(hex(key.as_bytes()))
            .number(millis(seen_at))
            .number(millis(expires_at))
            .number(self.ttl(expires_at));
        self.run(Repeat::Safe, &script::TOUCH_LOGIN, arguments, |mut reply| Ok(reply.word()? == "touched"))
    }

    fn end_login(&self, key: LoginKey) -> StoreFuture<'_, EndedLogin> {
        let arguments = Arguments::of(hex(key.as_bytes())).number(positive_millis(TOMBSTONE));
        self.run(Repeat::Unsafe, &script::END_LOGIN, arguments, |mut reply| {
            Ok(match reply.word()?.as_str() {
                "others" => EndedLogin::OthersRemain(reply.grant_key()?),
                "last" => reply.former_grant()?.map_or(EndedLogin::Absent, EndedLogin::Last),
                _ => EndedLogin::Absent,
            })
        })
    }

    fn put_grant(&self, grant: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        let arguments = self.grant_arguments(Arguments::of(grant.key.to_string()), &grant);
        self.run(Repeat::Unsafe, &script::PUT_GRANT, arguments, |mut reply| {
            reply.word()?;
            reply.former_grant()
        })
    }

    fn grant(&self, key: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
        self.run(Repeat::Safe, &script::GRANT, Arguments::of(key.to_string()), |mut reply| reply.grant())
    }

    fn replace_grant(&self, expected: Version, next: GrantRecord) -> StoreFuture<'_, Swap> {
        let arguments = Arguments::of(next.key.to_string()).text(version_text(expected));
        self.run(Repeat::Safe, &script::REPLACE_GRANT, self.grant_arguments(arguments, &next), |mut reply| {
            Ok(match reply.word()?.as_str() {
                "done" => Swap::Done,
                "moved" => reply.grant()?.map_or(Swap::Gone, Swap::Moved),
                _ => Swap::Gone,
            })
        })
    }

    fn end_grant(&self, key: GrantKey, expected: Option<Version>) -> StoreFuture<'_, Option<GrantRecord>> {
        let expected = expected.map(version_text).unwrap_or_default();
        self.run(
            Repeat::Unsafe,
            &script::END_GRANT,
            Arguments::of(key.to_string()).text(expected),
            |mut reply| reply.former_grant(),
        )
    }

    fn logins(&self, of: Subject) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        self.list(of, &script::LIST_LOGINS, Reply::keyed_login)
    }

    fn grants(&self, of: Subject) -> StoreFuture<'_, Vec<GrantRecord>> {
        self.list(of, &script::LIST_GRANTS, Reply::grant)
    }

    fn consume(&self, once: OnceKey, lifetime: Duration) -> StoreFuture<'_, bool> {
        let arguments = Arguments::of(hex(once.as_bytes())).number(positive_millis(lifetime));
        self.run(Repeat::Unsafe, &script::CONSUME, arguments, |mut reply| Ok(reply.word()? == "first"))
    }

    fn acquire_lease(&self, key: GrantKey, holder: LeaseHolder, lifetime: Duration) -> StoreFuture<'_, bool> {
        let arguments = Arguments::of(key.to_string())
            .text(format!("{:032x}", holder.0))
            .number(positive_millis(lifetime));
        self.run(Repeat::Safe, &script::ACQUIRE_LEASE, arguments, |mut reply| Ok(reply.word()? == "acquired"))
    }

    fn release_lease(&self, key: GrantKey, holder: LeaseHolder) -> StoreFuture<'_, ()> {
        let arguments = Arguments::of(key.to_string()).text(format!("{:032x}", holder.0));
        self.run(Repeat::Safe, &script::RELEASE_LEASE, arguments, |_| Ok(()))
    }
}

/// Redis refuses a lifetime of 0.
fn positive_millis(lifetime: Duration) -> i64 {
    i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX).max(1)
}
