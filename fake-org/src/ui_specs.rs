//! Declared record types and dependent picklists.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::base::ids;

/// The record type that each object has.
pub(crate) const MASTER: &str = "012000000000000AAA";

/// A record type: `{"object":"Account","name":"Partner","values":{"Industry":["Energy"]},"required":["Phone"]}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordTypeSpec {
    pub(crate) object: String,
    pub(crate) name: String,
    /// The values that picklists have; all of those that are left out.
    #[serde(default)]
    pub(crate) values: BTreeMap<String, Vec<String>>,
    /// What its layout requires besides what the object does.
    #[serde(default)]
    pub(crate) required: Vec<String>,
    /// New records get it.
    #[serde(default)]
    pub(crate) default: bool,
    /// Users may not create records of it.
    #[serde(default)]
    pub(crate) unavailable: bool,
}

/// A picklist whose values depend on another field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DependentSpec {
    pub(crate) object: String,
    pub(crate) field: String,
    pub(crate) controlled_by: String,
    /// The values by controlling value.
    pub(crate) values: BTreeMap<String, Vec<String>>,
}

/// The id of the n-th declared record type, from 0.
pub(crate) fn record_type_id(n: usize) -> String {
    ids::make("012", u64::try_from(n).unwrap_or(0) + 1)
}
