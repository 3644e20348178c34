//! Reads records from rows, and has the statements that several operations share.

use std::sync::Arc;

use super::{
    super::{
        GrantFilter, GrantRecord, LoginKey, LoginRecord, Sealed, StoreError, TOMBSTONE,
        encoding::{grant_key, login_key, millis, proof, time, version, version_text, whole_millis},
    },
    database::Database,
    session::{Row, Value},
    transaction::Transaction,
};

/// The columns of a grant, in the order in which they are read.
macro_rules! grant_columns {
    () => {
        "g.grant_key, g.version, g.sealed, g.updated, g.expires"
    };
}
pub(super) use grant_columns;

/// The columns of a login, in the order in which they are read.
macro_rules! login_columns {
    () => {
        "l.login_key, l.grant_key, l.created, l.seen, l.expires, l.proof"
    };
}
pub(super) use login_columns;

/// Deletes a batch of expired records; each statement takes a few milliseconds at most.
///
/// Skips rows that another transaction has locked: transactions lock rows in different orders, and waiting could end in
/// a deadlock. The condition stands in the outer statement too, because Postgres evaluates it again for a row that has
/// just been rewritten.
pub(super) async fn sweep(database: &Database) {
    for (table, key) in [
        ("actix_salesforce_logins", "login_key"),
        ("actix_salesforce_grants", "grant_key"),
        ("actix_salesforce_owned", "owned_key"),
        ("actix_salesforce_once", "once_key"),
        ("actix_salesforce_leases", "grant_key"),
    ] {
        let statement = format!(
            "WITH gone AS MATERIALIZED (SELECT {key} FROM {table} WHERE expires <= {{now}} LIMIT 1000 {{skip locked}}) \
             DELETE FROM {table} WHERE expires <= {{now}} AND {key} IN (SELECT {key} FROM gone)"
        );
        if let Err(error) = database.run_idempotent(&statement, []).await {
            tracing::warn!(%error, "deleting expired records failed");
            return;
        }
    }
}

pub(super) fn read_grant(row: &mut Row) -> Result<GrantRecord, StoreError> {
    Ok(GrantRecord {
        key: grant_key(&row.text("grant_key")?)?,
        version: version(&row.text("version")?)?,
        sealed: Sealed::from_bytes(row.bytes("sealed")?),
        updated_at: time(row.number("updated")?),
        expires_at: time(row.number("expires")?),
    })
}

pub(super) fn read_login(row: &mut Row) -> Result<(LoginKey, LoginRecord), StoreError> {
    let key = login_key(&row.text("login_key")?)?;
    let login = LoginRecord {
        grant: grant_key(&row.text("grant_key")?)?,
        created_at: time(row.number("created")?),
        last_used_at: time(row.number("seen")?),
        expires_at: time(row.number("expires")?),
        proof: proof(&row.text("proof")?)?,
    };
    Ok((key, login))
}

/// Returns the grant of a login that has not expired.
pub(super) async fn grant_of(tx: &mut Transaction, login: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT grant_key FROM actix_salesforce_logins \
               WHERE login_key = $1 AND grant_key <> '' AND expires > {now}";
    let row = tx.row(sql, [login.into()]).await?;
    row.map(|mut row| row.text("grant_key")).transpose()
}

/// Replaces a deleted login with one that has no grant: a delayed creation of it may still arrive.
pub(super) async fn insert_tombstone(tx: &mut Transaction, login: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO actix_salesforce_logins AS l (login_key, grant_key, created, seen, expires) \
               VALUES ($1, '', 0, 0, {now} + $2) \
               ON CONFLICT (login_key) DO UPDATE SET grant_key = excluded.grant_key, expires = excluded.expires";
    tx.run(sql, [login.into(), whole_millis(TOMBSTONE).into()]).await.map(drop)
}

/// Reads all rows. A corrupt row must not hide the others.
pub(super) fn read_all<T>(rows: Vec<Row>, read: impl Fn(&mut Row) -> Result<T, StoreError>) -> Vec<T> {
    let mut list = Vec::with_capacity(rows.len());
    for mut row in rows {
        match read(&mut row) {
            Ok(record) => list.push(record),
            Err(error) => tracing::error!(%error, "unreadable record ignored"),
        }
    }
    list
}

