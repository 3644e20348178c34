//! Reading and writing single records.

use rusqlite::types::Value as Sql;
use rusqlite::{OptionalExtension as _, params_from_iter};
use serde_json::Value as Json;

use super::changes::{ChangeType, changed_values, set_values};
use super::convert::{from_json, to_json};
use super::schema::{Field, Kind, Object};
use super::{ApiError, DataError, Inner, Record};
use crate::base::clock::{Millis, datetime};
use crate::base::ids;

/// The writing user and the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) now: Millis,
    /// Saves what a duplicate rule would refuse (`Sforce-Duplicate-Rule-Header: allowSave=true`).
    pub(crate) allow_duplicates: bool,
    /// `client` of `Sforce-Call-Options`.
    pub(crate) client: &'a str,
}

pub(super) type Columns = Vec<(&'static Field, Sql)>;

impl Inner {
    /// The record with these fields; an error when it is not there.
    pub(crate) fn record(&self, object: &Object, id: &str, fields: &[&Field]) -> Result<Record, DataError> {
        let id = checked_id(object, id)?;
        let columns: Vec<String> = fields.iter().map(|field| format!("\"{}\"", field.name)).collect();
        let sql = format!(
            "SELECT IsDeleted{}{} FROM \"{}\" WHERE Id = ?1",
            if columns.is_empty() { "" } else { ", " },
            columns.join(", "),
            object.name
        );
        let found = self
            .sqlite
            .prepare_cached(&sql)?
            .query_row([&id], |row| {
                let deleted: i64 = row.get(0)?;
                let mut record = Record::new();
                for (i, field) in fields.iter().enumerate() {
                    record.insert(field.name.to_owned(), to_json(field.kind, row.get_ref(i + 1)?));
                }
                Ok((deleted != 0, record))
            })
            .optional()?;
        match found {
            None => Err(ApiError::not_found().into()),
            Some((true, _)) => Err(ApiError::new(404, "ENTITY_IS_DELETED", "entity is deleted").into()),
            Some((false, record)) => Ok(record),
        }
    }

    /// The bytes of a file, unless it has none.
    pub(crate) fn blob(
        &self,
        object: &Object,
        id: &str,
        field: &Field,
    ) -> Result<Option<Vec<u8>>, DataError> {
        self.record(object, id, &[])?;
        let sql = format!("SELECT \"{}\" FROM \"{}\" WHERE Id = ?1", field.name, object.name);
        Ok(self.sqlite.prepare_cached(&sql)?.query_row([checked_id(object, id)?], |row| row.get(0))?)
    }

    /// The ids of the records with that external id.
    pub(crate) fn ids_by_key(
        &self,
        object: &Object,
        field: &Field,
        value: &str,
    ) -> Result<Vec<String>, DataError> {
        let sql = format!(
            "SELECT Id FROM \"{}\" WHERE \"{}\" = ?1 AND IsDeleted = 0 ORDER BY Id LIMIT 200",
            object.name, field.name
        );
        let mut statement = self.sqlite.prepare_cached(&sql)?;
        let ids = statement.query_map([value], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(ids)
    }

    /// Makes a record; its id.
    pub(crate) fn create(
        &mut self,
        object: &Object,
        body: &Record,
        by: Writer<'_>,
    ) -> Result<String, DataError> {
        writable(object)?;
        let mut columns = self.checked(object, body, None)?;
        for field in object.fields.iter().filter(|field| !field.default.is_empty()) {
            if !columns.iter().any(|(f, v)| f.name == field.name && *v != Sql::Null) {
                put(object, &mut columns, field.name, Sql::Text(field.default.to_owned()));
            }
        }
        let missing: Vec<&str> = object
            .fields
            .iter()
            .filter(|field| field.required)
            .filter(|field| !columns.iter().any(|(f, v)| f.name == field.name && *v != Sql::Null))
            .map(|field| field.name)
            .collect();
        if !missing.is_empty() {
            let message = format!("Required fields are missing: [{}]", missing.join(", "));
            let mut refusal = ApiError::bad("REQUIRED_FIELD_MISSING", message);
            refusal.fields = missing.into_iter().map(String::from).collect();
            return Err(refusal.into());
        }
        let (id, number) = self.next_id(object);
        let now = datetime(by.now);
        put(object, &mut columns, "Id", Sql::Text(id.clone()));
        put(object, &mut columns, "IsDeleted", Sql::Integer(0));
        if !columns.iter().any(|(f, v)| f.name == "OwnerId" && *v != Sql::Null) {
            put(object, &mut columns, "OwnerId", Sql::Text(by.user_id.to_owned()));
        }
        for name in ["CreatedById", "LastModifiedById"] {
            put(object, &mut columns, name, Sql::Text(by.user_id.to_owned()));
        }
        for name in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
            put(object, &mut columns, name, Sql::Text(now.clone()));
        }
        if object.name == "Case" {
            put(object, &mut columns, "CaseNumber", Sql::Text(format!("{:08}", 1_000 + number)));
        }
        derive(object, &mut columns, None);
        measure(object, &mut columns);
        self.all_or_none(|data| {
            if object.name == "ContentVersion" {
                data.publish(&mut columns)?;
            }
            if data.has_changes(object) {
                data.note(object, &id, ChangeType::Create, set_values(&columns), by);
            }
            data.insert(object, columns)?;
            data.check_rules(object, &id, by.allow_duplicates)?;
            Ok(((), true))
        })?;
        Ok(id)
    }

    /// Changes a record.
    pub(crate) fn update(
        &mut self,
        object: &Object,
        id: &str,
        body: &Record,
        by: Writer<'_>,
    ) -> Result<(), DataError> {
        writable(object)?;
        let all: Vec<&Field> = object.fields.iter().collect();
        let before = self.record(object, id, &all)?;
        let id = checked_id(object, id)?;
        self.check_lock(&id)?;
        let mut columns = self.checked(object, body, Some(&id))?;
        if let Some((field, _)) = columns.iter().find(|(field, value)| field.required && *value == Sql::Null)
        {
            return Err(ApiError::bad(
                "REQUIRED_FIELD_MISSING",
                format!("Required fields are missing: [{}]", field.name),
            )
            .about(field.name)
            .into());
        }
        put(object, &mut columns, "LastModifiedById", Sql::Text(by.user_id.to_owned()));
        for name in ["LastModifiedDate", "SystemModstamp"] {
            put(object, &mut columns, name, Sql::Text(datetime(by.now)));
        }
        derive(object, &mut columns, Some(&before));
        measure(object, &mut columns);
        let set: Vec<String> = columns.iter().map(|(field, _)| format!("\"{}\" = ?", field.name)).collect();
        let sql = format!("UPDATE \"{}\" SET {} WHERE Id = ?", object.name, set.join(", "));
        let changed = self.has_changes(object).then(|| changed_values(&columns, &before));
        let values: Vec<Sql> =
            columns.into_iter().map(|(_, value)| value).chain([Sql::Text(id.clone())]).collect();
        self.all_or_none(|data| {
            data.sqlite.prepare_cached(&sql)?.execute(params_from_iter(values))?;
            data.check_rules(object, &id, by.allow_duplicates)?;
            data.note(object, &id, ChangeType::Update, changed.unwrap_or_default(), by);
            Ok(((), true))
        })
    }

    /// Moves a record to the recycle bin.
    pub(crate) fn delete(&mut self, object: &Object, id: &str, by: Writer<'_>) -> Result<(), DataError> {
        writable(object)?;
        self.record(object, id, &[])?;
        self.check_lock(&checked_id(object, id)?)?;
        if object.name == "User" {
            return Err(ApiError::new(
                400,
                "INSUFFICIENT_ACCESS_OR_READONLY",
                "insufficient access rights on object id",
            )
            .into());
        }
        let sql = format!("UPDATE \"{}\" SET IsDeleted = 1, SystemModstamp = ?1 WHERE Id = ?2", object.name);
        let id = checked_id(object, id)?;
        self.sqlite.prepare_cached(&sql)?.execute([datetime(by.now), id.clone()])?;
        self.note(object, &id, ChangeType::Delete, Vec::new(), by);
        Ok(())
    }

    /// Takes a deleted record out of the recycle bin, for good.
    pub(crate) fn purge(&mut self, object: &Object, id: &str) -> Result<(), DataError> {
        let sql = format!("DELETE FROM \"{}\" WHERE Id = ?1 AND IsDeleted = 1", object.name);
        self.sqlite.prepare_cached(&sql)?.execute([checked_id(object, id)?])?;
        Ok(())
    }

    /// Writes a row as it is.
    pub(super) fn insert(&mut self, object: &Object, columns: Columns) -> Result<(), DataError> {
        let names: Vec<String> = columns.iter().map(|(field, _)| format!("\"{}\"", field.name)).collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT INTO \"{}\" ({}) VALUES ({marks})", object.name, names.join(", "));
        let values = columns.into_iter().map(|(_, value)| value);
        self.sqlite.prepare_cached(&sql)?.execute(params_from_iter(values))?;
        Ok(())
    }

    /// The body's fields, checked one by one.
    fn checked(&self, object: &Object, body: &Record, own_id: Option<&str>) -> Result<Columns, DataError> {
        let mut columns = Vec::new();
        for (name, value) in body {
            if name == "attributes" {
                continue;
            }
            if name.eq_ignore_ascii_case("Id") {
                return Err(ApiError::bad(
                    "INVALID_FIELD",
                    "The Id field should not be specified in the sobject data.",
                )
                .into());
            }
            if let (Some((lookup, parent)), Json::Object(key)) =
                (self.schema.relationship(object, name), value)
            {
                let id = self.parent_by_key(parent, key)?;
                columns.push((lookup, Sql::Text(id)));
                continue;
            }
            let field = object.field(name).ok_or_else(|| {
                ApiError::bad(
                    "INVALID_FIELD",
                    format!("No such column '{name}' on sobject of type {}", object.name),
                )
            })?;
            if field.read_only {
                return Err(ApiError::bad(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    format!(
                        "Unable to create/update fields: {}. Please check the security settings of this field and \
                         verify that it is read/write for your profile or permission set.",
                        field.name
                    ),
                )
                .about(field.name)
                .into());
            }
            let value = from_json(field, value)?;
            self.check_references(field, &value)?;
            self.check_unique(object, field, &value, own_id)?;
            columns.push((field, value));
        }
        Ok(columns)
    }

    /// `"Account": {"ExternalKey__c": "ACC-1"}`: a parent by its external id.
    fn parent_by_key(&self, parent: &Object, key: &Record) -> Result<String, DataError> {
        let found = key.iter().find_map(|(name, value)| {
            let field = parent.field(name).filter(|field| field.external_id)?;
            Some((field, value.as_str().map_or_else(|| value.to_string(), String::from)))
        });
        let Some((field, value)) = found else {
            return Err(
                ApiError::bad("INVALID_FIELD", format!("no external id of {} given", parent.name)).into()
            );
        };
        self.ids_by_key(parent, field, &value)?.into_iter().next().ok_or_else(|| {
            ApiError::bad(
                "INVALID_FIELD",
                format!(
                    "Foreign key external ID: {value} not found for field {} in entity {}",
                    field.name, parent.name
                ),
            )
            .into()
        })
    }

    fn check_references(&self, field: &Field, value: &Sql) -> Result<(), DataError> {
        let (Kind::Reference(targets, _), Sql::Text(id)) = (field.kind, value) else { return Ok(()) };
        let mut targets = targets.iter().filter_map(|target| self.schema.object(target)).peekable();
        if targets.peek().is_none() {
            return Ok(());
        }
        let Some(target) = targets.find(|target| id.starts_with(target.prefix)) else {
            return Err(ApiError::bad(
                "MALFORMED_ID",
                format!("{}: id value of incorrect type: {id}", field.label),
            )
            .about(field.name)
            .into());
        };
        let sql = format!("SELECT 1 FROM \"{}\" WHERE Id = ?1 AND IsDeleted = 0", target.name);
        if self.sqlite.prepare_cached(&sql)?.exists([id])? {
            // A new child locks its parent too.
            return Ok(self.check_lock(id)?);
        }
        Err(ApiError::bad("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id").into())
    }

    fn check_unique(
        &self,
        object: &Object,
        field: &Field,
        value: &Sql,
        own_id: Option<&str>,
    ) -> Result<(), DataError> {
        let Sql::Text(text) = value else { return Ok(()) };
        if !field.unique {
            return Ok(());
        }
        match self.ids_by_key(object, field, text)?.into_iter().find(|id| Some(id.as_str()) != own_id) {
            None => Ok(()),
            Some(other) => Err(ApiError::bad(
                "DUPLICATE_VALUE",
                format!("duplicate value found: {} duplicates value on record with id: {other}", field.name),
            )
            .into()),
        }
    }
}

