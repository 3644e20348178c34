//! The objects of an org and their fields. What describe, CRUD, SOQL and the tables are all made from.

pub(crate) mod spec;
mod standard;
pub(crate) mod view;

use std::fmt::Write as _;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    Text(usize),
    TextArea(usize),
    Email,
    Phone,
    Url,
    Picklist,
    MultiPicklist,
    Boolean,
    Int,
    Double,
    Currency,
    Date,
    DateTime,
    Time,
    /// Bytes, which JSON shows as the path that they are read from.
    Base64,
    /// A lookup: the objects it points to, several of a polymorphic one, and the name of the relationship.
    Reference(&'static [&'static str], &'static str),
}

impl Kind {
    fn column_type(self) -> &'static str {
        match self {
            Self::Boolean | Self::Int => "INTEGER",
            Self::Currency | Self::Double => "REAL",
            Self::Base64 => "BLOB",
            // Salesforce compares text without regard to case, ids with.
            Self::Id | Self::Reference(..) | Self::Date | Self::DateTime | Self::Time => "TEXT",
            _ => "TEXT COLLATE NOCASE",
        }
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text(_)
                | Self::TextArea(_)
                | Self::Email
                | Self::Phone
                | Self::Url
                | Self::Picklist
                | Self::MultiPicklist
        )
    }

    pub(crate) fn is_id(self) -> bool {
        matches!(self, Self::Id | Self::Reference(..))
    }

    /// The objects that a lookup points to.
    pub(crate) fn targets(self) -> &'static [&'static str] {
        match self {
            Self::Reference(targets, _) => targets,
            _ => &[],
        }
    }

    /// Whether records of several objects can be the parent.
    pub(crate) fn is_polymorphic(self) -> bool {
        self.targets().len() > 1
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Currency)
    }

    /// Long texts and files: can be read, but neither filtered nor sorted nor grouped by.
    pub(crate) fn is_long(self) -> bool {
        self == Self::Base64 || matches!(self, Self::TextArea(length) if length > 255)
    }

    pub(crate) fn is_sortable(self) -> bool {
        !self.is_long() && self != Self::MultiPicklist
    }

    pub(crate) fn is_groupable(self) -> bool {
        !matches!(
            self,
            Self::TextArea(_)
                | Self::MultiPicklist
                | Self::DateTime
                | Self::Double
                | Self::Currency
                | Self::Base64
        )
    }

    /// The name in describe, and in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Text(_) => "string",
            Self::TextArea(_) => "textarea",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Picklist => "picklist",
            Self::MultiPicklist => "multipicklist",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Time => "time",
            Self::Base64 => "base64",
            Self::Reference(..) => "reference",
        }
    }
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Set by the system; create and update refuse it.
    pub(crate) read_only: bool,
    pub(crate) external_id: bool,
    pub(crate) unique: bool,
    /// What create puts in when nothing is given. Empty: nothing.
    pub(crate) default: &'static str,
    /// The values of a picklist.
    pub(crate) values: &'static [&'static str],
    /// Whether other values are refused.
    pub(crate) restricted: bool,
    /// Of a lookup: what the parent calls its children through it. Empty: nothing.
    pub(crate) children: &'static str,
}

impl Field {
    pub(crate) fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    const fn new(name: &'static str, label: &'static str, kind: Kind) -> Self {
        Self {
            name,
            label,
            kind,
            required: false,
            read_only: false,
            external_id: false,
            unique: false,
            default: "",
            values: &[],
            restricted: false,
            children: "",
        }
    }

    const fn values(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    const fn children(mut self, name: &'static str) -> Self {
        self.children = name;
        self
    }

    const fn or(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    const fn restricted(mut self) -> Self {
        self.restricted = true;
        self
    }
}

/// One object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) prefix: &'static str,
    /// The field that names a record.
    pub(crate) name_field: &'static str,
    /// Not to be written over the API.
    pub(crate) read_only: bool,
    pub(crate) fields: &'static [Field],
}

impl Object {
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    pub(crate) fn create_table(&self) -> String {
        let mut sql = format!("CREATE TABLE \"{}\" (", self.name);
        for (i, field) in self.fields.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            let unique = if field.name == "Id" { " UNIQUE" } else { "" };
            let _ = write!(sql, "{comma}\"{}\" {}{unique}", field.name, field.kind.column_type());
        }
        sql.push(')');
        sql
    }
}

/// The objects of one org: the standard ones and those declared for it.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    objects: Vec<&'static Object>,
}

/// A parent's children: the object they are of, their lookup, and their name.
pub(crate) type Children = (&'static Object, &'static Field);

impl Schema {
    pub(crate) fn new(declared: &[&'static Object]) -> Self {
        let mut objects: Vec<&'static Object> = standard::OBJECTS.iter().collect();
        for object in declared {
            objects.retain(|known| !known.name.eq_ignore_ascii_case(object.name));
            objects.push(object);
        }
        Self { objects }
    }

    pub(crate) fn objects(&self) -> &[&'static Object] {
        &self.objects
    }

    /// The object of that name, in any case: Salesforce's names are case-insensitive.
    pub(crate) fn object(&self, name: &str) -> Option<&'static Object> {
        self.objects.iter().copied().find(|object| object.name.eq_ignore_ascii_case(name))
    }

    /// The object an id is of.
    pub(crate) fn object_of(&self, id: &str) -> Option<&'static Object> {
        self.objects.iter().copied().find(|object| id.starts_with(object.prefix))
    }

    /// The lookup behind a relationship name, and what a path through it reads: the parent, or [`standard::NAME`] of a
    /// polymorphic one.
    pub(crate) fn parent(&self, object: &Object, name: &str) -> Option<(&'static Field, &'static Object)> {
        let is_it = |field: &&Field| matches!(field.kind, Kind::Reference(_, known) if known.eq_ignore_ascii_case(name));
        let polymorphic = || object.fields.iter().filter(is_it).find(|field| field.kind.is_polymorphic());
        self.relationship(object, name).or_else(|| Some((polymorphic()?, &standard::NAME)))
    }

    /// The object of this name, also the one that is described and not queried.
    pub(crate) fn described(&self, name: &str) -> Option<&'static Object> {
        self.object(name)
            .or_else(|| standard::NAME.name.eq_ignore_ascii_case(name).then_some(&standard::NAME))
    }

    /// The lookup behind a relationship name with one object behind it: `Account` is `AccountId`.
    pub(crate) fn relationship(
        &self,
        object: &Object,
        name: &str,
    ) -> Option<(&'static Field, &'static Object)> {
        object.fields.iter().find_map(|field| match field.kind {
            Kind::Reference([target], relationship) if relationship.eq_ignore_ascii_case(name) => {
                self.object(target).map(|target| (field, target))
            }
            _ => None,
        })
    }

    /// The lookups that point to this object and have a name for the other direction.
    pub(crate) fn children(&self, parent: &Object) -> Vec<Children> {
        let points_here =
            |field: &&Field| field.kind.targets().contains(&parent.name) && !field.children.is_empty();
        self.objects
            .iter()
            .flat_map(|child| child.fields.iter().filter(points_here).map(move |field| (*child, field)))
            .collect()
    }

    /// `Contacts` of Account is Contact by `AccountId`.
    pub(crate) fn child(&self, parent: &Object, name: &str) -> Option<Children> {
        self.children(parent).into_iter().find(|(_, field)| field.children.eq_ignore_ascii_case(name))
    }
}
