//! Change events: their schema and their data, made from an object's fields.
//!
//! The form is that of captured schemas (`AccountChangeEvent.avsc`): every field may be null, its `doc` says what it
//! is, and addresses and names of persons are records within the event.

use serde_json::{Value, json};

use super::avro::{Avro, bitmap, schema_id};
use crate::base::clock::{Millis, moment};
use crate::data::changes::{ChangeType, RowChange};
use crate::data::schema::{Field, Kind, Object};

/// What an address has, whether the object has a column for it or not.
const ADDRESS: [&str; 10] = [
    "Street",
    "City",
    "State",
    "PostalCode",
    "Country",
    "StateCode",
    "CountryCode",
    "Latitude",
    "Longitude",
    "GeocodeAccuracy",
];
const PERSON: [&str; 3] = ["Salutation", "FirstName", "LastName"];
const CHANGE_TYPES: [&str; 10] = [
    "CREATE",
    "UPDATE",
    "DELETE",
    "UNDELETE",
    "GAP_CREATE",
    "GAP_UPDATE",
    "GAP_DELETE",
    "GAP_UNDELETE",
    "GAP_OVERFLOW",
    "SNAPSHOT",
];

/// A field of the event after the header.
enum Slot {
    Simple(&'static Field),
    /// Its name, and the prefix of the columns.
    Address(String, String),
    /// `Name` of an object whose records are persons.
    Person,
    /// `Name` of an account, which has parts if the org has person accounts.
    SwitchableName,
}

/// Returns the API name of an object's change event.
pub(crate) fn event_name(object: &str) -> String {
    match object.strip_suffix("__c") {
        Some(custom) => format!("{custom}__ChangeEvent"),
        None => format!("{object}ChangeEvent"),
    }
}

fn slots(object: &Object) -> Vec<Slot> {
    let mut slots = Vec::new();
    let is_person = object.fields.iter().any(|field| field.name == "LastName");
    for field in object.fields {
        let address = ["Billing", "Shipping", "Mailing", "Other"]
            .iter()
            .find(|prefix| field.name.strip_prefix(**prefix).is_some_and(|part| ADDRESS.contains(&part)));
        match (field.name, address) {
            ("Id" | "IsDeleted" | "SystemModstamp", _) => {}
            (_, Some(prefix)) => {
                let name = format!("{prefix}Address");
                if !slots.iter().any(|slot| matches!(slot, Slot::Address(known, _) if *known == name)) {
                    slots.push(Slot::Address(name, (*prefix).to_owned()));
                }
            }
            (part, _) if is_person && PERSON.contains(&part) => {}
            ("Name", _) if is_person => slots.push(Slot::Person),
            ("Name", _) if object.name == "Account" => slots.push(Slot::SwitchableName),
            _ if field.kind == Kind::Base64 => {}
            _ => slots.push(Slot::Simple(field)),
        }
    }
    slots
}

fn nullable(name: &str, of: impl Into<Value>, doc: &str) -> Value {
    json!({"name": name, "type": ["null", of.into()], "doc": doc, "default": null})
}

/// The type of a field and its `doc`.
fn simple(field: &Field) -> Value {
    let (of, role) = match field.kind {
        Kind::Boolean => ("boolean", "Boolean"),
        Kind::Int => ("int", "Integer"),
        Kind::Double => ("double", "Double"),
        Kind::Currency => ("double", "Currency"),
        Kind::Date => ("long", "DateOnly"),
        Kind::DateTime => ("long", "DateTime"),
        Kind::Time => ("long", "TimeOnly"),
        Kind::Email => ("string", "Email"),
        Kind::Phone => ("string", "Phone"),
        Kind::Url => ("string", "Url"),
        Kind::Picklist => ("string", "DynamicEnum"),
        Kind::MultiPicklist => ("string", "MultiEnum"),
        Kind::TextArea(_) => ("string", "StringPlusClob"),
        Kind::Id | Kind::Reference(..) => ("string", "EntityId"),
        Kind::Text(_) | Kind::Base64 => ("string", "Text"),
    };
    let data = match field.name {
        "CreatedDate" | "LastModifiedDate" | "CreatedById" | "LastModifiedById" => field.name,
        _ if matches!(field.kind, Kind::Reference(..)) => "ForeignKey",
        _ => "Data",
    };
    nullable(field.name, of, &format!("{data}:{role}"))
}

fn record(name: &str, parts: &[&str]) -> Value {
    let fields: Vec<Value> = parts
        .iter()
        .map(|part| match *part {
            "Latitude" | "Longitude" => nullable(part, "double", "Data:Double"),
            part => nullable(part, "string", "Data:Text"),
        })
        .collect();
    json!({"type": "record", "name": name, "fields": fields})
}

/// Returns the JSON of an object's schema, and its id.
pub(crate) fn schema(object: &Object) -> (String, String) {
    let strings = json!({"type": "array", "items": "string"});
    let header = json!({"type": "record", "name": "ChangeEventHeader", "fields": [
        {"name": "entityName", "type": "string"},
        {"name": "recordIds", "type": strings},
        {"name": "changeType", "type": {"type": "enum", "name": "ChangeType", "symbols": CHANGE_TYPES}},
        {"name": "changeOrigin", "type": "string"},
        {"name": "transactionKey", "type": "string"},
        {"name": "sequenceNumber", "type": "int"},
        {"name": "commitTimestamp", "type": "long"},
        {"name": "commitNumber", "type": "long"},
        {"name": "commitUser", "type": "string"},
        {"name": "nulledFields", "type": strings},
        {"name": "diffFields", "type": strings},
        {"name": "changedFields", "type": strings},
    ]});
    let mut fields = vec![json!({"name": "ChangeEventHeader", "type": header, "doc": ""})];
    let mut has_address = false;
    for slot in slots(object) {
        fields.push(match slot {
            Slot::Simple(field) => simple(field),
            Slot::Address(name, _) => {
                // Written out at its first use, named after that.
                let of = if has_address { json!("Address") } else { record("Address", &ADDRESS) };
                has_address = true;
                nullable(&name, of, "Data:Address")
            }
            Slot::Person => nullable("Name", record("PersonName", &PERSON), "Data:PersonName"),
            Slot::SwitchableName => json!({
                "name": "Name", "type": ["null", "string", record("Switchable_PersonName", &PERSON)],
                "doc": "Data:Switchable_PersonName", "default": null,
            }),
        });
    }
    let json = json!({
        "type": "record", "name": event_name(object.name), "namespace": "com.sforce.eventbus", "fields": fields,
    })
    .to_string();
    let id = schema_id(&json);
    (json, id)
}

/// What all changes of one transaction share.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    pub(crate) key: &'a str,
    pub(crate) sequence: i64,
    pub(crate) commit_number: i64,
}

