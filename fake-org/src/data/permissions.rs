//! `ObjectPermissions` and `FieldPermissions`: what permission sets grant, as records (Object Reference; its fields
//! `PermissionsViewAllFields` and the like are left out).
//!
//! In Salesforce a record without a parent permission set that is custom belongs to a profile. Profiles have no records
//! here: those that restrict nothing would have one for each object, and `Minimum Access - Salesforce` has none there,
//! either.

use rusqlite::types::Value as Sql;

use super::samples::text;
use super::seed::insert_row;
use super::{DataError, Inner};
use crate::base::clock::{Millis, datetime};
use crate::granted::{Granted, Level};

const OBJECTS: &str = "ObjectPermissions";
const FIELDS: &str = "FieldPermissions";

fn yes(is: bool) -> Sql {
    Sql::Integer(i64::from(is))
}

impl Inner {
    /// Makes the records of a permission set be these. `edit` of an object is to create, change and delete its records,
    /// as the user sees them.
    pub(crate) fn set_granted(
        &mut self,
        set: &str,
        granted: &Granted,
        by: &str,
        now: Millis,
    ) -> Result<(), DataError> {
        for table in [OBJECTS, FIELDS] {
            self.sqlite.execute(&format!("DELETE FROM \"{table}\" WHERE ParentId = ?1"), [set])?;
        }
        for (name, level) in &granted.objects {
            let Some(object) = self.schema.object(name) else { continue };
            let edits = *level == Level::Edit;
            self.add_permission(
                OBJECTS,
                (set, object.name),
                by,
                now,
                vec![
                    ("PermissionsRead", yes(true)),
                    ("PermissionsCreate", yes(edits)),
                    ("PermissionsEdit", yes(edits)),
                    ("PermissionsDelete", yes(edits)),
                    ("PermissionsViewAllRecords", yes(false)),
                    ("PermissionsModifyAllRecords", yes(false)),
                ],
            )?;
        }
        for (name, level) in &granted.fields {
            let Some((object, field)) = name.split_once('.') else { continue };
            let Some(object) = self.schema.object(object) else { continue };
            let Some(field) = object.field(field) else { continue };
            self.add_permission(
                FIELDS,
                (set, object.name),
                by,
                now,
                vec![
                    ("Field", text(format!("{}.{}", object.name, field.name))),
                    ("PermissionsRead", yes(true)),
                    ("PermissionsEdit", yes(*level == Level::Edit)),
                ],
            )?;
        }
        Ok(())
    }

    fn add_permission(
        &mut self,
        table: &str,
        (set, object): (&str, &str),
        by: &str,
        now: Millis,
        permissions: Vec<(&'static str, Sql)>,
    ) -> Result<(), DataError> {
        let Some(of) = self.schema.object(table) else { return Ok(()) };
        let id = self.next_id(of).0;
        let mut row = vec![
            ("Id", Sql::Text(id)),
            ("IsDeleted", yes(false)),
            ("ParentId", text(set)),
            ("SobjectType", text(object)),
        ];
        row.extend(
            ["CreatedDate", "LastModifiedDate", "SystemModstamp"].map(|name| (name, text(datetime(now)))),
        );
        row.extend(["CreatedById", "LastModifiedById"].map(|name| (name, text(by))));
        row.extend(permissions);
        insert_row(self, of, row)
    }

    /// What a permission set grants, by its records.
    pub(crate) fn granted_by(&self, set: &str) -> Result<Granted, DataError> {
        let read = |sql: &str| -> Result<Vec<(String, Level)>, DataError> {
            let mut statement = self.sqlite.prepare(sql)?;
            let rows = statement.query_map([set], |row| {
                let level = if row.get(1)? { Level::Edit } else { Level::Read };
                Ok((row.get(0)?, level))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        let objects =
            read("SELECT SobjectType, PermissionsEdit FROM \"ObjectPermissions\" WHERE ParentId = ?1")?;
        let fields = read("SELECT Field, PermissionsEdit FROM \"FieldPermissions\" WHERE ParentId = ?1")?;
        Ok(Granted { objects: objects.into_iter().collect(), fields: fields.into_iter().collect() })
    }
}
