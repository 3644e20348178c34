//! SQLite and Postgres behind one small surface: begin, run, read rows.
//!
//! The statements are the same for both (`$1` is a placeholder in either); what differs is the clock, the lock, and how a
//! database is opened.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _, pool::PoolConnection};

use super::super::{StoreError, fields::corrupt};

/// How long a connection is waited for.
const ACQUIRE: Duration = Duration::from_millis(900);
/// When the way to a client falls silent, the server must not keep the locks of its unfinished step: the limits are a
/// little longer than any step takes. They end with the step, since a pooler may lend the connection to another program.
#[cfg(feature = "postgres")]
const BEGIN_POSTGRES: &str = "BEGIN; SET LOCAL statement_timeout = 2000; \
                              SET LOCAL idle_in_transaction_session_timeout = 2000";
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

/// A borrowed connection. When a call on it is given up half-way, nobody knows what is going on there: it is closed then,
/// and its place in the pool is free at once.
struct Borrowed {
    connection: Option<Connection>,
    in_the_middle: bool,
}

enum Connection {
    #[cfg(feature = "sqlite")]
    Sqlite(PoolConnection<sqlx::Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(PoolConnection<sqlx::Postgres>),
}

/// A step that takes effect as a whole, or not at all.
pub(super) struct Transaction {
    borrowed: Borrowed,
    open: bool,
}

/// What a placeholder stands for.
#[derive(Debug)]
pub(super) enum Value {
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// One row, read from the left.
pub(super) enum Row {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow, usize),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow, usize),
}

/// The same code for whichever database it is.
macro_rules! either {
    ($target:expr, $kind:ident($($inner:ident),+) => $body:expr) => {
        match $target {
            #[cfg(feature = "sqlite")]
            $kind::Sqlite($($inner),+) => $body,
            #[cfg(feature = "postgres")]
            $kind::Postgres($($inner),+) => $body,
        }
    };
}

/// A query with its values bound.
macro_rules! query {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($sql).into_sql_str());
        for value in $values {
            query = match value {
                Value::Number(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
            };
        }
        query
    }};
}

impl Row {
    pub(super) fn number(&mut self, field: &'static str) -> Result<i64, StoreError> {
        either!(self, Row(row, at) => {
            *at += 1;
            row.try_get(*at - 1).map_err(|_| corrupt(field))
        })
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<String, StoreError> {
        either!(self, Row(row, at) => {
            *at += 1;
            row.try_get(*at - 1).map_err(|_| corrupt(field))
        })
    }

    pub(super) fn bytes(&mut self, field: &'static str) -> Result<Vec<u8>, StoreError> {
        either!(self, Row(row, at) => {
            *at += 1;
            row.try_get(*at - 1).map_err(|_| corrupt(field))
        })
    }
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

    /// The database's own clock, in milliseconds since 1970: machines' clocks may differ.
    fn now(&self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { .. } => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// The type of sealed bytes.
    pub(super) fn bytes_type(&self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { .. } => "BLOB",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "BYTEA",
        }
    }

    /// Gives a row if the table exists in which the steps of the schema are noted.
    pub(super) fn has_schema(&self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { .. } => {
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'actix_salesforce_schema'"
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "SELECT 1 FROM pg_class WHERE oid = to_regclass('actix_salesforce_schema')",
        }
    }

    pub(super) fn sql(&self, statement: &str) -> String {
        statement.replace("{now}", self.now())
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

    /// Begins a step. On SQLite it has the right to write from the start, so that it cannot fail half-way for lack of it.
    pub(super) async fn begin(&self) -> Result<Transaction, StoreError> {
        let mut borrowed = self.writer().await?;
        borrowed
            .during(async |connection| match connection {
                #[cfg(feature = "sqlite")]
                Connection::Sqlite(connection) => {
                    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut **connection).await.map(drop)
                }
                #[cfg(feature = "postgres")]
                Connection::Postgres(connection) => {
                    sqlx::raw_sql(BEGIN_POSTGRES).execute(&mut **connection).await.map(drop)
                }
            })
            .await?;
        Ok(Transaction { borrowed, open: true })
    }

    /// Runs one statement by itself; how many rows it changed.
    pub(super) async fn run<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<u64, StoreError> {
        self.writer().await?.run(self.sql(sql), values).await
    }

    /// Reads rows with one statement by itself.
    pub(super) async fn rows<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Vec<Row>, StoreError> {
        self.reader().await?.rows(self.sql(sql), values).await
    }
}

impl Borrowed {
    fn new(connection: Connection) -> Self {
        Self { connection: Some(connection), in_the_middle: false }
    }

