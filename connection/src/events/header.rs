//! [`ChangeHeader`]: what a change event says about the change itself.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    avro::{self, Bitmaps, FieldSet, FieldState, Schema},
    error::DecodeError,
};

/// The first field of every change event.
const HEADER: &str = "ChangeEventHeader";

/// What a change event says about the change itself.
///
/// Source: Change Data Capture Developer Guide, "Change Event Header Fields".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangeHeader {
    /// API name of the object, for example `Account`.
    pub object: String,
    /// The changed records. Several, if one transaction changed them in the same way. Empty for an overflow; a gap after a
    /// change of a field's type may have a pattern such as `001*`.
    pub record_ids: Vec<String>,
    /// What happened to them.
    pub kind: ChangeKind,
    /// Where the change came from, for example `com/salesforce/api/rest/66.0;client=our-client`.
    pub origin: String,
    /// The transaction, for all of its changes the same.
    pub transaction_key: String,
    /// The order of the changes within the transaction, from 1. Numbers may be missing.
    pub sequence_number: i32,
    /// When the transaction was committed.
    pub committed_at: SystemTime,
    /// Number of the commit. Ascending within an org's instance, and longer than a JavaScript number.
    pub commit_number: i64,
    /// Id of the user who made the change.
    pub commit_user: String,
    /// Names of the fields that an update changed; those within a compound field as `BillingAddress.City`.
    pub changed_fields: Vec<String>,
    /// Names of the fields that an update cleared. They are among the changed ones.
    pub nulled_fields: Vec<String>,
    /// Names of the fields that have a unified diff instead of their value.
    pub diff_fields: Vec<String>,
}

impl ChangeHeader {
    /// Returns the client that made the change over an API: what it sent as `client` of
    /// [call options](crate::request::CallOptions).
    pub fn client(&self) -> Option<&str> {
        let (_, client) = self.origin.split_once("client=")?;
        let client = client.split(';').next().unwrap_or_default();
        Some(client.strip_suffix('/').unwrap_or(client))
    }

    /// Returns whether the client of this name made the change. Drops the events of the program's own writes.
    pub fn is_from(&self, client: &str) -> bool {
        self.client() == Some(client)
    }
}

/// What happened to a record. A gap is a change of which Salesforce has no details to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is Salesforce's name")]
pub enum ChangeKind {
    Create,
    Update,
    Delete,
    Undelete,
    GapCreate,
    GapUpdate,
    GapDelete,
    GapUndelete,
    GapOverflow,
    Snapshot,
}

/// The header as it is in the event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireHeader {
    entity_name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    record_ids: Vec<String>,
    change_type: ChangeKind,
    #[serde(default, deserialize_with = "null_as_default")]
    change_origin: String,
    #[serde(default, deserialize_with = "null_as_default")]
    transaction_key: String,
    #[serde(default, deserialize_with = "null_as_default")]
    sequence_number: i32,
    #[serde(default, deserialize_with = "null_as_default")]
    commit_timestamp: i64,
    #[serde(default, deserialize_with = "null_as_default")]
    commit_number: i64,
    #[serde(default, deserialize_with = "null_as_default")]
    commit_user: String,
    #[serde(default, deserialize_with = "null_as_default")]
    nulled_fields: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    diff_fields: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    changed_fields: Vec<String>,
}

/// Reads `null` as the type's default.
fn null_as_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A header with the bitmaps that its names of fields come from.
#[derive(Debug)]
pub(crate) struct ChangeInfo {
    pub(crate) header: ChangeHeader,
    pub(crate) bitmaps: Bitmaps,
}

impl ChangeInfo {
    /// Reads the header of an event. `None` if the schema is not one of a change event.
    pub(crate) fn read(schema: &Schema, payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let Some(record) = schema.record() else { return Ok(None) };
        if record.fields.first().is_none_or(|field| field.name != HEADER) {
            return Ok(None);
        }
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(rename = "ChangeEventHeader")]
            header: WireHeader,
        }
        let Envelope { header } = avro::from_bytes(schema, payload, FieldState::COMPLETE)?;
        let set = |entries: &[String]| -> Result<_, DecodeError> {
            let set = FieldSet::parse(entries)?;
            let names = set.names(schema)?;
            Ok((set, names))
        };
        let (changed, changed_fields) = set(&header.changed_fields)?;
        let (nulled, nulled_fields) = set(&header.nulled_fields)?;
        let (diff, diff_fields) = set(&header.diff_fields)?;
        let since_1970 = Duration::from_millis(header.commit_timestamp.unsigned_abs());
        let header = ChangeHeader {
            object: header.entity_name,
            record_ids: header.record_ids,
            kind: header.change_type,
            origin: header.change_origin,
            transaction_key: header.transaction_key,
            sequence_number: header.sequence_number,
            // An invalid number must not stop the event.
            committed_at: SystemTime::UNIX_EPOCH.checked_add(since_1970).unwrap_or(SystemTime::UNIX_EPOCH),
            commit_number: header.commit_number,
            commit_user: header.commit_user,
            changed_fields,
            nulled_fields,
            diff_fields,
        };
        Ok(Some(Self { header, bitmaps: Bitmaps { changed, nulled, diff } }))
    }
}
