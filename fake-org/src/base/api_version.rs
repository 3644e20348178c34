//! The REST API's newest version.

/// What `version=latest` means.
pub(crate) const LATEST: &str = "67.0";
