//! The store for many machines: a Redis server.

mod address;
mod link;
mod list;
mod reply;
mod scripts;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use redis::{Client, ScriptInvocation};

use self::{
    address::Address,
    link::{Link, Repeat},
    reply::{Reply, hexadecimal, login_name, taken, word},
    scripts::Scripts,
};
use super::{
    EndedLogin, GrantRecord, LeaseHolder, LoginKey, LoginRecord, OnceKey, OpenError, Store, StoreError,
    StoreFuture, Subject, Swap, TOMBSTONE,
    io::{IoThread, START_DEADLINE, corrupt},
    record::{FORMAT, Unreadable, lifetime, micros, millis},
};
use crate::{
    Secret,
    grant::{GrantKey, Version},
};

/// Keeps grants and logins in Redis 6 or newer (feature `redis`), for apps of several processes or machines.
///
/// Every operation is one script on the server and has one second; a connection that breaks or falls silent is replaced,
/// without a restart of the app. Every key has a lifetime, counted on the server's clock from durations, so that the
/// clocks of the app's machines need not agree. Keys begin with `actix-salesforce:` (`?prefix=` in the address changes
/// it) and hold hashes and Salesforce ids only, never what a browser holds.
///
/// Choose `maxmemory-policy noeviction`: what Redis evicts is logged out. With replicas, a fail-over to one that lags
/// costs at most a login. Redis Cluster and Sentinel addresses are not supported: give the address of the primary, or of
/// the proxy or service name that leads to it.
pub struct RedisStore {
    io: IoThread,
    inner: Arc<Inner>,
}

struct Inner {
    link: Arc<Link>,
    scripts: Scripts,
    prefix: String,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.inner.prefix).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Opens the store at `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE][?prefix=PREFIX]`, or `rediss://…` for TLS.
    ///
    /// Waits up to five seconds for a server that is starting too.
    ///
    /// # Errors
    /// The address is malformed, or no server answers there. Errors do not repeat the address.
    pub async fn open(address: &Secret) -> Result<Self, OpenError> {
        let address =
            Address::parse(address.expose()).map_err(|error| OpenError::Address(error.to_string()))?;
        if address.is_tls {
            ensure_crypto_provider();
        }
        let client =
            Client::open(address.info).map_err(|error| OpenError::Unreachable(link::fault(&error)))?;
        let io = IoThread::start().map_err(|error| OpenError::Machine(error.kind()))?;
        let inner = Inner { link: Link::new(client), scripts: Scripts::new(), prefix: address.prefix };
        let store = Self { io, inner: Arc::new(inner) };
        super::open::patiently(START_DEADLINE, || store.ping()).await?;
        Ok(store)
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        let inner = Arc::clone(&self.inner);
        self.io.run(async move {
            let ping =
                |mut connection| async move { redis::cmd("PING").query_async::<()>(&mut connection).await };
            inner.link.run(Repeat::Safe, ping).await
        })
    }

    /// Runs a script with these arguments on the store's thread, and reads its answer there.
    fn script<'a, T: Send + 'static>(
        &'a self,
        repeat: Repeat,
        script: fn(&Scripts) -> &redis::Script,
        arguments: impl FnOnce(&mut ScriptInvocation<'_>) + Send + 'static,
        read: impl FnOnce(Reply) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let inner = Arc::clone(&self.inner);
        self.io.run(async move {
            let mut call = script(&inner.scripts).key(inner.prefix.as_str());
            arguments(&mut call);
            read(inner.invoke(repeat, &call).await?)
        })
    }
}

impl Inner {
    async fn invoke(&self, repeat: Repeat, call: &ScriptInvocation<'_>) -> Result<Reply, StoreError> {
        self.link.run(repeat, |mut connection| async move { call.invoke_async(&mut connection).await }).await
    }
}

/// TLS needs to know which cryptography to use. When the program links two and has chosen none, rustls would panic.
fn ensure_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that somebody else was faster, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

/// The answer is none that the script gives.
fn unexpected<T>() -> Result<T, StoreError> {
    Err(corrupt(Unreadable::Field("answer")))
}

fn write_version(call: &mut ScriptInvocation<'_>, version: Version) {
    call.arg(version.lineage).arg(version.revision);
}

