//! The pools of connections to a database.

#[cfg(feature = "sqlite")]
use std::path::Path;
use std::time::Duration;

use super::session::{Either, Session, fault};
use crate::store::{StoreError, io::DEADLINE};

pub(super) enum Database {
    #[cfg(feature = "sqlite")]
    Sqlite {
        /// SQLite has one writer at a time: those who wait do so here, in order, rather than in SQLite, by chance.
        writer: sqlx::SqlitePool,
        reader: sqlx::SqlitePool,
    },
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
}

/// Operations are short; more connections would only wait for each other in the database.
#[cfg(feature = "postgres")]
const POSTGRES_CONNECTIONS: u32 = 8;
#[cfg(feature = "sqlite")]
const SQLITE_READERS: u32 = 4;

impl Database {
    /// Opens the file, which belongs to its owner alone, with a log beside it so that readers and the writer do not wait
    /// for each other.
    #[cfg(feature = "sqlite")]
    pub(super) fn sqlite(path: &Path) -> std::io::Result<Self> {
        use sqlx::{
            ConnectOptions as _,
            sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
        };

        create_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A rotated token that a power failure takes back is a login lost: every commit reaches the disk.
            .synchronous(SqliteSynchronous::Full)
            // Other processes write too. Less than the deadline, so that it is SQLite that gives up, not the caller.
            .busy_timeout(DEADLINE * 4 / 5)
            .disable_statement_logging();
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(DEADLINE)
                .connect_lazy_with(options.clone())
        };
        Ok(Self::Sqlite { writer: pool(1), reader: pool(SQLITE_READERS) })
    }

    #[cfg(feature = "postgres")]
    pub(super) fn postgres(options: sqlx::postgres::PgConnectOptions) -> Self {
        use sqlx::{ConnectOptions as _, postgres::PgPoolOptions};

        let options = options.application_name("actix-salesforce").disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(DEADLINE)
            .idle_timeout(Duration::from_secs(300))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // What a caller has given up the server gives up too, and with it the locks.
                    let limits =
                        "SET statement_timeout = 2000; SET idle_in_transaction_session_timeout = 5000";
                    sqlx::raw_sql(limits).execute(connection).await.map(|_| ())
                })
            })
            .connect_lazy_with(options);
        Self::Postgres(pool)
    }

    /// A connection for one statement that only reads.
    pub(super) async fn reader(&self) -> Result<Session, StoreError> {
        let connection = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { reader, .. } => reader.acquire().await.map(Either::Sqlite),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => pool.acquire().await.map(Either::Postgres),
        };
        connection.map(Session::new).map_err(|error| fault(&error))
    }

    /// A connection for one statement that changes something.
    pub(super) async fn writer(&self) -> Result<Session, StoreError> {
        let connection = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { writer, .. } => writer.acquire().await.map(Either::Sqlite),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => pool.acquire().await.map(Either::Postgres),
        };
        connection.map(Session::new).map_err(|error| fault(&error))
    }

    /// A transaction that changes something.
    pub(super) async fn begin(&self) -> Result<Session, StoreError> {
        let mut session = self.writer().await?;
        session.begin().await?;
        Ok(session)
    }
}

/// SQLite gives the files beside it the same permissions.
#[cfg(feature = "sqlite")]
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}
