//! The structs and enums to write.

/// All items, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) items: Vec<Item>,
}

#[derive(Debug)]
pub(super) enum Item {
    Struct(Struct),
    Enum(Enum),
}

/// An object, or the part of a parent that is read.
#[derive(Debug)]
pub(super) struct Struct {
    pub(super) name: String,
    pub(super) api_name: String,
    pub(super) docs: Vec<String>,
    pub(super) members: Vec<Member>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) rust_name: String,
    pub(super) api_name: String,
    pub(super) kind: FieldType,
    pub(super) optional: bool,
    pub(super) docs: Vec<String>,
}

/// The type of a field, without `Option`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FieldType {
    Bool,
    I32,
    I64,
    F64,
    Text,
    /// A multi-select picklist whose values are not known.
    Texts,
    Id,
    Date,
    DateTime,
    Time,
    Decimal,
    Address,
    Location,
    Json,
    Enum(String),
    /// A multi-select picklist.
    Enums(String),
    Parent(String),
}

/// A picklist.
#[derive(Debug)]
pub(super) struct Enum {
    pub(super) name: String,
    pub(super) docs: Vec<String>,
    pub(super) restricted: bool,
    pub(super) variants: Vec<Variant>,
}

#[derive(Debug)]
pub(super) struct Variant {
    pub(super) rust_name: String,
    pub(super) value: String,
    pub(super) docs: Vec<String>,
}

impl Model {
    pub(super) fn structs(&self) -> impl Iterator<Item = &Struct> {
        self.items.iter().filter_map(|item| if let Item::Struct(item) = item { Some(item) } else { None })
    }

    pub(super) fn has_enums(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Enum(_)))
    }

    /// Whether a field has one of these types.
    pub(super) fn uses(&self, kind: &FieldType) -> bool {
        self.structs().any(|item| item.members.iter().any(|member| member.kind == *kind))
    }
}
