//! What an org holds besides its samples: declared in code, or read from JSON and CSV.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::action_specs::{ActionSpec, ApprovalProcessSpec, NamedQuerySpec, QuickActionSpec};
use crate::api_specs::{AgentSpec, Data360Spec};
use crate::base::ids;
use crate::data::csv;
use crate::data::schema::spec::{self, ObjectSpec};
use crate::data::schema::{Object, Schema};
use crate::data::{DataError, DuplicateRule, Inner, Record, ValidationRule, Writer};
use crate::pubsub::log::EventLog;
use crate::pubsub::platform::PlatformEventSpec;
use crate::ui_specs::{DependentSpec, RecordTypeSpec};
use crate::user::{Rights, User};
use crate::user_access::{UserAccess, assign, write_permission_set};

/// Everything declared. In JSON all members are optional; see [`Builder::declare_json`](crate::Builder::declare_json).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SchemaFile {
    pub(crate) objects: Vec<ObjectSpec>,
    pub(crate) users: Vec<UserSpec>,
    pub(crate) permission_sets: Vec<PermissionSetSpec>,
    pub(crate) access: Vec<UserAccess>,
    pub(crate) rows: Vec<Rows>,
    pub(crate) validation_rules: Vec<ValidationSpec>,
    pub(crate) duplicate_rules: Vec<DuplicateSpec>,
    pub(crate) apex: Vec<ApexSpec>,
    pub(crate) actions: Vec<ActionSpec>,
    pub(crate) quick_actions: Vec<QuickActionSpec>,
    pub(crate) named_queries: Vec<NamedQuerySpec>,
    pub(crate) approval_processes: Vec<ApprovalProcessSpec>,
    pub(crate) record_types: Vec<RecordTypeSpec>,
    pub(crate) dependent_picklists: Vec<DependentSpec>,
    pub(crate) agents: Vec<AgentSpec>,
    pub(crate) data360_queries: Vec<Data360Spec>,
    /// Names of the objects that change events are selected for.
    pub(crate) change_events: Vec<String>,
    pub(crate) platform_events: Vec<PlatformEventSpec>,
}

/// A user.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserSpec {
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    /// The username when left out.
    #[serde(default)]
    pub(crate) email: String,
}

/// A permission set, and the usernames of the users it is assigned to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PermissionSetSpec {
    pub(crate) name: String,
    /// The name when left out.
    #[serde(default)]
    pub(crate) label: String,
    #[serde(default)]
    pub(crate) users: Vec<String>,
}

/// Rows of one object, as records or as CSV text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rows {
    pub(crate) object: String,
    #[serde(default)]
    pub(crate) records: Vec<Record>,
    #[serde(default)]
    pub(crate) csv: String,
}

/// Refuses what meets a SOQL condition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValidationSpec {
    pub(crate) object: String,
    pub(crate) condition: String,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) field: Option<String>,
}

/// Refuses what agrees with another record in all these fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DuplicateSpec {
    pub(crate) object: String,
    pub(crate) fields: Vec<String>,
}

/// The response of an Apex REST request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApexSpec {
    #[serde(default = "get")]
    pub(crate) method: String,
    /// Below `/services/apexrest`, with a leading slash.
    pub(crate) path: String,
    #[serde(default = "ok")]
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) body: Value,
    /// In place of `body`: a text, sent as `text/plain` unless `headers` say otherwise.
    #[serde(default)]
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
}

/// A declared Apex REST resource.
#[derive(Clone, Debug)]
pub(crate) struct Apex {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) body: ApexBody,
    pub(crate) headers: BTreeMap<String, String>,
}

/// The body of a declared Apex REST resource.
#[derive(Clone, Debug)]
pub(crate) enum ApexBody {
    Json(Value),
    Text(String),
}

fn get() -> String {
    "GET".into()
}

fn ok() -> u16 {
    200
}

impl SchemaFile {
    /// Adds another declaration to this one.
    pub(crate) fn extend(&mut self, more: Self) {
        self.objects.extend(more.objects);
        self.users.extend(more.users);
        self.permission_sets.extend(more.permission_sets);
        self.access.extend(more.access);
        self.rows.extend(more.rows);
        self.validation_rules.extend(more.validation_rules);
        self.duplicate_rules.extend(more.duplicate_rules);
        self.apex.extend(more.apex);
        self.actions.extend(more.actions);
        self.quick_actions.extend(more.quick_actions);
        self.named_queries.extend(more.named_queries);
        self.approval_processes.extend(more.approval_processes);
        self.record_types.extend(more.record_types);
        self.dependent_picklists.extend(more.dependent_picklists);
        self.agents.extend(more.agents);
        self.data360_queries.extend(more.data360_queries);
        self.change_events.extend(more.change_events);
        self.platform_events.extend(more.platform_events);
    }

    pub(crate) fn schema(&self) -> Result<Schema, String> {
        let mut made = Vec::new();
        for (object, number) in self.objects.iter().zip(1..) {
            made.push(spec::object(object, number)?);
        }
        let typed: Vec<&str> = self.record_types.iter().map(|spec| spec.object.as_str()).collect();
        Ok(Schema::new(&made).with_record_types(&typed))
    }

    /// The users, their ids after those of the samples.
    pub(crate) fn users(&self, organization_id: &str) -> Vec<User> {
        let made = self.users.iter().zip(101..).map(|(spec, n)| User {
            id: ids::make("005", n),
            organization_id: organization_id.to_owned(),
            username: spec.username.clone(),
            email: if spec.email.is_empty() { spec.username.clone() } else { spec.email.clone() },
            first_name: spec.first_name.clone(),
            last_name: spec.last_name.clone(),
            guest: false,
            rights: Rights::default(),
        });
        made.collect()
    }

