//! What goes to the server: scripts with their arguments, and walks over an index.

use super::{
    super::{StoreError, Subject},
    link::{Link, Repeat},
    reply::Reply,
    script::Script,
};

/// The way to the server, and what every key begins with.
pub(super) struct Connection {
    pub(super) link: Link,
    pub(super) prefix: String,
}

impl Connection {
    pub(super) async fn invoke(
        &self,
        repeat: Repeat,
        script: &Script,
        arguments: Arguments,
    ) -> Result<Reply, StoreError> {
        let arguments = &arguments;
        let invoke = |mut redis| async move { script.invoke(&mut redis, &self.prefix, arguments).await };
        self.link.run(repeat, invoke).await.map(Reply::new)
    }

    /// The keys of the grants of `of`.
    pub(super) async fn grants(&self, of: Subject) -> Result<Vec<String>, StoreError> {
        let (index, pattern) = match of {
            Subject::User(org, user) => (format!("{}org:{org}", self.prefix), format!("*:{user}")),
            Subject::Org(org) => (format!("{}org:{org}", self.prefix), "*".to_owned()),
            Subject::All => (format!("{}all", self.prefix), "*".to_owned()),
        };
        let mut found = std::collections::BTreeSet::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("ZSCAN");
            scan.arg(&index).arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1_000);
            let scan = &scan;
            let page = |mut redis| async move { scan.query_async::<Page>(&mut redis).await };
            let (next, members) = match self.link.run(Repeat::Safe, page).await {
                // Something else has this name: there is no index.
                Err(StoreError::Corrupt(_)) => return Ok(Vec::new()),
                page => page?,
            };
            // A scan may give a member twice.
            found.extend(members.into_iter().map(|(member, _)| member));
            if next == 0 {
                return Ok(found.into_iter().collect());
            }
            cursor = next;
        }
    }
}

/// A page of a sorted set: where the next one begins, and members with their scores.
type Page = (u64, Vec<(String, f64)>);

/// What a script is given besides the prefix.
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
