//! Grants and logins as rows.

use super::session::{Row, Session};
use crate::{
    grant::{GrantKey, Version},
    store::{
        GrantRecord, LoginKey, LoginRecord, StoreError,
        record::{FORMAT, GrantRow, LoginRow, Unreadable, grant_key, lifetime, micros},
    },
};

/// The columns that [`grant`] reads.
pub(super) const GRANT: &str =
    "g.grant_key, g.format, g.lineage, g.revision, g.sealed, g.updated_at, g.expires_at";
pub(super) const GRANT_COLUMNS: usize = 7;
/// The columns that [`login`] reads.
pub(super) const LOGIN: &str = "l.login_key, l.format, l.grant_key, l.created_at, l.seen_at, l.expires_at";

/// Databases have no unsigned numbers; the bits are the same.
pub(super) fn signed(number: u64) -> i64 {
    i64::from_ne_bytes(number.to_ne_bytes())
}

fn unsigned(number: i64) -> u64 {
    u64::from_ne_bytes(number.to_ne_bytes())
}

fn format(row: &Row, at: usize) -> Result<(), StoreError> {
    if row.number(at, "format")? == FORMAT { Ok(()) } else { Err(Unreadable::Format.into()) }
}

/// The grant in the columns from `at` on.
pub(super) fn grant(row: &Row, at: usize) -> Result<GrantRecord, StoreError> {
    format(row, at + 1)?;
    let record = GrantRow {
        key: grant_key(&row.text(at, "grant")?)?,
        version: version(row, at + 2)?,
        sealed: row.bytes(at + 4, "content")?,
        updated_at: row.number(at + 5, "time")?,
        expires_at: row.number(at + 6, "expiry")?,
    };
    Ok(record.try_into()?)
}

/// The version in the columns from `at` on.
pub(super) fn version(row: &Row, at: usize) -> Result<Version, StoreError> {
    let lineage = unsigned(row.number(at, "lineage")?);
    Ok(Version { lineage, revision: unsigned(row.number(at + 1, "revision")?) })
}

/// The login in the columns from `at` on.
pub(super) fn login(row: &Row, at: usize) -> Result<(LoginKey, LoginRecord), StoreError> {
    let bytes = row.bytes(at, "key")?;
    let key = bytes.try_into().map_err(|_| Unreadable::Field("key"))?;
    format(row, at + 1)?;
    let record = LoginRow {
        grant: grant_key(&row.text(at + 2, "grant")?)?,
        created_at: row.number(at + 3, "time")?,
        seen_at: row.number(at + 4, "time")?,
        expires_at: row.number(at + 5, "expiry")?,
    };
    Ok((LoginKey::from_bytes(key), record.try_into()?))
}

/// The row of a live grant.
pub(super) async fn find_grant(session: &mut Session, key: &str) -> Result<Option<Row>, StoreError> {
    let sql = format!(
        "SELECT {GRANT} FROM actix_salesforce_grants g WHERE g.grant_key = $1 AND g.gone_at > {{now}}"
    );
    session.row(&sql, &[key.into()]).await
}

/// The grant in a row that an operation took away. One that cannot be read is gone all the same, and nobody can use it.
pub(super) fn taken(key: GrantKey, row: Option<&Row>) -> Option<GrantRecord> {
    match grant(row?, 0) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::warn!(grant = %key, %error, "a stored grant was unreadable; its tokens cannot be revoked");
            None
        }
    }
}

/// Writes a grant over whatever there was.
pub(super) async fn put_grant(session: &mut Session, grant: &GrantRecord) -> Result<(), StoreError> {
    let sql = "INSERT INTO actix_salesforce_grants \
               (grant_key, org, user_id, format, lineage, revision, sealed, updated_at, expires_at, gone_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, {now} + $10) \
               ON CONFLICT (grant_key) DO UPDATE SET format = excluded.format, lineage = excluded.lineage, \
               revision = excluded.revision, sealed = excluded.sealed, updated_at = excluded.updated_at, \
               expires_at = excluded.expires_at, gone_at = excluded.gone_at";
    let (name, org, user) = (grant.key.to_string(), grant.key.org(), grant.key.user());
    let values = [
        name.as_str().into(),
        org.as_str().into(),
        user.as_str().into(),
        FORMAT.into(),
        signed(grant.version.lineage).into(),
        signed(grant.version.revision).into(),
        grant.sealed.as_bytes().into(),
        micros(grant.updated_at).into(),
        micros(grant.expires_at).into(),
        lifetime(grant.expires_at).into(),
    ];
    session.execute(sql, &values).await.map(|_| ())
}
