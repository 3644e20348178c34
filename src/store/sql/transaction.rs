//! [`Transaction`]: statements that take effect together, or not at all.

#[cfg(feature = "sqlite")]
use super::group_commit::Member;
use super::{
    super::StoreError,
    session::{PooledConnection, Row, Value},
};

/// Limits a transaction on the server, in milliseconds: if the network to the client fails, the server must not hold the
/// locks of an unfinished transaction. Longer than the deadline of an operation. `LOCAL`, because a pooler may lend the
/// connection to another program afterwards.
#[cfg(feature = "postgres")]
const BEGIN_POSTGRES: &str = "BEGIN; SET LOCAL statement_timeout = 2000; \
                              SET LOCAL idle_in_transaction_session_timeout = 2000";

/// A transaction. Without a commit it has no effect.
pub(super) enum Transaction {
    #[cfg(feature = "sqlite")]
    Sqlite(Member),
    #[cfg(feature = "postgres")]
    Postgres(PostgresTransaction),
}

/// A connection on which a transaction is open. Dropping it closes the connection, which rolls back.
#[cfg(feature = "postgres")]
pub(super) struct PostgresTransaction {
    connection: PooledConnection,
    open: bool,
}

#[cfg(feature = "postgres")]
impl PostgresTransaction {
    pub(super) async fn begin(mut connection: PooledConnection) -> Result<Self, StoreError> {
        connection.execute(BEGIN_POSTGRES).await?;
        Ok(Self { connection, open: true })
    }

    async fn end(mut self, statement: &'static str) -> Result<(), StoreError> {
        self.connection.execute(statement).await?;
        self.open = false;
        Ok(())
    }
}

#[cfg(feature = "postgres")]
impl Drop for PostgresTransaction {
    fn drop(&mut self) {
        if self.open {
            self.connection.close_when_dropped();
        }
    }
}

impl Transaction {
    fn connection(&mut self) -> Result<&mut PooledConnection, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(member) => member.connection(),
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => Ok(&mut transaction.connection),
        }
    }

    /// Locks a grant: other transactions that change it wait until this one ends. SQLite has one writer anyway.
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
                transaction.connection.run(sql, [grant.into()]).await.map(drop)
            }
        }
    }

    pub(super) async fn run<const N: usize>(
        &mut self,
        sql: &str,
        values: [Value; N],
    ) -> Result<u64, StoreError> {
        self.connection()?.run(sql, values).await
    }

    pub(super) async fn row<const N: usize>(
        &mut self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.connection()?.rows(sql, values).await?.into_iter().next())
    }

    /// Returns true if the table of migrations exists.
    pub(super) async fn has_schema(&mut self) -> Result<bool, StoreError> {
        let sql = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => {
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'actix_salesforce_schema'"
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "SELECT 1 FROM pg_class WHERE oid = to_regclass('actix_salesforce_schema')",
        };
        Ok(self.row(sql, []).await?.is_some())
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(member) => member.commit().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => transaction.end("COMMIT").await,
        }
    }

    /// Ends the transaction without effect. Dropping it does so too, but closes its connection.
    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(member) => member.rollback().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => transaction.end("ROLLBACK").await,
        }
    }
}