/// The id in its 18-character form, if it is one of this object.
pub(crate) fn checked_id(object: &Object, id: &str) -> Result<String, ApiError> {
    ids::normalize(id).filter(|id| id.starts_with(object.prefix)).ok_or_else(|| {
        ApiError::bad("MALFORMED_ID", format!("{} ID: id value of incorrect type: {id}", object.label))
            .about("Id")
    })
}

/// Sets a column, when the object has it.
pub(super) fn put(object: &Object, columns: &mut Columns, name: &str, value: Sql) {
    if let Some(field) = object.fields.iter().find(|field| field.name == name) {
        columns.retain(|(known, _)| known.name != name);
        columns.push((field, value));
    }
}

/// Fills the fields that follow from others: full names, closed and won.
fn derive(object: &Object, columns: &mut Columns, before: Option<&Record>) {
    let text = |name: &str| {
        let now = columns.iter().find(|(field, _)| field.name == name).map(|(_, value)| match value {
            Sql::Text(text) => text.clone(),
            _ => String::new(),
        });
        now.or_else(|| before?.get(name)?.as_str().map(String::from)).unwrap_or_default()
    };
    if matches!(object.name, "Contact" | "Lead" | "User") {
        let name = format!("{} {}", text("FirstName"), text("LastName"));
        put(object, columns, "Name", Sql::Text(name.trim().to_owned()));
    } else if object.name == "ContentVersion" {
        let path = text("PathOnClient");
        let file = path.rsplit(['/', '\\']).next().unwrap_or_default();
        let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
        if text("Title").is_empty() {
            put(object, columns, "Title", Sql::Text(stem.to_owned()));
        }
        put(object, columns, "FileExtension", Sql::Text(extension.to_owned()));
    } else if object.name == "Opportunity" {
        let stage = text("StageName");
        put(object, columns, "IsClosed", Sql::Integer(i64::from(stage.starts_with("Closed"))));
        put(object, columns, "IsWon", Sql::Integer(i64::from(stage == "Closed Won")));
    } else if matches!(object.name, "Case" | "Task") {
        let closed = matches!(text("Status").as_str(), "Closed" | "Completed");
        put(object, columns, "IsClosed", Sql::Integer(i64::from(closed)));
    }
}

/// The length of a file goes with its bytes.
fn measure(object: &Object, columns: &mut Columns) {
    let length = columns.iter().find_map(|(_, value)| match value {
        Sql::Blob(bytes) => Some(i64::try_from(bytes.len()).unwrap_or(i64::MAX)),
        _ => None,
    });
    if let Some(length) = length {
        put(object, columns, "BodyLength", Sql::Integer(length));
        put(object, columns, "ContentSize", Sql::Integer(length));
    }
}

fn writable(object: &Object) -> Result<(), ApiError> {
    if object.read_only {
        // The wording is unverified.
        return Err(ApiError::bad(
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            format!("entity type {} does not support this operation", object.name),
        ));
    }
    Ok(())
}
