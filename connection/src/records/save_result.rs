//! What Salesforce says of a record that it saved.
//!
//! Source: REST API Developer Guide, "Create a Record", "Insert or Update (Upsert) a Record Using an External ID".

use serde::Deserialize;

use crate::{error::InvalidResponse, id::SalesforceId, request::decode};

/// A record that was saved or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedRecord {
    /// The record.
    pub id: SalesforceId,
    /// Whether it is new. When the answer to a first try of an upsert was lost and the upsert sent again, a new record
    /// counts as found.
    pub created: bool,
}

impl SavedRecord {
    /// Reads the answer to a call that creates one record, or upserts it.
    pub(crate) fn read(body: &[u8]) -> Result<Self, InvalidResponse> {
        #[derive(Deserialize)]
        struct Saved {
            id: SalesforceId,
            success: bool,
            /// Only an upsert is answered with it.
            #[serde(default)]
            created: bool,
        }
        let saved: Saved = decode::json(body)?;
        if saved.success {
            Ok(Self { id: saved.id, created: saved.created })
        } else {
            Err(InvalidResponse::Unexpected("a success that says it is none"))
        }
    }
}
