//! The objects of the org and their fields. What describe, CRUD, SOQL and the tables are all made from.

use std::fmt::Write as _;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    Text(usize),
    Email,
    Phone,
    Url,
    Picklist,
    Boolean,
    Int,
    Currency,
    Date,
    DateTime,
    /// A lookup: the object it points to and the name of the relationship.
    Reference(&'static str, &'static str),
}

impl Kind {
    fn column_type(self) -> &'static str {
        match self {
            Self::Boolean | Self::Int => "INTEGER",
            Self::Currency => "REAL",
            // Salesforce compares text without regard to case, ids with.
            Self::Id | Self::Reference(..) | Self::Date | Self::DateTime => "TEXT",
            Self::Text(_) | Self::Email | Self::Phone | Self::Url | Self::Picklist => "TEXT COLLATE NOCASE",
        }
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Text(_) | Self::Email | Self::Phone | Self::Url | Self::Picklist)
    }

    pub(crate) fn is_id(self) -> bool {
        matches!(self, Self::Id | Self::Reference(..))
    }
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Set by the system; create and update refuse it.
    pub(crate) read_only: bool,
    pub(crate) external_id: bool,
    pub(crate) unique: bool,
}

/// One object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) fields: &'static [Field],
}

const fn field(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field { name, label, kind, required: false, read_only: false, external_id: false, unique: false }
}

const fn system(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field { name, label, kind, required: false, read_only: true, external_id: false, unique: false }
}

const fn required(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field { name, label, kind, required: true, read_only: false, external_id: false, unique: false }
}

/// An external id that is unique.
const fn key(name: &'static str, label: &'static str) -> Field {
    Field {
        name,
        label,
        kind: Kind::Text(255),
        required: false,
        read_only: false,
        external_id: true,
        unique: true,
    }
}

/// An external id that several records may share: upserting by it can answer 300.
const fn loose_key(name: &'static str, label: &'static str) -> Field {
    Field {
        name,
        label,
        kind: Kind::Text(255),
        required: false,
        read_only: false,
        external_id: true,
        unique: false,
    }
}

const USER: Kind = Kind::Reference("User", "Owner");
const CREATOR: Kind = Kind::Reference("User", "CreatedBy");
const MODIFIER: Kind = Kind::Reference("User", "LastModifiedBy");

