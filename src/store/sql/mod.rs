//! [`SqlStore`] in SQLite or Postgres (features `sqlite` and `postgres`).
//!
//! SQLite is for one machine: logins survive a restart. Postgres is for several machines, and durable: a confirmed write
//! is not lost.
//!
//! Each operation is one transaction, and every transaction that changes a grant locks it first. Times are those of the
//! database, so the clocks of the machines need not agree. Expired records are absent, and deleted in small batches. A
//! login's key is the hash of the id that the browser holds, and tokens are sealed.

pub(super) mod as_is;
mod database;
#[cfg(feature = "sqlite")]
mod group_commit;
mod owners;
mod positions;
mod records;
mod schema;
mod session;
mod transaction;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use self::{
    database::Database,
    records::{
        current, grant_columns, grant_of, insert_tombstone, login_columns, previous, put, read_grant,
        read_login, remove, sweep,
    },
    session::{Value, is_busy},
};
use super::{
    ConnectedOwner, ConsumerKey, DeletedLogin, DisconnectedOwner, GrantFilter, GrantKey, GrantRecord,
    GrantVersion, LeaseHolder, LeaseName, LoginKey, LoginRecord, OneTimeKey, OwnedFilter, OwnedKey,
    OwnedRecord, PositionRecord, PositionSwap, Sealed, Store, StoreError, StoreFuture, SwapOutcome,
    encoding::{grant_key, hex, holder_text, millis, proof_text, whole_millis},
    runtime::{LISTING_TIMEOUT, StoreRuntime},
};
use crate::base::clock::Clock;

/// Maximum time for opening the database, connecting and migrating included.
const OPEN: Duration = Duration::from_secs(10);
/// Wait before opening a busy database is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// Number of changes after which a batch of expired records is deleted.
const SWEEP_EVERY: u32 = 200;

/// Stores grants and logins in a SQL database.
pub struct SqlStore {
    runtime: StoreRuntime,
    database: Arc<Database>,
    clock: Clock,
    changes: AtomicU32,
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").finish_non_exhaustive()
    }
}

impl SqlStore {
    /// Opens the SQLite file at `path`. Creates it if it is missing, readable by its owner only.
    ///
    /// # Errors
    /// The file cannot be opened within ten seconds, for example because another process writes to it all the time, or
    /// was written by a newer version of this crate.
    #[cfg(feature = "sqlite")]
    pub async fn sqlite(path: impl AsRef<std::path::Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        Self::open(move || {
            let path = path.clone();
            async move { Database::open_sqlite(&path).await }
        })
        .await
    }

    /// Connects to `postgres://[user:password@]host[:port]/database` and creates missing tables. Their names begin with
    /// `actix_salesforce_`. `?sslmode=verify-full` and the other parameters are those of sqlx.
    ///
    /// # Errors
    /// The URL is invalid, Postgres does not respond within ten seconds, or the tables were written by a newer version
    /// of this crate.
    #[cfg(feature = "postgres")]
    pub async fn postgres(url: &str) -> Result<Self, StoreError> {
        let url = url.to_owned();
        Self::open(move || {
            let url = url.clone();
            async move { Database::connect_postgres(&url).await }
        })
        .await
    }

    async fn open<F: Future<Output = Result<Database, StoreError>> + Send>(
        connect: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let runtime = StoreRuntime::start()?;
        let database = runtime
            .within(OPEN, async move {
                loop {
                    let opened = async {
                        let database = connect().await?;
                        schema::migrate(&database).await?;
                        Ok(database)
                    };
                    match opened.await {
                        // Another process may be creating the tables, on a slow disk.
                        Err(error) if is_busy(&error) => tokio::time::sleep(BUSY_PAUSE).await,
                        opened => return opened,
                    }
                }
            })
            .await?;
        Ok(Self { runtime, database: Arc::new(database), clock: Clock::system(), changes: AtomicU32::new(0) })
    }

    /// Returns the milliseconds from now until `time`, or 0 if it is past.
    fn ttl(&self, time: SystemTime) -> i64 {
        millis(time).saturating_sub(millis(self.clock.now())).max(0)
    }

