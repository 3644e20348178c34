//! Running a query for rows.
//!
//! It runs in two steps: the keys (row numbers) of all rows of the result in order, then page by page the
//! columns of a slice of those keys. A page costs what it holds, wherever it lies, and an open cursor holds
//! eight bytes per row.

use std::collections::HashMap;

use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;
use serde_json::{Value as Json, json};

use super::bind::{Column, Tables};
use super::format;
use crate::data::schema::Kind;
use crate::data::{DataError, Inner, Record};

/// Makes a record's `attributes.url` of object and id.
pub(crate) type Link<'a> = &'a dyn Fn(&str, &str) -> String;

/// How children come when a parent has many.
#[derive(Clone, Copy)]
pub(crate) struct Pages<'a> {
    /// The most at once.
    pub(crate) size: usize,
    /// Makes the `nextRecordsUrl` of a result of which the first page is shown.
    pub(crate) open: &'a dyn Fn(&RowPlan, Vec<i64>) -> String,
}

/// A compiled query for rows.
#[derive(Clone, Debug)]
pub(crate) struct RowPlan {
    pub(super) tables: Tables,
    pub(super) outputs: Vec<Output>,
    pub(super) keys_sql: String,
    pub(super) params: Vec<Sql>,
    /// Whether the query has an OFFSET, which bulk jobs do not take.
    pub(crate) has_offset: bool,
}

/// One thing a row shows.
#[derive(Clone, Debug)]
pub(super) enum Output {
    Value {
        table: usize,
        name: String,
        sql: String,
        kind: Kind,
        formatted: bool,
    },
    Children {
        name: String,
        plan: Box<RowPlan>,
    },
    /// `TYPEOF`: the fields depend on the object of the parent.
    TypeOf {
        name: String,
        cases: Vec<Case>,
    },
}

/// What is read of a parent that is found in this table, unless an earlier case holds.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) table: usize,
    pub(super) fields: Vec<Column>,
}

impl Output {
    /// The columns that it is made from.
    fn columns(&self) -> Vec<String> {
        match self {
            Self::Value { sql, .. } => vec![sql.clone()],
            Self::Children { .. } => Vec::new(),
            Self::TypeOf { cases, .. } => {
                cases.iter().flat_map(|case| &case.fields).map(Column::sql).collect()
            }
        }
    }

    /// Where in the record it stands.
    pub(super) fn place(&self) -> (usize, &str) {
        match self {
            Self::Value { table, name, .. } => (*table, name),
            Self::Children { name, .. } | Self::TypeOf { name, .. } => (0, name),
        }
    }
}

