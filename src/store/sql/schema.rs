//! The tables and their migrations.

use super::{super::StoreError, database::Database, transaction::Transaction};

/// Each entry is one migration, run once. Never change a released one: add another.
const MIGRATIONS: &[&[&str]] = &[FIRST, PROOFS, OWNERS, POSITIONS];

/// Logins are bound to their ids.
const PROOFS: &[&str] = &["ALTER TABLE actix_salesforce_logins ADD COLUMN proof TEXT NOT NULL DEFAULT ''"];

/// Users of the app itself may use a grant.
const OWNERS: &[&str] = &[
    "CREATE TABLE actix_salesforce_owned (
        owned_key TEXT PRIMARY KEY,
        owner_key TEXT NOT NULL,
        grant_key TEXT NOT NULL,
        org TEXT NOT NULL,
        person TEXT NOT NULL,
        sealed {bytes} NOT NULL,
        connected BIGINT NOT NULL,
        expires BIGINT NOT NULL
    )",
    "CREATE INDEX actix_salesforce_owned_owner ON actix_salesforce_owned (owner_key)",
    "CREATE INDEX actix_salesforce_owned_grant ON actix_salesforce_owned (grant_key)",
    "CREATE INDEX actix_salesforce_owned_org ON actix_salesforce_owned (org, person)",
    "CREATE INDEX actix_salesforce_owned_expires ON actix_salesforce_owned (expires)",
];

/// Consumers of events store how far they are. A position never expires.
const POSITIONS: &[&str] = &["CREATE TABLE actix_salesforce_positions (
        consumer_key TEXT PRIMARY KEY,
        version BIGINT NOT NULL,
        sealed {bytes} NOT NULL,
        updated BIGINT NOT NULL
    )"];

const FIRST: &[&str] = &[
    "CREATE TABLE actix_salesforce_grants (
        grant_key TEXT PRIMARY KEY,
        org TEXT NOT NULL,
        person TEXT NOT NULL,
        version TEXT NOT NULL,
        sealed {bytes} NOT NULL,
        updated BIGINT NOT NULL,
        expires BIGINT NOT NULL
    )",
    "CREATE INDEX actix_salesforce_grants_org ON actix_salesforce_grants (org, person)",
    "CREATE INDEX actix_salesforce_grants_expires ON actix_salesforce_grants (expires)",
    "CREATE TABLE actix_salesforce_logins (
        login_key TEXT PRIMARY KEY,
        grant_key TEXT NOT NULL,
        created BIGINT NOT NULL,
        seen BIGINT NOT NULL,
        expires BIGINT NOT NULL
    )",
    "CREATE INDEX actix_salesforce_logins_grant ON actix_salesforce_logins (grant_key)",
    "CREATE INDEX actix_salesforce_logins_expires ON actix_salesforce_logins (expires)",
    "CREATE TABLE actix_salesforce_once (once_key TEXT PRIMARY KEY, expires BIGINT NOT NULL)",
    "CREATE INDEX actix_salesforce_once_expires ON actix_salesforce_once (expires)",
    "CREATE TABLE actix_salesforce_leases (
        grant_key TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        expires BIGINT NOT NULL
    )",
    "CREATE INDEX actix_salesforce_leases_expires ON actix_salesforce_leases (expires)",
];

/// The tables were written by a newer version of the crate.
#[derive(Debug, thiserror::Error)]
#[error(
    "the tables were written by a newer version of actix-salesforce. Use that version, or another database"
)]
struct Newer;

/// Runs the missing migrations. Processes that start together wait for each other.
pub(super) async fn migrate(database: &Database) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    tx.lock("schema").await?;
    // Checked first: the database role may be allowed to use the tables, but not to create them.
    if !tx.has_schema().await? {
        tx.run("CREATE TABLE actix_salesforce_schema (version BIGINT PRIMARY KEY)", []).await?;
    }
    let done = version(&mut tx).await?;
    let missing = usize::try_from(done)
        .ok()
        .and_then(|done| MIGRATIONS.get(done..))
        .ok_or_else(|| StoreError::Unavailable(Newer.into()))?;
    for (statements, version) in missing.iter().zip(done + 1..) {
        for statement in *statements {
            tx.run(statement, []).await?;
        }
        tx.run("INSERT INTO actix_salesforce_schema (version) VALUES ($1)", [version.into()]).await?;
    }
    tx.commit().await
}

/// Versions of the tables: what a database has, and what this crate works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) found: u64,
    pub(super) needed: u64,
}

/// Reads the version of the tables; 0: there are none. Leaves the database as it is.
///
/// Where there are none they are created and rolled back: a role that may not create them is an error here, before the
/// start of the app. No table that is in use is locked by that.
pub(super) async fn inspect(database: &Database) -> Result<Versions, StoreError> {
    let mut tx = database.begin().await?;
    let found = if tx.has_schema().await? { version(&mut tx).await? } else { 0 };
    if found == 0 {
        for statements in MIGRATIONS {
            for statement in *statements {
                tx.run(statement, []).await?;
            }
        }
    }
    tx.rollback().await?;
    let (found, needed) = (u64::try_from(found).unwrap_or_default(), MIGRATIONS.len() as u64);
    if found > needed { Err(StoreError::Unavailable(Newer.into())) } else { Ok(Versions { found, needed }) }
}

async fn version(tx: &mut Transaction) -> Result<i64, StoreError> {
    let sql = "SELECT COALESCE(MAX(version), 0) FROM actix_salesforce_schema";
    match tx.row(sql, []).await? {
        Some(mut row) => row.number("version"),
        None => Ok(0),
    }
}
