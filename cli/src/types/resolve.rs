//! From the objects and fields that are named to the structs and enums that are written.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    describe::{Described, Field},
    model::{Enum, FieldType, Item, Member, Model, Struct, Variant},
    names::{self, Taken},
    selection::{ALL, Selection},
};
use crate::nearest::nearest;

/// The most relationships that a query follows upwards.
///
/// Source: SOQL and SOSL Reference, "Understanding Relationship Query Limitations".
const MAX_RELATIONSHIPS: usize = 5;
/// The longest name of an enum. Longer ones would wrap lines that are never wrapped elsewhere.
const MAX_NAME: usize = 70;
/// The object whose fields a query reaches through a reference to several objects.
///
/// Source: SOQL and SOSL Reference, "Understanding Polymorphic Keys and Relationships"; Object Reference, "Name".
const POLYMORPHIC: &str = "Name";
/// Objects whose records have a text instead of an id: a reference to one holds, for example, `Account`.
///
/// Source: Object Reference, "EntityDefinition" and "FieldDefinition" (`DurableId`).
const WITHOUT_IDS: [&str; 2] = ["EntityDefinition", "FieldDefinition"];

/// The objects that are described, by their names in lower case.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, Described>);

impl Known {
    pub(super) fn add(&mut self, object: Described) {
        self.0.insert(object.name.to_ascii_lowercase(), object);
    }

    fn get(&self, name: &str) -> Option<&Described> {
        self.0.get(&name.to_ascii_lowercase())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|object| object.name.as_str())
    }
}

/// Why no model could be made.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// These objects have to be described first.
    Missing(BTreeSet<String>),
    /// The mistakes, each with what to write instead.
    Mistakes(Vec<Mistake>),
}

/// A name that the org does not know, or that means something else there.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) help: String,
}

/// An object with the fields that are read of it.
#[derive(Debug)]
struct Node<'a> {
    object: &'a Described,
    fields: Vec<Read<'a>>,
}

#[derive(Debug)]
enum Read<'a> {
    Value(&'a Field),
    Parent { relationship: &'a str, field: &'a Field, node: Node<'a> },
}

#[derive(Debug, Default)]
struct Problems {
    missing: BTreeSet<String>,
    mistakes: Vec<Mistake>,
}

impl Problems {
    fn mistake(&mut self, message: String, help: String) {
        self.mistakes.push(Mistake { message, help });
    }
}

pub(super) fn resolve(selections: &[Selection], known: &Known) -> Result<Model, Unresolved> {
    let mut problems = Problems::default();
    let mut nodes: Vec<Node<'_>> = Vec::new();
    for selection in selections {
        let Some(object) = known.get(&selection.object) else {
            problems.missing.insert(selection.object.clone());
            continue;
        };
        let known_node = nodes.iter().position(|node| node.object.name == object.name);
        let index = known_node.unwrap_or_else(|| {
            nodes.push(Node { object, fields: Vec::new() });
            nodes.len() - 1
        });
        let Some(node) = nodes.get_mut(index) else { continue };
        for field in &selection.fields {
            let path: Vec<&str> = field.split('.').collect();
            node.add(&path, known, 0, &mut problems);
        }
        if node.fields.is_empty() && problems.mistakes.is_empty() && problems.missing.is_empty() {
            let message = format!("{} has no field that this user may read", object.name);
            problems.mistake(message, "let an administrator give this user access to its fields".into());
        }
    }
    if !problems.mistakes.is_empty() {
        return Err(Unresolved::Mistakes(problems.mistakes));
    }
    if !problems.missing.is_empty() {
        return Err(Unresolved::Missing(problems.missing));
    }
    Ok(Naming::model(&nodes))
}

impl<'a> Node<'a> {
    fn add(&mut self, path: &[&str], known: &'a Known, depth: usize, problems: &mut Problems) {
        match path {
            [ALL] => self.add_all(),
            [name] => match self.object.field(name) {
                Some(field) => self.add_value(field),
                None => self.unknown_field(name, problems),
            },
            [relationship, rest @ ..] => {
                let Some((field, relationship)) = self.object.relationship(relationship) else {
                    self.unknown_relationship(relationship, rest, problems);
                    return;
                };
                if depth == MAX_RELATIONSHIPS {
                    let message = format!("`{relationship}` is the sixth relationship in a row");
                    problems.mistake(
                        message,
                        "a query follows five at most: read the rest with a second query".into(),
                    );
                    return;
                }
                let parent = match field.reference_to.as_slice() {
                    [object] => object,
                    _ => POLYMORPHIC,
                };
                let Some(object) = known.get(parent) else {
                    problems.missing.insert(parent.to_owned());
                    return;
                };
                let index = self.parent(relationship, field, object);
                if let Some(Read::Parent { node, .. }) = self.fields.get_mut(index) {
                    node.add(rest, known, depth + 1, problems);
                }
            }
            [] => {}
        }
    }

    /// In the order of the alphabet, the id first: the order of a describe is not documented.
    fn add_all(&mut self) {
        let mut fields: Vec<&Field> = self.object.shown().collect();
        fields.sort_by_key(|field| (field.name != "Id", field.name.as_str()));
        for field in fields {
            self.add_value(field);
        }
    }

    fn add_value(&mut self, field: &'a Field) {
        let is_same = |read: &Read<'_>| matches!(read, Read::Value(known) if known.name == field.name);
        if !self.fields.iter().any(is_same) {
            self.fields.push(Read::Value(field));
        }
    }

    /// The place of the parent among the fields.
    fn parent(&mut self, name: &'a str, field: &'a Field, object: &'a Described) -> usize {
        let is_same =
            |read: &Read<'_>| matches!(read, Read::Parent { relationship, .. } if *relationship == name);
        self.fields.iter().position(is_same).unwrap_or_else(|| {
            let node = Node { object, fields: Vec::new() };
            self.fields.push(Read::Parent { relationship: name, field, node });
            self.fields.len() - 1
        })
    }

    fn unknown_field(&self, name: &str, problems: &mut Problems) {
        let object = &self.object.name;
        if let Some((field, relationship)) = self.object.relationship(name) {
            let message = format!("`{relationship}` is a relationship of {object}, not a field");
            let help = format!(
                "name a field of the parent, such as `{relationship}.Name`, or the id: `{}`",
                field.name
            );
            problems.mistake(message, help);
            return;
        }
        let near = nearest(name, self.object.shown().map(|field| field.name.as_str()));
        problems.mistake(
            format!("{object} has no field `{name}`, or this user may not read it"),
            hint(near, "field"),
        );
    }

    fn unknown_relationship(&self, name: &str, rest: &[&str], problems: &mut Problems) {
        let object = &self.object.name;
        let of_field = self.object.field(name).and_then(|field| field.relationship_name.as_deref());
        if let Some(relationship) = of_field {
            let message = format!("`{name}` is a field of {object}, not a relationship");
            problems.mistake(message, format!("write `{relationship}.{}`", rest.join(".")));
            return;
        }
        let near = nearest(name, self.object.relationships().map(|(_, known)| known));
        problems.mistake(format!("{object} has no relationship `{name}`"), hint(near, "relationship"));
    }
}

/// The sentence that names the nearest known name.
pub(super) fn hint(near: Option<&str>, what: &str) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "no {what} has a name like it. If it exists, let an administrator give this user access to it"
        ),
    }
}

