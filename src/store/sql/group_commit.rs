//! [`GroupCommit`]: operations that wait for SQLite's writer at the same time are committed together.
//!
//! SQLite has one writer, and a commit waits for the disk: 1 ms on a fast one, 20 ms on a busy one. One by one, a burst of
//! refreshes would wait longer than the deadline of an operation. Here each operation is a savepoint in a shared
//! transaction (<https://www.sqlite.org/lang_savepoint.html>), and one sync of the disk confirms all of them. An operation
//! responds after that sync, also if it changed nothing: what it read may be a change of another one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMutexGuard, oneshot},
};

use super::{
    super::{StoreError, runtime::CALL_TIMEOUT},
    database::BUSY,
    session::{PooledConnection, is_busy},
};

/// May write from the start, so that it cannot fail later for want of the file's lock.
const BEGIN: &str = "BEGIN IMMEDIATE";
/// How often a process that waits for the file's lock asks for it. SQLite's own waiting asks ever more rarely, up to every
/// 100 ms (`sqliteDefaultBusyCallback`), and a process that writes all the time would keep others out.
const POLL: Duration = Duration::from_millis(2);
/// How long a process leaves the file to others after each commit. Longer than [`POLL`], so that one that waits gets it.
const GAP: Duration = Duration::from_millis(5);

const UNDO: &str = "ROLLBACK TO operation; RELEASE operation";
/// How long an operation waits for its turn. The rest of its deadline is for its statements: one that was dropped in the
/// middle of a statement would take the others with it.
const TURN: Duration = Duration::from_millis(600);

const _: () = assert!(TURN.as_millis() < CALL_TIMEOUT.as_millis());

/// The transaction that is open, if one is.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupCommit(Arc<Mutex<Group>>);

#[derive(Debug, Default)]
struct Group {
    connection: Option<PooledConnection>,
    /// Whether the last operation failed and its changes are still there.
    has_leftover: bool,
    /// Operations that have ended and wait for the commit.
    ended: Vec<oneshot::Sender<Result<(), Arc<StoreError>>>>,
}

/// The part of one operation. It has the connection for itself until it ends.
pub(super) struct Member {
    group: OwnedMutexGuard<Group>,
    shared: Arc<Mutex<Group>>,
    has_ended: bool,
}

/// Other operations, or another process, used the file all the time.
#[derive(Debug, thiserror::Error)]
#[error("the writer was busy for {} ms", TURN.as_millis())]
struct Busy;

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
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.0).lock_owned()).await;
        let mut group = turn.map_err(|_| StoreError::Unavailable(Busy.into()))?;
        group.undo_leftover().await;
        if group.connection.is_none() {
            group.connection = Some(begin(connect.await?).await?);
        }
        let mut member = Member { group, shared: Arc::clone(&self.0), has_ended: false };
        member.connection()?.execute("SAVEPOINT operation").await?;
        Ok(member)
    }
}

impl Group {
    /// Takes back the changes of an operation that failed.
    async fn undo_leftover(&mut self) {
        let Some(connection) = self.connection.as_mut().filter(|_| self.has_leftover) else { return };
        match connection.execute(UNDO).await {
            Ok(()) => self.has_leftover = false,
            Err(_) => self.close(),
        }
    }

    /// Takes back the changes of all operations, which fail.
    fn close(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_when_dropped();
        }
        self.has_leftover = false;
        self.ended.clear();
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
        self.end(UNDO).await
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
    /// The changes of an operation that failed are taken back before the next one. If it was dropped in the middle of a
    /// statement, the state of the connection is unknown: it is closed, and the others fail.
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let is_known = self.group.connection.as_ref().is_some_and(|connection| !connection.is_in_doubt());
        match Handle::try_current() {
            Ok(runtime) if is_known => {
                self.group.has_leftover = true;
                if self.group.ended.is_empty() {
                    runtime.spawn(commit(Arc::clone(&self.shared)));
                }
            }
            _ => self.group.close(),
        }
    }
}

/// Begins a transaction. Waits for other processes.
async fn begin(mut connection: PooledConnection) -> Result<PooledConnection, StoreError> {
    let started = Instant::now();
    loop {
        match connection.execute(BEGIN).await {
            Err(error) if is_busy(&error) && started.elapsed() < BUSY => tokio::time::sleep(POLL).await,
            begun => return begun.map(|()| connection),
        }
    }
}

async fn commit(group: Arc<Mutex<Group>>) {
    let mut group = group.lock().await;
    group.undo_leftover().await;
    let Some(mut connection) = group.connection.take() else { return };
    let ended = std::mem::take(&mut group.ended);
    let committed = connection.execute("COMMIT").await.map_err(Arc::new);
    if committed.is_err() {
        connection.close_when_dropped();
    }
    // Back into the pool before the next operation looks for one.
    drop(connection);
    for sender in ended {
        let _ = sender.send(committed.clone());
    }
    tokio::time::sleep(GAP).await;
    drop(group);
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
    async fn an_operation_that_fails_takes_no_other_with_it() {
        let database = Files::new("fails").await;
        let first = insert(&database, 1).await;
        let (first, ()) = tokio::join!(first.commit(), async { drop(insert(&database, 2).await) });
        first.unwrap();
        assert_eq!(numbers(&database).await, [1]);
        // The same without another one: nothing is left open, and the file is free for the next.
        drop(insert(&database, 3).await);
        insert(&database, 4).await.commit().await.unwrap();
        assert_eq!(numbers(&database).await, [1, 4]);
    }

    #[tokio::test]
    async fn an_operation_that_is_dropped_in_a_statement_fails_those_that_wait_for_the_same_commit() {
        let database = Files::new("dropped").await;
        let first = insert(&database, 1).await;
        let (first, ()) = tokio::join!(first.commit(), async {
            let mut second = insert(&database, 2).await;
            // Long enough to be dropped in the middle.
            let sql = "INSERT INTO numbers WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 300000) \
                       SELECT i FROM n";
            let statement = tokio::time::timeout(Duration::from_millis(1), second.run(sql, []));
            assert!(statement.await.is_err(), "it is not over");
        });
        assert!(matches!(first, Err(StoreError::Unavailable(_))), "{first:?}");
        insert(&database, 3).await.commit().await.unwrap();
        assert_eq!(numbers(&database).await, [3]);
    }
}
