//! Declared actions: what an administrator builds without code.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// An invocable action: `{"kind":"flow","name":"Discount","inputs":[…],"results":[…]}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionSpec {
    /// `standard`, or the part of the path after `custom`: `flow`, `apex`.
    pub(crate) kind: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) inputs: Vec<Parameter>,
    #[serde(default)]
    pub(crate) outputs: Vec<Parameter>,
    /// The first one whose `when` fits decides. None: the action returns nothing.
    #[serde(default)]
    pub(crate) results: Vec<ActionResultSpec>,
}

/// An input or an output of an action.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// As in a description: `STRING`, `NUMBER`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) required: bool,
}

/// What an action does with some inputs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionResultSpec {
    /// The values of the input that it is for.
    #[serde(default)]
    pub(crate) when: Map<String, Value>,
    #[serde(default)]
    pub(crate) outputs: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) error: Option<ActionErrorSpec>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionErrorSpec {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// A quick action that creates a record:
/// `{"object":"Account","name":"NewContact","creates":"Contact","lookup":"AccountId"}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuickActionSpec {
    /// The object on whose page it is; none: a global action.
    #[serde(default)]
    pub(crate) object: String,
    pub(crate) name: String,
    pub(crate) creates: String,
    /// The field that gets the id of the context.
    #[serde(default)]
    pub(crate) lookup: String,
    #[serde(default)]
    pub(crate) message: String,
}

/// A query with a name: `{"name":"ByIndustry","soql":"SELECT Name FROM Account WHERE Industry = :industry"}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedQuerySpec {
    pub(crate) name: String,
    pub(crate) soql: String,
}

/// An approval process of one step: `{"object":"Account","name":"Big accounts"}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalProcessSpec {
    pub(crate) object: String,
    pub(crate) name: String,
}

/// The approvals under way.
#[derive(Debug, Default)]
pub(crate) struct Approvals {
    /// The number of the last run.
    pub(crate) last: u64,
    /// The record of each open work item.
    pub(crate) open: BTreeMap<String, String>,
}
