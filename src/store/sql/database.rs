//! [`Database`]: SQLite and Postgres behind one small interface (begin, run, read rows).
//!
//! The statements are the same for both; `$1` is a placeholder in either. This module has what differs in opening a
//! database, and `session` what differs in running statements.

#[cfg(feature = "postgres")]
use std::sync::Arc;
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

#[cfg(feature = "sqlite")]
use super::group_commit::GroupCommit;
#[cfg(feature = "postgres")]
use super::transaction::PostgresTransaction;
use super::{
    super::{StoreError, runtime::CALL_TIMEOUT},
    session::{Connection, PooledConnection, Row, Value, failed, is_dead},
    transaction::Transaction,
};
use crate::base::lock::lock;

/// How long an operation waits for a connection of the pool. Less than the deadline of the operation, so that its error
/// names the reason.
const ACQUIRE: Duration = Duration::from_millis(900);
/// How long opening waits for the server, which is often started together with the app.
#[cfg(feature = "postgres")]
const CONNECT: Duration = Duration::from_secs(5);
/// Maximum time of one attempt to connect at the start.
#[cfg(feature = "postgres")]
const ATTEMPT: Duration = Duration::from_secs(2);
/// How long an operation waits for another process that is writing to the file. Less than [`ACQUIRE`], and so than the
/// deadline of the operation: its error names the reason before the operation is dropped.
#[cfg(feature = "sqlite")]
pub(super) const BUSY: Duration = Duration::from_millis(800);
/// Connections for reading. SQLite allows many readers besides its one writer.
#[cfg(feature = "sqlite")]
const SQLITE_READERS: u32 = 4;

/// A connection that was idle for this long is tested before it is used: it may be dead without a report from the
/// network.
#[cfg(feature = "postgres")]
const TEST_AFTER: Duration = Duration::from_secs(1);
/// Maximum time of the test. A small part of the operation's deadline, so that there is time to connect again.
#[cfg(feature = "postgres")]
const TEST_TIMEOUT: Duration = Duration::from_millis(100);

const _: () = assert!(ACQUIRE.as_millis() < CALL_TIMEOUT.as_millis());
#[cfg(feature = "sqlite")]
const _: () = assert!(BUSY.as_millis() < ACQUIRE.as_millis());
#[cfg(feature = "postgres")]
const _: () = assert!(4 * TEST_TIMEOUT.as_millis() < ACQUIRE.as_millis());

/// How often an operation is tried in all while its connections turn out to be dead. The second connection is a new one;
/// a third covers a server that restarts just then.
const MAX_ATTEMPTS: u32 = 3;

/// When a connection of a pool last turned out to be dead. Those that were opened before then are not used any more: a
/// restart of the server ends all of them at once.
#[derive(Debug, Default)]
pub(super) struct Breakage(Mutex<Option<Instant>>);

impl Breakage {
    fn note(&self) {
        *lock(&self.0) = Some(Instant::now());
    }

    /// Returns whether a connection of this age was open at the time.
    #[cfg(feature = "postgres")]
    fn is_after(&self, age: Duration) -> bool {
        lock(&self.0).is_some_and(|at| at.elapsed() < age)
    }
}

/// The open database.
#[derive(Debug, Clone)]
pub(super) enum Database {
    /// SQLite has one writer at a time and any number of readers, which do not wait for the writer.
    #[cfg(feature = "sqlite")]
    Sqlite { writer: sqlx::SqlitePool, group: GroupCommit, readers: sqlx::SqlitePool },
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool, Arc<Breakage>),
}

