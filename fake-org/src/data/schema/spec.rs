//! Objects declared in code or JSON.

use std::sync::Mutex;

use serde::Deserialize;

use super::{Field, Kind, Object};
use crate::base::lock;

/// A custom object: `Invoice__c`. Every object also gets `Id`, `IsDeleted`, `OwnerId` and the audit fields.
///
/// In JSON: `{"name":"Invoice__c","label":"Invoice","fields":[…]}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ObjectSpec {
    /// The API name.
    pub name: String,
    /// The label; the name without `__c` when left out.
    #[serde(default)]
    pub label: String,
    /// The fields besides the system's. `Name` is added if missing.
    #[serde(default)]
    pub fields: Vec<FieldSpec>,
}

/// A field of an [`ObjectSpec`].
///
/// In JSON: `{"name":"Total__c","type":"currency","required":true}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FieldSpec {
    /// The API name.
    pub name: String,
    /// The label; the name without `__c` when left out.
    #[serde(default)]
    pub label: String,
    /// `string` (default), `textarea`, `email`, `phone`, `url`, `picklist`, `multipicklist`, `boolean`, `int`,
    /// `double`, `currency`, `date`, `datetime`, `time`, `base64` or `reference`, as describe names them.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// The most characters of a `string` or `textarea`; 255 when left out.
    #[serde(default)]
    pub length: usize,
    /// Refused when empty.
    #[serde(default)]
    pub required: bool,
    /// Two records may not share a value.
    #[serde(default)]
    pub unique: bool,
    /// Usable in upserts.
    #[serde(default)]
    pub external_id: bool,
    /// Values of a picklist.
    #[serde(default)]
    pub values: Vec<String>,
    /// Whether a picklist refuses other values.
    #[serde(default)]
    pub restricted: bool,
    /// The object a `reference` points to.
    #[serde(default)]
    pub to: String,
    /// What the parent calls its children through this `reference`: `Invoices__r`.
    #[serde(default)]
    pub children: String,
}

impl ObjectSpec {
    /// An object with only the field `Name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), label: String::new(), fields: Vec::new() }
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, field: FieldSpec) -> Self {
        self.fields.push(field);
        self
    }
}

impl FieldSpec {
    /// A field of a type by its name in describe.
    #[must_use]
    pub fn new(name: &str, kind: &str) -> Self {
        Self {
            name: name.to_owned(),
            label: String::new(),
            kind: kind.to_owned(),
            length: 0,
            required: false,
            unique: false,
            external_id: false,
            values: Vec::new(),
            restricted: false,
            to: String::new(),
            children: String::new(),
        }
    }

    /// A unique external id.
    #[must_use]
    pub fn key(name: &str) -> Self {
        Self { unique: true, external_id: true, ..Self::new(name, "string") }
    }

    /// A lookup to another object, with the parent's name for its children.
    #[must_use]
    pub fn lookup(name: &str, to: &str, children: &str) -> Self {
        Self { to: to.to_owned(), children: children.to_owned(), ..Self::new(name, "reference") }
    }

