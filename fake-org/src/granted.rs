//! What permission sets grant to a user.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How far a permission goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Read,
    Edit,
}

/// The objects and fields (`Account.Phone`) that permission sets grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Granted {
    pub(crate) objects: BTreeMap<String, Level>,
    pub(crate) fields: BTreeMap<String, Level>,
}
