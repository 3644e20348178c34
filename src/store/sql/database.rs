//! SQLite and Postgres behind one small surface: begin, run, read rows.
//!
//! The statements are the same for both (`$1` is a placeholder in either); what differs is the clock, the lock, and how a
//! database is opened.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _};

use super::super::{StoreError, fields::corrupt};

/// How long a connection is waited for.
const ACQUIRE: Duration = Duration::from_millis(900);

/// The open database.
#[derive(Debug, Clone)]
pub(super) enum Database {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
}

/// A step that takes effect as a whole, or not at all.
pub(super) enum Transaction {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
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
        use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

        create_private(path).await?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A token that was rotated must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(ACQUIRE);
        // SQLite has one writer at a time anyway.
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE);
        Ok(Self::Sqlite(pool.connect_with(options).await.map_err(failed)?))
    }

    #[cfg(feature = "postgres")]
    pub(super) async fn connect_postgres(url: &str) -> Result<Self, StoreError> {
        let pool = sqlx::postgres::PgPoolOptions::new().max_connections(8).acquire_timeout(ACQUIRE);
        Ok(Self::Postgres(pool.connect(url).await.map_err(failed)?))
    }

    /// The database's own clock, in milliseconds since 1970: machines' clocks may differ.
    fn now(&self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// The type of sealed bytes.
    pub(super) fn bytes_type(&self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => "BLOB",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "BYTEA",
        }
    }

    pub(super) fn sql(&self, statement: &str) -> String {
        statement.replace("{now}", self.now())
    }

    /// Begins a step. On SQLite it has the right to write from the start, so that it cannot fail half-way for lack of it.
    pub(super) async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(pool) => {
                Transaction::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => Transaction::Postgres(pool.begin().await.map_err(failed)?),
        })
    }

    /// Runs one statement by itself; how many rows it changed.
    pub(super) async fn run<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<u64, StoreError> {
        let sql = self.sql(sql);
        either!(self, Database(pool) => {
            query!(sql, values).execute(pool).await.map(|done| done.rows_affected()).map_err(failed)
        })
    }

    /// Reads rows with one statement by itself.
    pub(super) async fn rows<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Vec<Row>, StoreError> {
        let sql = self.sql(sql);
        Ok(match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(pool) => {
                let rows = query!(sql, values).fetch_all(pool).await.map_err(failed)?;
                rows.into_iter().map(|row| Row::Sqlite(row, 0)).collect()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => {
                let rows = query!(sql, values).fetch_all(pool).await.map_err(failed)?;
                rows.into_iter().map(|row| Row::Postgres(row, 0)).collect()
            }
        })
    }
}

impl Transaction {
    /// Has everyone else who is about to change the same grant wait until this step ends. SQLite has one writer anyway.
    pub(super) async fn lock(&mut self, grant: &str) -> Result<(), StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => {
                let _ = grant;
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => {
                let sql = "SELECT pg_advisory_xact_lock(hashtextextended('actix-salesforce ' || $1, 0))";
                sqlx::query(sql).bind(grant).execute(&mut **transaction).await.map(drop).map_err(failed)
            }
        }
    }

    pub(super) async fn run<const N: usize>(
        &mut self,
        database: &Database,
        sql: &str,
        values: [Value; N],
    ) -> Result<u64, StoreError> {
        let sql = database.sql(sql);
        either!(self, Transaction(transaction) => {
            let done = query!(sql, values).execute(&mut **transaction).await;
            done.map(|done| done.rows_affected()).map_err(failed)
        })
    }

    pub(super) async fn row<const N: usize>(
        &mut self,
        database: &Database,
        sql: &str,
        values: [Value; N],
    ) -> Result<Option<Row>, StoreError> {
        let sql = database.sql(sql);
        Ok(match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(transaction) => {
                let row = query!(sql, values).fetch_optional(&mut **transaction).await.map_err(failed)?;
                row.map(|row| Row::Sqlite(row, 0))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => {
                let row = query!(sql, values).fetch_optional(&mut **transaction).await.map_err(failed)?;
                row.map(|row| Row::Postgres(row, 0))
            }
        })
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        either!(self, Transaction(transaction) => transaction.commit().await.map_err(failed))
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
