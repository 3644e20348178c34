//! The connections of owners.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    super::{
        ConnectedOwner, DisconnectedOwner, GrantRecord, OwnedFilter, OwnedKey, OwnedRecord, Sealed,
        StoreError, TOMBSTONE,
        encoding::{grant_key, hex, millis, owned_key, owner_key, time, whole_millis},
    },
    database::Database,
    records::{filter_values, grant_columns, previous, put, read_all, read_grant, remove},
    session::{Row, Value},
    transaction::Transaction,
};

/// The columns of a connection, in the order in which they are read.
macro_rules! owned_columns {
    () => {
        "o.owned_key, o.owner_key, o.grant_key, o.sealed, o.connected, o.expires"
    };
}

fn read_owned(row: &mut Row) -> Result<OwnedRecord, StoreError> {
    Ok(OwnedRecord {
        key: owned_key(&row.text("owned_key")?)?,
        owner: owner_key(&row.text("owner_key")?)?,
        grant: grant_key(&row.text("grant_key")?)?,
        sealed: Sealed::from_bytes(row.bytes("sealed")?),
        connected_at: time(row.number("connected")?),
        expires_at: time(row.number("expires")?),
    })
}

/// Returns until when logins and owners need a grant; `None` if none does.
pub(super) async fn needed_until(tx: &mut Transaction, grant: &str) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT COALESCE(MAX(needed.until), 0) FROM (\
               SELECT expires AS until FROM actix_salesforce_logins WHERE grant_key = $1 AND expires > {now} UNION ALL \
               SELECT expires AS until FROM actix_salesforce_owned WHERE grant_key = $1 AND expires > {now}) AS needed";
    let Some(mut row) = tx.row(sql, [grant.into()]).await? else { return Ok(None) };
    Ok(Some(row.number("until")?).filter(|until| *until > 0))
}

/// Returns until when a grant is kept although nothing uses it; `None` if it is not, or no longer.
async fn kept_until(
    tx: &mut Transaction,
    grant: &str,
    keep_unused: Duration,
) -> Result<Option<i64>, StoreError> {
    if keep_unused.is_zero() {
        return Ok(None);
    }
    let sql = "SELECT updated + $2 AS until FROM actix_salesforce_grants \
               WHERE grant_key = $1 AND expires > {now} AND updated + $2 > {now}";
    let row = tx.row(sql, [grant.into(), whole_millis(keep_unused).into()]).await?;
    row.map(|mut row| row.number("until")).transpose()
}

/// Deletes and returns a grant that nothing needs any more; otherwise it expires with the last of its logins and owners,
/// and no earlier than it is kept unused.
async fn release(
    tx: &mut Transaction,
    grant: &str,
    keep_unused: Duration,
) -> Result<Option<GrantRecord>, StoreError> {
    let kept = kept_until(tx, grant, keep_unused).await?;
    if let Some(until) = needed_until(tx, grant).await?.max(kept) {
        let sql = "UPDATE actix_salesforce_grants SET expires = $2 WHERE grant_key = $1";
        tx.run(sql, [grant.into(), until.into()]).await?;
        return Ok(None);
    }
    let last = previous(tx, grant).await?;
    remove(tx, grant).await?;
    Ok(last)
}

/// Locks a connection, and returns the grant that it uses. A connection is always locked before grants, so that two
/// operations never wait for each other.
async fn lock_owned(tx: &mut Transaction, owned: &str) -> Result<Option<String>, StoreError> {
    tx.lock(owned).await?;
    let sql = "SELECT grant_key FROM actix_salesforce_owned \
               WHERE owned_key = $1 AND grant_key <> '' AND expires > {now}";
    let row = tx.row(sql, [owned.into()]).await?;
    row.map(|mut row| row.text("grant_key")).transpose()
}

/// Returns whether a connection is stored, or was ended, that is newer than one from this time.
async fn has_newer(tx: &mut Transaction, owned: &str, connected_at: SystemTime) -> Result<bool, StoreError> {
    let sql = "SELECT connected FROM actix_salesforce_owned WHERE owned_key = $1 AND connected > $2 AND expires > {now}";
    Ok(tx.row(sql, [owned.into(), millis(connected_at).into()]).await?.is_some())
}

/// Replaces a connection with one that has no grant, as for logins: a delayed one may still arrive.
async fn insert_tombstone(tx: &mut Transaction, owned: &str, ended_at: SystemTime) -> Result<(), StoreError> {
    let sql = "INSERT INTO actix_salesforce_owned AS o \
               (owned_key, owner_key, grant_key, org, person, sealed, connected, expires) \
               VALUES ($1, '', '', '', '', $2, $3, {now} + $4) \
               ON CONFLICT (owned_key) DO UPDATE SET owner_key = '', grant_key = '', org = '', person = '', \
               sealed = excluded.sealed, expires = excluded.expires, \
               connected = CASE WHEN o.grant_key = '' AND o.connected > excluded.connected \
               THEN o.connected ELSE excluded.connected END";
    let values: [Value; 4] =
        [owned.into(), Vec::new().into(), millis(ended_at).into(), whole_millis(TOMBSTONE).into()];
    tx.run(sql, values).await.map(drop)
}