/// Gives names to structs and enums: first to the objects that are named, then to parents, then to enums.
#[derive(Debug)]
struct Naming {
    taken: Taken,
    /// Enums by object and field.
    enums: BTreeMap<(String, String), String>,
}

impl Naming {
    fn model(nodes: &[Node<'_>]) -> Model {
        let mut naming = Self { taken: Taken::types(), enums: BTreeMap::new() };
        let names: Vec<String> =
            nodes.iter().map(|node| names::object(&node.object.name, &mut naming.taken)).collect();
        let mut model = Model::default();
        for (node, name) in nodes.iter().zip(names) {
            naming.add(node, name, &mut model);
        }
        model
    }

    fn add(&mut self, node: &Node<'_>, name: String, model: &mut Model) {
        let is_reference = |read: &Read<'_>| matches!(read, Read::Value(field) if field.kind == "reference");
        let api_names: Vec<_> = node.fields.iter().map(|read| (read.name(), is_reference(read))).collect();
        let (mut members, mut parents, mut enums) = (Vec::new(), Vec::new(), Vec::new());
        for (read, rust_name) in node.fields.iter().zip(names::fields(&api_names)) {
            let (field, kind) = match read {
                Read::Value(field) => (field, self.kind(node.object, field, &mut enums)),
                Read::Parent { relationship, field, node } => {
                    let stem = relationship.trim_end_matches("__r");
                    let parent = self.taken.first_free(&[format!("{name}{}", names::pascal(stem))]);
                    parents.push((node, parent.clone()));
                    (field, FieldType::Parent(parent))
                }
            };
            members.push(Member {
                rust_name,
                api_name: read.name().to_owned(),
                // The parent may be missing, or hidden from the user, whatever its reference says.
                optional: field.nillable || matches!(kind, FieldType::Parent(_)),
                docs: docs(read, field),
                kind,
            });
        }
        let label = if node.object.label.is_empty() { &node.object.name } else { &node.object.label };
        model.items.push(Item::Struct(Struct {
            name,
            api_name: node.object.name.clone(),
            docs: super::docs::lines(label),
            members,
        }));
        model.items.extend(enums.into_iter().map(Item::Enum));
        for (node, parent) in parents {
            self.add(node, parent, model);
        }
    }

    fn kind(&mut self, object: &Described, field: &Field, enums: &mut Vec<Enum>) -> FieldType {
        match field.kind.as_str() {
            "boolean" => FieldType::Bool,
            "int" => FieldType::I32,
            "long" => FieldType::I64,
            "double" | "percent" => FieldType::F64,
            "currency" => FieldType::Decimal,
            "date" => FieldType::Date,
            "datetime" => FieldType::DateTime,
            "time" => FieldType::Time,
            "id" => FieldType::Id,
            "reference" if field.reference_to.iter().any(|to| WITHOUT_IDS.contains(&to.as_str())) => {
                FieldType::Text
            }
            "reference" => FieldType::Id,
            "address" => FieldType::Address,
            "location" => FieldType::Location,
            "picklist" if !field.picklist_values.is_empty() => {
                FieldType::Enum(self.picklist(object, field, enums))
            }
            "multipicklist" if !field.picklist_values.is_empty() => {
                FieldType::Enums(self.picklist(object, field, enums))
            }
            "multipicklist" => FieldType::Texts,
            // A record has the path to the bytes in a field of type base64.
            "string"
            | "textarea"
            | "email"
            | "phone"
            | "url"
            | "picklist"
            | "combobox"
            | "encryptedstring"
            | "base64"
            | "datacategorygroupreference" => FieldType::Text,
            _ => FieldType::Json,
        }
    }

    fn picklist(&mut self, object: &Described, field: &Field, enums: &mut Vec<Enum>) -> String {
        let key = (object.name.clone(), field.name.clone());
        if let Some(name) = self.enums.get(&key) {
            return name.clone();
        }
        let stem = field.name.trim_end_matches("__c");
        let name = format!("{}{}", names::object_base(&object.name), names::pascal(stem));
        // ASCII, so that each byte is a letter.
        let name = self.taken.first_free(&[name.get(..MAX_NAME).unwrap_or(&name).to_owned()]);
        self.enums.insert(key, name.clone());
        let mut seen = BTreeSet::new();
        let values: Vec<_> =
            field.picklist_values.iter().filter(|value| seen.insert(value.value.as_str())).collect();
        let texts: Vec<&str> = values.iter().map(|value| value.value.as_str()).collect();
        let variants = values.iter().zip(names::variants(&texts)).map(|(value, rust_name)| {
            let label = value.label.as_deref().filter(|label| !label.is_empty()).unwrap_or(&value.value);
            let mut docs = super::docs::lines(label);
            if docs.is_empty() {
                docs.push(rust_name.clone());
            }
            if !value.active {
                docs.extend([String::new(), "No longer offered; older records may have it.".to_owned()]);
            }
            Variant { rust_name, value: value.value.clone(), docs }
        });
        enums.push(Enum {
            name: name.clone(),
            docs: enum_docs(object, field),
            restricted: field.restricted_picklist,
            variants: variants.collect(),
        });
        name
    }
}

impl Read<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Value(field) => &field.name,
            Self::Parent { relationship, .. } => relationship,
        }
    }
}