/// Returns the data of a change.
pub(crate) fn payload(change: &RowChange, transaction: &Transaction<'_>) -> Vec<u8> {
    let slots = slots(&change.object);
    let value = |name: &str| change.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    let (mut top, mut top_nulled) = (Vec::new(), Vec::new());
    let (mut within, mut within_nulled) = (Vec::new(), Vec::new());
    for (slot, position) in slots.iter().zip(1..) {
        let mut parts = |columns: &[String]| {
            let positions = |is: &dyn Fn(&Value) -> bool| {
                let found = columns.iter().enumerate().filter(|(_, column)| value(column).is_some_and(is));
                bitmap(&found.map(|(part, _)| part).collect::<Vec<_>>())
                    .map(|mask| format!("{position}-{mask}"))
            };
            within.extend(positions(&|_| true));
            within_nulled.extend(positions(&Value::is_null));
        };
        let name = match slot {
            Slot::Simple(field) => field.name,
            Slot::SwitchableName => "Name",
            Slot::Address(_, prefix) => {
                parts(&ADDRESS.map(|part| format!("{prefix}{part}")));
                continue;
            }
            Slot::Person => {
                parts(&PERSON.map(str::to_owned));
                continue;
            }
        };
        if let Some(value) = value(name) {
            top.push(position);
            if value.is_null() {
                top_nulled.push(position);
            }
        }
    }
    let is_update = change.kind == ChangeType::Update;
    let list = |top: &[usize], within: Vec<String>| -> Vec<String> {
        if is_update { bitmap(top).into_iter().chain(within).collect() } else { Vec::new() }
    };

    let mut out = Avro::default();
    out.text(change.object.name);
    out.texts(std::slice::from_ref(&change.id));
    out.long(match change.kind {
        ChangeType::Create => 0,
        ChangeType::Update => 1,
        ChangeType::Delete => 2,
    });
    out.text(&format!("com/salesforce/api/rest/66.0;client={}", change.client));
    out.text(transaction.key);
    out.long(transaction.sequence);
    out.long(change.at);
    out.long(transaction.commit_number);
    out.text(&change.user_id);
    out.texts(&list(&top_nulled, within_nulled));
    out.texts(&[]);
    out.texts(&list(&top, within));
    for slot in slots {
        match slot {
            Slot::Simple(field) => {
                optional(&mut out, value(field.name), |out, value| one(out, field.kind, value))
            }
            Slot::SwitchableName => {
                optional(&mut out, value("Name"), |out, value| one(out, Kind::Text(255), value))
            }
            Slot::Address(_, prefix) => {
                parts(&mut out, &ADDRESS.map(|part| value(&format!("{prefix}{part}"))))
            }
            Slot::Person => parts(&mut out, &PERSON.map(value)),
        }
    }
    out.0
}

fn optional(out: &mut Avro, value: Option<&Value>, write: impl FnOnce(&mut Avro, &Value)) {
    match value.filter(|value| !value.is_null()) {
        None => out.long(0),
        Some(value) => {
            out.long(1);
            write(out, value);
        }
    }
}

/// A record of texts; null, if the event has none of them.
fn parts(out: &mut Avro, values: &[Option<&Value>]) {
    if values.iter().all(Option::is_none) {
        return out.long(0);
    }
    out.long(1);
    for value in values {
        optional(out, *value, |out, value| one(out, Kind::Text(255), value));
    }
}

fn one(out: &mut Avro, kind: Kind, value: &Value) {
    let text = value.as_str().unwrap_or_default();
    match kind {
        Kind::Boolean => out.boolean(value.as_bool().unwrap_or_default()),
        Kind::Int => out.long(value.as_i64().unwrap_or_default()),
        Kind::Double | Kind::Currency => out.double(value.as_f64().unwrap_or_default()),
        Kind::DateTime => out.long(moment(text).unwrap_or_default()),
        Kind::Date => out.long(moment(&format!("{text}T00:00:00.000+0000")).unwrap_or_default()),
        Kind::Time => out.long(moment(&format!("1970-01-01T{text}")).unwrap_or_default()),
        _ => out.text(text),
    }
}

/// The number of a commit: longer than a JavaScript number, as captured ones are.
pub(crate) fn commit_number(at: Millis, replay: u64) -> i64 {
    at.saturating_mul(1_000_000).saturating_add(i64::try_from(replay % 1_000_000).unwrap_or_default())
}
