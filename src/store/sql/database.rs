//! SQLite and Postgres behind one small surface: begin, run, read rows.
//!
//! The statements are the same for both (`$1` is a placeholder in either); what differs is the clock, the lock, and how
//! a database is opened, which is told here, and how it is talked to, which is told in `session`.

use std::time::Duration;

use super::{
    super::StoreError,
    session::{Borrowed, Connection, Row, Transaction, Value, failed},
};

/// How long a connection is waited for.
const ACQUIRE: Duration = Duration::from_millis(900);
/// How long the first connection may take.
#[cfg(feature = "postgres")]
const CONNECT: Duration = Duration::from_secs(5);
#[cfg(feature = "postgres")]
const ATTEMPT: Duration = Duration::from_secs(2);
/// How long a SQLite file is waited for that another process writes.
#[cfg(feature = "sqlite")]
const BUSY: Duration = Duration::from_millis(800);
#[cfg(feature = "sqlite")]
const SQLITE_READERS: u32 = 4;

/// An idle connection is tried before it is used, unless it was used a moment ago, and must answer soon: it may have
/// fallen silent without anyone having been told.
#[cfg(feature = "postgres")]
const TRIED_AFTER: Duration = Duration::from_secs(1);
#[cfg(feature = "postgres")]
const ANSWERS_WITHIN: Duration = Duration::from_millis(100);

/// The open database.
#[derive(Debug, Clone)]
pub(super) enum Database {
    /// SQLite has one writer at a time, and as many readers as one likes, who do not wait for it.
    #[cfg(feature = "sqlite")]
    Sqlite { writer: sqlx::SqlitePool, readers: sqlx::SqlitePool },
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
}

impl Database {
    #[cfg(feature = "sqlite")]
    pub(super) async fn open_sqlite(path: &std::path::Path) -> Result<Self, StoreError> {
        use sqlx::{
            ConnectOptions as _,
            sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
        };

        create_private(path).await?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A token that was rotated must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            // Other processes write too. Less than the deadline, so that SQLite gives up before its caller does.
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let pool =
            |connections| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE);
        let writer = pool(1).connect_with(options.clone()).await.map_err(failed)?;
        Ok(Self::Sqlite { writer, readers: pool(SQLITE_READERS).connect_lazy_with(options) })
    }

    #[cfg(feature = "postgres")]
    pub(super) async fn connect_postgres(url: &str) -> Result<Self, StoreError> {
        use sqlx::ConnectOptions as _;

        let options: sqlx::postgres::PgConnectOptions = url.parse().map_err(failed)?;
        let options = options.disable_statement_logging();
        wait_until_it_answers(&options).await?;
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .before_acquire(|connection, of| {
                Box::pin(async move {
                    if of.idle_for < TRIED_AFTER {
                        return Ok(true);
                    }
                    let ping = sqlx::Connection::ping(connection);
                    match tokio::time::timeout(ANSWERS_WITHIN, ping).await {
                        Ok(answer) => answer.map(|()| true),
                        // An error closes it without a goodbye, for which it would have to answer.
                        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
                    }
                })
            });
        Ok(Self::Postgres(pool.connect_lazy_with(options)))
    }

    async fn writer(&self) -> Result<Borrowed, StoreError> {
        let connection = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { writer, .. } => writer.acquire().await.map(Connection::Sqlite),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => pool.acquire().await.map(Connection::Postgres),
        };
        connection.map(Borrowed::new).map_err(failed)
    }

    async fn reader(&self) -> Result<Borrowed, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { readers, .. } => {
                readers.acquire().await.map(Connection::Sqlite).map(Borrowed::new).map_err(failed)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => self.writer().await,
        }
    }

    /// Begins a step. On SQLite it has the right to write from the start, so that it cannot fail half-way for lack of
    /// it.
    pub(super) async fn begin(&self) -> Result<Transaction, StoreError> {
        Transaction::begin(self.writer().await?).await
    }

    /// Runs one statement by itself; how many rows it changed.
    pub(super) async fn run<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<u64, StoreError> {
        self.writer().await?.run(sql, values).await
    }

    /// Reads rows with one statement by itself.
    pub(super) async fn rows<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Vec<Row>, StoreError> {
        self.reader().await?.rows(sql, values).await
    }
}

/// App and server are often started together: tries for a while. A pool would do so too, but not say why it gave up.
#[cfg(feature = "postgres")]
async fn wait_until_it_answers(options: &sqlx::postgres::PgConnectOptions) -> Result<(), StoreError> {
    let started = std::time::Instant::now();
    loop {
        let attempt = tokio::time::timeout(ATTEMPT, sqlx::ConnectOptions::connect(options)).await;
        match attempt.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))) {
            Ok(connection) => return sqlx::Connection::close(connection).await.map_err(failed),
            // 57P03: it is starting. Everything else that it says will not pass by itself.
            Err(sqlx::Error::Database(said)) if said.code().as_deref() != Some("57P03") => {
                return Err(failed(sqlx::Error::Database(said)));
            }
            Err(error) if started.elapsed() >= CONNECT => return Err(failed(error)),
            Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

/// Makes the file before SQLite does, readable by its owner only; the files beside it get the same rights.
#[cfg(feature = "sqlite")]
async fn create_private(path: &std::path::Path) -> Result<(), StoreError> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).await.map(drop).map_err(|error| StoreError::Unavailable(error.into()))
}
