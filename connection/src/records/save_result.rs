//! The result of creating or upserting a record.
//!
//! Source: REST API Developer Guide, "Create a Record", "Insert or Update (Upsert) a Record Using an External ID".

use serde::Deserialize;

use crate::{error::InvalidResponse, id::SalesforceId, request::decode};

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
    pub(crate) fn read(body: &[u8]) -> Result<Self, InvalidResponse> {
        #[derive(Deserialize)]
        struct RawSaveResult {
            id: SalesforceId,
            success: bool,
            /// Only in the response to an upsert.
            #[serde(default)]
            created: bool,
        }
        let result: RawSaveResult = decode::json(body)?;
        if result.success {
            Ok(Self { id: result.id, created: result.created })
        } else {
            Err(InvalidResponse::Unexpected("`success` is false in a response with a success status"))
        }
    }
}
