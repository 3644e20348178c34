//! One connection to either database, so that the operations are written once.

use sqlx::{AssertSqlSafe, Row as _, pool::PoolConnection};

use crate::store::{StoreError, io::unavailable, record::Unreadable};

/// A borrowed connection. Unless it is [finished](Self::finish), it is closed rather than given back to its pool: what
/// was going on there is unknown, and closing rolls it back.
pub(super) struct Session {
    connection: Option<Either>,
}

pub(super) enum Either {
    #[cfg(feature = "sqlite")]
    Sqlite(PoolConnection<sqlx::Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(PoolConnection<sqlx::Postgres>),
}

/// A value for a `$n` of a statement.
pub(super) enum Value<'a> {
    Number(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

/// One row of an answer.
pub(super) enum Row {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
}

/// What the database or the way to it did wrong. Only its kind: an error of the database may repeat what it was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the database: {0}")]
pub(super) struct Fault(String);

/// Runs the same expression on either kind.
macro_rules! either {
    ($on:expr, $kind:ident, $bound:pat => $run:expr) => {
        match $on {
            #[cfg(feature = "sqlite")]
            $kind::Sqlite($bound) => $run,
            #[cfg(feature = "postgres")]
            $kind::Postgres($bound) => $run,
        }
    };
}

/// A query with its values, for either kind.
macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($sql));
        for value in $values {
            query = match value {
                Value::Number(number) => query.bind(*number),
                Value::Text(text) => query.bind((*text).to_owned()),
                Value::Bytes(bytes) => query.bind(bytes.to_vec()),
            };
        }
        query
    }};
}

/// The database's own clock in milliseconds, which all machines share.
#[cfg(feature = "sqlite")]
const SQLITE_NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
#[cfg(feature = "postgres")]
const POSTGRES_NOW: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";

impl Session {
    pub(super) fn new(connection: Either) -> Self {
        Self { connection: Some(connection) }
    }

    fn connection(&mut self) -> Result<&mut Either, StoreError> {
        self.connection.as_mut().ok_or_else(|| unavailable(Fault("the connection is closed".to_owned())))
    }

    /// Puts in what differs between the databases. Statements are this module's own texts; values never get in here.
    fn dialect(connection: &Either, sql: &str) -> String {
        let (now, bytes, skip_locked) = match connection {
            #[cfg(feature = "sqlite")]
            Either::Sqlite(_) => (SQLITE_NOW, "BLOB", ""),
            #[cfg(feature = "postgres")]
            Either::Postgres(_) => (POSTGRES_NOW, "BYTEA", "FOR UPDATE SKIP LOCKED"),
        };
        sql.replace("{now}", now).replace("{bytes}", bytes).replace("{skip_locked}", skip_locked)
    }

    /// Runs a statement and says how many rows it changed.
    pub(super) async fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let connection = self.connection()?;
        let sql = Self::dialect(connection, sql);
        either!(connection, Either, connection => {
            bound!(sql, values).execute(&mut **connection).await.map(|done| done.rows_affected()).map_err(|e| fault(&e))
        })
    }

    /// Runs a statement and gives its rows.
    pub(super) async fn rows(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection()?;
        let sql = Self::dialect(connection, sql);
        match connection {
            #[cfg(feature = "sqlite")]
            Either::Sqlite(connection) => {
                let rows = bound!(sql, values).fetch_all(&mut **connection).await.map_err(|e| fault(&e))?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            #[cfg(feature = "postgres")]
            Either::Postgres(connection) => {
                let rows = bound!(sql, values).fetch_all(&mut **connection).await.map_err(|e| fault(&e))?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Runs a statement and gives its first row.
    pub(super) async fn row(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Runs several statements that take no values.
    pub(super) async fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        let connection = self.connection()?;
        let sql = Self::dialect(connection, sql);
        either!(connection, Either, connection => {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **connection).await.map(|_| ()).map_err(|e| fault(&e))
        })
    }

    /// Begins a transaction that changes something. SQLite lets one in at a time.
    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        let begin = match self.connection()? {
            #[cfg(feature = "sqlite")]
            Either::Sqlite(_) => "BEGIN IMMEDIATE",
            #[cfg(feature = "postgres")]
            Either::Postgres(_) => "BEGIN",
        };
        self.script(begin).await
    }

    /// Has everybody else who locks the same name wait until this transaction ends.
    pub(super) async fn lock(&mut self, name: &str) -> Result<(), StoreError> {
        match self.connection()? {
            // There is one transaction at a time anyway.
            #[cfg(feature = "sqlite")]
            Either::Sqlite(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Either::Postgres(_) => {
                let lock = "SELECT pg_advisory_xact_lock(hashtextextended('actix-salesforce ' || $1, 0))";
                self.execute(lock, &[name.into()]).await.map(|_| ())
            }
        }
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.script("COMMIT").await?;
        self.finish();
        Ok(())
    }

    pub(super) async fn roll_back(mut self) -> Result<(), StoreError> {
        self.script("ROLLBACK").await?;
        self.finish();
        Ok(())
    }

    /// Gives the connection back: nothing is going on there.
    pub(super) fn finish(mut self) {
        drop(self.connection.take());
    }

    #[cfg(feature = "postgres")]
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self.connection, Some(Either::Postgres(_)))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            either!(connection, Either, connection => drop(connection.detach()));
        }
    }
}

impl Row {
    pub(super) fn number(&self, at: usize, name: &'static str) -> Result<i64, StoreError> {
        either!(self, Row, row => row.try_get(at).map_err(|_| Unreadable::Field(name).into()))
    }

    pub(super) fn text(&self, at: usize, name: &'static str) -> Result<String, StoreError> {
        either!(self, Row, row => row.try_get(at).map_err(|_| Unreadable::Field(name).into()))
    }

    pub(super) fn bytes(&self, at: usize, name: &'static str) -> Result<Vec<u8>, StoreError> {
        either!(self, Row, row => row.try_get(at).map_err(|_| Unreadable::Field(name).into()))
    }
}

pub(super) fn fault(error: &sqlx::Error) -> StoreError {
    let kind = match error {
        sqlx::Error::Database(answer) => {
            let code = answer.code().unwrap_or_default();
            // Who may not log in (28) to which database (3D): what a person who starts the program has to know.
            if code.starts_with("28") || code.starts_with("3D") {
                answer.message().to_owned()
            } else {
                format!("it answered {code}")
            }
        }
        sqlx::Error::Io(error) => format!("the connection broke ({})", error.kind()),
        sqlx::Error::Tls(_) => "TLS failed".to_owned(),
        sqlx::Error::PoolTimedOut => "no connection became free in time".to_owned(),
        sqlx::Error::Protocol(_) => "it does not speak the protocol".to_owned(),
        _ => "it cannot be used".to_owned(),
    };
    unavailable(Fault(kind))
}
