//! The duplicates that a duplicate rule found when a record was saved.
//!
//! Source: REST API Developer Guide, "Duplicate Rule Header"; SOAP API Developer Guide, "DuplicateResult".

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::id::SalesforceId;

/// Maximum number of duplicates that one error stores, so that a response cannot make an error arbitrarily large. A
/// page shows far fewer.
const MAX_RECORDS: usize = 200;

/// The duplicates because of which Salesforce did not save a record.
///
/// Part of an [`ApiError`](crate::error::ApiError) with the code `DUPLICATES_DETECTED`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Duplicates {
    /// The API name of the duplicate rule.
    pub rule: String,
    /// Whether Salesforce saves the record if the request is sent again with
    /// [`allow_duplicates`](crate::records::SObjectHandle::allow_duplicates).
    pub allow_save: bool,
    /// The duplicates that the user may see.
    pub records: Vec<DuplicateRecord>,
}

/// An existing record that duplicates the rejected one.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DuplicateRecord {
    /// The record's object. It may be another one: a contact can duplicate a lead.
    pub object: String,
    /// The record's id.
    pub id: SalesforceId,
    /// The record's fields if
    /// [`DuplicateRules::include_record_details`](crate::records::DuplicateRules::include_record_details) was set,
    /// otherwise `Id` only.
    pub fields: Map<String, Value>,
}

/// Leaves out the fields, which may be personal data.
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
struct DuplicateResult {
    duplicate_rule: String,
    allow_save: bool,
    match_results: Vec<MatchResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatchResult {
    #[serde(default)]
    match_records: Vec<MatchRecord>,
}

#[derive(Deserialize)]
struct MatchRecord {
    record: Map<String, Value>,
}

impl Duplicates {
    /// Returns the content of `duplicateResult`, or `None` if it has an unknown form.
    ///
    /// An unknown form must not hide the error that it belongs to.
    pub(crate) fn read(value: Value) -> Option<Self> {
        let result: DuplicateResult = serde_json::from_value(value).ok()?;
        let matches = result.match_results.into_iter().flat_map(|result| result.match_records);
        let records =
            matches.filter_map(|found| DuplicateRecord::read(found.record)).take(MAX_RECORDS).collect();
        Some(Self { rule: result.duplicate_rule, allow_save: result.allow_save, records })
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
