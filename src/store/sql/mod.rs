//! The stores on a SQL database: SQLite for one machine, PostgreSQL for many.

mod database;
mod rows;
mod schema;
mod session;
mod sweep;
mod work;

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::timeout;

use self::database::Database;
use super::{
    EndedLogin, GrantRecord, LeaseHolder, LoginKey, LoginRecord, OnceKey, OpenError, Store, StoreError,
    StoreFuture, Subject, Swap,
    io::{DEADLINE, IoThread, LISTING_DEADLINE, START_DEADLINE, TooSlow, unavailable},
};
use crate::{
    Secret,
    grant::{GrantKey, Version},
};

/// Keeps grants and logins in a SQL database: a SQLite file (feature `sqlite`) or PostgreSQL 12 or newer (feature
/// `postgres`).
///
/// The tables (their names begin with `actix_salesforce_`) are made and brought up to date when the store is opened, by
/// one process even if several start at once. Every operation is one transaction and has one second. What expires is
/// decided by the database's clock, so that the clocks of the app's machines need not agree; it is swept out every
/// minute.
pub struct SqlStore {
    io: IoThread,
    database: Arc<Database>,
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &*self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite { .. } => "SQLite",
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => "PostgreSQL",
        };
        f.debug_tuple("SqlStore").field(&kind).finish()
    }
}

impl SqlStore {
    /// Opens or creates the file of `sqlite:PATH`. A file that is created can be read by its owner only.
    ///
    /// The file must be on a disk of this machine, not on a network share. It may be used by several processes.
    ///
    /// # Errors
    /// The address is malformed, or the file cannot be used.
    #[cfg(feature = "sqlite")]
    pub async fn open_sqlite(address: &Secret) -> Result<Self, OpenError> {
        let text = address.expose().trim();
        let path = text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
        let path = path.filter(|path| !path.is_empty() && !path.starts_with(':') && !path.contains('?'));
        let path =
            path.ok_or_else(|| OpenError::Address("give sqlite:PATH, a file, without options".to_owned()))?;
        let path = std::path::PathBuf::from(path);
        Self::open(move || Database::sqlite(&path).map_err(|error| OpenError::Machine(error.kind()))).await
    }

    /// Opens the database at `postgres://[USER:PASSWORD@]HOST[:PORT]/DATABASE[?sslmode=verify-full&…]`.
    ///
    /// Waits up to five seconds for a server that is starting too. The role needs to create tables the first time, and
    /// afterwards whenever an update of this crate adds some.
    ///
    /// # Errors
    /// The address is malformed, or no database answers there. Errors do not repeat the address.
    #[cfg(feature = "postgres")]
    pub async fn open_postgres(address: &Secret) -> Result<Self, OpenError> {
        let options = address.expose().trim().parse::<sqlx::postgres::PgConnectOptions>().map_err(|_| {
            OpenError::Address("give postgres://[USER:PASSWORD@]HOST[:PORT]/DATABASE".to_owned())
        })?;
        Self::open(move || Ok(Database::postgres(options))).await
    }

    async fn open(
        connect: impl FnOnce() -> Result<Database, OpenError> + Send + 'static,
    ) -> Result<Self, OpenError> {
        let io = IoThread::start().map_err(|error| OpenError::Machine(error.kind()))?;
        // On the store's thread: the pools and the file belong there.
        let database = io.run(async move { Ok(connect()) }).await.map_err(OpenError::Unreachable)??;
        let store = Self { io, database: Arc::new(database) };
        super::open::patiently(START_DEADLINE, || {
            let database = Arc::clone(&store.database);
            store.within(START_DEADLINE, async move { schema::migrate(&database).await })
        })
        .await?;
        store.io.spawn(sweep::sweep_on_and_on(Arc::downgrade(&store.database)));
        Ok(store)
    }

    fn within<'a, T: Send + 'static>(
        &'a self,
        deadline: Duration,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        self.io.run(async move {
            timeout(deadline, work).await.unwrap_or_else(|_| Err(unavailable(TooSlow(deadline))))
        })
    }

    fn work<'a, T: Send + 'static, F>(&'a self, work: impl FnOnce(Arc<Database>) -> F) -> StoreFuture<'a, T>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.within(DEADLINE, work(Arc::clone(&self.database)))
    }
}

impl Store for SqlStore {
    fn create_login(
        &self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        self.work(|db| async move { work::create_login(&db, key, login, grant).await })
    }

    fn login(&self, key: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        self.work(|db| async move { work::login(&db, key).await })
    }

    fn touch_login(
        &self,
        key: LoginKey,
        seen_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'_, bool> {
        self.work(move |db| async move { work::touch_login(&db, key, seen_at, expires_at).await })
    }

    fn end_login(&self, key: LoginKey) -> StoreFuture<'_, EndedLogin> {
        self.work(|db| async move { work::end_login(&db, key).await })
    }

    fn put_grant(&self, grant: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        self.work(|db| async move { work::put(&db, grant).await })
    }

    fn grant(&self, key: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
        self.work(|db| async move { work::grant(&db, key).await })
    }

    fn replace_grant(&self, expected: Version, next: GrantRecord) -> StoreFuture<'_, Swap> {
        self.work(|db| async move { work::replace_grant(&db, expected, next).await })
    }

    fn end_grant(&self, key: GrantKey, expected: Option<Version>) -> StoreFuture<'_, Option<GrantRecord>> {
        self.work(|db| async move { work::end_grant(&db, key, expected).await })
    }

    fn logins(&self, of: Subject) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        let database = Arc::clone(&self.database);
        self.within(LISTING_DEADLINE, async move { work::logins(&database, of).await })
    }

    fn grants(&self, of: Subject) -> StoreFuture<'_, Vec<GrantRecord>> {
        let database = Arc::clone(&self.database);
        self.within(LISTING_DEADLINE, async move { work::grants(&database, of).await })
    }

    fn consume(&self, once: OnceKey, lifetime: Duration) -> StoreFuture<'_, bool> {
        self.work(|db| async move { work::consume(&db, once, lifetime).await })
    }

    fn acquire_lease(&self, key: GrantKey, holder: LeaseHolder, lifetime: Duration) -> StoreFuture<'_, bool> {
        self.work(|db| async move { work::acquire_lease(&db, key, holder, lifetime).await })
    }

    fn release_lease(&self, key: GrantKey, holder: LeaseHolder) -> StoreFuture<'_, ()> {
        self.work(|db| async move { work::release_lease(&db, key, holder).await })
    }
}
