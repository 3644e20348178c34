//! The records that a duplicate rule found.
//!
//! Source: REST API Developer Guide, "Duplicate Rule Header"; SOAP API Developer Guide, "DuplicateResult".

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::id::SalesforceId;

/// How many records of one error are kept.
const MOST: usize = 200;

/// What a duplicate rule found instead of saving: part of an [`ApiError`](crate::error::ApiError) with the code
/// `DUPLICATES_DETECTED`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Duplicates {
    /// The API name of the rule.
    pub rule: String,
    /// Whether the record is saved when the call is sent again with
    /// [`allow_duplicates`](crate::records::SObjectHandle::allow_duplicates).
    pub allow_save: bool,
    /// The records that are alike, those that the user may see.
    pub records: Vec<DuplicateRecord>,
}

/// A record that is like the one that was to be saved.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DuplicateRecord {
    /// The object it is of: a lead can be like a contact.
    pub object: String,
    /// The record.
    pub id: SalesforceId,
    /// Its fields, where [`DuplicateRules::include_record_details`](crate::records::options::DuplicateRules::include_record_details)
    /// asked for them; `Id` otherwise.
    pub fields: Map<String, Value>,
}

/// Without the fields, which are people's data.
impl fmt::Debug for DuplicateRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DuplicateRecord")
            .field("object", &self.object)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Raw {
    duplicate_rule: String,
    allow_save: bool,
    match_results: Vec<Matches>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Matches {
    #[serde(default)]
    match_records: Vec<Match>,
}

#[derive(Deserialize)]
struct Match {
    record: Map<String, Value>,
}

impl Duplicates {
    /// Reads `duplicateResult`; `None` for anything else, so that a form of it that nobody has seen yet hides no error.
    pub(crate) fn read(value: Value) -> Option<Self> {
        let raw: Raw = serde_json::from_value(value).ok()?;
        let found = raw.match_results.into_iter().flat_map(|matches| matches.match_records);
        let records = found.filter_map(|found| DuplicateRecord::read(found.record)).take(MOST).collect();
        Some(Self { rule: raw.duplicate_rule, allow_save: raw.allow_save, records })
    }
}

impl DuplicateRecord {
    fn read(mut fields: Map<String, Value>) -> Option<Self> {
        let attributes = fields.remove("attributes");
        let object = attributes.as_ref().and_then(|attributes| attributes["type"].as_str());
        let id = fields.get("Id")?.as_str()?.parse().ok()?;
        Some(Self { object: object.unwrap_or_default().to_owned(), id, fields })
    }
}
