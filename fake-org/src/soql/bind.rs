//! Names → columns: which table and column a dotted path means.

use super::Context;
use super::ast::{At, Path, Query};
use super::error;
use crate::data::ApiError;
use crate::data::schema::{Field, Object};

/// A parent that a path goes through: `Owner`, `Account.Owner`.
#[derive(Clone, Debug)]
pub(super) struct Join {
    /// Relationship names from the root, as the schema spells them.
    pub(super) path: Vec<String>,
    pub(super) object: &'static Object,
    /// `t0."OwnerId"`.
    on: String,
}

/// The tables of a query: `t0` is the root, `t1…` are parents.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) root: &'static Object,
    pub(super) joins: Vec<Join>,
    alias: Option<String>,
    /// Other names of parents: `a` for `Account`.
    parents: Vec<(String, Vec<String>)>,
}

/// A resolved path.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// 0 for the root, else the place in `joins` plus one.
    pub(super) table: usize,
    pub(super) field: &'static Field,
}

impl Column {
    pub(super) fn sql(&self) -> String {
        format!("t{}.\"{}\"", self.table, self.field.name)
    }
}

/// Child to parent relationships of one path, and of one query (SOQL: Relationship Query Limitations).
const LEVELS: usize = 5;
const PARENTS: usize = 55;

impl Tables {
    /// The tables of a query from `root`, with the names its FROM gives them.
    pub(super) fn new(cx: &Context<'_>, root: &'static Object, query: &Query) -> Result<Self, ApiError> {
        let mut tables = Self { alias: query.alias.clone(), ..Self::of(root) };
        for (path, alias) in &query.parents {
            let parts = tables.parts(&path.value);
            tables.walk(cx, &parts, path.offset)?;
            tables.parents.push((alias.clone(), parts));
        }
        Ok(tables)
    }

    /// A table on its own.
    pub(super) fn of(root: &'static Object) -> Self {
        Self { root, joins: Vec::new(), alias: None, parents: Vec::new() }
    }

    /// A dotted path without the root's name or alias, and with parents for their aliases.
    fn parts(&self, path: &str) -> Vec<String> {
        let mut parts: Vec<String> = path.split('.').map(str::to_owned).collect();
        let first = parts.first().map_or("", String::as_str);
        let alias = |alias: &str| first.eq_ignore_ascii_case(alias);
        if let Some((_, parents)) = self.parents.iter().find(|(name, _)| alias(name)) {
            let parents = parents.clone();
            parts.splice(..1, parents);
        } else if self.alias.as_deref().is_some_and(alias) || alias(self.root.name) {
            parts.remove(0);
        }
        parts
    }

    pub(super) fn resolve(&mut self, cx: &Context<'_>, path: &Path) -> Result<Column, ApiError> {
        let At { value, offset } = path;
        let whole = || value.split('.').map(str::to_owned).collect::<Vec<_>>();
        // `Account.Name` from Account is its own name, unless Account has a parent called Account.
        let first = value.split('.').next().unwrap_or_default();
        let is_parent = cx.schema.relationship(self.root, first).is_some();
        let mut parts = if value.contains('.') && !is_parent { self.parts(value) } else { whole() };
        let last = parts.pop().unwrap_or_default();
        // Their parents are records of several objects, here of one.
        let is_polymorphic = parts.last().is_some_and(|parent| {
            ["Owner", "What", "Who"].iter().any(|name| parent.eq_ignore_ascii_case(name))
        });
        if is_polymorphic && last.eq_ignore_ascii_case("Type") {
            return Err(ApiError::not_emulated("INVALID_FIELD", "the type of a polymorphic parent"));
        }
        let (table, object) = self.walk(cx, &parts, *offset)?;
        let field = object.field(&last).ok_or_else(|| {
            error::at(
                cx.text,
                *offset,
                "INVALID_FIELD",
                &format!(
                    "No such column '{last}' on entity '{}'. If you are attempting to use a custom field, be sure \
                     to append the '__c' after the custom field name. Please reference your WSDL or the describe \
                     call for the appropriate names.",
                    object.name
                ),
            )
        })?;
        Ok(Column { table, field })
    }

    /// The table of a parent, and its object.
    fn walk(
        &mut self,
        cx: &Context<'_>,
        parts: &[String],
        offset: usize,
    ) -> Result<(usize, &'static Object), ApiError> {
        if parts.len() > LEVELS {
            return Err(error::at(cx.text, offset, "MALFORMED_QUERY", "The maximum number of levels is 5"));
        }
        let mut table = 0;
        let mut object = self.root;
        let mut walked: Vec<String> = Vec::new();
        for part in parts {
            let Some((lookup, parent)) = cx.schema.relationship(object, part) else {
                return Err(error::at(
                    cx.text,
                    offset,
                    "INVALID_FIELD",
                    &format!(
                        "Didn't understand relationship '{part}' in field path. If you are attempting to use a \
                         custom relationship, be sure to append the '__r' after the custom relationship name. \
                         Please reference your WSDL or the describe call for the appropriate names."
                    ),
                ));
            };
            if let crate::data::schema::Kind::Reference(_, relationship) = lookup.kind {
                walked.push(relationship.to_owned());
            }
            table = self.join(&walked, parent, format!("t{table}.\"{}\"", lookup.name));
            object = parent;
        }
        if self.joins.len() > PARENTS {
            return Err(ApiError::bad("QUERY_TOO_COMPLICATED", format!("more than {PARENTS} parents")));
        }
        Ok((table, object))
    }

    fn join(&mut self, path: &[String], object: &'static Object, on: String) -> usize {
        let known = self.joins.iter().position(|join| join.path == path);
        known.unwrap_or_else(|| {
            self.joins.push(Join { path: path.to_vec(), object, on });
            self.joins.len() - 1
        }) + 1
    }

    /// `"Account" t0 LEFT JOIN "User" t1 ON …`.
    pub(super) fn from(&self) -> String {
        let mut sql = format!("\"{}\" t0", self.root.name);
        for (i, join) in self.joins.iter().enumerate() {
            let n = i + 1;
            sql.push_str(&format!(" LEFT JOIN \"{}\" t{n} ON t{n}.Id = {}", join.object.name, join.on));
        }
        sql
    }
}

/// The object a query is from.
pub(super) fn root(cx: &Context<'_>, from: &Path) -> Result<&'static Object, ApiError> {
    cx.schema.object(&from.value).ok_or_else(|| {
        error::at(
            cx.text,
            from.offset,
            "INVALID_TYPE",
            &format!(
                "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to \
                 append the '__c' after the entity name. Please reference your WSDL or the describe call for the \
                 appropriate names.",
                from.value
            ),
        )
    })
}
