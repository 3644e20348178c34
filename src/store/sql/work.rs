//! The operations. Each that changes a grant or its logins first locks the grant, so that they happen one after the
//! other.

use std::time::{Duration, SystemTime};

use super::{
    database::Database,
    rows::{self, GRANT, GRANT_COLUMNS, LOGIN, find_grant, put_grant, signed, taken},
    session::{Row, Session},
};
use crate::{
    grant::{GrantKey, Version},
    store::{
        EndedLogin, GrantRecord, LeaseHolder, LoginKey, LoginRecord, OnceKey, StoreError, Subject, Swap,
        TOMBSTONE,
        record::{FORMAT, grant_key, lifetime, micros, millis},
    },
};

pub(super) async fn create_login(
    database: &Database,
    key: LoginKey,
    login: LoginRecord,
    grant: GrantRecord,
) -> Result<Option<GrantRecord>, StoreError> {
    let mut session = database.begin().await?;
    let name = grant.key.to_string();
    session.lock(&name).await?;
    // A tombstone is in the way too: of a login that was ended while this was on its way.
    let insert = "INSERT INTO actix_salesforce_logins \
                  (login_key, grant_key, format, created_at, seen_at, expires_at, gone_at) \
                  VALUES ($1, $2, $3, $4, $5, $6, {now} + $7) \
                  ON CONFLICT (login_key) DO UPDATE SET grant_key = excluded.grant_key, format = excluded.format, \
                  created_at = excluded.created_at, seen_at = excluded.seen_at, expires_at = excluded.expires_at, \
                  gone_at = excluded.gone_at WHERE actix_salesforce_logins.gone_at <= {now}";
    let values = [
        key.as_bytes().as_slice().into(),
        name.as_str().into(),
        FORMAT.into(),
        micros(login.created_at).into(),
        micros(login.seen_at).into(),
        micros(login.expires_at).into(),
        lifetime(login.expires_at).into(),
    ];
    if session.execute(insert, &values).await? == 0 {
        session.roll_back().await?;
        return Err(StoreError::Exists);
    }
    let old = find_grant(&mut session, &name).await?;
    put_grant(&mut session, &grant).await?;
    session.commit().await?;
    Ok(taken(grant.key, old.as_ref()))
}

pub(super) async fn login(
    database: &Database,
    key: LoginKey,
) -> Result<Option<(LoginRecord, GrantRecord)>, StoreError> {
    let sql = format!(
        "SELECT {GRANT}, {LOGIN} FROM actix_salesforce_logins l JOIN actix_salesforce_grants g \
         ON g.grant_key = l.grant_key WHERE l.login_key = $1 AND l.gone_at > {{now}} AND g.gone_at > {{now}}"
    );
    let mut session = database.reader().await?;
    let row = session.row(&sql, &[key.as_bytes().as_slice().into()]).await?;
    session.finish();
    row.map(|row| Ok((rows::login(&row, GRANT_COLUMNS)?.1, rows::grant(&row, 0)?))).transpose()
}

/// Locks the grant of a login, and gives its name. `None` when there is no such login.
async fn lock_grant_of(session: &mut Session, key: LoginKey) -> Result<Option<String>, StoreError> {
    let Some(name) = grant_of(session, key).await? else { return Ok(None) };
    session.lock(&name).await?;
    // It may have ended while we waited for the lock.
    grant_of(session, key).await
}

async fn grant_of(session: &mut Session, key: LoginKey) -> Result<Option<String>, StoreError> {
    let sql = "SELECT grant_key FROM actix_salesforce_logins \
               WHERE login_key = $1 AND gone_at > {now} AND grant_key IS NOT NULL";
    let row = session.row(sql, &[key.as_bytes().as_slice().into()]).await?;
    row.map(|row| row.text(0, "grant")).transpose()
}

pub(super) async fn touch_login(
    database: &Database,
    key: LoginKey,
    seen_at: SystemTime,
    expires_at: SystemTime,
) -> Result<bool, StoreError> {
    let mut session = database.begin().await?;
    let Some(name) = lock_grant_of(&mut session, key).await? else {
        session.roll_back().await?;
        return Ok(false);
    };
    let (left, expires_at) = (lifetime(expires_at), micros(expires_at));
    let touch = "UPDATE actix_salesforce_logins SET seen_at = $2, expires_at = $3, gone_at = {now} + $4 \
                 WHERE login_key = $1";
    let values = [key.as_bytes().as_slice().into(), micros(seen_at).into(), expires_at.into(), left.into()];
    session.execute(touch, &values).await?;
    // The grant lives at least as long as its logins.
    let prolong = "UPDATE actix_salesforce_grants SET expires_at = $2, gone_at = {now} + $3 \
                   WHERE grant_key = $1 AND gone_at > {now} AND gone_at < {now} + $3";
    session.execute(prolong, &[name.as_str().into(), expires_at.into(), left.into()]).await?;
    session.commit().await?;
    Ok(true)
}

