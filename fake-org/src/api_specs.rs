//! Declared agents and Data 360 queries.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// An agent: `{"id":"0XxKa0000000001KAA","replies":{"hello":"Hi there."}}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentSpec {
    pub(crate) id: String,
    #[serde(default = "greeting")]
    pub(crate) greeting: String,
    /// What it says to a message; to others, that it does not understand.
    #[serde(default)]
    pub(crate) replies: BTreeMap<String, String>,
}

fn greeting() -> String {
    "Hi, I'm an AI service assistant. How can I help you?".into()
}

/// A query of Data 360 and its rows: `{"sql":"SELECT 1 AS n","columns":[{"name":"n","type":"Numeric"}],"rows":[[1]]}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data360Spec {
    pub(crate) sql: String,
    /// The data space that has the rows. Empty: each.
    #[serde(default)]
    pub(crate) dataspace: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Value>>,
    /// How often its status is `Running` before there are rows.
    #[serde(default)]
    pub(crate) polls: usize,
    /// Most rows in a response.
    #[serde(default = "page")]
    pub(crate) page: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

fn page() -> usize {
    1_000
}

/// The conversations and queries under way.
#[derive(Debug, Default)]
pub(crate) struct ApiState {
    last: u64,
    /// By session id: the agent, and the number of the last message.
    pub(crate) sessions: BTreeMap<String, (String, u64)>,
    /// By query id: which declared query, and how often its status is still `Running`.
    pub(crate) queries: BTreeMap<String, (usize, usize)>,
    /// The exchanged tokens, with the access token that each is for.
    pub(crate) tokens: BTreeMap<String, String>,
}

impl ApiState {
    /// An id in the form of a UUID.
    pub(crate) fn id(&mut self) -> String {
        self.last += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.last)
    }
}
