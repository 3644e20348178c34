//! The objects every fake org has.

use super::{Field, Kind, Object};

const fn field(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field::new(name, label, kind)
}

const fn system(name: &'static str, label: &'static str, kind: Kind) -> Field {
    let mut field = Field::new(name, label, kind);
    field.read_only = true;
    field
}

const fn required(name: &'static str, label: &'static str, kind: Kind) -> Field {
    let mut field = Field::new(name, label, kind);
    field.required = true;
    field
}

/// An external id that is unique.
const fn key(name: &'static str, label: &'static str) -> Field {
    let mut field = loose_key(name, label);
    field.unique = true;
    field
}

/// An external id that several records may share: an upsert by it can return 300.
const fn loose_key(name: &'static str, label: &'static str) -> Field {
    let mut field = Field::new(name, label, Kind::Text(255));
    field.external_id = true;
    field
}

const OWNER: Field = field("OwnerId", "Owner ID", Kind::Reference(&["User"], "Owner"));
/// Of objects whose records queues can have, too.
const OWNER_OR_QUEUE: Field = field("OwnerId", "Owner ID", Kind::Reference(&["Group", "User"], "Owner"));
const DELETED: Field = system("IsDeleted", "Deleted", Kind::Boolean);
const CREATED: Field = system("CreatedDate", "Created Date", Kind::DateTime);
const CREATOR: Field = system("CreatedById", "Created By ID", Kind::Reference(&["User"], "CreatedBy"));
const MODIFIED: Field = system("LastModifiedDate", "Last Modified Date", Kind::DateTime);
const MODIFIER: Field =
    system("LastModifiedById", "Last Modified By ID", Kind::Reference(&["User"], "LastModifiedBy"));
const STAMP: Field = system("SystemModstamp", "System Modstamp", Kind::DateTime);

const fn id(label: &'static str) -> Field {
    system("Id", label, Kind::Id)
}

/// The fields of an object: the id with this label, these, and the users and times of creation and change.
macro_rules! record {
    ($id:literal, $($field:expr),+ $(,)?) => {
        &[id($id), DELETED, $($field),+, CREATED, CREATOR, MODIFIED, MODIFIER, STAMP]
    };
}

mod access;

use self::access::{ASSIGNMENT, FIELD_PERMISSIONS, OBJECT_PERMISSIONS, PERMISSION_SET, PROFILE};

const fn object(
    name: &'static str,
    plural: &'static str,
    prefix: &'static str,
    name_field: &'static str,
    fields: &'static [Field],
) -> Object {
    Object { name, label: name, plural, prefix, name_field, read_only: false, fields }
}

pub(super) static OBJECTS: &[Object] = &[
    object("Account", "Accounts", "001", "Name", ACCOUNT),
    object("Contact", "Contacts", "003", "Name", CONTACT),
    object("Opportunity", "Opportunities", "006", "Name", OPPORTUNITY),
    object("Lead", "Leads", "00Q", "Name", LEAD),
    object("Case", "Cases", "500", "CaseNumber", CASE),
    object("Task", "Tasks", "00T", "Subject", TASK),
    Object { label: "Project", ..object("Project__c", "Projects", "a00", "Name", PROJECT) },
    object("Attachment", "Attachments", "00P", "Name", ATTACHMENT),
    object("Document", "Documents", "015", "Name", DOCUMENT),
    Object {
        label: "Content Version",
        ..object("ContentVersion", "Content Versions", "068", "Title", CONTENT_VERSION)
    },
    Object {
        label: "Content Document",
        read_only: true,
        ..object("ContentDocument", "Content Documents", "069", "Title", CONTENT_DOCUMENT)
    },
    object("User", "Users", "005", "Name", USER),
    Object { read_only: true, ..object("Profile", "Profiles", "00e", "Name", PROFILE) },
    Object {
        label: "Permission Set",
        ..object("PermissionSet", "Permission Sets", "0PS", "Name", PERMISSION_SET)
    },
    Object {
        label: "Permission Set Assignment",
        ..object("PermissionSetAssignment", "Permission Set Assignments", "0Pa", "Id", ASSIGNMENT)
    },
    Object {
        label: "Object Permissions",
        read_only: true,
        ..object("ObjectPermissions", "Object Permissions", "110", "Id", OBJECT_PERMISSIONS)
    },
    Object {
        label: "Field Permissions",
        read_only: true,
        ..object("FieldPermissions", "Field Permissions", "01k", "Id", FIELD_PERMISSIONS)
    },
    Object { read_only: true, ..object("Organization", "Organizations", "00D", "Name", ORGANIZATION) },
    Object {
        label: "OAuth Token",
        read_only: true,
        ..object("OauthToken", "OAuth Tokens", "0CQ", "AppName", OAUTH_TOKEN)
    },
    Object {
        label: "Apex Class",
        read_only: true,
        ..object("ApexClass", "Apex Classes", "01p", "Name", APEX_CLASS)
    },
    Object {
        label: "Apex Trigger",
        read_only: true,
        ..object("ApexTrigger", "Apex Triggers", "01q", "Name", APEX_TRIGGER)
    },
    Object {
        label: "Entity Definition",
        read_only: true,
        ..object("EntityDefinition", "Entity Definitions", "4ie", "QualifiedApiName", ENTITY_DEFINITION)
    },
    object("Group", "Groups", "00G", "Name", GROUP),
];