    /// Refused when empty.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// All declared objects of the process. They live as long as the process does; equal ones are stored once, so a
/// test suite that declares the same objects for each org costs what one org does.
static DECLARED: Mutex<Vec<&'static Object>> = Mutex::new(Vec::new());

/// Makes an object of a declaration; `number` gives it its id prefix.
pub(crate) fn object(spec: &ObjectSpec, number: usize) -> Result<&'static Object, String> {
    checked_name(&spec.name)?;
    let mut fields = vec![system("Id", "Record ID", Kind::Id), system("IsDeleted", "Deleted", Kind::Boolean)];
    if !spec.fields.iter().any(|field| field.name.eq_ignore_ascii_case("Name")) {
        fields.push(Field::new("Name", "Name", Kind::Text(80)));
    }
    for field in &spec.fields {
        let made = self::field(field)?;
        if fields.iter().any(|known| known.name.eq_ignore_ascii_case(made.name)) {
            return Err(format!("{} declares {} twice", spec.name, made.name));
        }
        fields.push(made);
    }
    fields.extend([
        Field::new("OwnerId", "Owner ID", Kind::Reference(&["Group", "User"], "Owner")),
        system("CreatedDate", "Created Date", Kind::DateTime),
        system("CreatedById", "Created By ID", Kind::Reference(&["User"], "CreatedBy")),
        system("LastModifiedDate", "Last Modified Date", Kind::DateTime),
        system("LastModifiedById", "Last Modified By ID", Kind::Reference(&["User"], "LastModifiedBy")),
        system("SystemModstamp", "System Modstamp", Kind::DateTime),
    ]);
    let label = label(&spec.label, &spec.name);
    let wanted = Object {
        name: text(&spec.name),
        label: text(&label),
        plural: text(&format!("{label}s")),
        prefix: text(&format!("b{number:02}")),
        name_field: "Name",
        read_only: false,
        fields: &[],
    };
    let mut declared = lock(&DECLARED);
    let same =
        |known: &&&'static Object| Object { fields: &[], ..***known } == wanted && known.fields == fields;
    if let Some(known) = declared.iter().find(same) {
        return Ok(known);
    }
    let made: &'static Object =
        Box::leak(Box::new(Object { fields: Box::leak(fields.into_boxed_slice()), ..wanted }));
    declared.push(made);
    Ok(made)
}

fn field(spec: &FieldSpec) -> Result<Field, String> {
    checked_name(&spec.name)?;
    let length = if spec.length == 0 { 255 } else { spec.length };
    let kind = match spec.kind.as_str() {
        "" | "string" | "text" => Kind::Text(length),
        "textarea" => Kind::TextArea(if spec.length == 0 { 32_768 } else { length }),
        "email" => Kind::Email,
        "phone" => Kind::Phone,
        "url" => Kind::Url,
        "picklist" => Kind::Picklist,
        "multipicklist" => Kind::MultiPicklist,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "double" | "percent" => Kind::Double,
        "currency" => Kind::Currency,
        "date" => Kind::Date,
        "datetime" => Kind::DateTime,
        "time" => Kind::Time,
        "base64" => Kind::Base64,
        "reference" => {
            let relationship = match spec.name.strip_suffix("__c") {
                Some(name) => format!("{name}__r"),
                None => spec.name.trim_end_matches("Id").to_owned(),
            };
            if spec.to.is_empty() {
                return Err(format!("{} is a reference and needs \"to\"", spec.name));
            }
            Kind::Reference(texts(std::slice::from_ref(&spec.to)), text(&relationship))
        }
        other => return Err(format!("{}: there is no field type `{other}`", spec.name)),
    };
    Ok(Field {
        required: spec.required,
        unique: spec.unique,
        external_id: spec.external_id,
        values: texts(&spec.values),
        restricted: spec.restricted,
        children: text(&spec.children),
        ..Field::new(text(&spec.name), text(&label(&spec.label, &spec.name)), kind)
    })
}

fn system(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field { read_only: true, ..Field::new(name, label, kind) }
}

fn label(label: &str, name: &str) -> String {
    if label.is_empty() { name.trim_end_matches("__c").replace('_', " ") } else { label.to_owned() }
}

/// Names become SQL identifiers, so they are held to Salesforce's own rule.
fn checked_name(name: &str) -> Result<(), String> {
    let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 80
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    if well_formed { Ok(()) } else { Err(format!("`{name}` is no API name")) }
}

/// Text that lives as long as the process, each once.
fn text(text: &str) -> &'static str {
    static TEXTS: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut texts = lock(&TEXTS);
    if let Some(known) = texts.iter().find(|known| **known == text) {
        return known;
    }
    let made: &'static str = Box::leak(text.to_owned().into_boxed_str());
    texts.push(made);
    made
}

fn texts(list: &[String]) -> &'static [&'static str] {
    static LISTS: Mutex<Vec<&'static [&'static str]>> = Mutex::new(Vec::new());
    let mut lists = lock(&LISTS);
    if let Some(known) = lists.iter().find(|known| **known == list) {
        return known;
    }
    let made: &'static [&'static str] =
        Box::leak(list.iter().map(|item| text(item)).collect::<Vec<_>>().into_boxed_slice());
    lists.push(made);
    made
}
