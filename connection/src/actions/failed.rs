//! [`FailedAction`]: one of several actions in a request that failed.

use std::fmt;

use serde_json::value::RawValue;

use crate::{
    error::{ApiError, Error},
    request::error_body,
};

/// One action of a request that failed, with Salesforce's reasons.
///
/// `?` makes it an [`Error::Api`]. `Display` and `Debug` name codes and fields, and omit messages.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedAction {
    /// Salesforce's reasons. Empty if it gives none.
    pub errors: Vec<ApiError>,
}

impl FailedAction {
    /// Reads the member `errors`: a list, or `null`.
    pub(super) fn read(errors: Option<&RawValue>) -> Self {
        Self { errors: errors.map(|errors| error_body::entries(errors.get())).unwrap_or_default() }
    }
}

impl fmt::Display for FailedAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the action failed (")?;
        for (index, error) in self.errors.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { ", " }, error.code)?;
            if !error.fields.is_empty() {
                write!(f, " on {}", error.fields.join(" and "))?;
            }
        }
        f.write_str(if self.errors.is_empty() { "without a reason)" } else { ")" })
    }
}

crate::debug::debug_as_display!(FailedAction);

impl std::error::Error for FailedAction {}

impl From<FailedAction> for Error {
    fn from(failed: FailedAction) -> Self {
        Self::Api { status: 400, errors: failed.errors, retry_after: None, response: None }
    }
}