pub(super) async fn end_login(database: &Database, key: LoginKey) -> Result<EndedLogin, StoreError> {
    let mut session = database.begin().await?;
    let name = lock_grant_of(&mut session, key).await?;
    let bury = "INSERT INTO actix_salesforce_logins \
                (login_key, grant_key, format, created_at, seen_at, expires_at, gone_at) \
                VALUES ($1, NULL, $2, 0, 0, 0, {now} + $3) \
                ON CONFLICT (login_key) DO UPDATE SET grant_key = NULL, gone_at = excluded.gone_at";
    let values = [key.as_bytes().as_slice().into(), FORMAT.into(), millis(TOMBSTONE).into()];
    session.execute(bury, &values).await?;
    let Some(name) = name else {
        session.commit().await?;
        return Ok(EndedLogin::Absent);
    };
    let others = "SELECT 1 FROM actix_salesforce_logins WHERE grant_key = $1 AND gone_at > {now} LIMIT 1";
    let others = session.row(others, &[name.as_str().into()]).await?.is_some();
    let old = find_grant(&mut session, &name).await?;
    if !others {
        delete_grant(&mut session, &name).await?;
    }
    session.commit().await?;
    let grant = grant_key(&name)?;
    Ok(match old {
        None => EndedLogin::Absent,
        Some(_) if others => EndedLogin::OthersRemain(grant),
        old => taken(grant, old.as_ref()).map_or(EndedLogin::Absent, EndedLogin::Last),
    })
}

async fn delete_grant(session: &mut Session, name: &str) -> Result<(), StoreError> {
    session
        .execute("DELETE FROM actix_salesforce_grants WHERE grant_key = $1", &[name.into()])
        .await
        .map(|_| ())
}

pub(super) async fn put(database: &Database, grant: GrantRecord) -> Result<Option<GrantRecord>, StoreError> {
    let mut session = database.begin().await?;
    let name = grant.key.to_string();
    session.lock(&name).await?;
    let old = find_grant(&mut session, &name).await?;
    put_grant(&mut session, &grant).await?;
    session.commit().await?;
    Ok(taken(grant.key, old.as_ref()))
}

pub(super) async fn grant(database: &Database, key: GrantKey) -> Result<Option<GrantRecord>, StoreError> {
    let mut session = database.reader().await?;
    let row = find_grant(&mut session, &key.to_string()).await?;
    session.finish();
    row.map(|row| rows::grant(&row, 0)).transpose()
}

pub(super) async fn replace_grant(
    database: &Database,
    expected: Version,
    next: GrantRecord,
) -> Result<Swap, StoreError> {
    let mut session = database.begin().await?;
    let name = next.key.to_string();
    session.lock(&name).await?;
    let Some(old) = find_grant(&mut session, &name).await? else {
        session.roll_back().await?;
        return Ok(Swap::Gone);
    };
    let stored = rows::version(&old, 2)?;
    if stored == next.version {
        session.roll_back().await?;
        return Ok(Swap::Done);
    }
    if stored != expected {
        session.roll_back().await?;
        return Ok(Swap::Moved(rows::grant(&old, 0)?));
    }
    // The grant lives at least as long as its logins, which may have been prolonged meanwhile.
    let replace = "UPDATE actix_salesforce_grants SET format = $2, lineage = $3, revision = $4, sealed = $5, \
                   updated_at = $6, expires_at = CASE WHEN gone_at > {now} + $8 THEN expires_at ELSE $7 END, \
                   gone_at = CASE WHEN gone_at > {now} + $8 THEN gone_at ELSE {now} + $8 END WHERE grant_key = $1";
    let values = [
        name.as_str().into(),
        FORMAT.into(),
        signed(next.version.lineage).into(),
        signed(next.version.revision).into(),
        next.sealed.as_bytes().into(),
        micros(next.updated_at).into(),
        micros(next.expires_at).into(),
        lifetime(next.expires_at).into(),
    ];
    session.execute(replace, &values).await?;
    session.commit().await?;
    Ok(Swap::Done)
}

