//! Records as rows, and the statements that several operations share.

use std::time::Duration;

use super::{
    super::{
        GrantRecord, LeaseHolder, LoginKey, LoginRecord, Sealed, StoreError, Subject, TOMBSTONE,
        fields::{grant_key, login_key, millis, time, version, version_text},
    },
    database::Database,
    session::{Row, Transaction, Value},
};

/// The columns of a grant, in the order in which they are read.
macro_rules! grant_columns {
    () => {
        "g.grant_key, g.version, g.sealed, g.updated, g.expires"
    };
}
pub(super) use grant_columns;

/// Removes some of what has expired; each statement takes a few milliseconds at most. It waits for no row that somebody
/// else is about to change, so that nobody can end up waiting for each other: whoever changes several rows takes them
/// in an order of their own. The condition stands outside too: Postgres asks it again about a row that was just written
/// anew.
pub(super) async fn sweep(database: &Database) {
    for (table, key) in [
        ("actix_salesforce_logins", "login_key"),
        ("actix_salesforce_grants", "grant_key"),
        ("actix_salesforce_once", "once_key"),
        ("actix_salesforce_leases", "grant_key"),
    ] {
        let statement = format!(
            "WITH gone AS MATERIALIZED (SELECT {key} FROM {table} WHERE expires <= {{now}} LIMIT 1000 {{skip locked}}) \
             DELETE FROM {table} WHERE expires <= {{now}} AND {key} IN (SELECT {key} FROM gone)"
        );
        if let Err(error) = database.run(&statement, []).await {
            tracing::warn!(%error, "expired records could not be swept out");
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
        seen_at: time(row.number("seen")?),
        expires_at: time(row.number("expires")?),
    };
    Ok((key, login))
}

/// The grant of a live login.
pub(super) async fn grant_of(step: &mut Transaction, login: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT grant_key FROM actix_salesforce_logins \
               WHERE login_key = $1 AND grant_key <> '' AND expires > {now}";
    let row = step.row(sql, [login.into()]).await?;
    row.map(|mut row| row.text("grant_key")).transpose()
}

/// Leaves a login without a grant in place of one that ended: its creation may still be on its way.
pub(super) async fn bury(step: &mut Transaction, login: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO actix_salesforce_logins AS l (login_key, grant_key, created, seen, expires) \
               VALUES ($1, '', 0, 0, {now} + $2) \
               ON CONFLICT (login_key) DO UPDATE SET grant_key = excluded.grant_key, expires = excluded.expires";
    step.run(sql, [login.into(), whole_millis(TOMBSTONE).into()]).await.map(drop)
}

/// Rows that cannot be read hide no others.
pub(super) fn read_all<T>(rows: Vec<Row>, read: impl Fn(&mut Row) -> Result<T, StoreError>) -> Vec<T> {
    let mut list = Vec::with_capacity(rows.len());
    for mut row in rows {
        match read(&mut row) {
            Ok(record) => list.push(record),
            Err(error) => tracing::error!(%error, "a stored record counts as absent"),
        }
    }
    list
}

/// The live grant. `None` too when it cannot be read: for those who replace or end it that is the same.
pub(super) async fn former(step: &mut Transaction, grant: &str) -> Result<Option<GrantRecord>, StoreError> {
    match current(step, grant).await {
        Err(StoreError::Corrupt(_)) => Ok(None),
        found => found,
    }
}

pub(super) async fn current(step: &mut Transaction, grant: &str) -> Result<Option<GrantRecord>, StoreError> {
    let sql = concat!(
        "SELECT ",
        grant_columns!(),
        " FROM actix_salesforce_grants g WHERE g.grant_key = $1 AND g.expires > {now}"
    );
    let row = step.row(sql, [grant.into()]).await?;
    row.map(|mut row| read_grant(&mut row)).transpose()
}

/// Writes a grant, whatever was there. Its life is never cut short: other logins may need it.
pub(super) async fn put(step: &mut Transaction, grant: GrantRecord, ttl: i64) -> Result<(), StoreError> {
    let values: [Value; 7] = [
        grant.key.to_string().into(),
        grant.key.org().to_string().into(),
        grant.key.user().to_string().into(),
        version_text(grant.version).into(),
        grant.sealed.as_bytes().to_vec().into(),
        millis(grant.updated_at).into(),
        ttl.into(),
    ];
    let sql = "INSERT INTO actix_salesforce_grants AS g (grant_key, org, person, version, sealed, updated, expires) \
               VALUES ($1, $2, $3, $4, $5, $6, {now} + $7) \
               ON CONFLICT (grant_key) DO UPDATE SET version = excluded.version, sealed = excluded.sealed, \
               updated = excluded.updated, \
               expires = CASE WHEN g.expires > excluded.expires THEN g.expires ELSE excluded.expires END";
    step.run(sql, values).await.map(drop)
}

pub(super) async fn remove(step: &mut Transaction, grant: &str) -> Result<(), StoreError> {
    step.run("DELETE FROM actix_salesforce_logins WHERE grant_key = $1", [grant.into()]).await?;
    step.run("DELETE FROM actix_salesforce_grants WHERE grant_key = $1", [grant.into()]).await?;
    Ok(())
}

pub(super) fn subject(of: Subject) -> [Value; 2] {
    match of {
        Subject::User(org, user) => [org.to_string().into(), user.to_string().into()],
        Subject::Org(org) => [org.to_string().into(), "".into()],
        Subject::All => ["".into(), "".into()],
    }
}

pub(super) fn holder_text(holder: LeaseHolder) -> String {
    format!("{:032x}", holder.0)
}

pub(super) fn whole_millis(lifetime: Duration) -> i64 {
    i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX / 2)
}
