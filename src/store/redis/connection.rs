//! What is sent to the server: scripts with their arguments, and scans of an index.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    super::{GrantFilter, StoreError, runtime::CALL_TIMEOUT},
    connection_manager::{ConnectionManager, Idempotency},
    key_names,
    reply::Reply,
    script::Script,
};

/// The connection to the server, and the prefix of all keys.
pub(super) struct Connection {
    pub(super) manager: ConnectionManager,
    pub(super) prefix: Arc<str>,
}

/// The server did not send a page of a listing in time.
#[derive(Debug, thiserror::Error)]
#[error("no response within {} ms", .0.as_millis())]
struct PageTimedOut(Duration);

impl Connection {
    pub(super) async fn invoke(
        &self,
        idempotency: Idempotency,
        script: &Script,
        arguments: Arguments,
    ) -> Result<Reply, StoreError> {
        let arguments = &arguments;
        // A script that must not run twice is not repeated on another connection. So the connection is tested before it:
        // the server may have restarted since its last use.
        if idempotency == Idempotency::Unsafe {
            self.test().await?;
        }
        let invoke = |mut redis| async move { script.invoke(&mut redis, &self.prefix, arguments).await };
        self.manager.run(idempotency, invoke).await.map(Reply::new)
    }

    /// Tests the connection, and replaces one that is dead. EXISTS reaches the server that has the keys, unlike PING in a
    /// cluster.
    pub(super) async fn test(&self) -> Result<(), StoreError> {
        let mut exists = redis::cmd("EXISTS");
        exists.arg(&*self.prefix);
        let exists = &exists;
        let exists = |mut redis| async move { exists.exec_async(&mut redis).await };
        self.manager.run(Idempotency::Idempotent, exists).await
    }

    /// Runs a script that returns a page of a listing. Each page has the deadline of an operation: a listing has longer,
    /// but must not wait that long for a connection that is dead.
    pub(super) async fn invoke_page(
        &self,
        script: &Script,
        arguments: Arguments,
    ) -> Result<Reply, StoreError> {
        page(self.invoke(Idempotency::Idempotent, script, arguments)).await
    }

    /// Returns the keys of the grants that `filter` selects.
    pub(super) async fn grants(&self, filter: GrantFilter) -> Result<Vec<String>, StoreError> {
        let (index, pattern) = match filter {
            GrantFilter::User(user) => {
                (key_names::grants_of(&self.prefix, user.organization_id), format!("*:{}", user.user_id))
            }
            GrantFilter::Org(org) => (key_names::grants_of(&self.prefix, org), "*".to_owned()),
            GrantFilter::All => (key_names::all_grants(&self.prefix), "*".to_owned()),
        };
        self.members(index, pattern).await
    }

    /// Returns the keys of the connections of this owner; of all owners without one.
    pub(super) async fn owned(&self, owner: Option<String>) -> Result<Vec<String>, StoreError> {
        let index = match owner {
            Some(owner) => key_names::connections_of(&self.prefix, &owner),
            None => key_names::all_connections(&self.prefix),
        };
        self.members(index, "*".to_owned()).await
    }

    /// Returns the members of an index.
    async fn members(&self, index: String, pattern: String) -> Result<Vec<String>, StoreError> {
        let mut found = BTreeSet::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("ZSCAN");
            scan.arg(&index).arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1_000);
            let scan = &scan;
            let query = |mut redis| async move { scan.query_async::<Page>(&mut redis).await };
            let (next, members) = match page(self.manager.run(Idempotency::Idempotent, query)).await {
                // A value of another type has this name: there is no index.
                Err(StoreError::Corrupt(_)) => return Ok(Vec::new()),
                page => page?,
            };
            // A scan may return a member twice (Redis documentation, "SCAN").
            found.extend(members.into_iter().map(|(member, _)| member));
            if next == 0 {
                return Ok(found.into_iter().collect());
            }
            cursor = next;
        }
    }
}

async fn page<T>(command: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let result = timeout(CALL_TIMEOUT, command).await;
    result.unwrap_or_else(|_| Err(StoreError::Unavailable(PageTimedOut(CALL_TIMEOUT).into())))
}

/// A page of a sorted set: the cursor of the next page, and members with their scores.
type Page = (u64, Vec<(String, f64)>);

/// The arguments of a script besides the prefix.
#[derive(Default)]
pub(super) struct Arguments(Vec<Vec<u8>>);

impl Arguments {
    pub(super) fn of(text: impl Into<String>) -> Self {
        Self::default().text(text)
    }

    pub(super) fn text(self, text: impl Into<String>) -> Self {
        self.bytes(text.into().as_bytes())
    }

    pub(super) fn number(self, number: i64) -> Self {
        self.text(number.to_string())
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.push(bytes.to_vec());
        self
    }
}
