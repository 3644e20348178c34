//! Taking out what has expired: these databases do not do so by themselves.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::database::Database;
use crate::store::{StoreError, io::DEADLINE};

const EVERY: Duration = Duration::from_secs(60);
/// Rows per statement, so that nobody waits long for a lock.
const AT_ONCE: u64 = 500;
/// Statements per table and round, so that a sweep has an end.
const AT_MOST: usize = 40;

const TABLES: [(&str, &str); 4] = [
    ("actix_salesforce_grants", "grant_key"),
    ("actix_salesforce_logins", "login_key"),
    ("actix_salesforce_leases", "grant_key"),
    ("actix_salesforce_once", "once_key"),
];

/// Sweeps for as long as the store is used.
pub(super) async fn sweep_on_and_on(database: Weak<Database>) {
    loop {
        sleep(EVERY).await;
        let Some(database) = database.upgrade() else { return };
        if let Err(error) = sweep(&database).await {
            // Nothing that has expired is ever given out; the next round gets it.
            tracing::debug!(%error, "expired rows could not be taken out");
        }
    }
}

/// Takes out what has expired, a bounded number of rows.
pub(super) async fn sweep(database: &Arc<Database>) -> Result<u64, StoreError> {
    let mut swept = 0;
    for (table, key) in TABLES {
        // The condition is repeated outside: a row that is written anew in between stays.
        let statement = format!(
            "DELETE FROM {table} WHERE gone_at <= {{now}} AND {key} IN (SELECT {key} FROM {table} \
             WHERE gone_at <= {{now}} LIMIT {AT_ONCE} {{skip_locked}})"
        );
        for _ in 0..AT_MOST {
            let delete = async {
                let mut session = database.writer().await?;
                let rows = session.execute(&statement, &[]).await?;
                session.finish();
                Ok::<u64, StoreError>(rows)
            };
            let Ok(rows) = timeout(DEADLINE, delete).await else { return Ok(swept) };
            let rows = rows?;
            swept += rows;
            if rows < AT_ONCE {
                break;
            }
        }
    }
    Ok(swept)
}
