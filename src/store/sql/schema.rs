//! The tables, and how a database gets from one state of them to the next.

use super::{database::Database, session::Session};
use crate::store::StoreError;

/// What was done to the tables, oldest first. A step that was released is never changed, and only adds: processes of the
/// version before go on running while it is applied.
const STEPS: [&str; 1] = [include_str!("schema/1.sql")];

/// Brings the tables up to date. Several processes may do so at once; one does, the others wait.
///
/// The steps are counted in a table of our own: the app may keep migrations of its own in the same database.
pub(super) async fn migrate(database: &Database) -> Result<(), StoreError> {
    let mut session = database.begin().await?;
    session.lock("schema").await?;
    // Asked first, since a role that may use the tables need not be one that may create them.
    if !has_steps(&mut session).await? {
        session.script("CREATE TABLE actix_salesforce_schema (step BIGINT PRIMARY KEY)").await?;
    }
    let done = match session.row("SELECT coalesce(max(step), 0) FROM actix_salesforce_schema", &[]).await? {
        Some(row) => row.number(0, "step")?,
        None => 0,
    };
    for (step, script) in (1..).zip(STEPS) {
        if step > done {
            session.script(script).await?;
            session.execute("INSERT INTO actix_salesforce_schema (step) VALUES ($1)", &[step.into()]).await?;
        }
    }
    session.commit().await
}

async fn has_steps(session: &mut Session) -> Result<bool, StoreError> {
    #[cfg(feature = "postgres")]
    if session.is_postgres() {
        let found = session
            .row("SELECT 1 FROM pg_class WHERE oid = to_regclass('actix_salesforce_schema')", &[])
            .await?;
        return Ok(found.is_some());
    }
    let found = session
        .row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'actix_salesforce_schema'", &[])
        .await?;
    Ok(found.is_some())
}
