//! Grants and logins in SQLite or Postgres (features `sqlite` and `postgres`).
//!
//! A SQLite file is what one machine needs to keep everyone logged in over a restart. Postgres is the durable choice
//! for many: what it has confirmed it does not forget.
//!
//! Each operation is one transaction. Whatever changes a grant takes its lock first. Times are those of the database,
//! so that the clocks of the machines need not agree. What has expired is absent, and swept out a little at a time. A
//! login's key is the hash of what the browser holds, and tokens are sealed.

mod database;
mod records;
mod schema;
mod session;

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
        bury, current, former, grant_columns, grant_of, holder_text, put, read_all, read_grant, read_login,
        remove, subject, sweep, whole_millis,
    },
    session::Value,
};
use super::{
    EndedLogin, GrantRecord, LeaseHolder, LoginKey, LoginRecord, OnceKey, Store, StoreError, StoreFuture,
    Subject, Swap,
    fields::{grant_key, hex, millis},
    home::Home,
};
use crate::{
    clock::Clock,
    grant::{GrantKey, Version},
};

/// How long opening may take.
const OPEN: Duration = Duration::from_secs(10);
/// How long a listing may take.
const LISTING: Duration = Duration::from_secs(10);
/// After so many changes some of what has expired is swept out.
const SWEEP_EVERY: u32 = 200;

/// Keeps grants and logins in a SQL database.
pub struct SqlStore {
    home: Home,
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
    /// Opens the SQLite file at `path`, making it when there is none, readable by its owner only.
    ///
    /// # Errors
    /// It cannot be opened, or a newer version of this crate has written it.
    #[cfg(feature = "sqlite")]
    pub async fn sqlite(path: impl AsRef<std::path::Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        Self::open(async move { Database::open_sqlite(&path).await }).await
    }

    /// Connects to `postgres://[user:password@]host[:port]/database`, and makes its tables when there are none. They
    /// all begin with `actix_salesforce_`. `?sslmode=verify-full` and the other parameters are those of sqlx.
    ///
    /// # Errors
    /// The URL is invalid, Postgres does not answer within ten seconds, or a newer version of this crate has been
    /// there.
    #[cfg(feature = "postgres")]
    pub async fn postgres(url: &str) -> Result<Self, StoreError> {
        let url = url.to_owned();
        Self::open(async move { Database::connect_postgres(&url).await }).await
    }

    async fn open(
        connect: impl Future<Output = Result<Database, StoreError>> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let home = Home::start()?;
        let database = home
            .within(OPEN, async move {
                let database = connect.await?;
                schema::migrate(&database).await?;
                Ok(database)
            })
            .await?;
        Ok(Self { home, database: Arc::new(database), clock: Clock::system(), changes: AtomicU32::new(0) })
    }

    /// Milliseconds from now until `time`; 0 when it is past.
    fn ttl(&self, time: SystemTime) -> i64 {
        millis(time).saturating_sub(millis(self.clock.now())).max(0)
    }

