//! What a 404 means to a caller who named something.

use super::Error;

impl Error {
    /// Returns [`UnknownResource`](Self::UnknownResource) in the place of a 404. Salesforce responds in the same way if the
    /// user may not use or see what was named.
    pub(crate) fn or_unknown(self, kind: &'static str, name: &str) -> Self {
        match self {
            Self::Api { status: 404, .. } => Self::UnknownResource { kind, name: name.to_owned() },
            error => error,
        }
    }
}