impl Database {
    #[cfg(feature = "sqlite")]
    pub(super) async fn open_sqlite(path: &std::path::Path) -> Result<Self, StoreError> {
        create_private(path).await?;
        Self::open_file(sqlite_options(path).journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)).await
    }

    /// Opens a file that exists, without a change to its journal mode and its rights.
    #[cfg(feature = "sqlite")]
    pub(super) async fn open_sqlite_as_is(path: &std::path::Path) -> Result<Self, StoreError> {
        Self::open_file(sqlite_options(path)).await
    }

    #[cfg(feature = "sqlite")]
    async fn open_file(options: sqlx::sqlite::SqliteConnectOptions) -> Result<Self, StoreError> {
        use sqlx::sqlite::SqlitePoolOptions;

        // `GroupCommit` waits for other processes itself.
        let writer = options.clone().busy_timeout(Duration::ZERO);
        let pool =
            |connections| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE);
        Ok(Self::Sqlite {
            writer: pool(1).connect_with(writer).await.map_err(failed)?,
            group: GroupCommit::default(),
            readers: pool(SQLITE_READERS).connect_lazy_with(options),
        })
    }

    #[cfg(feature = "postgres")]
    pub(super) async fn connect_postgres(url: &str) -> Result<Self, StoreError> {
        use sqlx::ConnectOptions as _;

        let options: sqlx::postgres::PgConnectOptions = url.parse().map_err(failed)?;
        let options = options.disable_statement_logging();
        wait_until_ready(&options).await?;
        let breakage = Arc::new(Breakage::default());
        let seen = Arc::clone(&breakage);
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .before_acquire(move |connection, of| {
                let is_suspect = seen.is_after(of.age);
                Box::pin(async move {
                    // An error closes the connection without the closing handshake, which would block.
                    if is_suspect {
                        return Err(sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into()));
                    }
                    if of.idle_for < TEST_AFTER {
                        return Ok(true);
                    }
                    let ping = sqlx::Connection::ping(connection);
                    match tokio::time::timeout(TEST_TIMEOUT, ping).await {
                        Ok(response) => response.map(|()| true),
                        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
                    }
                })
            });
        Ok(Self::Postgres(pool.connect_lazy_with(options), breakage))
    }

    async fn writer(&self) -> Result<PooledConnection, StoreError> {
        let connection = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { writer, .. } => writer.acquire().await.map(Connection::Sqlite),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, _) => pool.acquire().await.map(Connection::Postgres),
        };
        connection.map(PooledConnection::new).map_err(failed)
    }

    async fn reader(&self) -> Result<PooledConnection, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { readers, .. } => {
                readers.acquire().await.map(Connection::Sqlite).map(PooledConnection::new).map_err(failed)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(..) => self.writer().await,
        }
    }

    /// Begins a transaction. On SQLite it may write from the start, so that it cannot fail later for want of the write
    /// lock.
    ///
    /// A connection that turns out to be dead is replaced: nothing was written yet.
    pub(super) async fn begin(&self) -> Result<Transaction, StoreError> {
        let mut attempts = 0;
        loop {
            match self.begin_once().await {
                Err(error) if self.is_worth_another(&error, &mut attempts) => {}
                begun => return begun,
            }
        }
    }

    async fn begin_once(&self) -> Result<Transaction, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { group, .. } => group.join(self.writer()).await.map(Transaction::Sqlite),
            #[cfg(feature = "postgres")]
            Self::Postgres(..) => {
                PostgresTransaction::begin(self.writer().await?).await.map(Transaction::Postgres)
            }
        }
    }

    /// Runs one statement outside a transaction. Returns the number of rows that it changed.
    ///
    /// It is repeated if its connection turns out to be dead, and may have taken effect by then. So it has to be one that
    /// changes nothing the second time.
    pub(super) async fn run_idempotent<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<u64, StoreError> {
        let mut attempts = 0;
        loop {
            match self.run_once(sql, values.clone()).await {
                Err(error) if self.is_worth_another(&error, &mut attempts) => {}
                changed => return changed,
            }
        }
    }

    async fn run_once<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<u64, StoreError> {
        match self {
            // Among the operations that share a commit: on SQLite each commit locks the whole file.
            #[cfg(feature = "sqlite")]
            Self::Sqlite { .. } => {
                let mut tx = self.begin_once().await?;
                let changed = tx.run(sql, values).await?;
                tx.commit().await?;
                Ok(changed)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(..) => self.writer().await?.run(sql, values).await,
        }
    }

    /// Reads rows with one statement outside a transaction. It is repeated if its connection turns out to be dead.
    pub(super) async fn rows<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Vec<Row>, StoreError> {
        let mut attempts = 0;
        loop {
            let rows = async { self.reader().await?.rows(sql, values.clone()).await }.await;
            match rows {
                Err(error) if self.is_worth_another(&error, &mut attempts) => {}
                rows => return rows,
            }
        }
    }

    /// Returns whether an attempt failed because its connection turned out to be dead, for example after a restart or a
    /// failover of the server, and another one may succeed. Each death condemns the connections that are as old, so that
    /// the next one is a new one. The deadline is that of the store operation.
    fn is_worth_another(&self, error: &StoreError, attempts: &mut u32) -> bool {
        *attempts += 1;
        if !is_dead(error) || *attempts >= MAX_ATTEMPTS {
            return false;
        }
        if let Some(breakage) = self.breakage() {
            breakage.note();
        }
        tracing::debug!(%error, "a connection of the store was dead: repeated on a new one");
        true
    }

    fn breakage(&self) -> Option<&Breakage> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { .. } => None,
            #[cfg(feature = "postgres")]
            Self::Postgres(_, breakage) => Some(breakage),
        }
    }
}

