//! The result of creating or upserting a record.
//!
//! Source: REST API Developer Guide, "Create a Record", "Insert or Update (Upsert) a Record Using an External ID".

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    error::{InvalidResponse, Result},
    id::SalesforceId,
    request::{decode, error_response},
};

const NOT_SAVED: &str = "`success` is false in a response with a success status";

/// A record that was saved or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedRecord {
    /// The record's id.
    pub id: SalesforceId,
    /// Whether the record was created. False also for an upsert that created it, but was sent again because the first
    /// response was lost.
    pub created: bool,
}

impl SavedRecord {
    /// Reads the response body of a request that creates or upserts one record.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with Salesforce's reasons if the record was not saved: recorded responses have
    /// `success: false` with a success status.
    pub(crate) fn read(body: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Outcome<'a> {
            success: bool,
            #[serde(borrow, default)]
            errors: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct RawSaveResult<'a> {
            id: SalesforceId,
            /// Only in the response to an upsert. An odd one must not lose the id.
            #[serde(borrow, default)]
            created: Option<&'a RawValue>,
        }
        let outcome: Outcome<'_> = decode::json(body)?;
        if !outcome.success {
            let entries = outcome.errors.map_or("[]", RawValue::get);
            let error = error_response::read(200, entries.as_bytes(), None).error;
            return Err(if error.api_errors().is_empty() {
                InvalidResponse::Unexpected(NOT_SAVED).into()
            } else {
                error
            });
        }
        let result: RawSaveResult<'_> = decode::json(body)?;
        Ok(Self { id: result.id, created: result.created.is_some_and(|created| created.get() == "true") })
    }
}
