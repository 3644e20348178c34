//! [`ActionDescription`]: the inputs and outputs of an invocable action.

use serde::Deserialize;
use serde_json::Value;

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

impl InputParameter {
    /// Returns whether the parameter can be this value: `false` only for what no value of its type looks like.
    ///
    /// Which texts Salesforce converts is unverified, so that the text of a number is one here. A type that this crate does
    /// not know takes anything.
    pub(super) fn takes(&self, value: &Value) -> bool {
        let Some(is_one) = form(&self.kind) else { return true };
        let takes_one = |value: &Value| value.is_null() || is_one(value);
        match (value, self.max_occurs) {
            (Value::Array(_), Some(1)) => false,
            (Value::Array(values), limit) => {
                limit.is_none_or(|limit| u32::try_from(values.len()).is_ok_and(|count| count <= limit))
                    && values.iter().all(takes_one)
            }
            (value, _) => takes_one(value),
        }
    }
}

/// Returns what one value of a type looks like; `None` for a type that this crate does not know.
fn form(kind: &str) -> Option<fn(&Value) -> bool> {
    let form: fn(&Value) -> bool = match kind.to_ascii_uppercase().as_str() {
        "STRING" | "TEXTAREA" | "PICKLIST" | "MULTIPICKLIST" | "DATE" | "DATETIME" | "ID" | "REFERENCE" => {
            |value| !value.is_array() && !value.is_object()
        }
        "BOOLEAN" => |value| {
            let is_text = |text: &str| ["true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word));
            value.is_boolean() || value.as_str().is_some_and(is_text)
        },
        "NUMBER" | "CURRENCY" | "DOUBLE" | "INTEGER" | "LONG" => {
            |value| value.is_number() || value.as_str().is_some_and(|text| text.trim().parse::<f64>().is_ok())
        }
        "SOBJECT" => |value| value.is_object() || value.is_string(),
        _ => return None,
    };
    Some(form)
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
