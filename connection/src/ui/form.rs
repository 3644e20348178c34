//! [`RecordForm`]: all that a form for a new record needs.
//!
//! Source: User Interface API Developer Guide, "Get Default Values to Create a Record", "Record Defaults".

use std::collections::BTreeMap;

use futures_util::future::try_join;
use serde::Deserialize;
use serde_json::Value;

use super::{Layout, ObjectInfo, Picklists, path, unknown};
use crate::{
    error::{InvalidRequest, InvalidResponse, Result},
    id::SalesforceId,
    records::SObjectHandle,
};

/// The values that a new record begins with, returned by [`SObjectHandle::create_defaults`]. `Debug` shows the values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RecordDefaults {
    /// The values by field. A field of the layout without a default has the value `null`.
    pub fields: BTreeMap<String, DefaultValue>,
    /// The layout for a new record.
    pub layout: Layout,
}

/// A default value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DefaultValue {
    /// The value; `null` if there is none.
    pub value: Value,
    /// The value as Salesforce shows it; `None` if it is shown as it is.
    #[serde(default)]
    pub display_value: Option<String>,
}

/// All that a form for a new record needs, returned by [`SObjectHandle::new_record_form`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RecordForm {
    /// The record type of the new record.
    pub record_type_id: SalesforceId,
    /// The object's record types and fields.
    pub info: ObjectInfo,
    /// The layout, and the values that the form begins with.
    pub defaults: RecordDefaults,
    /// The values of the picklists.
    pub picklists: Picklists,
}

impl SObjectHandle {
    /// Returns the values that a new record begins with, and the layout for it. Costs one request.
    ///
    /// Without a record type: the user's default.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let defaults = sf.sobject("Case").create_defaults(None).await?;
    /// assert_eq!(defaults.fields["Status"].value, "New");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`layout`](Self::layout).
    #[doc(alias = "ui-api")]
    pub async fn create_defaults(&self, record_type: Option<SalesforceId>) -> Result<RecordDefaults> {
        #[derive(Deserialize)]
        struct Record {
            fields: BTreeMap<String, DefaultValue>,
        }
        #[derive(Deserialize)]
        struct RawDefaults {
            layout: Layout,
            record: Record,
        }
        let name = self.name()?;
        let path = path(self, &format!("record-defaults/create/{name}"), record_type)?;
        let raw: Result<RawDefaults> = self.connection().read(path).await;
        let raw = raw.map_err(|error| unknown(error, "object", &name, record_type))?;
        Ok(RecordDefaults { fields: raw.record.fields, layout: raw.layout })
    }

    /// Returns all that a form for a new record needs. Costs three requests.
    ///
    /// Without a record type: the user's default.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let form = sf.sobject("Account").new_record_form(None).await?;
    /// for field in form.defaults.layout.fields().filter(|field| field.editable_for_new) {
    ///     let begins_with = form.defaults.fields.get(&field.api_name).map(|default| &default.value);
    ///     println!("{}{}: {begins_with:?}", field.label, if field.required { " *" } else { "" });
    ///     if let Some(picklist) = form.picklists.field(&field.api_name) {
    ///         println!("  {} values", picklist.values.len());
    ///     }
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`InvalidRecordType`](crate::ui::InvalidRecordType) in [`Error::InvalidRequest`](crate::Error::InvalidRequest) if
    /// the record type is one of another object or not available to the user: layout and values are not asked for then.
    /// Otherwise as [`layout`](Self::layout).
    #[doc(alias = "ui-api")]
    pub async fn new_record_form(&self, record_type: Option<SalesforceId>) -> Result<RecordForm> {
        if let Some(id) = record_type {
            super::checked(id)?;
        }
        let info = self.object_info().await?;
        if let Some(id) = record_type {
            info.check_record_type(id).map_err(InvalidRequest::RecordType)?;
        }
        let record_type_id = record_type.or(info.default_record_type_id);
        let record_type_id =
            record_type_id.ok_or(InvalidResponse::Unexpected("an object without a default record type"))?;
        let (defaults, picklists) =
            try_join(self.create_defaults(Some(record_type_id)), self.picklists(record_type_id)).await?;
        Ok(RecordForm { record_type_id, info, defaults, picklists })
    }
}
