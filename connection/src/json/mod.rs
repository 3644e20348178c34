//! Reads JSON a second time, where serde's own reader loses digits or does not say enough.

pub(crate) mod cases;
pub(crate) mod error;
pub(crate) mod exact;
pub(crate) mod late_members;
pub(crate) mod names;
pub(crate) mod place;
pub(crate) mod probe;
mod reader;
pub(crate) mod tree;
