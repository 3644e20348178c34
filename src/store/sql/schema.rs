//! The tables, and how they come about.

use super::{super::StoreError, database::Database, session::Transaction};

/// Each entry is one step of the schema, made once. Never change one that was released: add another.
const STEPS: &[&[&str]] = &[&[
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
]];

/// A newer version of the crate has been here.
#[derive(Debug, thiserror::Error)]
#[error("the tables are of a newer version of actix-salesforce; use that version, or another database")]
struct Newer;

/// Brings the tables up to date. Processes that start together wait for each other.
pub(super) async fn migrate(database: &Database) -> Result<(), StoreError> {
    let mut step = database.begin().await?;
    step.lock("schema").await?;
    // Asked first: a role that may use the tables need not be one that may make them.
    if !step.has_schema().await? {
        step.run("CREATE TABLE actix_salesforce_schema (version BIGINT PRIMARY KEY)", []).await?;
    }
    let done = version(&mut step).await?;
    let missing = usize::try_from(done)
        .ok()
        .and_then(|done| STEPS.get(done..))
        .ok_or_else(|| StoreError::Unavailable(Newer.into()))?;
    for (statements, version) in missing.iter().zip(done + 1..) {
        for statement in *statements {
            step.run(statement, []).await?;
        }
        step.run("INSERT INTO actix_salesforce_schema (version) VALUES ($1)", [version.into()]).await?;
    }
    step.commit().await
}

async fn version(step: &mut Transaction) -> Result<i64, StoreError> {
    let sql = "SELECT COALESCE(MAX(version), 0) FROM actix_salesforce_schema";
    match step.row(sql, []).await? {
        Some(mut row) => row.number("version"),
        None => Ok(0),
    }
}
