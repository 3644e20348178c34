//! The objects that say what users may do: profiles, permission sets, and what these grant.

use super::{CREATED, CREATOR, DELETED, Field, Kind, MODIFIED, MODIFIER, STAMP, field, id, required, system};

pub(super) static PROFILE: &[Field] =
    &[id("Profile ID"), DELETED, system("Name", "Name", Kind::Text(255)), CREATED, MODIFIED, STAMP];

// Permission sets are records that an app can ask about. What they grant is in the two objects after them; Salesforce's
// can be written through the API, these cannot.
pub(super) static PERMISSION_SET: &[Field] = record![
    "Permission Set ID",
    required("Name", "Permission Set Name", Kind::Text(80)),
    required("Label", "Permission Set Label", Kind::Text(80)),
    field("Description", "Description", Kind::Text(255)),
    system("IsCustom", "Is Custom", Kind::Boolean),
    system("IsOwnedByProfile", "Is Owned By Profile", Kind::Boolean),
    system("NamespacePrefix", "Namespace Prefix", Kind::Text(15)),
];

pub(super) static ASSIGNMENT: &[Field] = &[
    id("PermissionSetAssignment ID"),
    DELETED,
    required("PermissionSetId", "PermissionSet ID", Kind::Reference(&["PermissionSet"], "PermissionSet"))
        .children("Assignments"),
    required("AssigneeId", "Assignee ID", Kind::Reference(&["User"], "Assignee"))
        .children("PermissionSetAssignments"),
    system("IsActive", "Is Active", Kind::Boolean),
    STAMP,
];

const OF_SET: Field =
    system("ParentId", "Parent ID", Kind::Reference(&["PermissionSet"], "Parent")).children("ObjectPerms");
const OF_OBJECT: Field = system("SobjectType", "Sobject Type Name", Kind::Picklist);

pub(super) static OBJECT_PERMISSIONS: &[Field] = record![
    "ObjectPermissions ID",
    OF_SET,
    OF_OBJECT,
    system("PermissionsCreate", "Create Records", Kind::Boolean),
    system("PermissionsRead", "Read Records", Kind::Boolean),
    system("PermissionsEdit", "Edit Records", Kind::Boolean),
    system("PermissionsDelete", "Delete Records", Kind::Boolean),
    system("PermissionsViewAllRecords", "Read All Records", Kind::Boolean),
    system("PermissionsModifyAllRecords", "Edit All Records", Kind::Boolean),
];

pub(super) static FIELD_PERMISSIONS: &[Field] = &[
    id("FieldPermissions ID"),
    DELETED,
    system("ParentId", "Parent ID", Kind::Reference(&["PermissionSet"], "Parent")).children("FieldPerms"),
    OF_OBJECT,
    system("Field", "Field Name", Kind::Picklist),
    system("PermissionsEdit", "Edit Field", Kind::Boolean),
    system("PermissionsRead", "Read Field", Kind::Boolean),
    STAMP,
];
