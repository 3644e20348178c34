//! [`AgentMessage`]: what an agent says.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A whole message of an agent. `Debug` shows its kind and id only.
///
/// Members that Salesforce adds are in [`more`](Self::more).
#[derive(Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AgentMessage {
    /// What it is: `Inform`, `Inquire`, `Confirm`, `Failure`, `Escalate`, `SessionEnded`, `Error` and others.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id. `None` if it has none.
    pub id: Option<String>,
    /// The text for the user, often Markdown. It is not to be trusted as HTML.
    #[serde(rename = "message")]
    pub text: Option<String>,
    /// Whether Salesforce's check found the content harmless. `None` if it says nothing about it.
    pub is_content_safe: Option<bool>,
    /// The id to give feedback under. Empty or `None` if there is nothing to give feedback on.
    pub feedback_id: Option<String>,
    /// What actions returned, as they return it. `None` if Salesforce does not say.
    pub result: Option<Vec<Value>>,
    /// The sources that the text cites, as Salesforce returns them. `None` if it does not say.
    pub cited_references: Option<Vec<Value>>,
    /// Further members.
    #[serde(flatten)]
    pub more: serde_json::Map<String, Value>,
}

/// Leaves out what the agent says.
impl std::fmt::Debug for AgentMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentMessage").field("kind", &self.kind).field("id", &self.id).finish_non_exhaustive()
    }
}

/// The body of a response: of a start, a message or an end.
#[derive(Deserialize)]
pub(super) struct Messages {
    pub(super) messages: Vec<AgentMessage>,
}
