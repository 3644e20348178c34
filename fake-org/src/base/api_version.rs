//! The REST API's versions.

/// The newest: Winter '27.
pub(crate) const LATEST: u32 = 68;
/// The oldest that is not retired.
pub(crate) const OLDEST: u32 = 31;
