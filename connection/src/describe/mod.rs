//! Describes objects and fields: the org's schema as the user may see it.
//!
//! Source: REST API Developer Guide, "sObject Describe", "Describe Global".

pub(crate) mod cache;

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    connection::Connection, error::Result, http::response::Response, name::ObjectName,
    records::SObjectHandle, request::decode,
};

/// One object of the org, as the list of all objects shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObjectSummary {
    /// The API name.
    pub name: String,
    /// The display name, in the user's language.
    pub label: String,
    /// The first three characters of the ids of its records.
    #[serde(default)]
    pub key_prefix: Option<String>,
    /// Whether it is a custom object.
    #[serde(default)]
    pub custom: bool,
    /// Whether the user may query it.
    #[serde(default)]
    pub queryable: bool,
    /// Whether the user may create records.
    #[serde(default)]
    pub createable: bool,
    /// Whether the user may change records.
    #[serde(default)]
    pub updateable: bool,
    /// Whether the user may delete records.
    #[serde(default)]
    pub deletable: bool,
}

/// One object of the org with its fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObjectDescription {
    /// The part that the list of all objects has, too.
    #[serde(flatten)]
    pub summary: ObjectSummary,
    /// The fields that the user may see.
    #[serde(default)]
    pub fields: Vec<FieldDescription>,
    /// The relationships to objects whose records can be children of this object's records.
    #[serde(default)]
    pub child_relationships: Vec<ChildRelationship>,
}

impl ObjectDescription {
    /// Returns the field with this API name, in any case.
    pub fn field(&self, name: &str) -> Option<&FieldDescription> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

/// One field of an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldDescription {
    /// The API name.
    pub name: String,
    /// The display name, in the user's language.
    pub label: String,
    /// The type: `string`, `picklist`, `reference`, `currency`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The maximum length of a text, in characters; 0 for other types.
    #[serde(default)]
    pub length: u32,
    /// Whether the field can be empty.
    #[serde(default)]
    pub nillable: bool,
    /// Whether the user may set the field when a record is created.
    #[serde(default)]
    pub createable: bool,
    /// Whether the user may change the field.
    #[serde(default)]
    pub updateable: bool,
    /// Whether upserts can use the field as a key.
    #[serde(default)]
    pub external_id: bool,
    /// Whether the field gets a default value when a record is created without it.
    #[serde(default)]
    pub defaulted_on_create: bool,
    /// The name by which queries reach the parent's fields, for example `Owner` in `Owner.Name`.
    #[serde(default)]
    pub relationship_name: Option<String>,
    /// The objects that the field can refer to.
    #[serde(default)]
    pub reference_to: Vec<String>,
    /// The values of a picklist.
    #[serde(default)]
    pub picklist_values: Vec<PicklistValue>,
}

/// One value of a picklist.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PicklistValue {
    /// The stored value.
    pub value: String,
    /// The displayed value, in the user's language.
    #[serde(default)]
    pub label: Option<String>,
    /// Whether the value can still be chosen.
    #[serde(default)]
    pub active: bool,
    /// Whether the value is the default.
    #[serde(default)]
    pub default_value: bool,
}

/// A relationship from a parent object to its children.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ChildRelationship {
    /// The API name of the children's object.
    #[serde(rename = "childSObject")]
    pub object: String,
    /// The children's field that refers to the parent.
    pub field: String,
    /// The name by which child subqueries reach the children, for example `Contacts`.
    #[serde(default)]
    pub relationship_name: Option<String>,
}

impl Connection {
    /// Returns all objects that the user may see.
    ///
    /// The list is cached for five minutes per user, as for [`SObjectHandle::describe`].
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let objects = sf.describe_global().await?;
    /// assert!(objects.iter().any(|object| object.name == "Account"));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn describe_global(&self) -> Result<Arc<[ObjectSummary]>> {
        #[derive(Deserialize)]
        struct Global {
            sobjects: Vec<ObjectSummary>,
        }
        let read = |response: &Response| Ok(decode::response::<Global>(response)?.sobjects.into());
        self.client().describes().lists.get(self, "sobjects", read).await
    }
}

impl Connection {
    /// Returns an object of the Tooling API with its fields: `ApexClass`, for example. Cached as
    /// [`SObjectHandle::describe`].
    ///
    /// Its records are read with [`tooling_query`](Connection::tooling_query).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let class = sf.tooling_describe("ApexClass").await?;
    /// assert!(class.field("ApiVersion").is_some());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`SObjectHandle::describe`].
    #[doc(alias = "tooling")]
    pub async fn tooling_describe(&self, name: &str) -> Result<Arc<ObjectDescription>> {
        let resource = format!("tooling/sobjects/{}/describe", name.parse::<ObjectName>()?);
        let read = |response: &Response| Ok(Arc::new(decode::response(response)?));
        self.client().describes().objects.get(self, &resource, read).await
    }
}

impl SObjectHandle {
    /// Returns the object with the fields that the user may see.
    ///
    /// All connections of the user share the description. It is cached for five minutes; after that it is fetched
    /// again only if it has changed. Errors are not cached.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let account = sf.sobject("Account").describe().await?;
    /// let industries = account.field("Industry").map(|field| &field.picklist_values);
    /// assert!(industries.is_some_and(|values| !values.is_empty()));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::error::Error::Api) with status 404 if the object does not exist or the user may not see
    /// it; otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn describe(&self) -> Result<Arc<ObjectDescription>> {
        let connection = self.connection();
        let resource = format!("sobjects/{}/describe", self.name()?);
        let read = |response: &Response| Ok(Arc::new(decode::response(response)?));
        connection.client().describes().objects.get(connection, &resource, read).await
    }
}
