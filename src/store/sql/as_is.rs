//! Opens a database without a change to it: for a look at the store of a running app, by a program whose tables may be of
//! another version than the app's.

use std::sync::{Arc, atomic::AtomicU32};

use super::{
    super::{StoreError, runtime::StoreRuntime},
    BUSY_PAUSE, OPEN, SqlStore,
    database::Database,
    schema::{self, Versions},
    session::is_busy,
};
use crate::base::clock::Clock;

/// What was found.
pub(in crate::store) enum AsIs {
    Current(SqlStore),
    /// The next start of the app changes the tables, or creates them (`found` is 0).
    Outdated {
        found: u64,
        needed: u64,
    },
}

impl SqlStore {
    /// Opens the SQLite file at `path`. Its journal mode and its rights stay, too.
    #[cfg(feature = "sqlite")]
    pub(in crate::store) async fn sqlite_as_is(path: &str) -> Result<AsIs, StoreError> {
        let path = std::path::PathBuf::from(path);
        Self::open_as_is(async move { Database::open_sqlite_as_is(&path).await }).await
    }

    /// Connects to Postgres.
    #[cfg(feature = "postgres")]
    pub(in crate::store) async fn postgres_as_is(url: &str) -> Result<AsIs, StoreError> {
        let url = url.to_owned();
        Self::open_as_is(async move { Database::connect_postgres(&url).await }).await
    }

    async fn open_as_is(
        connect: impl Future<Output = Result<Database, StoreError>> + Send + 'static,
    ) -> Result<AsIs, StoreError> {
        let runtime = StoreRuntime::start()?;
        let inspected = runtime.within(OPEN, async move {
            let database = connect.await?;
            loop {
                match schema::inspect(&database).await {
                    // The app is writing.
                    Err(error) if is_busy(&error) => tokio::time::sleep(BUSY_PAUSE).await,
                    inspected => return inspected.map(|versions| (database, versions)),
                }
            }
        });
        let (database, Versions { found, needed }) = inspected.await?;
        if found < needed {
            return Ok(AsIs::Outdated { found, needed });
        }
        let (database, changes) = (Arc::new(database), AtomicU32::new(0));
        Ok(AsIs::Current(Self { runtime, database, clock: Clock::system(), changes }))
    }
}
