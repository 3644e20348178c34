//! [`ObjectInfo`]: an object with its record types and fields, as a form needs them.
//!
//! Source: User Interface API Developer Guide, "Object Info", "Record Type Info", "Field".

use std::collections::BTreeMap;

use serde::Deserialize;

use super::path;
use crate::{error::Result, id::SalesforceId, records::SObjectHandle};

/// An object with its record types and fields, returned by [`SObjectHandle::object_info`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObjectInfo {
    /// The API name.
    pub api_name: String,
    /// The display name, in the user's language.
    pub label: String,
    /// The record type that new records of this user get. The master record type if the object has no others.
    pub default_record_type_id: Option<SalesforceId>,
    /// The record types by id.
    pub record_type_infos: BTreeMap<String, RecordTypeInfo>,
    /// The fields that the user may see, by API name.
    pub fields: BTreeMap<String, FieldInfo>,
}

/// A record type of an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecordTypeInfo {
    /// The id.
    pub record_type_id: SalesforceId,
    /// The display name.
    pub name: String,
    /// Whether this user may create records of it.
    pub available: bool,
    /// Whether new records of this user get it.
    pub default_record_type_mapping: bool,
    /// Whether it is the one that every object has.
    pub master: bool,
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldInfo {
    /// The API name.
    pub api_name: String,
    /// The display name, in the user's language.
    pub label: String,
    /// The type: `String`, `Picklist`, `Reference`, …
    pub data_type: String,
    /// Whether a record needs a value. A layout may require more: see [`Layout`](super::Layout).
    pub required: bool,
    /// Whether the user may set it in a new record.
    pub createable: bool,
    /// Whether the user may change it.
    pub updateable: bool,
    /// The fields that control which values of this picklist can be chosen. `None` if Salesforce does not say.
    #[serde(default)]
    pub controlling_fields: Option<Vec<String>>,
}

/// Why a record type was not sent.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRecordType {
    /// The id is one of another object than record types.
    #[error("`{id}` is not the id of a record type")]
    #[non_exhaustive]
    NotARecordType {
        /// The id.
        id: SalesforceId,
    },
    /// The record type is one of another object.
    #[error("the object has no record type `{id}`")]
    #[non_exhaustive]
    OtherObject {
        /// The id.
        id: SalesforceId,
    },
    /// The user may not create records of this type.
    #[error("this user may not create records of the type `{id}`")]
    #[non_exhaustive]
    Unavailable {
        /// The id.
        id: SalesforceId,
    },
}

crate::debug::debug_as_display!(InvalidRecordType);

impl ObjectInfo {
    /// Returns the record type with this id.
    pub fn record_type(&self, id: SalesforceId) -> Option<&RecordTypeInfo> {
        self.record_type_infos.values().find(|info| info.record_type_id == id)
    }

    /// Checks that records of this type can be created by the user.
    ///
    /// # Errors
    /// [`InvalidRecordType`] if it is one of another object, or not available to the user.
    pub fn check_record_type(&self, id: SalesforceId) -> Result<(), InvalidRecordType> {
        match self.record_type(id) {
            None => Err(InvalidRecordType::OtherObject { id }),
            Some(info) if !info.available => Err(InvalidRecordType::Unavailable { id }),
            Some(_) => Ok(()),
        }
    }
}

impl SObjectHandle {
    /// Returns the object's record types and fields. Costs one request.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let info = sf.sobject("Account").object_info().await?;
    /// for record_type in info.record_type_infos.values().filter(|info| info.available) {
    ///     println!("{}: {}", record_type.record_type_id, record_type.name);
    /// }
    /// # assert!(info.record_type_infos.values().any(|info| info.name == "Partner"));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownResource`](crate::Error::UnknownResource) if the UI API does not have the object, or the user may not
    /// see it; otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send).
    #[doc(alias = "ui-api")]
    #[doc(alias = "record types")]
    pub async fn object_info(&self) -> Result<ObjectInfo> {
        let name = self.name()?;
        let path = path(self, &format!("object-info/{name}"), None)?;
        self.connection().read(path).await.map_err(|error| error.or_unknown("object", &name))
    }
}
