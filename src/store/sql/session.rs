//! [`PooledConnection`]: statements with values, and rows.

use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _, pool::PoolConnection};

use super::super::{StoreError, encoding::corrupt};

/// A connection of the pool. If a statement is dropped before it has ended, the state of the connection is unknown: it is
/// closed then, and its place in the pool is free at once.
#[derive(Debug)]
pub(super) struct PooledConnection {
    connection: Option<Connection>,
    is_busy: bool,
}

#[derive(Debug)]
pub(super) enum Connection {
    #[cfg(feature = "sqlite")]
    Sqlite(PoolConnection<sqlx::Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(PoolConnection<sqlx::Postgres>),
}

/// The value of a placeholder.
#[derive(Debug, Clone)]
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

/// A row, read from the first column on.
pub(super) enum Row {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow, usize),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow, usize),
}

/// The same code for both databases.
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

/// Makes a query and binds its values.
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

impl Connection {
    /// Fills in what differs between the databases: the time in milliseconds since 1970 (of the database, because the
    /// clocks of machines may differ), the type of sealed bytes, and how to skip rows that another transaction has
    /// locked (SQLite has one writer).
    fn sql(&self, statement: &str) -> String {
        let (now, bytes, skip_locked) = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => ("CAST(unixepoch('subsec') * 1000 AS INTEGER)", "BLOB", ""),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => (
                "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
                "BYTEA",
                "FOR UPDATE SKIP LOCKED",
            ),
        };
        statement.replace("{now}", now).replace("{bytes}", bytes).replace("{skip locked}", skip_locked)
    }
}

impl PooledConnection {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection: Some(connection), is_busy: false }
    }

    /// Runs a statement. The connection is closed if this future is dropped before the statement has ended.
    async fn during<T>(
        &mut self,
        call: impl AsyncFnOnce(&mut Connection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let connection = self.connection.as_mut().ok_or_else(|| failed(sqlx::Error::PoolClosed))?;
        self.is_busy = true;
        let outcome = call(connection).await.map_err(failed);
        // A dead connection is closed, too.
        self.is_busy = outcome.as_ref().is_err_and(is_dead);
        outcome
    }

    /// Runs statements without values, several with `;` between them.
    pub(super) async fn execute(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.during(async |connection| {
            either!(connection, Connection(connection) => {
                sqlx::raw_sql(sql).execute(&mut **connection).await.map(drop)
            })
        })
        .await
    }

    /// Returns whether a statement was dropped before it ended.
    #[cfg(feature = "sqlite")]
    pub(super) fn is_in_doubt(&self) -> bool {
        self.is_busy
    }

    /// Closes the connection when it is dropped, which rolls back what it has begun.
    pub(super) fn close_when_dropped(&mut self) {
        self.is_busy = true;
    }

    pub(super) async fn run<const N: usize>(
        &mut self,
        sql: &str,
        values: [Value; N],
    ) -> Result<u64, StoreError> {
        self.during(async |connection| {
            let sql = connection.sql(sql);
            either!(connection, Connection(connection) => {
                query!(sql, values).execute(&mut **connection).await.map(|done| done.rows_affected())
            })
        })
        .await
    }

    pub(super) async fn rows<const N: usize>(
        &mut self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Vec<Row>, StoreError> {
        self.during(async |connection| {
            let sql = connection.sql(sql);
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

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if self.is_busy
            && let Some(connection) = self.connection.take()
        {
            either!(connection, Connection(connection) => drop(connection.detach()));
        }
    }
}

pub(super) fn failed(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Corrupt(error.into()),
        error => StoreError::Unavailable(error.into()),
    }
}

/// Returns whether a connection is of no use any more: it is broken, its server ends, or its server accepts no writes
/// since a failover. What was to be done on it has not been done, unless it was the end of a transaction.
pub(super) fn is_dead(error: &StoreError) -> bool {
    /// "admin_shutdown", "crash_shutdown", "cannot_connect_now", "idle_session_timeout", "read_only_sql_transaction"
    /// (PostgreSQL documentation, appendix A). Class 08 are errors of the connection itself.
    const CODES: [&str; 5] = ["57P01", "57P02", "57P03", "57P05", "25006"];

    let StoreError::Unavailable(error) = error else { return false };
    match error.downcast_ref::<sqlx::Error>() {
        Some(sqlx::Error::Io(_)) => true,
        Some(sqlx::Error::Database(error)) => {
            error.code().is_some_and(|code| CODES.contains(&&*code) || code.starts_with("08"))
        }
        _ => false,
    }
}

/// Returns whether the database was only too slow: another process was writing, or the disk needed longer than a
/// connection is waited for. SQLite's code 5 is `SQLITE_BUSY` (<https://www.sqlite.org/rescode.html>).
pub(super) fn is_busy(error: &StoreError) -> bool {
    let StoreError::Unavailable(error) = error else { return false };
    match error.downcast_ref::<sqlx::Error>() {
        Some(sqlx::Error::PoolTimedOut) => true,
        // The low byte of an extended code is its primary code. Postgres has other codes: 42501 says that a right is missing.
        #[cfg(feature = "sqlite")]
        Some(sqlx::Error::Database(error))
            if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() =>
        {
            error.code().and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
        }
        _ => false,
    }
}