// Of the Tooling API's objects those that apps read. The data API has them, too. Fewer fields than Salesforce's.
static APEX_CLASS: &[Field] = record![
    "Class ID",
    system("NamespacePrefix", "Namespace Prefix", Kind::Text(15)),
    system("Name", "Name", Kind::Text(255)),
    system("ApiVersion", "Api Version", Kind::Double),
    system("Status", "Status", Kind::Picklist),
    system("IsValid", "Is Valid", Kind::Boolean),
    system("Body", "Body", Kind::TextArea(1_000_000)),
    system("LengthWithoutComments", "Size Without Comments", Kind::Int),
];

static APEX_TRIGGER: &[Field] = record![
    "Trigger ID",
    system("NamespacePrefix", "Namespace Prefix", Kind::Text(15)),
    system("Name", "Name", Kind::Text(255)),
    system("TableEnumOrId", "Object Type", Kind::Picklist),
    system("ApiVersion", "Api Version", Kind::Double),
    system("Status", "Status", Kind::Picklist),
    system("Body", "Body", Kind::TextArea(1_000_000)),
];

static ENTITY_DEFINITION: &[Field] = &[
    id("Entity Definition ID"),
    DELETED,
    system("DurableId", "Durable ID", Kind::Text(765)),
    system("QualifiedApiName", "Qualified API Name", Kind::Text(70)),
    system("DeveloperName", "Developer Name", Kind::Text(40)),
    system("Label", "Label", Kind::Text(80)),
    system("PluralLabel", "Plural Label", Kind::Text(80)),
    system("KeyPrefix", "Key Prefix", Kind::Text(3)),
    system("IsQueryable", "Is Queryable", Kind::Boolean),
    system("IsCustomizable", "Is Customizable", Kind::Boolean),
    CREATED,
    MODIFIED,
    STAMP,
];

static ACCOUNT: &[Field] = record![
    "Account ID",
    required("Name", "Account Name", Kind::Text(255)),
    field("Type", "Account Type", Kind::Picklist).values(&["Customer", "Prospect", "Partner", "Other"]),
    field("Phone", "Account Phone", Kind::Phone),
    field("Website", "Website", Kind::Url),
    field("Industry", "Industry", Kind::Picklist).values(&[
        "Transportation",
        "Food & Beverage",
        "Healthcare",
        "Manufacturing",
        "Media",
        "Energy",
        "Insurance",
        "Technology",
    ]),
    field("AnnualRevenue", "Annual Revenue", Kind::Currency),
    field("NumberOfEmployees", "Employees", Kind::Int),
    field("BillingStreet", "Billing Street", Kind::Text(255)),
    field("BillingCity", "Billing City", Kind::Text(40)),
    field("BillingCountry", "Billing Country", Kind::Text(80)),
    field("Description", "Account Description", Kind::TextArea(32_000)),
    field("ParentId", "Parent Account ID", Kind::Reference(&["Account"], "Parent")).children("ChildAccounts"),
    OWNER,
    key("ExternalKey__c", "External Key"),
    loose_key("LegacyCode__c", "Legacy Code"),
    field("Active__c", "Active", Kind::Boolean),
];

static CONTACT: &[Field] = record![
    "Contact ID",
    field("AccountId", "Account ID", Kind::Reference(&["Account"], "Account")).children("Contacts"),
    required("LastName", "Last Name", Kind::Text(80)),
    field("FirstName", "First Name", Kind::Text(40)),
    system("Name", "Full Name", Kind::Text(121)),
    field("Title", "Title", Kind::Text(128)),
    field("Email", "Email", Kind::Email),
    field("Phone", "Business Phone", Kind::Phone),
    field("Birthdate", "Birthdate", Kind::Date),
    field("HasOptedOutOfEmail", "Email Opt Out", Kind::Boolean),
    field("Description", "Contact Description", Kind::TextArea(32_000)),
    OWNER,
    key("ExternalKey__c", "External Key"),
];

