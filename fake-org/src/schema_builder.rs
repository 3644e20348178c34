//! The builder's methods for what an org holds besides its samples.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::builder::Builder;
use crate::data::schema::spec::{FieldSpec, ObjectSpec};
use crate::error::StartError;
use crate::pubsub::platform::PlatformEventSpec;
use crate::schema_file::{
    ApexSpec, DuplicateSpec, PermissionSetSpec, Rows, SchemaFile, UserSpec, ValidationSpec,
};

impl Builder {
    /// A custom object.
    pub fn object(mut self, object: ObjectSpec) -> Self {
        self.declared.objects.push(object);
        self
    }

    /// Adds a user besides the sample users.
    pub fn user(mut self, username: &str, first_name: &str, last_name: &str) -> Self {
        self.declared.users.push(UserSpec {
            username: username.to_owned(),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            email: String::new(),
        });
        self
    }

    /// A permission set, and the usernames of the users it is assigned to: records that an app can ask about
    /// (`PermissionSet`, `PermissionSetAssignment`). It grants nothing: every user may do everything here.
    pub fn permission_set(mut self, name: &str, usernames: &[&str]) -> Self {
        let users = usernames.iter().map(|username| (*username).to_owned()).collect();
        let set = PermissionSetSpec { name: name.to_owned(), label: String::new(), users };
        self.declared.permission_sets.push(set);
        self
    }

    /// Records, written in the order of the requests. A parent can be named by its external id:
    /// `{"Account": {"ExternalKey__c": "ACC-000001"}}`. What is no object is left out.
    pub fn records(mut self, object: &str, records: &[Value]) -> Self {
        let records = records.iter().filter_map(Value::as_object).cloned().collect();
        self.declared.rows.push(Rows { object: object.to_owned(), records, csv: String::new() });
        self
    }

    /// Records as CSV text with a header; `Account.ExternalKey__c` names a parent by its external id.
    pub fn csv(mut self, object: &str, text: &str) -> Self {
        self.declared.rows.push(Rows {
            object: object.to_owned(),
            records: Vec::new(),
            csv: text.to_owned(),
        });
        self
    }

    /// Refuses records that meet a SOQL condition with `FIELD_CUSTOM_VALIDATION_EXCEPTION` and this message.
    pub fn validation_rule(mut self, object: &str, condition: &str, message: &str) -> Self {
        self.declared.validation_rules.push(ValidationSpec {
            object: object.to_owned(),
            condition: condition.to_owned(),
            message: message.to_owned(),
            field: None,
        });
        self
    }

    /// Refuses records that agree with another in all these fields with `DUPLICATES_DETECTED`, unless the request
    /// says `Sforce-Duplicate-Rule-Header: allowSave=true`.
    pub fn duplicate_rule(mut self, object: &str, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self.declared.duplicate_rules.push(DuplicateSpec { object: object.to_owned(), fields });
        self
    }

    /// Selects objects for change events (Change Data Capture): each write of a row is an event of the Pub/Sub API.
    pub fn change_events(mut self, objects: &[&str]) -> Self {
        self.declared.change_events.extend(objects.iter().map(|object| (*object).to_owned()));
        self
    }

    /// A platform event: `Order_Event__e`, with the topic `/event/Order_Event__e` of the Pub/Sub API.
    pub fn platform_event(mut self, name: &str, fields: &[FieldSpec]) -> Self {
        let event = PlatformEventSpec { name: name.to_owned(), fields: fields.to_vec() };
        self.declared.platform_events.push(event);
        self
    }

    /// The response of `/services/apexrest<path>` to a method.
    pub fn apex(mut self, method: &str, path: &str, status: u16, body: Value) -> Self {
        self.declared.apex.push(ApexSpec {
            method: method.to_owned(),
            path: path.to_owned(),
            status,
            body,
            text: None,
            headers: BTreeMap::new(),
        });
        self
    }