/// Waits until the server responds. A pool would do so too, but its error would not name the reason.
#[cfg(feature = "postgres")]
async fn wait_until_ready(options: &sqlx::postgres::PgConnectOptions) -> Result<(), StoreError> {
    let started = std::time::Instant::now();
    loop {
        let attempt = tokio::time::timeout(ATTEMPT, sqlx::ConnectOptions::connect(options)).await;
        match attempt.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))) {
            Ok(connection) => return sqlx::Connection::close(connection).await.map_err(failed),
            // 57P03 ("cannot_connect_now"): the server is starting. Other errors of the server are permanent.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() != Some("57P03") => {
                return Err(failed(sqlx::Error::Database(error)));
            }
            Err(error) if started.elapsed() >= CONNECT => return Err(failed(error)),
            Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

#[cfg(feature = "sqlite")]
fn sqlite_options(path: &std::path::Path) -> sqlx::sqlite::SqliteConnectOptions {
    use sqlx::{
        ConnectOptions as _,
        sqlite::{SqliteConnectOptions, SqliteSynchronous},
    };
    SqliteConnectOptions::new()
        .filename(path)
        // A rotated token must survive a power failure.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .disable_statement_logging()
}

/// Creates the file, readable by its owner only, before SQLite does. SQLite gives its other files the same rights.
#[cfg(feature = "sqlite")]
async fn create_private(path: &std::path::Path) -> Result<(), StoreError> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).await.map(drop).map_err(|error| StoreError::Unavailable(error.into()))?;
    #[cfg(unix)]
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        make_private(std::path::Path::new(&name)).await;
    }
    Ok(())
}

/// Takes the rights of others from a file that existed before. A group that may write was chosen on purpose, for several
/// processes with different users, and stays.
#[cfg(all(feature = "sqlite", unix))]
async fn make_private(path: &std::path::Path) {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    let Ok(metadata) = tokio::fs::metadata(path).await else { return };
    let mode = metadata.permissions().mode() & 0o777;
    let private = if mode & 0o020 == 0 { mode & 0o700 } else { mode & 0o770 };
    if mode != private {
        match tokio::fs::set_permissions(path, Permissions::from_mode(private)).await {
            Ok(()) => tracing::info!(
                path = %path.display(),
                "file of the store was readable by others: mode changed from {mode:o} to {private:o}"
            ),
            Err(error) => tracing::warn!(
                path = %path.display(),
                %error,
                "file of the store is readable by others (mode {mode:o}). Change it to {private:o}"
            ),
        }
    }
    if private & 0o070 != 0 {
        tracing::warn!(path = %path.display(), "file of the store is readable by its group (mode {private:o})");
    }
}