    fn call<'a, T: Send + 'static, F: Future<Output = Result<T, StoreError>> + Send + 'static>(
        &'a self,
        work: impl FnOnce(Arc<Database>) -> F,
    ) -> StoreFuture<'a, T> {
        self.home.call(work(Arc::clone(&self.database)))
    }

    /// As [`call`](Self::call), for what adds rows: now and then some expired ones go.
    fn add<'a, T: Send + 'static, F: Future<Output = Result<T, StoreError>> + Send + 'static>(
        &'a self,
        work: impl FnOnce(Arc<Database>) -> F,
    ) -> StoreFuture<'a, T> {
        if self.changes.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            let database = Arc::clone(&self.database);
            self.home.later(async move { sweep(&database).await });
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
            let mut step = database.begin().await?;
            step.lock(&grant_id).await?;
            let sql = "DELETE FROM actix_salesforce_logins WHERE login_key = $1 AND expires <= {now}";
            step.run(sql, [id.clone().into()]).await?;
            let sql = "INSERT INTO actix_salesforce_logins (login_key, grant_key, created, seen, expires) \
                       VALUES ($1, $2, $3, $4, {now} + $5) ON CONFLICT (login_key) DO NOTHING";
            let values: [Value; 5] = [
                id.into(),
                grant_id.clone().into(),
                millis(login.created_at).into(),
                millis(login.seen_at).into(),
                login_ttl.into(),
            ];
            if step.run(sql, values).await? == 0 {
                step.give_up().await?;
                return Err(StoreError::Exists);
            }
            let replaced = former(&mut step, &grant_id).await?;
            put(&mut step, grant, grant_ttl).await?;
            step.commit().await?;
            Ok(replaced)
        })
    }

    fn login(&self, key: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        self.call(|database| async move {
            let sql = concat!(
                "SELECT l.login_key, l.grant_key, l.created, l.seen, l.expires, ",
                grant_columns!(),
                " FROM actix_salesforce_logins l JOIN actix_salesforce_grants g ON g.grant_key = l.grant_key \
                 WHERE l.login_key = $1 AND l.expires > {now} AND g.expires > {now}"
            );
            let rows = database.rows(sql, [hex(key.as_bytes()).into()]).await?;
            let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
            let (_, login) = read_login(&mut row)?;
            Ok(Some((login, read_grant(&mut row)?)))
        })
    }

    fn touch_login(
        &self,
        key: LoginKey,
        seen_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'_, bool> {
        let ttl = self.ttl(expires_at);
        self.call(|database| async move {
            let mut step = database.begin().await?;
            let sql = "UPDATE actix_salesforce_logins SET seen = $2, expires = {now} + $3 \
                       WHERE login_key = $1 AND grant_key <> '' AND expires > {now} RETURNING grant_key";
            let values = [hex(key.as_bytes()).into(), millis(seen_at).into(), ttl.into()];
            let Some(mut row) = step.row(sql, values).await? else {
                step.give_up().await?;
                return Ok(false);
            };
            let sql = "UPDATE actix_salesforce_grants SET expires = {now} + $2 \
                       WHERE grant_key = $1 AND expires < {now} + $2";
            step.run(sql, [row.text("grant_key")?.into(), ttl.into()]).await?;
            step.commit().await?;
            Ok(true)
        })
    }

    fn end_login(&self, key: LoginKey) -> StoreFuture<'_, EndedLogin> {
        self.call(|database| async move {
            let id = hex(key.as_bytes());
            let mut step = database.begin().await?;
            let mut found = grant_of(&mut step, &id).await?;
            if let Some(grant) = &found {
                step.lock(grant).await?;
                // It may have ended while this waited for the lock.
                found = grant_of(&mut step, &id).await?;
            }
            bury(&mut step, &id).await?;
            let Some(grant) = found else {
                step.commit().await?;
                return Ok(EndedLogin::Absent);
            };
            let sql = "SELECT grant_key FROM actix_salesforce_logins \
                       WHERE grant_key = $1 AND expires > {now} LIMIT 1";
            let others = step.row(sql, [grant.as_str().into()]).await?.is_some();
            let ended = if others {
                EndedLogin::OthersRemain(grant_key(&grant)?)
            } else {
                let last = former(&mut step, &grant).await?;
                remove(&mut step, &grant).await?;
                last.map_or(EndedLogin::Absent, EndedLogin::Last)
            };
            step.commit().await?;
            Ok(ended)
        })
    }

    fn put_grant(&self, grant: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        let ttl = self.ttl(grant.expires_at);
        self.add(|database| async move {
            let id = grant.key.to_string();
            let mut step = database.begin().await?;
            step.lock(&id).await?;
            let replaced = former(&mut step, &id).await?;
            put(&mut step, grant, ttl).await?;
            step.commit().await?;
            Ok(replaced)
        })
    }

    fn grant(&self, key: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
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

    fn replace_grant(&self, expected: Version, next: GrantRecord) -> StoreFuture<'_, Swap> {
        let ttl = self.ttl(next.expires_at);
        self.call(|database| async move {
            let id = next.key.to_string();
            let mut step = database.begin().await?;
            step.lock(&id).await?;
            let other = match current(&mut step, &id).await? {
                None => Some(Swap::Gone),
                Some(stored) if stored.version == next.version && stored.sealed == next.sealed => {
                    Some(Swap::Done)
                }
                Some(stored) if stored.version != expected || stored.version == next.version => {
                    Some(Swap::Moved(stored))
                }
                Some(_) => None,
            };
            if let Some(other) = other {
                step.give_up().await?;
                return Ok(other);
            }
            put(&mut step, next, ttl).await?;
            step.commit().await?;
            Ok(Swap::Done)
        })
    }

    fn end_grant(&self, key: GrantKey, expected: Option<Version>) -> StoreFuture<'_, Option<GrantRecord>> {
        self.call(|database| async move {
            let id = key.to_string();
            let mut step = database.begin().await?;
            step.lock(&id).await?;
            let stored = former(&mut step, &id).await?;
            let found = stored.as_ref().map(|grant| grant.version);
            if expected.is_some() && found != expected {
                step.give_up().await?;
                return Ok(None);
            }
            remove(&mut step, &id).await?;
            step.commit().await?;
            Ok(stored)
        })
    }

    fn logins(&self, of: Subject) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        let database = Arc::clone(&self.database);
        self.home.within(LISTING, async move {
            let sql = "SELECT l.login_key, l.grant_key, l.created, l.seen, l.expires \
                       FROM actix_salesforce_logins l \
                       JOIN actix_salesforce_grants g ON g.grant_key = l.grant_key \
                       WHERE l.expires > {now} AND g.expires > {now} \
                       AND ($1 = '' OR g.org = $1) AND ($2 = '' OR g.person = $2)";
            Ok(read_all(database.rows(sql, subject(of)).await?, read_login))
        })
    }

    fn grants(&self, of: Subject) -> StoreFuture<'_, Vec<GrantRecord>> {
        let database = Arc::clone(&self.database);
        self.home.within(LISTING, async move {
            let sql = concat!(
                "SELECT ",
                grant_columns!(),
                " FROM actix_salesforce_grants g \
                 WHERE g.expires > {now} AND ($1 = '' OR g.org = $1) AND ($2 = '' OR g.person = $2)"
            );
            Ok(read_all(database.rows(sql, subject(of)).await?, read_grant))
        })
    }

    fn consume(&self, once: OnceKey, lifetime: Duration) -> StoreFuture<'_, bool> {
        self.add(|database| async move {
            let sql = "INSERT INTO actix_salesforce_once AS o (once_key, expires) VALUES ($1, {now} + $2) \
                       ON CONFLICT (once_key) DO UPDATE SET expires = excluded.expires WHERE o.expires <= {now}";
            let values = [hex(once.as_bytes()).into(), whole_millis(lifetime).into()];
            Ok(database.run(sql, values).await? > 0)
        })
    }

    fn acquire_lease(&self, key: GrantKey, holder: LeaseHolder, lifetime: Duration) -> StoreFuture<'_, bool> {
        self.add(|database| async move {
            let sql = "INSERT INTO actix_salesforce_leases AS l (grant_key, holder, expires) \
                       VALUES ($1, $2, {now} + $3) \
                       ON CONFLICT (grant_key) DO UPDATE SET holder = excluded.holder, expires = excluded.expires \
                       WHERE l.holder = excluded.holder OR l.expires <= {now}";
            let values =
                [key.to_string().into(), holder_text(holder).into(), whole_millis(lifetime).into()];
            Ok(database.run(sql, values).await? > 0)
        })
    }

    fn release_lease(&self, key: GrantKey, holder: LeaseHolder) -> StoreFuture<'_, ()> {
        self.call(|database| async move {
            let sql = "DELETE FROM actix_salesforce_leases WHERE grant_key = $1 AND holder = $2";
            database.run(sql, [key.to_string().into(), holder_text(holder).into()]).await.map(drop)
        })
    }
}