pub(super) async fn connect(
    database: Arc<Database>,
    (owned, owned_ttl): (OwnedRecord, i64),
    (grant, grant_ttl): (GrantRecord, i64),
    keep_unused: Duration,
) -> Result<ConnectedOwner, StoreError> {
    let (id, grant_id) = (hex(owned.key.as_bytes()), grant.key.to_string());
    let mut tx = database.begin().await?;
    let former = lock_owned(&mut tx, &id).await?.filter(|former| *former != grant_id);
    if has_newer(&mut tx, &id, owned.connected_at).await? {
        tx.rollback().await?;
        return Err(StoreError::AlreadyExists);
    }
    // In one order, so that two operations never wait for each other.
    let mut grants: Vec<&str> = former.as_deref().into_iter().chain([grant_id.as_str()]).collect();
    grants.sort_unstable();
    for grant in grants {
        tx.lock(grant).await?;
    }
    let user = owned.grant.user();
    let values: [Value; 8] = [
        id.into(),
        hex(owned.owner.as_bytes()).into(),
        owned.grant.to_string().into(),
        user.organization_id.to_string().into(),
        user.user_id.to_string().into(),
        owned.sealed.as_bytes().to_vec().into(),
        millis(owned.connected_at).into(),
        owned_ttl.into(),
    ];
    let sql = "INSERT INTO actix_salesforce_owned \
               (owned_key, owner_key, grant_key, org, person, sealed, connected, expires) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, {now} + $8) \
               ON CONFLICT (owned_key) DO UPDATE SET owner_key = excluded.owner_key, grant_key = excluded.grant_key, \
               org = excluded.org, person = excluded.person, sealed = excluded.sealed, \
               connected = excluded.connected, expires = excluded.expires";
    tx.run(sql, values).await?;
    let deleted = match former {
        Some(former) => release(&mut tx, &former, keep_unused).await?,
        None => None,
    };
    let replaced = previous(&mut tx, &grant_id).await?;
    put(&mut tx, grant, grant_ttl).await?;
    tx.commit().await?;
    Ok(ConnectedOwner { replaced, deleted })
}

pub(super) async fn load(
    database: Arc<Database>,
    key: OwnedKey,
) -> Result<Option<(OwnedRecord, Option<GrantRecord>)>, StoreError> {
    let sql = concat!(
        "SELECT ",
        owned_columns!(),
        ", COALESCE(g.grant_key, ''), ",
        grant_columns!(),
        " FROM actix_salesforce_owned o \
         LEFT JOIN actix_salesforce_grants g ON g.grant_key = o.grant_key AND g.expires > {now} \
         WHERE o.owned_key = $1 AND o.grant_key <> '' AND o.expires > {now}"
    );
    let rows = database.rows(sql, [hex(key.as_bytes()).into()]).await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    let owned = read_owned(&mut row)?;
    if row.text("grant")?.is_empty() {
        return Ok(Some((owned, None)));
    }
    Ok(Some((owned, Some(read_grant(&mut row)?))))
}

pub(super) async fn disconnect(
    database: Arc<Database>,
    key: OwnedKey,
    expected: Sealed,
    keep_unused: Duration,
    ended_at: SystemTime,
) -> Result<DisconnectedOwner, StoreError> {
    let id = hex(key.as_bytes());
    let mut tx = database.begin().await?;
    let Some(grant) = lock_owned(&mut tx, &id).await? else {
        insert_tombstone(&mut tx, &id, ended_at).await?;
        tx.commit().await?;
        return Ok(DisconnectedOwner::NotFound);
    };
    tx.lock(&grant).await?;
    let sql = "DELETE FROM actix_salesforce_owned WHERE owned_key = $1 AND sealed = $2";
    if tx.run(sql, [id.as_str().into(), expected.as_bytes().to_vec().into()]).await? == 0 {
        tx.rollback().await?;
        return Ok(DisconnectedOwner::Changed);
    }
    insert_tombstone(&mut tx, &id, ended_at).await?;
    let deleted = release(&mut tx, &grant, keep_unused).await?;
    tx.commit().await?;
    Ok(match deleted {
        Some(deleted) => DisconnectedOwner::GrantDeleted(deleted),
        None => DisconnectedOwner::GrantKept(grant_key(&grant)?),
    })
}

pub(super) async fn list(
    database: Arc<Database>,
    filter: OwnedFilter,
) -> Result<Vec<OwnedRecord>, StoreError> {
    let (owner, [org, user]) = match filter {
        OwnedFilter::Owner(owner) => (hex(owner.as_bytes()), ["".into(), "".into()]),
        OwnedFilter::Grants(grants) => (String::new(), filter_values(grants)),
    };
    let sql = concat!(
        "SELECT ",
        owned_columns!(),
        " FROM actix_salesforce_owned o WHERE o.grant_key <> '' AND o.expires > {now} AND ($1 = '' OR o.owner_key = $1) \
         AND ($2 = '' OR o.org = $2) AND ($3 = '' OR o.person = $3)"
    );
    Ok(read_all(database.rows(sql, [owner.into(), org, user]).await?, read_owned))
}

pub(super) async fn reseal(
    database: Arc<Database>,
    key: OwnedKey,
    expected: Sealed,
    next: Sealed,
) -> Result<bool, StoreError> {
    let mut tx = database.begin().await?;
    let sql = "UPDATE actix_salesforce_owned SET sealed = $3 \
               WHERE owned_key = $1 AND grant_key <> '' AND sealed = $2 AND expires > {now}";
    let values =
        [hex(key.as_bytes()).into(), expected.as_bytes().to_vec().into(), next.as_bytes().to_vec().into()];
    let was_expected = tx.run(sql, values).await? > 0;
    tx.commit().await?;
    Ok(was_expected)
}
