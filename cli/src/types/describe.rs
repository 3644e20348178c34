//! A describe of an object: what types are written from.
//!
//! Source: REST API Developer Guide, "sObject Describe"; SOAP API Developer Guide, "describeSObjects()" (the members of a
//! field, and its types).

use actix_salesforce::soql::ObjectName;
use serde::Deserialize;

/// An object with its fields.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Described {
    pub(super) name: String,
    #[serde(default)]
    pub(super) label: String,
    pub(super) fields: Vec<Field>,
}

/// A field.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Field {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) label: String,
    /// What the page shows beside the field.
    #[serde(default)]
    pub(super) inline_help_text: Option<String>,
    #[serde(default)]
    pub(super) nillable: bool,
    #[serde(default)]
    pub(super) external_id: bool,
    #[serde(default)]
    pub(super) unique: bool,
    /// A formula, whose value Salesforce calculates.
    #[serde(default)]
    pub(super) calculated: bool,
    #[serde(default)]
    pub(super) deprecated_and_hidden: bool,
    #[serde(default)]
    pub(super) picklist_values: Vec<PicklistValue>,
    /// Whether the org accepts the values of the picklist only.
    #[serde(default)]
    pub(super) restricted_picklist: bool,
    #[serde(default)]
    pub(super) reference_to: Vec<String>,
    /// The name by which queries reach the fields of the parent.
    #[serde(default)]
    pub(super) relationship_name: Option<String>,
}

/// A value of a picklist.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PicklistValue {
    pub(super) value: String,
    #[serde(default)]
    pub(super) label: Option<String>,
    #[serde(default = "yes")]
    pub(super) active: bool,
}

fn yes() -> bool {
    true
}

impl Described {
    /// Returns a name that no query could have: such a describe is not one of Salesforce.
    pub(super) fn invalid_name(&self) -> Option<&str> {
        let is_invalid = |name: &&str| name.parse::<ObjectName>().is_err();
        let fields = self.fields.iter().map(|field| field.name.as_str());
        let relationships = self.fields.iter().filter_map(|field| field.relationship_name.as_deref());
        std::iter::once(self.name.as_str()).chain(fields).chain(relationships).find(is_invalid)
    }

    /// The field of this name, in any case: Salesforce does not tell cases apart.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.shown().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The fields that are in use.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.deprecated_and_hidden)
    }

    /// The field whose relationship has this name, and the name as the org writes it.
    pub(super) fn relationship(&self, name: &str) -> Option<(&Field, &str)> {
        self.relationships().find(|(_, known)| known.eq_ignore_ascii_case(name))
    }

    pub(super) fn relationships(&self) -> impl Iterator<Item = (&Field, &str)> {
        self.shown().filter_map(|field| Some((field, field.relationship_name.as_deref()?)))
    }
}