impl RowPlan {
    /// The root object's name.
    pub(crate) fn object(&self) -> &'static str {
        self.tables.root.name
    }

    /// The columns as paths into a record, in the order they were selected, and whether each is a datetime; `None` when
    /// there are children.
    pub(crate) fn columns(&self) -> Option<Vec<(Vec<String>, bool)>> {
        self.outputs
            .iter()
            .map(|output| match output {
                Output::Children { .. } | Output::TypeOf { .. } => None,
                Output::Value { table, name, kind, formatted, .. } => {
                    let join = table.checked_sub(1).and_then(|i| self.tables.joins.get(i));
                    let mut path = join.map(|join| join.path.clone()).unwrap_or_default();
                    path.push(name.clone());
                    Some((path, *kind == Kind::DateTime && !formatted))
                }
            })
            .collect()
    }

    /// Step one: the keys of all rows.
    pub(crate) fn keys(&self, data: &Inner) -> Result<Vec<i64>, DataError> {
        self.keys_with(data, &[])
    }

    fn keys_with(&self, data: &Inner, more: &[Sql]) -> Result<Vec<i64>, DataError> {
        let mut statement = data.sqlite.prepare_cached(&self.keys_sql)?;
        let keys = statement.query_map(params_from_iter(self.params.iter().chain(more)), |row| row.get(0))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// Step two: the records of some keys, in their order, with all their children.
    pub(crate) fn records(&self, data: &Inner, keys: &[i64], link: Link<'_>) -> Result<Vec<Json>, DataError> {
        self.paged(data, keys, link, None)
    }

    /// Step two, with children page by page.
    pub(crate) fn paged(
        &self,
        data: &Inner,
        keys: &[i64],
        link: Link<'_>,
        pages: Option<Pages<'_>>,
    ) -> Result<Vec<Json>, DataError> {
        let mut sql = String::from("SELECT t0.Id");
        for (i, join) in self.tables.joins.iter().enumerate() {
            sql.push_str(&format!(", t{0}.Id, {1}", i + 1, join.object_sql(i + 1)));
        }
        for column in self.outputs.iter().flat_map(Output::columns) {
            sql.push_str(", ");
            sql.push_str(&column);
        }
        sql.push_str(" FROM json_each(?1) k CROSS JOIN ");
        let from = self.tables.from();
        let (root, parents) =
            from.split_once(" LEFT JOIN").map_or((from.as_str(), None), |(a, b)| (a, Some(b)));
        sql.push_str(root);
        sql.push_str(" ON t0.rowid = k.value");
        if let Some(parents) = parents {
            sql.push_str(" LEFT JOIN");
            sql.push_str(parents);
        }
        sql.push_str(" ORDER BY k.key");
        let keys = serde_json::to_string(keys).unwrap_or_default();
        let mut statement = data.sqlite.prepare_cached(&sql)?;
        let layout = self.layout();
        let rows = statement.query_map([keys], |row| self.record(row, &layout, link))?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        rows.into_iter().map(|(id, record)| self.with_children(data, &id, record, link, pages)).collect()
    }

    /// Which member of which table's record comes when: in the order of the select list, a parent where its first
    /// field is.
    fn layout(&self) -> Vec<(usize, &str)> {
        let mut layout = Vec::new();
        for output in &self.outputs {
            let (table, name) = output.place();
            let path = table.checked_sub(1).and_then(|i| self.tables.joins.get(i)).map(|join| &join.path[..]);
            for (depth, parent) in path.unwrap_or_default().iter().enumerate() {
                let place = (self.holder(path.and_then(|path| path.get(..depth))), parent.as_str());
                if !layout.contains(&place) {
                    layout.push(place);
                }
            }
            layout.push((table, name));
        }
        layout
    }

    /// The table of a parent by its path; the root's for none.
    fn holder(&self, path: Option<&[String]>) -> usize {
        self.tables.joins.iter().position(|join| Some(&join.path[..]) == path).map_or(0, |i| i + 1)
    }

    fn record(
        &self,
        row: &rusqlite::Row<'_>,
        layout: &[(usize, &str)],
        link: Link<'_>,
    ) -> rusqlite::Result<(String, Record)> {
        let mut tables: HashMap<usize, Record> = HashMap::new();
        // `Name` of a polymorphic parent, whose path has the object all the same (recorded responses; unverified).
        let head = |name: &str, object: &str, id: &str| {
            let mut record = Record::new();
            record.insert("attributes".into(), json!({ "type": name, "url": link(object, id) }));
            record
        };
        let id: String = row.get(0)?;
        tables.insert(0, head(self.tables.root.name, self.tables.root.name, &id));
        for (i, join) in self.tables.joins.iter().enumerate() {
            if let Some(id) = row.get::<_, Option<String>>(2 * i + 1)? {
                let object: String = row.get(2 * i + 2)?;
                tables.insert(i + 1, head(join.object.name, &object, &id));
            }
        }
        for (table, name) in layout {
            if let Some(record) = tables.get_mut(table) {
                record.insert((*name).to_owned(), Json::Null);
            }
        }
        let mut place = 1 + 2 * self.tables.joins.len();
        for output in &self.outputs {
            if let Output::Value { table, name, kind, formatted, .. } = output {
                let mut value = format::value(*kind, *formatted, row.get_ref(place)?);
                place += 1;
                if *kind == Kind::Base64 && *table == 0 && !value.is_null() {
                    value = json!(format!("{}/{name}", link(self.tables.root.name, &id)));
                }
                if let Some(record) = tables.get_mut(table) {
                    record.insert(name.clone(), value);
                }
            }
            if let Output::TypeOf { name, cases } = output {
                let mut shown = Json::Null;
                for case in cases {
                    let mut parent = tables.remove(&case.table).filter(|_| shown.is_null());
                    for field in &case.fields {
                        let value = format::value(field.field.kind, false, row.get_ref(place)?);
                        place += 1;
                        if let Some(parent) = &mut parent {
                            parent.insert(field.field.name.to_owned(), value);
                        }
                    }
                    shown = parent.map_or(shown, Json::Object);
                }
                if let Some(record) = tables.get_mut(&0) {
                    record.insert(name.clone(), shown);
                }
            }
        }
        // Parents into the root, deepest first; a parent that is not there is null, not {}.
        let mut root = tables.remove(&0).unwrap_or_default();
        let selected: Vec<usize> =
            (1..=self.tables.joins.len()).filter(|n| self.is_selected(*n)).rev().collect();
        for n in selected {
            let Some(join) = self.tables.joins.get(n - 1) else { continue };
            let value = tables.remove(&n).map_or(Json::Null, Json::Object);
            let Some((name, parents)) = join.path.split_last() else { continue };
            let target = match self.holder(Some(parents)) {
                0 => Some(&mut root),
                holder => tables.get_mut(&holder),
            };
            if let Some(target) = target {
                target.insert(name.clone(), value);
            }
        }
        Ok((id, root))
    }

    /// Children come as a nested result, null if there are none.
    fn with_children(
        &self,
        data: &Inner,
        id: &str,
        mut record: Record,
        link: Link<'_>,
        pages: Option<Pages<'_>>,
    ) -> Result<Json, DataError> {
        for output in &self.outputs {
            if let Output::Children { name, plan } = output {
                let keys = plan.keys_with(data, &[Sql::Text(id.to_owned())])?;
                let value = if keys.is_empty() {
                    Json::Null
                } else {
                    let total = keys.len();
                    let size = pages.map_or(total, |pages| pages.size.min(total));
                    let shown = keys.get(..size).unwrap_or_default();
                    let records = plan.paged(data, shown, link, pages)?;
                    let next = pages.filter(|_| size < total).map(|pages| (pages.open)(plan, keys));
                    super::result(total, next, records)
                };
                record.insert(name.clone(), value);
            }
        }
        Ok(Json::Object(record))
    }

    /// A parent shows when one of its fields, or of its parents' fields, was selected; one that only the
    /// filter names does not.
    fn is_selected(&self, table: usize) -> bool {
        let path_of = |table: usize| {
            table.checked_sub(1).and_then(|i| self.tables.joins.get(i)).map(|join| join.path.as_slice())
        };
        let Some(path) = path_of(table) else { return true };
        self.outputs
            .iter()
            .any(|output| path_of(output.place().0).is_some_and(|shown| shown.starts_with(path)))
    }
}
