//! The duplicates that a duplicate rule found when a record was saved.
//!
//! Source: REST API Developer Guide, "Duplicate Rule Header"; SOAP API Developer Guide, "DuplicateResult".

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{id::SalesforceId, request::error_body::elements};

/// Maximum number of duplicates that one error stores, so that a response cannot make an error arbitrarily large. A
/// page shows far fewer.
const MAX_RECORDS: usize = 200;
/// Longest record in bytes of JSON that is stored: above the 131,072 characters of Salesforce's longest text field.
const MAX_RECORD_BYTES: usize = 1024 * 1024;

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

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DuplicateResult<'a> {
    duplicate_rule: String,
    allow_save: bool,
    #[serde(borrow)]
    match_results: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatchResult<'a> {
    #[serde(borrow, default)]
    match_records: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MatchRecord {
    record: Map<String, Value>,
}

impl Duplicates {
    /// Returns the content of `duplicateResult`, or `None` if it has an unknown form.
    ///
    /// An unknown form must not hide the error that it belongs to.
    pub(crate) fn read(result: &RawValue) -> Option<Self> {
        let result: DuplicateResult<'_> = serde_json::from_str(result.get()).ok()?;
        let results = elements(result.match_results.map_or("[]", RawValue::get), MAX_RECORDS)?;
        let matches = results.into_iter().filter_map(|result| {
            let result: MatchResult<'_> = serde_json::from_str(result.get()).ok()?;
            elements(result.match_records?.get(), MAX_RECORDS)
        });
        let records = matches.flatten().filter(|found| found.get().len() <= MAX_RECORD_BYTES);
        let records = records.filter_map(|found| {
            DuplicateRecord::read(serde_json::from_str::<MatchRecord>(found.get()).ok()?.record)
        });
        let records = records.take(MAX_RECORDS).collect();
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
