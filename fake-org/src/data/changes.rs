//! What writes did to rows of the objects that change events were selected for.

use rusqlite::types::{Value as Sql, ValueRef};
use serde_json::Value as Json;

use super::convert::to_json;
use super::rows::{Columns, Writer};
use super::schema::Object;
use super::{Inner, Record};
use crate::base::clock::Millis;

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeType {
    Create,
    Update,
    Delete,
}

/// One change of one row.
#[derive(Clone, Debug)]
pub(crate) struct RowChange {
    pub(crate) object: Object,
    pub(crate) id: String,
    pub(crate) kind: ChangeType,
    /// The new values: all that are not null of a new row, the changed ones of an update.
    pub(crate) values: Vec<(&'static str, Json)>,
    pub(crate) user_id: String,
    pub(crate) client: String,
    pub(crate) at: Millis,
}

impl Inner {
    /// Whether change events were selected for an object.
    pub(super) fn has_changes(&self, object: &Object) -> bool {
        self.selected.contains(object.name)
    }

    /// Notes a change. It is published when the work on the records is done and was not taken back.
    pub(super) fn note(
        &mut self,
        object: &Object,
        id: &str,
        kind: ChangeType,
        values: Vec<(&'static str, Json)>,
        by: Writer<'_>,
    ) {
        if self.has_changes(object) {
            let (user_id, client) = (by.user_id.to_owned(), by.client.to_owned());
            let (object, id) = (*object, id.to_owned());
            self.changes.push(RowChange { object, id, kind, values, user_id, client, at: by.now });
        }
    }
}

/// The columns of a new row that are not null.
pub(super) fn set_values(columns: &Columns) -> Vec<(&'static str, Json)> {
    values(columns).filter(|(_, value)| !value.is_null()).collect()
}

/// The columns of an update that differ from before.
pub(super) fn changed_values(columns: &Columns, before: &Record) -> Vec<(&'static str, Json)> {
    values(columns).filter(|(name, value)| before.get(*name) != Some(value)).collect()
}

fn values(columns: &Columns) -> impl Iterator<Item = (&'static str, Json)> {
    columns.iter().map(|(field, value)| (field.name, to_json(field.kind, borrowed(value))))
}

fn borrowed(value: &Sql) -> ValueRef<'_> {
    value.into()
}