    fn call<'a, T: Send + 'static, F: Future<Output = Result<T, StoreError>> + Send + 'static>(
        &'a self,
        work: impl FnOnce(Arc<Database>) -> F,
    ) -> StoreFuture<'a, T> {
        self.runtime.call(work(Arc::clone(&self.database)))
    }

    /// As [`call`](Self::call), for operations that add rows: deletes expired ones from time to time.
    fn add<'a, T: Send + 'static, F: Future<Output = Result<T, StoreError>> + Send + 'static>(
        &'a self,
        work: impl FnOnce(Arc<Database>) -> F,
    ) -> StoreFuture<'a, T> {
        if self.changes.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            let database = Arc::clone(&self.database);
            self.runtime.spawn(async move { sweep(&database).await });
        }
        self.call(work)
    }
}

impl Store for SqlStore {
    fn create_login(
        &self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        let (login_ttl, grant_ttl) = (self.ttl(login.expires_at), self.ttl(grant.expires_at));
        self.add(|database| async move {
            let (id, grant_id) = (hex(key.as_bytes()), login.grant.to_string());
            let mut tx = database.begin().await?;
            tx.lock(&grant_id).await?;
            let sql = "DELETE FROM actix_salesforce_logins WHERE login_key = $1 AND expires <= {now}";
            tx.run(sql, [id.clone().into()]).await?;
            let sql = "INSERT INTO actix_salesforce_logins (login_key, grant_key, created, seen, expires, proof) \
                       VALUES ($1, $2, $3, $4, {now} + $5, $6) ON CONFLICT (login_key) DO NOTHING";
            let values: [Value; 6] = [
                id.into(),
                grant_id.clone().into(),
                millis(login.created_at).into(),
                millis(login.last_used_at).into(),
                login_ttl.into(),
                proof_text(login.proof.as_ref()).into(),
            ];
            if tx.run(sql, values).await? == 0 {
                tx.rollback().await?;
                return Err(StoreError::AlreadyExists);
            }
            let replaced = previous(&mut tx, &grant_id).await?;
            put(&mut tx, grant, grant_ttl).await?;
            tx.commit().await?;
            Ok(replaced)
        })
    }

    fn load_login(&self, key: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        self.call(|database| async move {
            let sql = concat!(
                "SELECT ",
                login_columns!(),
                ", COALESCE(g.grant_key, ''), ",
                grant_columns!(),
                " FROM actix_salesforce_logins l \
                 LEFT JOIN actix_salesforce_grants g ON g.grant_key = l.grant_key AND g.expires > {now} \
                 WHERE l.login_key = $1 AND l.expires > {now} AND l.grant_key <> ''"
            );
            let rows = database.rows(sql, [hex(key.as_bytes()).into()]).await?;
            let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
            // An unreadable login is an error although no grant belongs to it.
            let (_, login) = read_login(&mut row)?;
            if row.text("grant")?.is_empty() {
                return Ok(None);
            }
            Ok(Some((login, read_grant(&mut row)?)))
        })
    }

    fn touch_login(
        &self,
        key: LoginKey,
        last_used_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'_, bool> {
        let ttl = self.ttl(expires_at);
        self.call(|database| async move {
            let mut tx = database.begin().await?;
            let sql = "UPDATE actix_salesforce_logins SET seen = $2, expires = {now} + $3 \
                       WHERE login_key = $1 AND grant_key <> '' AND expires > {now} RETURNING grant_key";
            let values = [hex(key.as_bytes()).into(), millis(last_used_at).into(), ttl.into()];
            let Some(mut row) = tx.row(sql, values).await? else {
                tx.rollback().await?;
                return Ok(false);
            };
            let sql = "UPDATE actix_salesforce_grants SET expires = {now} + $2 \
                       WHERE grant_key = $1 AND expires < {now} + $2";
            tx.run(sql, [row.text("grant_key")?.into(), ttl.into()]).await?;
            tx.commit().await?;
            Ok(true)
        })
    }