static OPPORTUNITY: &[Field] = record![
    "Opportunity ID",
    field("AccountId", "Account ID", Kind::Reference(&["Account"], "Account")).children("Opportunities"),
    required("Name", "Name", Kind::Text(120)),
    required("StageName", "Stage", Kind::Picklist).values(&[
        "Prospecting",
        "Qualification",
        "Proposal/Price Quote",
        "Negotiation/Review",
        "Closed Won",
        "Closed Lost",
    ]),
    required("CloseDate", "Close Date", Kind::Date),
    field("Amount", "Amount", Kind::Currency),
    field("Probability", "Probability (%)", Kind::Int),
    system("IsClosed", "Closed", Kind::Boolean),
    system("IsWon", "Won", Kind::Boolean),
    field("Description", "Description", Kind::TextArea(32_000)),
    OWNER,
    key("ExternalKey__c", "External Key"),
];

static LEAD: &[Field] = record![
    "Lead ID",
    required("LastName", "Last Name", Kind::Text(80)),
    field("FirstName", "First Name", Kind::Text(40)),
    system("Name", "Full Name", Kind::Text(121)),
    required("Company", "Company", Kind::Text(255)),
    field("Title", "Title", Kind::Text(128)),
    field("Email", "Email", Kind::Email),
    field("Phone", "Phone", Kind::Phone),
    required("Status", "Status", Kind::Picklist)
        .values(&[
            "Open - Not Contacted",
            "Working - Contacted",
            "Closed - Converted",
            "Closed - Not Converted",
        ])
        .or("Open - Not Contacted"),
    system("IsConverted", "Converted", Kind::Boolean),
    OWNER_OR_QUEUE,
];

static CASE: &[Field] = record![
    "Case ID",
    system("CaseNumber", "Case Number", Kind::Text(30)),
    field("Subject", "Subject", Kind::Text(255)),
    field("Description", "Description", Kind::TextArea(32_000)),
    field("Status", "Status", Kind::Picklist).values(&["New", "Working", "Escalated", "Closed"]).or("New"),
    field("Priority", "Priority", Kind::Picklist).values(&["High", "Medium", "Low"]).or("Medium"),
    field("Origin", "Case Origin", Kind::Picklist).values(&["Phone", "Email", "Web"]),
    field("AccountId", "Account ID", Kind::Reference(&["Account"], "Account")).children("Cases"),
    field("ContactId", "Contact ID", Kind::Reference(&["Contact"], "Contact")).children("Cases"),
    system("IsClosed", "Closed", Kind::Boolean),
    OWNER_OR_QUEUE,
];

// `WhatId` points to many more objects in Salesforce.
static TASK: &[Field] = record![
    "Activity ID",
    field("Subject", "Subject", Kind::Text(255)),
    field("ActivityDate", "Due Date Only", Kind::Date),
    required("Status", "Status", Kind::Picklist)
        .values(&["Not Started", "In Progress", "Completed", "Deferred"])
        .or("Not Started"),
    required("Priority", "Priority", Kind::Picklist).values(&["High", "Normal", "Low"]).or("Normal"),
    field("Description", "Description", Kind::TextArea(32_000)),
    field(
        "WhatId",
        "Related To ID",
        Kind::Reference(&["Account", "Case", "Opportunity", "Project__c"], "What")
    )
    .children("Tasks"),
    field("WhoId", "Name ID", Kind::Reference(&["Contact", "Lead"], "Who")).children("Tasks"),
    system("IsClosed", "Closed", Kind::Boolean),
    OWNER_OR_QUEUE,
];

static PROJECT: &[Field] = record![
    "Record ID",
    required("Name", "Project Name", Kind::Text(80)),
    key("Code__c", "Code"),
    field("Account__c", "Account", Kind::Reference(&["Account"], "Account__r")).children("Projects__r"),
    field("Budget__c", "Budget", Kind::Currency),
    field("Progress__c", "Progress", Kind::Double),
    field("Started__c", "Started", Kind::Date),
    field("Phase__c", "Phase", Kind::Picklist).values(&["Draft", "Running", "Done"]).restricted(),
    field("Tags__c", "Tags", Kind::MultiPicklist).values(&["Urgent", "Internal", "Billable"]),
    field("Notes__c", "Notes", Kind::TextArea(32_768)),
    OWNER_OR_QUEUE,
];

// The three that hold files, and what the versions of a file are of. `ParentId` points to many objects in Salesforce,
// here to accounts only; folders and links from records to documents are left out.
static ATTACHMENT: &[Field] = record![
    "Attachment ID",
    required("ParentId", "Parent ID", Kind::Reference(&["Account"], "Parent")).children("Attachments"),
    required("Name", "File Name", Kind::Text(255)),
    field("ContentType", "Content Type", Kind::Text(120)),
    required("Body", "Body", Kind::Base64),
    system("BodyLength", "Body Length", Kind::Int),
    field("Description", "Description", Kind::Text(500)),
    OWNER,
];