    /// Marks the time during which a call must not be given up, and gives its outcome.
    async fn during<T>(
        &mut self,
        call: impl AsyncFnOnce(&mut Connection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let connection = self.connection.as_mut().ok_or_else(|| failed(sqlx::Error::PoolClosed))?;
        self.in_the_middle = true;
        let outcome = call(connection).await;
        self.in_the_middle = false;
        outcome.map_err(failed)
    }

    async fn run<const N: usize>(&mut self, sql: String, values: [Value; N]) -> Result<u64, StoreError> {
        self.during(async |connection| {
            either!(connection, Connection(connection) => {
                query!(sql, values).execute(&mut **connection).await.map(|done| done.rows_affected())
            })
        })
        .await
    }

    async fn rows<const N: usize>(
        &mut self,
        sql: String,
        values: [Value; N],
    ) -> Result<Vec<Row>, StoreError> {
        self.during(async |connection| {
            Ok(match connection {
                #[cfg(feature = "sqlite")]
                Connection::Sqlite(connection) => {
                    let rows = query!(sql, values).fetch_all(&mut **connection).await?;
                    rows.into_iter().map(|row| Row::Sqlite(row, 0)).collect()
                }
                #[cfg(feature = "postgres")]
                Connection::Postgres(connection) => {
                    let rows = query!(sql, values).fetch_all(&mut **connection).await?;
                    rows.into_iter().map(|row| Row::Postgres(row, 0)).collect()
                }
            })
        })
        .await
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if self.in_the_middle
            && let Some(connection) = self.connection.take()
        {
            either!(connection, Connection(connection) => drop(connection.detach()));
        }
    }
}

impl Transaction {
    /// Has everyone else who is about to change the same grant wait until this step ends. SQLite has one writer anyway.
    pub(super) async fn lock(&mut self, grant: &str) -> Result<(), StoreError> {
        match &self.borrowed.connection {
            #[cfg(feature = "postgres")]
            Some(Connection::Postgres(_)) => {
                let sql = "SELECT pg_advisory_xact_lock(hashtextextended('actix-salesforce ' || $1, 0))";
                self.borrowed.run(sql.to_owned(), [grant.into()]).await.map(drop)
            }
            _ => {
                let _ = grant;
                Ok(())
            }
        }
    }

    pub(super) async fn run<const N: usize>(
        &mut self,
        database: &Database,
        sql: &str,
        values: [Value; N],
    ) -> Result<u64, StoreError> {
        self.borrowed.run(database.sql(sql), values).await
    }

    pub(super) async fn row<const N: usize>(
        &mut self,
        database: &Database,
        sql: &str,
        values: [Value; N],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.borrowed.rows(database.sql(sql), values).await?.into_iter().next())
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.borrowed.run("COMMIT".to_owned(), []).await?;
        self.open = false;
        Ok(())
    }

    /// Ends the step without effect. One that is merely dropped has none either, but costs its connection.
    pub(super) async fn give_up(mut self) -> Result<(), StoreError> {
        self.borrowed.run("ROLLBACK".to_owned(), []).await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // Closing the connection rolls back.
        self.borrowed.in_the_middle |= self.open;
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

fn failed(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Corrupt(error.into()),
        error => StoreError::Unavailable(error.into()),
    }
}
