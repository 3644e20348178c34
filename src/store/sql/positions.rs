//! The positions of consumers.

use std::sync::Arc;

use super::{
    super::{
        ConsumerKey, PositionRecord, PositionSwap, Sealed, StoreError,
        encoding::{corrupt, hex, millis, time},
    },
    database::Database,
    session::{Row, Value},
    transaction::Transaction,
};

const LOAD: &str =
    "SELECT p.version, p.sealed, p.updated FROM actix_salesforce_positions p WHERE p.consumer_key = $1";

fn read(key: ConsumerKey, row: &mut Row) -> Result<PositionRecord, StoreError> {
    let version = u64::try_from(row.number("version")?).map_err(|_| corrupt("version"))?;
    Ok(PositionRecord {
        key,
        version,
        sealed: Sealed::from_bytes(row.bytes("sealed")?),
        updated_at: time(row.number("updated")?),
    })
}

pub(super) async fn load(
    database: Arc<Database>,
    key: ConsumerKey,
) -> Result<Option<PositionRecord>, StoreError> {
    let rows = database.rows(LOAD, [hex(key.as_bytes()).into()]).await?;
    rows.into_iter().next().map(|mut row| read(key, &mut row)).transpose()
}

pub(super) async fn compare_and_swap(
    database: Arc<Database>,
    expected: Option<u64>,
    next: PositionRecord,
) -> Result<PositionSwap, StoreError> {
    let id = hex(next.key.as_bytes());
    let mut tx = database.begin().await?;
    tx.lock(&id).await?;
    let stored = match tx.row(LOAD, [id.clone().into()]).await? {
        Some(mut row) => Some(read(next.key, &mut row)?),
        None => None,
    };
    let other = match stored {
        Some(stored) if stored.version == next.version && stored.sealed == next.sealed => {
            Some(PositionSwap::Stored)
        }
        Some(stored) if Some(stored.version) != expected => Some(PositionSwap::Conflict(stored)),
        None if expected.is_some() => Some(PositionSwap::NotFound),
        _ => None,
    };
    if let Some(other) = other {
        tx.rollback().await?;
        return Ok(other);
    }
    put(&mut tx, id, next).await?;
    tx.commit().await?;
    Ok(PositionSwap::Stored)
}

async fn put(tx: &mut Transaction, id: String, next: PositionRecord) -> Result<(), StoreError> {
    let sql = "INSERT INTO actix_salesforce_positions (consumer_key, version, sealed, updated) \
               VALUES ($1, $2, $3, $4) ON CONFLICT (consumer_key) DO UPDATE SET version = excluded.version, \
               sealed = excluded.sealed, updated = excluded.updated";
    let values: [Value; 4] = [
        id.into(),
        i64::try_from(next.version).unwrap_or(i64::MAX).into(),
        next.sealed.as_bytes().to_vec().into(),
        millis(next.updated_at).into(),
    ];
    tx.run(sql, values).await.map(drop)
}