/// The label, and what it is the picklist of.
fn enum_docs(object: &Described, field: &Field) -> Vec<String> {
    let mut docs = super::docs::lines(label_of(field));
    docs.extend([String::new(), format!("The values of `{}.{}`.", object.name, field.name)]);
    docs
}

fn label_of(field: &Field) -> &str {
    if field.label.is_empty() { &field.name } else { &field.label }
}

/// The label, the help text, and what a program has to know of the field.
fn docs(read: &Read<'_>, field: &Field) -> Vec<String> {
    if let Read::Parent { node, .. } = read {
        return vec![format!("The record behind `{}`: `{}`.", field.name, node.object.name)];
    }
    let mut docs = super::docs::lines(label_of(field));
    let mut paragraph = |lines: Vec<String>| {
        if !lines.is_empty() {
            if !docs.is_empty() {
                docs.push(String::new());
            }
            docs.extend(lines);
        }
    };
    paragraph(super::docs::lines(field.inline_help_text.as_deref().unwrap_or_default()));
    let mut facts: Vec<String> = Vec::new();
    let mut fact = |is: bool, text: &str| is.then(|| facts.push(text.to_owned()));
    fact(field.external_id, "External id.");
    fact(field.unique && !field.external_id, "Unique.");
    fact(field.calculated, "Calculated by Salesforce.");
    fact(field.kind == "base64", "The path to the bytes: read them with `SObjectHandle::blob`.");
    fact(field.kind == "combobox", "A text, of which the page suggests some.");
    match field.reference_to.as_slice() {
        [] => {}
        // More objects come with each package that is installed.
        many if many.len() > 5 => facts.push("Refers to one of several objects.".to_owned()),
        few => {
            let few: Vec<String> = few.iter().map(|object| format!("`{object}`")).collect();
            facts.push(format!("Refers to {}.", few.join(" or ")));
        }
    }
    paragraph(super::docs::lines_of_facts(&facts));
    docs
}
