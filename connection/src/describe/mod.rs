//! What objects and fields there are.
//!
//! Source: REST API Developer Guide, "sObject Describe", "Describe Global".

pub(crate) mod cache;

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    connection::Connection, error::Result, http::response::Response, records::SObjectHandle, request::decode,
};

/// One kind of object, as the list of all of them shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObjectSummary {
    /// The API name.
    pub name: String,
    /// The name for people.
    pub label: String,
    /// The three characters with which the ids of its records begin.
    #[serde(default)]
    pub key_prefix: Option<String>,
    /// Whether the organization made it.
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

/// One kind of object with its fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObjectDescription {
    /// What the list of all objects shows of it.
    #[serde(flatten)]
    pub summary: ObjectSummary,
    /// The fields that the user may see.
    #[serde(default)]
    pub fields: Vec<FieldDescription>,
    /// The objects whose records can belong to records of this one.
    #[serde(default)]
    pub child_relationships: Vec<ChildRelationship>,
}

impl ObjectDescription {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&FieldDescription> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldDescription {
    /// The API name.
    pub name: String,
    /// The name for people.
    pub label: String,
    /// The type: `string`, `picklist`, `reference`, `currency`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The longest text, in characters; 0 where there is none.
    #[serde(default)]
    pub length: u32,
    /// Whether it can be empty.
    #[serde(default)]
    pub nillable: bool,
    /// Whether it may be given when a record is created.
    #[serde(default)]
    pub createable: bool,
    /// Whether it may be changed.
    #[serde(default)]
    pub updateable: bool,
    /// Whether upserts can use it.
    #[serde(default)]
    pub external_id: bool,
    /// Whether a record that is created without it gets a value.
    #[serde(default)]
    pub defaulted_on_create: bool,
    /// The name under which queries reach the parent's fields.
    #[serde(default)]
    pub relationship_name: Option<String>,
    /// The objects that it can point to.
    #[serde(default)]
    pub reference_to: Vec<String>,
    /// The values to choose from.
    #[serde(default)]
    pub picklist_values: Vec<PicklistValue>,
}

/// A value to choose from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PicklistValue {
    /// What is stored.
    pub value: String,
    /// What is shown.
    #[serde(default)]
    pub label: Option<String>,
    /// Whether it may still be chosen.
    #[serde(default)]
    pub active: bool,
    /// Whether it is chosen by default.
    #[serde(default)]
    pub default_value: bool,
}

/// A kind of children.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ChildRelationship {
    /// The children's object.
    #[serde(rename = "childSObject")]
    pub object: String,
    /// Their field that points to the parent.
    pub field: String,
    /// The name under which subqueries reach them.
    #[serde(default)]
    pub relationship_name: Option<String>,
}

impl Connection {
    /// All kinds of objects that the user may see. The list is kept as [`SObjectHandle::describe`] keeps an object.
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
        let read = |answer: &Response| Ok(decode::answer::<Global>(answer)?.sobjects.into());
        self.client().describes().lists.get(self, "sobjects", read).await
    }
}

impl SObjectHandle {
    /// The object with its fields, as the user may see them.
    ///
    /// It is kept for five minutes for all connections of the user, and then asked for only if it has changed. Errors
    /// are not kept.
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
    /// [`Error::Api`](crate::error::Error::Api) with status 404 when there is no such object, or none that the user may see.
    pub async fn describe(&self) -> Result<Arc<ObjectDescription>> {
        let connection = self.connection();
        let resource = format!("sobjects/{}/describe", self.name()?);
        let read = |answer: &Response| Ok(Arc::new(decode::answer(answer)?));
        connection.client().describes().objects.get(connection, &resource, read).await
    }
}