    /// The same with a text for a body and with header fields, as an Apex class sets them on `RestContext.response`.
    /// The text is sent as `text/plain` unless `headers` name another `Content-Type`.
    pub fn apex_text(
        mut self,
        method: &str,
        path: &str,
        status: u16,
        headers: &[(&str, &str)],
        text: &str,
    ) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.declared.apex.push(ApexSpec {
            method: method.to_owned(),
            path: path.to_owned(),
            status,
            body: Value::Null,
            text: Some(text.to_owned()),
            headers: headers.collect(),
        });
        self
    }

    /// All of that as JSON; every member is optional:
    ///
    /// ```json
    /// {
    ///   "objects": [{"name": "Invoice__c", "fields": [
    ///     {"name": "Number__c", "type": "string", "external_id": true, "unique": true, "required": true},
    ///     {"name": "Account__c", "type": "reference", "to": "Account", "children": "Invoices__r"}]}],
    ///   "users": [{"username": "fay@example.com", "first_name": "Fay", "last_name": "Moss"}],
    ///   "permission_sets": [{"name": "Billing", "users": ["fay@example.com"]}],
    ///   "rows": [{"object": "Invoice__c", "records": [{"Number__c": "1"}]},
    ///            {"object": "Invoice__c", "csv": "Number__c,Account__r.ExternalKey__c\n2,ACC-000001\n"}],
    ///   "validation_rules": [{"object": "Invoice__c", "condition": "Name = null", "message": "A name, please"}],
    ///   "duplicate_rules": [{"object": "Contact", "fields": ["Email"]}],
    ///   "apex": [{"method": "GET", "path": "/hello", "status": 200, "body": {"hello": "world"}},
    ///            {"path": "/busy", "status": 409, "text": "busy", "headers": {"Retry-After": "5"}}],
    ///   "actions": [{"kind": "flow", "name": "Discount", "inputs": [{"name": "amount", "type": "NUMBER", "required": true}],
    ///     "results": [{"when": {"amount": 13}, "error": {"code": "FLOW_EXCEPTION", "message": "no"}},
    ///                 {"outputs": {"discount": 10}}]}],
    ///   "quick_actions": [{"object": "Account", "name": "NewContact", "creates": "Contact", "lookup": "AccountId"}],
    ///   "named_queries": [{"name": "ByIndustry", "soql": "SELECT Name FROM Account WHERE Industry = :industry"}],
    ///   "approval_processes": [{"object": "Account", "name": "Big_accounts"}],
    ///   "change_events": ["Account"],
    ///   "platform_events": [{"name": "Order_Event__e", "fields": [{"name": "Number__c"}]}],
    ///   "record_types": [{"object": "Account", "name": "Partner", "values": {"Industry": ["Energy"]}, "required": ["Phone"]}],
    ///   "dependent_picklists": [{"object": "Project__c", "field": "Tags__c", "controlled_by": "Phase__c",
    ///     "values": {"Draft": ["Internal"], "Running": ["Urgent", "Billable"]}}],
    ///   "agents": [{"id": "0XxKa0000000001KAA", "replies": {"hello": "Hi there."}}],
    ///   "data360_queries": [{"sql": "SELECT 1 AS n", "columns": [{"name": "n", "type": "Numeric"}], "rows": [[1]]}]
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// When the text is not of that form. What it declares is checked when the org starts.
    pub fn declare_json(mut self, text: &str) -> Result<Self, StartError> {
        let declared: SchemaFile = serde_json::from_str(text)
            .map_err(|error| StartError::Option(format!("declaration: {error}")))?;
        self.declared.extend(declared);
        Ok(self)
    }

    /// Declares what a file holds: `….json` as [`declare_json`](Self::declare_json) reads it, `Invoice__c.csv` as
    /// records of the object it is named after.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is neither.
    pub fn load(self, path: impl AsRef<Path>) -> Result<Self, StartError> {
        let path = path.as_ref();
        let wrong = |why: &dyn std::fmt::Display| StartError::Option(format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        let part = |part: Option<&std::ffi::OsStr>| {
            part.and_then(|part| part.to_str()).unwrap_or_default().to_owned()
        };
        match part(path.extension()).as_str() {
            "json" => self.declare_json(&text).map_err(|error| wrong(&error)),
            "csv" => Ok(self.csv(&part(path.file_stem()), &text)),
            _ => Err(wrong(&"expected a .json or .csv file")),
        }
    }
}
