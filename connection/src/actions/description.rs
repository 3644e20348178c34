//! [`ActionDescription`]: the inputs and outputs of an invocable action.

use serde::Deserialize;

/// One action in the list of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ActionSummary {
    /// The name by which it is run.
    pub name: String,
    /// The display name.
    pub label: String,
    /// Salesforce's type, for example `FLOW`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// An invocable action with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ActionDescription {
    /// The name by which it is run.
    pub name: String,
    /// The display name; `None` if it has none.
    #[serde(default)]
    pub label: Option<String>,
    /// What an administrator wrote about it.
    #[serde(default)]
    pub description: Option<String>,
    /// What it takes.
    pub inputs: Vec<InputParameter>,
    /// What it returns.
    pub outputs: Vec<OutputParameter>,
}

/// A value that an action takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InputParameter {
    /// The name.
    pub name: String,
    /// The type, for example `STRING` or `SOBJECT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether each input needs it.
    pub required: bool,
    /// The object of a record, for the type `SOBJECT`.
    #[serde(default)]
    pub sobject_type: Option<String>,
    /// How many values it takes: 1, or the length of a list. `None` if Salesforce does not say.
    #[serde(default)]
    pub max_occurs: Option<u32>,
    /// The display name.
    #[serde(default)]
    pub label: Option<String>,
}

/// A value that an action returns.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OutputParameter {
    /// The name.
    pub name: String,
    /// The type, for example `STRING` or `PICKLIST`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The object of a record, for the type `SOBJECT`.
    #[serde(default)]
    pub sobject_type: Option<String>,
    /// How many values it holds. `None` if Salesforce does not say.
    #[serde(default)]
    pub max_occurs: Option<u32>,
}
