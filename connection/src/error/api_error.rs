//! [`ApiError`]: what Salesforce reports about a rejected request.

use std::fmt;

use crate::error::duplicates::Duplicates;

/// One reason that Salesforce gives for rejecting a request.
///
/// `Debug` omits the message, which often repeats the data that was sent. Source: REST API Developer Guide, "Status
/// Codes and Error Responses".
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiError {
    /// The code, for example `REQUIRED_FIELD_MISSING`.
    pub code: String,
    /// The text for people, in the user's language.
    ///
    /// It may repeat data of the request: show it only to the user who sent that, and keep it out of logs.
    pub message: String,
    /// The fields that caused the error.
    pub fields: Vec<String>,
    /// With the code `DUPLICATES_DETECTED`: the existing records that match.
    pub duplicates: Option<Duplicates>,
    /// In a record tree: the reference of the record with the error.
    pub(crate) reference: Option<String>,
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("code", &self.code)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// Writes status and errors: `status 400 REQUIRED_FIELD_MISSING on LastName, INVALID_EMAIL_ADDRESS on Email`.
pub(super) struct Summary<'a>(pub(super) u16, pub(super) &'a [ApiError]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.0)?;
        for (index, error) in self.1.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { " " } else { ", " }, error.code)?;
            if !error.fields.is_empty() {
                write!(f, " on {}", error.fields.join(" and "))?;
            }
        }
        Ok(())
    }
}
