//! [`Picklist`]: the values of a field for a record type, and for a value of its controlling field.
//!
//! Source: User Interface API Developer Guide, "Picklist Values", "Picklist Value", "Build UI for Picklists".

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{checked, path};
use crate::{error::Result, id::SalesforceId, name::FieldName, records::SObjectHandle};

/// All picklists of an object for one record type, by the API name of the field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Picklists {
    /// The picklists by field.
    pub picklist_field_values: BTreeMap<String, Picklist>,
}

/// The values of a picklist for one record type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Picklist {
    /// The values, in the order in which a form shows them.
    pub values: Vec<PicklistOption>,
    /// The value that is chosen at first; `None` if there is none.
    pub default_value: Option<PicklistOption>,
    /// The values of the controlling field with their positions. Empty if the picklist depends on no other field.
    pub controller_values: BTreeMap<String, u32>,
}

/// A value of a picklist.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PicklistOption {
    /// The value that is stored.
    pub value: String,
    /// The text that a form shows, in the user's language.
    pub label: String,
    /// The positions of the controlling values with which it can be chosen. Use [`Picklist::values_for`].
    #[serde(default)]
    pub valid_for: Option<Vec<u32>>,
}

/// The error for a value that the controlling field does not have for this record type. Does not repeat it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the controlling field has no such value for this record type")]
#[non_exhaustive]
pub struct UnknownControllingValue;

crate::debug::debug_as_display!(UnknownControllingValue);

impl Picklists {
    /// Returns the picklist of a field, by its API name in any case.
    pub fn field(&self, name: &str) -> Option<&Picklist> {
        let mut all = self.picklist_field_values.iter();
        all.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, picklist)| picklist)
    }
}

impl Picklist {
    /// Returns whether the values depend on another field.
    pub fn is_dependent(&self) -> bool {
        !self.controller_values.is_empty()
    }

    /// Returns the values that can be chosen while the controlling field has this value.
    ///
    /// `controlling` is a value of a picklist, `true` or `false` of a checkbox, or `None` if the field is empty: then a
    /// dependent picklist has no values. All values of a picklist that depends on no other field.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let info = sf.sobject("Project__c").object_info().await?;
    /// let Some(record_type) = info.default_record_type_id else { return Ok(()) };
    /// let tags = sf.sobject("Project__c").picklist(record_type, "Tags__c").await?;
    /// let running: Vec<_> = tags.values_for(Some("Running"))?.into_iter().map(|tag| &*tag.value).collect();
    /// assert_eq!(running, ["Urgent", "Billable"]);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`UnknownControllingValue`] if the controlling field does not have the value.
    #[doc(alias = "dependent picklist")]
    pub fn values_for(
        &self,
        controlling: Option<&str>,
    ) -> Result<Vec<&PicklistOption>, UnknownControllingValue> {
        if !self.is_dependent() {
            return Ok(self.values.iter().collect());
        }
        let Some(controlling) = controlling else { return Ok(Vec::new()) };
        let position = self.controller_values.get(controlling).ok_or(UnknownControllingValue)?;
        let is_valid = |option: &&PicklistOption| {
            option.valid_for.as_ref().is_some_and(|positions| positions.contains(position))
        };
        Ok(self.values.iter().filter(is_valid).collect())
    }
}

impl SObjectHandle {
    /// Returns all picklists of the object for a record type. Costs one request.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let accounts = sf.sobject("Account");
    /// if let Some(record_type) = accounts.object_info().await?.default_record_type_id {
    ///     let picklists = accounts.picklists(record_type).await?;
    ///     let industries = picklists.field("Industry").map(|picklist| picklist.values.len());
    ///     assert!(industries.is_some());
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`picklist`](Self::picklist).
    #[doc(alias = "ui-api")]
    pub async fn picklists(&self, record_type: SalesforceId) -> Result<Picklists> {
        let (name, record_type) = (self.name()?, checked(record_type)?);
        let path = path(self, &format!("object-info/{name}/picklist-values/{record_type}"), None)?;
        let kind = "object with the record type";
        self.connection().read(path).await.map_err(|error| error.or_unknown(kind, record_type.as_str()))
    }

    /// Returns the values of one picklist for a record type. Costs one request.
    ///
    /// `record_type` is one of [`object_info`](Self::object_info): its `default_record_type_id`, for example.
    ///
    /// # Errors
    /// - [`InvalidRecordType`](crate::ui::InvalidRecordType) in [`Error::InvalidRequest`](crate::Error::InvalidRequest) if
    ///   the id is not one of a record type, before anything is sent
    /// - [`Error::UnknownResource`](crate::Error::UnknownResource) if the object has no such picklist or record type
    /// - otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send)
    #[doc(alias = "ui-api")]
    pub async fn picklist(&self, record_type: SalesforceId, field: &str) -> Result<Picklist> {
        let (name, record_type) = (self.name()?, checked(record_type)?);
        let field: FieldName = field.parse()?;
        let resource = format!("object-info/{name}/picklist-values/{record_type}/{field}");
        let path = path(self, &resource, None)?;
        self.connection().read(path).await.map_err(|error| error.or_unknown("picklist", field.as_str()))
    }
}