/// Returns the grant, or `None` if it is absent or unreadable, which makes no difference to an operation that replaces or
/// deletes it.
pub(super) async fn previous(tx: &mut Transaction, grant: &str) -> Result<Option<GrantRecord>, StoreError> {
    match current(tx, grant).await {
        Err(StoreError::Corrupt(_)) => Ok(None),
        found => found,
    }
}

/// Returns the grant unless it has expired.
pub(super) async fn current(tx: &mut Transaction, grant: &str) -> Result<Option<GrantRecord>, StoreError> {
    let sql = concat!(
        "SELECT ",
        grant_columns!(),
        " FROM actix_salesforce_grants g WHERE g.grant_key = $1 AND g.expires > {now}"
    );
    let row = tx.row(sql, [grant.into()]).await?;
    row.map(|mut row| read_grant(&mut row)).transpose()
}

/// Stores a grant in place of any other. Never shortens its lifetime: other logins may need it. It lasts as long as an
/// owner uses it.
pub(super) async fn put(tx: &mut Transaction, grant: GrantRecord, ttl: i64) -> Result<(), StoreError> {
    let user = grant.key.user();
    let values: [Value; 7] = [
        grant.key.to_string().into(),
        user.organization_id.to_string().into(),
        user.user_id.to_string().into(),
        version_text(grant.version).into(),
        grant.sealed.as_bytes().to_vec().into(),
        millis(grant.updated_at).into(),
        ttl.into(),
    ];
    let sql = "INSERT INTO actix_salesforce_grants AS g (grant_key, org, person, version, sealed, updated, expires) \
               VALUES ($1, $2, $3, $4, $5, $6, (SELECT MAX(needed.until) FROM (SELECT {now} + $7 AS until \
               UNION ALL SELECT expires FROM actix_salesforce_owned WHERE grant_key = $1) AS needed)) \
               ON CONFLICT (grant_key) DO UPDATE SET version = excluded.version, sealed = excluded.sealed, \
               updated = excluded.updated, \
               expires = CASE WHEN g.expires > excluded.expires THEN g.expires ELSE excluded.expires END";
    tx.run(sql, values).await.map(drop)
}

/// Deletes a grant and all its logins. The connections of owners stay.
pub(super) async fn remove(tx: &mut Transaction, grant: &str) -> Result<(), StoreError> {
    tx.run("DELETE FROM actix_salesforce_logins WHERE grant_key = $1", [grant.into()]).await?;
    tx.run("DELETE FROM actix_salesforce_grants WHERE grant_key = $1", [grant.into()]).await?;
    Ok(())
}

/// Returns the values of a filter: organization and user, empty for any.
pub(super) fn filter_values(filter: GrantFilter) -> [Value; 2] {
    match filter {
        GrantFilter::User(user) => [user.organization_id.to_string().into(), user.user_id.to_string().into()],
        GrantFilter::Org(org) => [org.to_string().into(), "".into()],
        GrantFilter::All => ["".into(), "".into()],
    }
}

pub(super) async fn list_logins(
    database: Arc<Database>,
    filter: GrantFilter,
) -> Result<Vec<(LoginKey, LoginRecord)>, StoreError> {
    let sql = concat!(
        "SELECT ",
        login_columns!(),
        " FROM actix_salesforce_logins l JOIN actix_salesforce_grants g ON g.grant_key = l.grant_key \
         WHERE l.expires > {now} AND g.expires > {now} \
         AND ($1 = '' OR g.org = $1) AND ($2 = '' OR g.person = $2)"
    );
    Ok(read_all(database.rows(sql, filter_values(filter)).await?, read_login))
}

pub(super) async fn list_grants(
    database: Arc<Database>,
    filter: GrantFilter,
) -> Result<Vec<GrantRecord>, StoreError> {
    let sql = concat!(
        "SELECT ",
        grant_columns!(),
        " FROM actix_salesforce_grants g \
         WHERE g.expires > {now} AND ($1 = '' OR g.org = $1) AND ($2 = '' OR g.person = $2)"
    );
    Ok(read_all(database.rows(sql, filter_values(filter)).await?, read_grant))
}
