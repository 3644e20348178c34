//! What one user sees of the org's objects: those that permission sets grant, and their fields.
//!
//! An object or a field that the user may not read does not exist for that user, in any request: Salesforce says the same
//! of it as of one that is not there (SOAP: `INVALID_TYPE`, `INVALID_FIELD`; REST: 404).

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{Field, Kind, Object, Schema};
use crate::{
    base::lock,
    granted::{Granted, Level},
};

impl Granted {
    /// Adds what another permission set grants: permissions add up.
    pub(crate) fn add(&mut self, other: &Self) {
        let add = |to: &mut BTreeMap<String, Level>, from: &BTreeMap<String, Level>| {
            for (name, level) in from {
                let known = to.entry(name.to_ascii_lowercase()).or_insert(*level);
                *known = (*known).max(*level);
            }
        };
        add(&mut self.objects, &other.objects);
        add(&mut self.fields, &other.fields);
    }

    /// The first name that there is not in this org.
    pub(crate) fn unknown(&self, schema: &Schema) -> Option<&str> {
        let is_known = |field: &str| {
            let (object, field) = field.split_once('.')?;
            schema.object(object)?.field(field)
        };
        let object = self.objects.keys().find(|object| schema.object(object).is_none());
        object.or_else(|| self.fields.keys().find(|field| is_known(field).is_none())).map(String::as_str)
    }
}

/// Objects that need no permission of the object: an app asks them about the user and the org.
const FOR_ALL: [&str; 7] = [
    "User",
    "Organization",
    "Profile",
    "PermissionSet",
    "PermissionSetAssignment",
    "ObjectPermissions",
    "FieldPermissions",
];

/// Objects for users who may view the setup. For others they do not exist; which error Salesforce sends is unverified.
const SETUP: [&str; 4] =
    ["PermissionSet", "PermissionSetAssignment", "ObjectPermissions", "FieldPermissions"];

/// Views of objects, each once. They live as long as the process does.
static VIEWS: Mutex<Vec<&'static Object>> = Mutex::new(Vec::new());

impl Schema {
    /// The objects, of which these have record types.
    pub(crate) fn with_record_types(mut self, objects: &[&str]) -> Self {
        let kind = Kind::Reference(&["RecordType"], "RecordType");
        let field = Field::new("RecordTypeId", "Record Type ID", kind);
        for object in &mut self.objects {
            if objects.iter().any(|name| name.eq_ignore_ascii_case(object.name)) {
                let fields = object.fields.iter().copied().chain([field]).collect();
                *object = shared(**object, fields);
            }
        }
        self
    }

    /// The objects as a user sees them who may not view the setup.
    pub(crate) fn without_setup(&self) -> Self {
        let objects = self.objects().iter().filter(|object| !SETUP.contains(&object.name));
        Self { objects: objects.copied().collect() }
    }

    /// The objects as a user sees them who has nothing but this.
    pub(crate) fn view(&self, granted: &Granted) -> Self {
        let objects = self.objects().iter().filter_map(|object| {
            if FOR_ALL.contains(&object.name) {
                return Some(*object);
            }
            let level = granted.objects.get(&object.name.to_ascii_lowercase())?;
            let fields =
                object.fields.iter().filter_map(|field| field_view(object, field, granted)).collect();
            Some(shared(Object { read_only: object.read_only || *level == Level::Read, ..**object }, fields))
        });
        Self { objects: objects.collect() }
    }
}

fn field_view(object: &Object, field: &Field, granted: &Granted) -> Option<Field> {
    // Fields of the system and required ones have no permissions (describe: `permissionable`), nor has the name.
    if field.required || field.read_only || field.name == object.name_field || field.name == "OwnerId" {
        return Some(*field);
    }
    let name = format!("{}.{}", object.name, field.name).to_ascii_lowercase();
    let level = granted.fields.get(&name)?;
    Some(Field { read_only: *level == Level::Read, ..*field })
}

fn shared(object: Object, fields: Vec<Field>) -> &'static Object {
    let mut views = lock(&VIEWS);
    let is_same = |view: &&&'static Object| {
        view.fields == fields && Object { fields: &[], ..***view } == Object { fields: &[], ..object }
    };
    if let Some(known) = views.iter().find(is_same) {
        return known;
    }
    let made: &'static Object =
        Box::leak(Box::new(Object { fields: Box::leak(fields.into_boxed_slice()), ..object }));
    views.push(made);
    made
}
