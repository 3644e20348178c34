//! The org's records, in an in-memory SQLite. Knows objects and fields, nothing of HTTP or SOQL.

mod convert;
mod error;
mod rows;
pub(crate) mod schema;
pub(crate) mod seed;

use std::collections::HashMap;
use std::sync::Mutex;

use rusqlite::Connection;

pub(crate) use convert::{parse_date, parse_datetime, to_json};
pub(crate) use error::{DataError, Refusal};
pub(crate) use rows::Writer;

use crate::base::{ids, lock};
use schema::{OBJECTS, Object};

/// A record as JSON, without `attributes`.
pub(crate) type Record = serde_json::Map<String, serde_json::Value>;

/// All records.
#[derive(Debug)]
pub(crate) struct Data {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) sqlite: Connection,
    /// Object name → the number of the last id given.
    last: HashMap<&'static str, u64>,
}

impl Inner {
    pub(crate) fn next_id(&mut self, object: &Object) -> String {
        let last = self.last.entry(object.name).or_insert(0);
        *last += 1;
        ids::make(object.prefix, *last)
    }
}

impl Data {
    pub(crate) fn open() -> Result<Self, DataError> {
        Ok(Self { inner: Mutex::new(Inner { sqlite: Connection::open_in_memory()?, last: HashMap::new() }) })
    }

    /// Does work on the records; no other work happens meanwhile.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut lock(&self.inner))
    }

    /// How many records of each object there are.
    pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
        self.with(|inner| {
            OBJECTS
                .iter()
                .map(|object| {
                    let sql = format!("SELECT count(*) FROM \"{}\" WHERE IsDeleted = 0", object.name);
                    let count: i64 = inner.sqlite.query_row(&sql, [], |row| row.get(0)).unwrap_or(0);
                    (object.name, u64::try_from(count).unwrap_or(0))
                })
                .collect()
        })
    }
}
