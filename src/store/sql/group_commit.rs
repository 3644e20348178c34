//! [`GroupCommit`]: operations that wait for SQLite's writer at the same time are committed together.
//!
//! SQLite has one writer, and a commit waits for the disk: 1 ms on a fast one, 20 ms on a busy one. One by one, a burst of
//! refreshes would wait longer than the deadline of an operation. Here each operation is a savepoint in a shared
//! transaction (<https://www.sqlite.org/lang_savepoint.html>), and one sync of the disk confirms all of them. An operation
//! responds after that sync, also if it changed nothing: what it read may be a change of another one.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::{super::StoreError, session::PooledConnection};

/// A rotated token must survive a power failure: the commit waits for the disk.
const BEGIN: &str = "PRAGMA synchronous = FULL; BEGIN IMMEDIATE";

/// The transaction that is open, if one is.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupCommit(Arc<Mutex<Group>>);

#[derive(Debug, Default)]
struct Group {
    connection: Option<PooledConnection>,
    /// Operations that have ended and wait for the commit.
    ended: Vec<oneshot::Sender<Result<(), Arc<StoreError>>>>,
}

/// The part of one operation. It has the connection for itself until it ends.
pub(super) struct Member {
    group: OwnedMutexGuard<Group>,
    shared: Arc<Mutex<Group>>,
    has_ended: bool,
}

/// The commit that this operation shares with others failed.
#[derive(Debug, thiserror::Error)]
#[error("the shared transaction was not committed")]
struct NotCommitted(#[source] Option<Arc<StoreError>>);

impl GroupCommit {
    /// Waits for its turn, and begins the shared transaction if none is open.
    pub(super) async fn join(
        &self,
        connect: impl Future<Output = Result<PooledConnection, StoreError>>,
    ) -> Result<Member, StoreError> {
        let mut group = Arc::clone(&self.0).lock_owned().await;
        if group.connection.is_none() {
            let mut connection = connect.await?;
            connection.execute(BEGIN).await?;
            group.connection = Some(connection);
        }
        let mut member = Member { group, shared: Arc::clone(&self.0), has_ended: false };
        member.connection()?.execute("SAVEPOINT operation").await?;
        Ok(member)
    }
}

impl Member {
    pub(super) fn connection(&mut self) -> Result<&mut PooledConnection, StoreError> {
        self.group.connection.as_mut().ok_or_else(|| not_committed(None))
    }

    /// Ends the operation, and waits until the shared transaction is committed.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.end("RELEASE operation").await
    }

    /// Takes back the operation's own changes, and waits as [`commit`](Self::commit) does.
    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        self.end("ROLLBACK TO operation; RELEASE operation").await
    }

    async fn end(mut self, statement: &'static str) -> Result<(), StoreError> {
        self.connection()?.execute(statement).await?;
        let (sender, committed) = oneshot::channel();
        self.group.ended.push(sender);
        if self.group.ended.len() == 1 {
            // The lock is fair: operations that wait for it now come before the commit. It is a task because the first
            // operation's caller may give up, and the others need the commit all the same.
            tokio::spawn(commit(Arc::clone(&self.shared)));
        }
        self.has_ended = true;
        drop(self);
        committed.await.map_err(|_| not_committed(None))?.map_err(|error| not_committed(Some(error)))
    }
}

impl Drop for Member {
    /// An operation that was dropped in the middle leaves a transaction of unknown state. It is closed, which takes back
    /// the changes of all, and the others fail.
    fn drop(&mut self) {
        if !self.has_ended {
            if let Some(connection) = &mut self.group.connection {
                connection.close_when_dropped();
            }
            self.group.connection = None;
            self.group.ended.clear();
        }
    }
}

async fn commit(group: Arc<Mutex<Group>>) {
    let mut group = group.lock().await;
    let Some(mut connection) = group.connection.take() else { return };
    let ended = std::mem::take(&mut group.ended);
    let committed = connection.execute("COMMIT").await.map_err(Arc::new);
    if committed.is_err() {
        connection.close_when_dropped();
    }
    // Back into the pool before the next operation looks for one.
    drop(connection);
    drop(group);
    for sender in ended {
        let _ = sender.send(committed.clone());
    }
}

fn not_committed(error: Option<Arc<StoreError>>) -> StoreError {
    StoreError::Unavailable(NotCommitted(error).into())
}

#[cfg(test)]
mod tests {
    use std::{ops::Deref, path::PathBuf};

    use super::{
        super::{database::Database, transaction::Transaction},
        *,
    };

    /// A database of one test. Its files are deleted in the end.
    struct Files(Database, PathBuf);

    impl Files {
        async fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("group-commit-{test}-{}.db", std::process::id()));
            let database = Database::open_sqlite(&path).await.unwrap();
            let mut tx = database.begin().await.unwrap();
            tx.run("CREATE TABLE numbers (number INTEGER)", []).await.unwrap();
            tx.commit().await.unwrap();
            Self(database, path)
        }
    }

    impl Deref for Files {
        type Target = Database;

        fn deref(&self) -> &Database {
            &self.0
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            for ending in ["db", "db-wal", "db-shm"] {
                let _ = std::fs::remove_file(self.1.with_extension(ending));
            }
        }
    }

    async fn insert(database: &Database, number: i64) -> Transaction {
        let mut tx = database.begin().await.unwrap();
        tx.run("INSERT INTO numbers VALUES ($1)", [number.into()]).await.unwrap();
        tx
    }

    async fn numbers(database: &Database) -> Vec<i64> {
        let rows = database.rows("SELECT number FROM numbers ORDER BY number", []).await.unwrap();
        rows.into_iter().map(|mut row| row.number("number").unwrap()).collect()
    }

    #[tokio::test]
    async fn an_operation_that_is_rolled_back_takes_no_other_with_it() {
        let database = Files::new("rollback").await;
        let first = insert(&database, 1).await;
        let second = async { insert(&database, 2).await.rollback().await };
        let third = async { insert(&database, 3).await.commit().await };
        let (first, second, third) = tokio::join!(first.commit(), second, third);
        assert!(first.is_ok() && second.is_ok() && third.is_ok());
        assert_eq!(numbers(&database).await, [1, 3]);
    }

    #[tokio::test]
    async fn an_operation_is_confirmed_by_the_commit_that_it_shares() {
        let database = Files::new("shared").await;
        let first = insert(&database, 1).await;
        let confirmed = tokio::join!(first.commit(), async {
            let second = insert(&database, 2).await;
            // The second one belongs to the same transaction, and others see neither.
            assert_eq!(numbers(&database).await, [0_i64; 0]);
            second.commit().await
        });
        assert!(confirmed.0.is_ok() && confirmed.1.is_ok());
        assert_eq!(numbers(&database).await, [1, 2]);
    }

    #[tokio::test]
    async fn an_operation_that_is_dropped_in_the_middle_fails_those_that_wait_for_the_same_commit() {
        let database = Files::new("dropped").await;
        let first = insert(&database, 1).await;
        let (first, ()) = tokio::join!(first.commit(), async { drop(insert(&database, 2).await) });
        assert!(matches!(first, Err(StoreError::Unavailable(_))), "{first:?}");
        insert(&database, 3).await.commit().await.unwrap();
        assert_eq!(numbers(&database).await, [3]);
    }
}