/// The grant's name and lifetime, what `between` adds, and its six fields.
fn write_grant(
    call: &mut ScriptInvocation<'_>,
    grant: &GrantRecord,
    between: impl FnOnce(&mut ScriptInvocation<'_>),
) {
    call.arg(grant.key.to_string()).arg(lifetime(grant.expires_at));
    between(call);
    call.arg(FORMAT);
    write_version(call, grant.version);
    call.arg(micros(grant.updated_at)).arg(micros(grant.expires_at)).arg(grant.sealed.as_bytes());
}

impl Store for RedisStore {
    fn create_login(
        &self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        let of = grant.key;
        let arguments = move |call: &mut ScriptInvocation<'_>| {
            call.arg(login_name(&key)).arg(lifetime(login.expires_at));
            call.arg(micros(login.created_at)).arg(micros(login.seen_at)).arg(micros(login.expires_at));
            write_grant(call, &grant, |_| {});
        };
        self.script(
            Repeat::Unsafe,
            |scripts| &scripts.create_login,
            arguments,
            move |reply| match word(&reply) {
                "created" => Ok(taken(of, &reply)),
                "exists" => Err(StoreError::Exists),
                _ => unexpected(),
            },
        )
    }

    fn login(&self, key: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        let arguments = move |call: &mut ScriptInvocation<'_>| {
            call.arg(login_name(&key));
        };
        self.script(Repeat::Safe, |scripts| &scripts.login, arguments, |reply| reply::both(&reply))
    }

    fn touch_login(
        &self,
        key: LoginKey,
        seen_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'_, bool> {
        let arguments = move |call: &mut ScriptInvocation<'_>| {
            call.arg(login_name(&key)).arg(lifetime(expires_at)).arg(micros(seen_at)).arg(micros(expires_at));
        };
        let read = |reply: Reply| Ok(word(&reply) == "touched");
        self.script(Repeat::Safe, |scripts| &scripts.touch_login, arguments, read)
    }

    fn end_login(&self, key: LoginKey) -> StoreFuture<'_, EndedLogin> {
        let arguments = move |call: &mut ScriptInvocation<'_>| {
            call.arg(login_name(&key)).arg(millis(TOMBSTONE));
        };
        // Not sent twice: the second time it would say that there was nothing to end, and nothing would be revoked.
        self.script(
            Repeat::Unsafe,
            |scripts| &scripts.end_login,
            arguments,
            |reply| match word(&reply) {
                "absent" => Ok(EndedLogin::Absent),
                "others" => Ok(EndedLogin::OthersRemain(reply::named_grant(&reply, 1)?)),
                "last" => {
                    let grant = reply::named_grant(&reply, 7)?;
                    Ok(taken(grant, &reply).map_or(EndedLogin::Absent, EndedLogin::Last))
                }
                _ => unexpected(),
            },
        )
    }

    fn put_grant(&self, grant: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        let of = grant.key;
        let arguments = move |call: &mut ScriptInvocation<'_>| write_grant(call, &grant, |_| {});
        self.script(
            Repeat::Unsafe,
            |scripts| &scripts.put_grant,
            arguments,
            move |reply| Ok(taken(of, &reply)),
        )
    }

    fn grant(&self, key: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
        let arguments = move |call: &mut ScriptInvocation<'_>| {
            call.arg(key.to_string());
        };
        self.script(
            Repeat::Safe,
            |scripts| &scripts.grant,
            arguments,
            move |reply| {
                if reply.is_empty() { Ok(None) } else { Ok(Some(reply::grant(key, &reply)?)) }
            },
        )
    }

    fn replace_grant(&self, expected: Version, next: GrantRecord) -> StoreFuture<'_, Swap> {
        let of = next.key;
        let arguments = move |call: &mut ScriptInvocation<'_>| {
            write_grant(call, &next, |call| write_version(call, expected));
        };
        self.script(
            Repeat::Safe,
            |scripts| &scripts.replace_grant,
            arguments,
            move |reply| match word(&reply) {
                "done" => Ok(Swap::Done),
                "gone" => Ok(Swap::Gone),
                "moved" => Ok(Swap::Moved(reply::grant(of, reply.get(1..).unwrap_or_default())?)),
                _ => unexpected(),
            },
        )
    }

    fn end_grant(&self, key: GrantKey, expected: Option<Version>) -> StoreFuture<'_, Option<GrantRecord>> {
        let arguments = move |call: &mut ScriptInvocation<'_>| {
            call.arg(key.to_string());
            if let Some(version) = expected {
                write_version(call, version);
            }
        };
        self.script(
            Repeat::Unsafe,
            |scripts| &scripts.end_grant,
            arguments,
            move |reply| Ok(taken(key, &reply)),
        )
    }

    fn logins(&self, of: Subject) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        let inner = Arc::clone(&self.inner);
        self.io.run(async move { list::logins(&inner, of).await })
    }

    fn grants(&self, of: Subject) -> StoreFuture<'_, Vec<GrantRecord>> {
        let inner = Arc::clone(&self.inner);
        self.io.run(async move { list::grants(&inner, of).await })
    }

    fn consume(&self, once: OnceKey, lifetime: Duration) -> StoreFuture<'_, bool> {
        let inner = Arc::clone(&self.inner);
        self.io.run(async move {
            let key = format!("{}once:{}", inner.prefix, hexadecimal(once.as_bytes()));
            let set = |mut connection| {
                let mut command = redis::cmd("SET");
                command.arg(&key).arg(1).arg("NX").arg("PX").arg(millis(lifetime));
                async move { command.query_async::<Option<String>>(&mut connection).await }
            };
            Ok(inner.link.run(Repeat::Unsafe, set).await?.is_some())
        })
    }

    fn acquire_lease(&self, key: GrantKey, holder: LeaseHolder, lifetime: Duration) -> StoreFuture<'_, bool> {
        let arguments = move |call: &mut ScriptInvocation<'_>| {
            call.arg(key.to_string()).arg(format!("{:032x}", holder.0)).arg(millis(lifetime));
        };
        let read = |reply: Reply| Ok(word(&reply) == "acquired");
        self.script(Repeat::Safe, |scripts| &scripts.acquire_lease, arguments, read)
    }

    fn release_lease(&self, key: GrantKey, holder: LeaseHolder) -> StoreFuture<'_, ()> {
        let arguments = move |call: &mut ScriptInvocation<'_>| {
            call.arg(key.to_string()).arg(format!("{:032x}", holder.0));
        };
        self.script(Repeat::Safe, |scripts| &scripts.release_lease, arguments, |_| Ok(()))
    }
}
