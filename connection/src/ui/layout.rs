//! [`Layout`]: the fields of a page layout, and which of them are required.
//!
//! Source: User Interface API Developer Guide, "Get Record Layout Metadata", "Record Layout", "Record Layout Item".

use serde::Deserialize;

use super::{path, unknown};
use crate::{error::Result, id::SalesforceId, records::SObjectHandle};

/// What a layout is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutMode {
    /// A new record.
    Create,
    /// A change of a record.
    Edit,
    /// A look at a record.
    View,
}

/// A page layout of an object for a record type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawLayout")]
#[non_exhaustive]
pub struct Layout {
    /// The id; `None` if Salesforce names none.
    pub id: Option<String>,
    /// The sections, in the order of the page.
    pub sections: Vec<LayoutSection>,
}

/// A section of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayoutSection {
    /// The heading; `None` if it has none.
    pub heading: Option<String>,
    /// The fields, in the order of the page. Components that are not fields are left out.
    pub fields: Vec<LayoutField>,
}

/// A field in a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayoutField {
    /// The API name.
    pub api_name: String,
    /// The text beside the field.
    pub label: String,
    /// Whether the layout requires a value.
    pub required: bool,
    /// Whether it can be set in a new record.
    pub editable_for_new: bool,
    /// Whether it can be changed.
    pub editable_for_update: bool,
}

impl Layout {
    /// Returns all fields, in the order of the page.
    pub fn fields(&self) -> impl Iterator<Item = &LayoutField> {
        self.sections.iter().flat_map(|section| &section.fields)
    }

    /// Returns the API names of the fields that the layout requires.
    pub fn required_fields(&self) -> Vec<&str> {
        self.fields().filter(|field| field.required).map(|field| field.api_name.as_str()).collect()
    }
}

impl SObjectHandle {
    /// Returns the page layout of the object for a record type, and which fields it requires. Costs one request.
    ///
    /// Without a record type: the user's default.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::ui::LayoutMode;
    ///
    /// let layout = sf.sobject("Account").layout(LayoutMode::Create, None).await?;
    /// assert!(layout.required_fields().contains(&"Name"));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`InvalidRecordType`](crate::ui::InvalidRecordType) in [`Error::InvalidRequest`](crate::Error::InvalidRequest) if the
    /// id is not one of a record type; [`Error::UnknownResource`](crate::Error::UnknownResource) if there is no such layout,
    /// which names the record type if there is one;
    /// otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send).
    #[doc(alias = "ui-api")]
    #[doc(alias = "required fields")]
    pub async fn layout(&self, mode: LayoutMode, record_type: Option<SalesforceId>) -> Result<Layout> {
        let name = self.name()?;
        let mut path = path(self, &format!("layout/{name}"), record_type)?;
        path.push_query("layoutType", "Full");
        path.push_query(
            "mode",
            match mode {
                LayoutMode::Create => "Create",
                LayoutMode::Edit => "Edit",
                LayoutMode::View => "View",
            },
        );
        let layout = self.connection().read(path).await;
        layout.map_err(|error| unknown(error, "layout of the object", &name, record_type))
    }
}

#[derive(Deserialize)]
struct RawLayout {
    #[serde(default)]
    id: Option<String>,
    sections: Vec<RawSection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSection {
    #[serde(default)]
    heading: Option<String>,
    layout_rows: Vec<RawRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRow {
    layout_items: Vec<RawItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawItem {
    required: bool,
    editable_for_new: bool,
    editable_for_update: bool,
    layout_components: Vec<RawComponent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawComponent {
    component_type: String,
    #[serde(default)]
    api_name: Option<String>,
    #[serde(default)]
    label: Option<String>,
}

impl From<RawLayout> for Layout {
    fn from(raw: RawLayout) -> Self {
        let field = |item: &RawItem, component: RawComponent| {
            // `EmptySpace`, `Canvas`, `VisualforcePage` and others have no value.
            let api_name = component.api_name.filter(|_| component.component_type == "Field")?;
            Some(LayoutField {
                label: component.label.unwrap_or_else(|| api_name.clone()),
                api_name,
                required: item.required,
                editable_for_new: item.editable_for_new,
                editable_for_update: item.editable_for_update,
            })
        };
        let sections = raw.sections.into_iter().map(|section| {
            let mut fields = Vec::new();
            for mut item in section.layout_rows.into_iter().flat_map(|row| row.layout_items) {
                let components = std::mem::take(&mut item.layout_components);
                fields.extend(components.into_iter().filter_map(|component| field(&item, component)));
            }
            LayoutSection { heading: section.heading, fields }
        });
        Self { id: raw.id, sections: sections.collect() }
    }
}