/// The sample org's objects.
pub(crate) static OBJECTS: &[Object] = &[
    Object {
        name: "Account",
        label: "Account",
        prefix: "001",
        fields: &[
            system("Id", "Account ID", Kind::Id),
            system("IsDeleted", "Deleted", Kind::Boolean),
            required("Name", "Account Name", Kind::Text(255)),
            field("Type", "Account Type", Kind::Picklist),
            field("Phone", "Account Phone", Kind::Phone),
            field("Website", "Website", Kind::Url),
            field("Industry", "Industry", Kind::Picklist),
            field("AnnualRevenue", "Annual Revenue", Kind::Currency),
            field("NumberOfEmployees", "Employees", Kind::Int),
            field("BillingStreet", "Billing Street", Kind::Text(255)),
            field("BillingCity", "Billing City", Kind::Text(40)),
            field("BillingCountry", "Billing Country", Kind::Text(80)),
            field("Description", "Account Description", Kind::Text(32_000)),
            field("ParentId", "Parent Account ID", Kind::Reference("Account", "Parent")),
            field("OwnerId", "Owner ID", USER),
            key("ExternalKey__c", "External Key"),
            loose_key("LegacyCode__c", "Legacy Code"),
            field("Active__c", "Active", Kind::Boolean),
            system("CreatedDate", "Created Date", Kind::DateTime),
            system("CreatedById", "Created By ID", CREATOR),
            system("LastModifiedDate", "Last Modified Date", Kind::DateTime),
            system("LastModifiedById", "Last Modified By ID", MODIFIER),
            system("SystemModstamp", "System Modstamp", Kind::DateTime),
        ],
    },
    Object {
        name: "Contact",
        label: "Contact",
        prefix: "003",
        fields: &[
            system("Id", "Contact ID", Kind::Id),
            system("IsDeleted", "Deleted", Kind::Boolean),
            field("AccountId", "Account ID", Kind::Reference("Account", "Account")),
            required("LastName", "Last Name", Kind::Text(80)),
            field("FirstName", "First Name", Kind::Text(40)),
            system("Name", "Full Name", Kind::Text(121)),
            field("Title", "Title", Kind::Text(128)),
            field("Email", "Email", Kind::Email),
            field("Phone", "Business Phone", Kind::Phone),
            field("Birthdate", "Birthdate", Kind::Date),
            field("HasOptedOutOfEmail", "Email Opt Out", Kind::Boolean),
            field("OwnerId", "Owner ID", USER),
            key("ExternalKey__c", "External Key"),
            system("CreatedDate", "Created Date", Kind::DateTime),
            system("CreatedById", "Created By ID", CREATOR),
            system("LastModifiedDate", "Last Modified Date", Kind::DateTime),
            system("LastModifiedById", "Last Modified By ID", MODIFIER),
            system("SystemModstamp", "System Modstamp", Kind::DateTime),
        ],
    },
    Object {
        name: "Opportunity",
        label: "Opportunity",
        prefix: "006",
        fields: &[
            system("Id", "Opportunity ID", Kind::Id),
            system("IsDeleted", "Deleted", Kind::Boolean),
            field("AccountId", "Account ID", Kind::Reference("Account", "Account")),
            required("Name", "Name", Kind::Text(120)),
            required("StageName", "Stage", Kind::Picklist),
            required("CloseDate", "Close Date", Kind::Date),
            field("Amount", "Amount", Kind::Currency),
            field("Probability", "Probability (%)", Kind::Int),
            system("IsClosed", "Closed", Kind::Boolean),
            system("IsWon", "Won", Kind::Boolean),
            field("OwnerId", "Owner ID", USER),
            key("ExternalKey__c", "External Key"),
            system("CreatedDate", "Created Date", Kind::DateTime),
            system("CreatedById", "Created By ID", CREATOR),
            system("LastModifiedDate", "Last Modified Date", Kind::DateTime),
            system("LastModifiedById", "Last Modified By ID", MODIFIER),
            system("SystemModstamp", "System Modstamp", Kind::DateTime),
        ],
    },
    Object {
        name: "User",
        label: "User",
        prefix: "005",
        fields: &[
            system("Id", "User ID", Kind::Id),
            system("IsDeleted", "Deleted", Kind::Boolean),
            required("Username", "Username", Kind::Text(80)),
            required("LastName", "Last Name", Kind::Text(80)),
            field("FirstName", "First Name", Kind::Text(40)),
            system("Name", "Full Name", Kind::Text(121)),
            required("Email", "Email", Kind::Email),
            field("Title", "Title", Kind::Text(80)),
            field("IsActive", "Active", Kind::Boolean),
            system("UserType", "User Type", Kind::Picklist),
            system("CreatedDate", "Created Date", Kind::DateTime),
            system("LastModifiedDate", "Last Modified Date", Kind::DateTime),
            system("SystemModstamp", "System Modstamp", Kind::DateTime),
        ],
    },
];

/// The object of that name, in any case: Salesforce's names are case-insensitive.
pub(crate) fn object(name: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| object.name.eq_ignore_ascii_case(name))
}

impl Object {
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The lookup behind a relationship name: `Owner` is `OwnerId`.
    pub(crate) fn relationship(&self, name: &str) -> Option<(&'static Field, &'static Object)> {
        self.fields.iter().find_map(|field| match field.kind {
            Kind::Reference(target, relationship) if relationship.eq_ignore_ascii_case(name) => {
                object(target).map(|target| (field, target))
            }
            _ => None,
        })
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