pub(super) async fn end_grant(
    database: &Database,
    key: GrantKey,
    expected: Option<Version>,
) -> Result<Option<GrantRecord>, StoreError> {
    let mut session = database.begin().await?;
    let name = key.to_string();
    session.lock(&name).await?;
    let old = find_grant(&mut session, &name).await?;
    let stored = old.as_ref().map(|row| rows::version(row, 2)).transpose()?;
    if stored.is_none() || expected.is_some_and(|expected| stored != Some(expected)) {
        session.roll_back().await?;
        return Ok(None);
    }
    session
        .execute("DELETE FROM actix_salesforce_logins WHERE grant_key = $1", &[name.as_str().into()])
        .await?;
    delete_grant(&mut session, &name).await?;
    session.commit().await?;
    Ok(taken(key, old.as_ref()))
}

/// The condition for a subject, and its values.
fn whose(of: Subject) -> (&'static str, Vec<String>) {
    match of {
        Subject::User(org, user) => {
            ("AND g.org = $1 AND g.user_id = $2", vec![org.to_string(), user.to_string()])
        }
        Subject::Org(org) => ("AND g.org = $1", vec![org.to_string()]),
        Subject::All => ("", Vec::new()),
    }
}

async fn list(database: &Database, select: &str, of: Subject) -> Result<Vec<Row>, StoreError> {
    let (condition, values) = whose(of);
    let values: Vec<_> = values.iter().map(|value| value.as_str().into()).collect();
    let mut session = database.reader().await?;
    let rows = session.rows(&format!("{select} {condition}"), &values).await?;
    session.finish();
    Ok(rows)
}

/// One row that cannot be read does not hide the others.
fn readable<T>(row: Result<T, StoreError>) -> Option<T> {
    row.inspect_err(|error| tracing::warn!(%error, "a stored record counts as absent")).ok()
}

pub(super) async fn logins(
    database: &Database,
    of: Subject,
) -> Result<Vec<(LoginKey, LoginRecord)>, StoreError> {
    let select = format!(
        "SELECT {LOGIN} FROM actix_salesforce_logins l JOIN actix_salesforce_grants g ON g.grant_key = l.grant_key \
         WHERE l.gone_at > {{now}} AND g.gone_at > {{now}}"
    );
    let rows = list(database, &select, of).await?;
    Ok(rows.iter().filter_map(|row| readable(rows::login(row, 0))).collect())
}

pub(super) async fn grants(database: &Database, of: Subject) -> Result<Vec<GrantRecord>, StoreError> {
    let select = format!("SELECT {GRANT} FROM actix_salesforce_grants g WHERE g.gone_at > {{now}}");
    let rows = list(database, &select, of).await?;
    Ok(rows.iter().filter_map(|row| readable(rows::grant(row, 0))).collect())
}

/// Runs one statement and says whether it changed a row.
async fn changes(
    database: &Database,
    sql: &str,
    values: &[super::session::Value<'_>],
) -> Result<bool, StoreError> {
    let mut session = database.writer().await?;
    let rows = session.execute(sql, values).await?;
    session.finish();
    Ok(rows > 0)
}

pub(super) async fn consume(
    database: &Database,
    once: OnceKey,
    lifetime: Duration,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO actix_salesforce_once (once_key, gone_at) VALUES ($1, {now} + $2) \
               ON CONFLICT (once_key) DO UPDATE SET gone_at = excluded.gone_at \
               WHERE actix_salesforce_once.gone_at <= {now}";
    changes(database, sql, &[once.as_bytes().as_slice().into(), millis(lifetime).into()]).await
}

pub(super) async fn acquire_lease(
    database: &Database,
    key: GrantKey,
    holder: LeaseHolder,
    lifetime: Duration,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO actix_salesforce_leases (grant_key, holder, gone_at) VALUES ($1, $2, {now} + $3) \
               ON CONFLICT (grant_key) DO UPDATE SET holder = excluded.holder, gone_at = excluded.gone_at \
               WHERE actix_salesforce_leases.holder = excluded.holder OR actix_salesforce_leases.gone_at <= {now}";
    let holder = holder.0.to_be_bytes();
    let name = key.to_string();
    changes(database, sql, &[name.as_str().into(), holder.as_slice().into(), millis(lifetime).into()]).await
}

pub(super) async fn release_lease(
    database: &Database,
    key: GrantKey,
    holder: LeaseHolder,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM actix_salesforce_leases WHERE grant_key = $1 AND holder = $2";
    let holder = holder.0.to_be_bytes();
    changes(database, sql, &[key.to_string().as_str().into(), holder.as_slice().into()]).await.map(|_| ())
}