    fn delete_login(&self, key: LoginKey) -> StoreFuture<'_, DeletedLogin> {
        self.call(|database| async move {
            let id = hex(key.as_bytes());
            let mut tx = database.begin().await?;
            let mut found = grant_of(&mut tx, &id).await?;
            if let Some(grant) = &found {
                tx.lock(grant).await?;
                // The login may have been deleted while this operation waited for the lock.
                found = grant_of(&mut tx, &id).await?;
            }
            insert_tombstone(&mut tx, &id).await?;
            let Some(grant) = found else {
                tx.commit().await?;
                return Ok(DeletedLogin::NotFound);
            };
            let ended = if owners::needed_until(&mut tx, &grant).await?.is_some() {
                DeletedLogin::GrantKept(grant_key(&grant)?)
            } else {
                let last = previous(&mut tx, &grant).await?;
                remove(&mut tx, &grant).await?;
                last.map_or(DeletedLogin::NotFound, DeletedLogin::GrantDeleted)
            };
            tx.commit().await?;
            Ok(ended)
        })
    }

    fn put_grant(&self, grant: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        let ttl = self.ttl(grant.expires_at);
        self.add(|database| async move {
            let id = grant.key.to_string();
            let mut tx = database.begin().await?;
            tx.lock(&id).await?;
            let replaced = previous(&mut tx, &id).await?;
            put(&mut tx, grant, ttl).await?;
            tx.commit().await?;
            Ok(replaced)
        })
    }

    fn load_grant(&self, key: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
        self.call(|database| async move {
            let sql = concat!(
                "SELECT ",
                grant_columns!(),
                " FROM actix_salesforce_grants g WHERE g.grant_key = $1 AND g.expires > {now}"
            );
            let rows = database.rows(sql, [key.to_string().into()]).await?;
            rows.into_iter().next().map(|mut row| read_grant(&mut row)).transpose()
        })
    }

    fn compare_and_swap_grant(
        &self,
        expected: GrantVersion,
        next: GrantRecord,
    ) -> StoreFuture<'_, SwapOutcome> {
        let ttl = self.ttl(next.expires_at);
        self.call(|database| async move {
            let id = next.key.to_string();
            let mut tx = database.begin().await?;
            tx.lock(&id).await?;
            let other = match current(&mut tx, &id).await? {
                None => Some(SwapOutcome::NotFound),
                Some(stored) if stored.version == next.version && stored.sealed == next.sealed => {
                    Some(SwapOutcome::Stored)
                }
                Some(stored) if stored.version != expected || stored.version == next.version => {
                    Some(SwapOutcome::Conflict(stored))
                }
                Some(_) => None,
            };
            if let Some(other) = other {
                tx.rollback().await?;
                return Ok(other);
            }
            put(&mut tx, next, ttl).await?;
            tx.commit().await?;
            Ok(SwapOutcome::Stored)
        })
    }

    fn delete_grant(
        &self,
        key: GrantKey,
        expected: Option<GrantVersion>,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        self.call(|database| async move {
            let id = key.to_string();
            let mut tx = database.begin().await?;
            tx.lock(&id).await?;
            let stored = previous(&mut tx, &id).await?;
            let found = stored.as_ref().map(|grant| grant.version);
            if expected.is_some() && found != expected {
                tx.rollback().await?;
                return Ok(None);
            }
            remove(&mut tx, &id).await?;
            tx.commit().await?;
            Ok(stored)
        })
    }

    fn break_grant(&self, expected: GrantVersion, broken: GrantRecord) -> StoreFuture<'_, bool> {
        let ttl = self.ttl(broken.expires_at);
        self.call(move |database| async move {
            let id = broken.key.to_string();
            let mut tx = database.begin().await?;
            tx.lock(&id).await?;
            if previous(&mut tx, &id).await?.is_none_or(|grant| grant.version != expected) {
                tx.rollback().await?;
                return Ok(false);
            }
            // Removed first: a grant that is replaced keeps its lifetime.
            remove(&mut tx, &id).await?;
            put(&mut tx, broken, ttl).await?;
            tx.commit().await?;
            Ok(true)
        })
    }

    fn connect_owner(
        &self,
        owned: OwnedRecord,
        grant: GrantRecord,
        keep_unused: Duration,
    ) -> StoreFuture<'_, ConnectedOwner> {
        let (owned_ttl, grant_ttl) = (self.ttl(owned.expires_at), self.ttl(grant.expires_at));
        self.add(move |database| {
            owners::connect(database, (owned, owned_ttl), (grant, grant_ttl), keep_unused)
        })
    }

    fn load_owned(&self, key: OwnedKey) -> StoreFuture<'_, Option<(OwnedRecord, Option<GrantRecord>)>> {
        self.call(move |database| owners::load(database, key))
    }

    fn disconnect_owner(
        &self,
        key: OwnedKey,
        expected: Sealed,
        keep_unused: Duration,
        ended_at: SystemTime,
    ) -> StoreFuture<'_, DisconnectedOwner> {
        self.call(move |database| owners::disconnect(database, key, expected, keep_unused, ended_at))
    }

    fn list_owned(&self, filter: OwnedFilter) -> StoreFuture<'_, Vec<OwnedRecord>> {
        self.runtime.within(LISTING_TIMEOUT, owners::list(Arc::clone(&self.database), filter))
    }

    fn reseal_owned(&self, key: OwnedKey, expected: Sealed, next: Sealed) -> StoreFuture<'_, bool> {
        self.call(move |database| owners::reseal(database, key, expected, next))
    }

    fn list_logins(&self, filter: GrantFilter) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        self.runtime.within(LISTING_TIMEOUT, records::list_logins(Arc::clone(&self.database), filter))
    }

    fn list_grants(&self, filter: GrantFilter) -> StoreFuture<'_, Vec<GrantRecord>> {
        self.runtime.within(LISTING_TIMEOUT, records::list_grants(Arc::clone(&self.database), filter))
    }

    fn consume_once(&self, once: OneTimeKey, lifetime: Duration) -> StoreFuture<'_, bool> {
        self.add(|database| async move {
            let sql = "INSERT INTO actix_salesforce_once AS o (once_key, expires) VALUES ($1, {now} + $2) \
                       ON CONFLICT (once_key) DO UPDATE SET expires = excluded.expires WHERE o.expires <= {now}";
            let values = [hex(once.as_bytes()).into(), whole_millis(lifetime).into()];
            // A transaction, because a repeated statement would find its own value.
            let mut tx = database.begin().await?;
            let is_first = tx.run(sql, values).await? > 0;
            tx.commit().await?;
            Ok(is_first)
        })
    }

    fn acquire_lease(
        &self,
        name: LeaseName,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'_, bool> {
        self.add(|database| async move {
            let sql = "INSERT INTO actix_salesforce_leases AS l (grant_key, holder, expires) \
                       VALUES ($1, $2, {now} + $3) \
                       ON CONFLICT (grant_key) DO UPDATE SET holder = excluded.holder, expires = excluded.expires \
                       WHERE l.holder = excluded.holder OR l.expires <= {now}";
            let values =
                [name.to_string().into(), holder_text(holder).into(), whole_millis(lifetime).into()];
            Ok(database.run_idempotent(sql, values).await? > 0)
        })
    }

    fn release_lease(&self, name: LeaseName, holder: LeaseHolder) -> StoreFuture<'_, ()> {
        self.call(|database| async move {
            let sql = "DELETE FROM actix_salesforce_leases WHERE grant_key = $1 AND holder = $2";
            database
                .run_idempotent(sql, [name.to_string().into(), holder_text(holder).into()])
                .await
                .map(drop)
        })
    }

    fn load_position(&self, key: ConsumerKey) -> StoreFuture<'_, Option<PositionRecord>> {
        self.call(move |database| positions::load(database, key))
    }

    fn compare_and_swap_position(
        &self,
        expected: Option<u64>,
        next: PositionRecord,
    ) -> StoreFuture<'_, PositionSwap> {
        self.call(move |database| positions::compare_and_swap(database, expected, next))
    }
}