    pub(crate) fn apex(&self) -> Vec<Apex> {
        let made = self.apex.iter().map(|spec| Apex {
            method: spec.method.clone(),
            path: format!("/{}", spec.path.trim_matches('/')),
            status: spec.status,
            body: spec.text.clone().map_or_else(|| ApexBody::Json(spec.body.clone()), ApexBody::Text),
            headers: spec.headers.clone(),
        });
        made.collect()
    }

    /// Compiles the rules. Date literals in them count from now.
    pub(crate) fn set_rules(&self, data: &mut Inner, now: i64) -> Result<(), String> {
        let schema = data.schema.clone();
        let object = |name: &str| schema.object(name).ok_or_else(|| format!("there is no object {name}"));
        for spec in &self.validation_rules {
            let object = object(&spec.object)?;
            let (sql, params) = crate::soql::condition(&spec.condition, object, now, &schema)
                .map_err(|refusal| format!("validation rule on {}: {}", object.name, refusal.message))?;
            let sql = format!("{sql} AND t0.Id = ?{}", params.len() + 1);
            let (message, field) = (spec.message.clone(), spec.field.clone());
            data.rules.validation.push(ValidationRule { object, sql, params, message, field });
        }
        for spec in &self.duplicate_rules {
            let object = object(&spec.object)?;
            let fields = fields(object, &spec.fields)?;
            data.rules.duplicates.push(DuplicateRule { object, fields });
        }
        Ok(())
    }

    /// Selects objects for change events, and declares platform events.
    pub(crate) fn select_events(&self, data: &mut Inner, log: &EventLog) -> Result<(), String> {
        for name in &self.change_events {
            let object = data.schema.object(name).ok_or_else(|| format!("there is no object {name}"))?;
            log.select(object);
            data.selected.insert(object.name.to_owned());
        }
        self.platform_events.iter().for_each(|event| log.declare(event));
        Ok(())
    }

    /// Writes permission sets and rows, in the order of declaration, as the first user.
    pub(crate) fn write_rows(&self, data: &mut Inner, user_id: &str, now: i64) -> Result<(), String> {
        let by = Writer { user_id, now, allow_duplicates: true, client: "" };
        for spec in &self.permission_sets {
            spec.write(data, by)?;
        }
        for rows in &self.rows {
            let object = data
                .schema
                .object(&rows.object)
                .ok_or_else(|| format!("there is no object {}", rows.object))?;
            let mut records = rows.records.clone();
            if !rows.csv.is_empty() {
                records.extend(from_csv(object, &rows.csv)?);
            }
            for (record, number) in records.iter().zip(1..) {
                write(data, object, record, by)
                    .map_err(|why| format!("{} row {number}: {why}", object.name))?;
            }
        }
        Ok(())
    }
}

impl PermissionSetSpec {
    fn write(&self, data: &mut Inner, by: Writer<'_>) -> Result<(), String> {
        let wrong = |why: String| format!("permission set {}: {why}", self.name);
        let object = |data: &Inner, name: &str| {
            data.schema.object(name).ok_or_else(|| wrong(format!("there is no object {name}")))
        };
        let sets = object(data, "PermissionSet")?;
        let assignments = object(data, "PermissionSetAssignment")?;
        let label = if self.label.is_empty() { &self.name } else { &self.label };
        let set = write_permission_set(data, sets, &self.name, label, by).map_err(wrong)?;
        for username in &self.users {
            let sql = "SELECT Id FROM \"User\" WHERE Username = ?1";
            let user: String = data
                .sqlite
                .query_row(sql, [username], |row| row.get(0))
                .map_err(|_| wrong(format!("there is no user {username}")))?;
            assign(data, assignments, set.clone(), &user, by).map_err(wrong)?;
        }
        Ok(())
    }
}

pub(crate) fn record(value: Value) -> Record {
    if let Value::Object(members) = value { members } else { Record::new() }
}

/// Writes a record; its id.
pub(crate) fn write(
    data: &mut Inner,
    object: &'static Object,
    record: &Record,
    by: Writer<'_>,
) -> Result<String, String> {
    data.create(object, record, by).map_err(|error| match error {
        DataError::Refused(refusal) => format!("{}: {}", refusal.code, refusal.message),
        DataError::Sqlite(error) => error.to_string(),
    })
}

fn fields(object: &'static Object, names: &[String]) -> Result<Vec<&'static str>, String> {
    names
        .iter()
        .map(|name| {
            let field = object.field(name);
            field.map(|field| field.name).ok_or_else(|| format!("{} has no field {name}", object.name))
        })
        .collect()
}

/// `Account.ExternalKey__c` in the header names a parent by its external id.
fn from_csv(object: &Object, text: &str) -> Result<Vec<Record>, String> {
    let (header, rows) = csv::read(text.as_bytes(), "COMMA")?;
    let records = rows.into_iter().map(|cells| {
        let mut record = Record::new();
        for (name, cell) in header.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            match name.split_once('.') {
                Some((relationship, key)) => {
                    record.insert(relationship.to_owned(), json!({ key: cell }));
                }
                None => {
                    let value = object.field(name).map_or(json!(cell), |field| csv::value(field, &cell));
                    record.insert(name.clone(), value);
                }
            }
        }
        record
    });
    Ok(records.collect())
}
