//! One borrowed connection: statements with values, rows, and steps that take effect as a whole.

use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _, pool::PoolConnection};

use super::super::{StoreError, fields::corrupt};

/// When the way to a client falls silent, the server must not keep the locks of its unfinished step: the limits are a
/// little longer than any step takes. They end with the step, since a pooler may lend the connection to another
/// program.
#[cfg(feature = "postgres")]
const BEGIN_POSTGRES: &str = "BEGIN; SET LOCAL statement_timeout = 2000; \
                              SET LOCAL idle_in_transaction_session_timeout = 2000";

/// A borrowed connection. When a call on it is given up half-way, nobody knows what is going on there: it is closed
/// then, and its place in the pool is free at once.
pub(super) struct Borrowed {
    connection: Option<Connection>,
    in_the_middle: bool,
}

pub(super) enum Connection {
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

impl Connection {
    /// Puts in what differs: the database's own clock in milliseconds since 1970, since machines' clocks may differ,
    /// the type of sealed bytes, and how to pass over rows that somebody else is changing (SQLite has one writer).
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

impl Borrowed {
    pub(super) fn new(connection: Connection) -> Self {
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
    pub(super) async fn begin(mut borrowed: Borrowed) -> Result<Self, StoreError> {
        let begin = match &borrowed.connection {
            #[cfg(feature = "postgres")]
            Some(Connection::Postgres(_)) => BEGIN_POSTGRES,
            _ => "BEGIN IMMEDIATE",
        };
        borrowed
            .during(async |connection| {
                either!(connection, Connection(connection) => {
                    sqlx::raw_sql(begin).execute(&mut **connection).await.map(drop)
                })
            })
            .await?;
        Ok(Self { borrowed, open: true })
    }

    /// Has everyone else who is about to change the same grant wait until this step ends. SQLite has one writer anyway.
    pub(super) async fn lock(&mut self, grant: &str) -> Result<(), StoreError> {
        match &self.borrowed.connection {
            #[cfg(feature = "postgres")]
            Some(Connection::Postgres(_)) => {
                let sql = "SELECT pg_advisory_xact_lock(hashtextextended('actix-salesforce ' || $1, 0))";
                self.borrowed.run(sql, [grant.into()]).await.map(drop)
            }
            _ => {
                let _ = grant;
                Ok(())
            }
        }
    }

    pub(super) async fn run<const N: usize>(
        &mut self,
        sql: &str,
        values: [Value; N],
    ) -> Result<u64, StoreError> {
        self.borrowed.run(sql, values).await
    }

    pub(super) async fn row<const N: usize>(
        &mut self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.borrowed.rows(sql, values).await?.into_iter().next())
    }

    /// Whether the table exists in which the steps of the schema are noted.
    pub(super) async fn has_schema(&mut self) -> Result<bool, StoreError> {
        let sql = match &self.borrowed.connection {
            #[cfg(feature = "postgres")]
            Some(Connection::Postgres(_)) => {
                "SELECT 1 FROM pg_class WHERE oid = to_regclass('actix_salesforce_schema')"
            }
            _ => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'actix_salesforce_schema'",
        };
        Ok(self.row(sql, []).await?.is_some())
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.borrowed.run("COMMIT", []).await?;
        self.open = false;
        Ok(())
    }

    /// Ends the step without effect. One that is merely dropped has none either, but costs its connection.
    pub(super) async fn give_up(mut self) -> Result<(), StoreError> {
        self.borrowed.run("ROLLBACK", []).await?;
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

pub(super) fn failed(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Corrupt(error.into()),
        error => StoreError::Unavailable(error.into()),
    }
}
