//! The org's records, in an in-memory SQLite. Knows objects and fields, nothing of HTTP or SOQL.

pub(crate) mod changes;
mod convert;
pub(crate) mod csv;
mod error;
mod files;
mod permissions;
mod rows;
mod rules;
mod samples;
pub(crate) mod schema;
pub(crate) mod seed;
pub(crate) mod tokens;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

pub(crate) use convert::{parse_date, parse_datetime, parse_time, to_json};
pub(crate) use error::{ApiError, DataError};
pub(crate) use rows::Writer;
pub(crate) use rules::{DuplicateRule, Rules, ValidationRule};

use crate::base::{ids, lock};
use crate::pubsub::log::EventLog;
use crate::user::{MINIMUM_ACCESS, User};
use changes::RowChange;
use schema::{Object, Schema};

/// A record as JSON, without `attributes`.
pub(crate) type Record = serde_json::Map<String, serde_json::Value>;

/// All records.
#[derive(Debug)]
pub(crate) struct Data {
    inner: Mutex<Inner>,
    /// Gets the changes of each piece of work that was done.
    log: Arc<EventLog>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) sqlite: Connection,
    pub(crate) schema: Schema,
    pub(crate) rules: Rules,
    /// Object name → the number of the last id given.
    last: HashMap<&'static str, u64>,
    /// Names of the objects that change events were selected for.
    pub(crate) selected: BTreeSet<String>,
    changes: Vec<RowChange>,
}

impl Inner {
    pub(crate) fn next_id(&mut self, object: &Object) -> (String, u64) {
        let last = self.last.entry(object.name).or_insert(0);
        *last += 1;
        (ids::make(object.prefix, *last), *last)
    }

    /// Does work on what a user may see and change.
    pub(crate) fn as_seen_by<T>(&mut self, user: &User, work: impl FnOnce(&mut Self) -> T) -> T {
        let rights = &user.rights;
        let view = match (rights.profile == MINIMUM_ACCESS, rights.may_view_setup()) {
            (false, true) => return work(self),
            (false, false) => self.schema.without_setup(),
            (true, true) => self.schema.view(&rights.granted),
            (true, false) => self.schema.view(&rights.granted).without_setup(),
        };
        let whole = std::mem::replace(&mut self.schema, view);
        let done = work(self);
        self.schema = whole;
        done
    }

    /// Does work that is taken back as a whole when it says `false` or fails. May be nested.
    pub(crate) fn all_or_none<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(T, bool), DataError>,
    ) -> Result<T, DataError> {
        self.sqlite.execute_batch("SAVEPOINT step")?;
        let changes = self.changes.len();
        let result = work(self);
        let undo = !matches!(result, Ok((_, true)));
        if undo {
            self.changes.truncate(changes);
            self.sqlite.execute_batch("ROLLBACK TO step")?;
        }
        self.sqlite.execute_batch("RELEASE step")?;
        result.map(|(done, _)| done)
    }

    /// How many records of each object there are.
    pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
        self.schema
            .objects()
            .iter()
            .map(|object| {
                let sql = format!("SELECT count(*) FROM \"{}\" WHERE IsDeleted = 0", object.name);
                let count: i64 = self.sqlite.query_row(&sql, [], |row| row.get(0)).unwrap_or(0);
                (object.name, u64::try_from(count).unwrap_or(0))
            })
            .collect()
    }
}

impl Data {
    pub(crate) fn open(schema: Schema, log: Arc<EventLog>) -> Result<Self, DataError> {
        let sqlite = Connection::open_in_memory()?;
        sqlite.set_prepared_statement_cache_capacity(128);
        let inner = Inner {
            sqlite,
            schema,
            rules: Rules::default(),
            last: HashMap::new(),
            selected: BTreeSet::new(),
            changes: Vec::new(),
        };
        Ok(Self { inner: Mutex::new(inner), log })
    }

    /// Does work on the records; no other work happens meanwhile.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = lock(&self.inner);
        let done = work(&mut inner);
        let changes = std::mem::take(&mut inner.changes);
        // Before the lock is released, so that events have the order of the writes.
        self.log.record(changes);
        done
    }
}