static DOCUMENT: &[Field] = record![
    "Document ID",
    required("Name", "Document Name", Kind::Text(255)),
    field("Type", "File Extension", Kind::Text(40)),
    field("ContentType", "MIME Type", Kind::Text(120)),
    field("Body", "Body", Kind::Base64),
    system("BodyLength", "Body Length", Kind::Int),
    field("Description", "Description", Kind::Text(255)),
    field("Keywords", "Keywords", Kind::Text(255)),
];

static CONTENT_VERSION: &[Field] = record![
    "ContentVersion ID",
    field(
        "ContentDocumentId",
        "ContentDocument ID",
        Kind::Reference(&["ContentDocument"], "ContentDocument")
    )
    .children("ContentVersions"),
    field("Title", "Title", Kind::Text(255)),
    required("PathOnClient", "Path On Client", Kind::Text(500)),
    system("FileExtension", "File Extension", Kind::Text(40)),
    required("VersionData", "Version Data", Kind::Base64),
    system("ContentSize", "Size", Kind::Int),
    field("Description", "Description", Kind::TextArea(1_000)),
    OWNER,
];

static CONTENT_DOCUMENT: &[Field] = record![
    "ContentDocument ID",
    system("Title", "Title", Kind::Text(255)),
    system("FileExtension", "File Extension", Kind::Text(40)),
    system("ContentSize", "Size", Kind::Int),
    system(
        "LatestPublishedVersionId",
        "Latest Published Version ID",
        Kind::Reference(&["ContentVersion"], "LatestPublishedVersion"),
    ),
    OWNER,
];

static USER: &[Field] = &[
    id("User ID"),
    DELETED,
    required("Username", "Username", Kind::Text(80)),
    required("LastName", "Last Name", Kind::Text(80)),
    field("FirstName", "First Name", Kind::Text(40)),
    system("Name", "Full Name", Kind::Text(121)),
    required("Email", "Email", Kind::Email),
    field("Title", "Title", Kind::Text(80)),
    field("IsActive", "Active", Kind::Boolean),
    system("UserType", "User Type", Kind::Picklist),
    field("ProfileId", "Profile ID", Kind::Reference(&["Profile"], "Profile")),
    CREATED,
    MODIFIED,
    STAMP,
];

// Queues and public groups: what can own records besides users. They have no members here.
static GROUP: &[Field] = record![
    "Group ID",
    required("Name", "Name", Kind::Text(40)),
    field("DeveloperName", "Developer Name", Kind::Text(80)),
    required("Type", "Type", Kind::Picklist).values(&["Queue", "Regular"]).or("Queue"),
    field("Email", "Email", Kind::Email),
];

/// What a path through a polymorphic lookup reads, of whatever object the parent is (Object Reference, "Name"). It is
/// described, and not queried by itself. All may be null. `IsActive` and
/// `ProfileId` are unverified.
pub(super) static NAME: Object =
    Object { read_only: true, ..object("Name", "Names", "", "Name", NAME_FIELDS) };

static NAME_FIELDS: &[Field] = &[
    id("Name ID"),
    field("Name", "Name", Kind::Text(255)),
    field("LastName", "Last Name", Kind::Text(80)),
    field("FirstName", "First Name", Kind::Text(40)),
    field("Type", "Type", Kind::Picklist).restricted(),
    field("Alias", "Alias", Kind::Text(8)),
    field("IsActive", "Active", Kind::Boolean),
    field("ProfileId", "Profile ID", Kind::Reference(&["Profile"], "Profile")),
    field("Title", "Title", Kind::Text(128)),
    field("Email", "Email", Kind::Email),
    field("Phone", "Phone", Kind::Phone),
    field("Username", "Username", Kind::Text(80)),
];

static ORGANIZATION: &[Field] = &[
    id("Organization ID"),
    DELETED,
    system("Name", "Name", Kind::Text(80)),
    system("OrganizationType", "Edition", Kind::Picklist),
    system("InstanceName", "Instance Name", Kind::Text(5)),
    system("NamespacePrefix", "Namespace Prefix", Kind::Text(15)),
    system("IsSandbox", "Is Sandbox", Kind::Boolean),
    system("TrialExpirationDate", "Trial Expiration Date", Kind::DateTime),
    system("LanguageLocaleKey", "Language", Kind::Picklist),
    CREATED,
    MODIFIED,
    STAMP,
];

// What users allowed the app: the refresh tokens that work, as `data/tokens.rs` writes them.
static OAUTH_TOKEN: &[Field] = &[
    id("OAuth Token ID"),
    DELETED,
    system("AppName", "App Name", Kind::Text(255)),
    system("DeleteToken", "Delete Token", Kind::Text(255)),
    system("UserId", "User ID", Kind::Reference(&["User"], "User")),
    system("LastUsedDate", "Last Used Date", Kind::DateTime),
    system("UseCount", "Use Count", Kind::Int),
    CREATED,
    STAMP,
];
