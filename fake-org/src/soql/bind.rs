//! Names → columns: which table and column a dotted path means.

use super::Context;
use super::ast::{At, Path};
use super::error;
use crate::data::Refusal;
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

const LEVELS: usize = 5;

impl Tables {
    pub(super) fn new(root: &'static Object, alias: Option<&str>) -> Self {
        Self { root, joins: Vec::new(), alias: alias.map(str::to_owned) }
    }

    pub(super) fn resolve(&mut self, cx: &Context<'_>, path: &Path) -> Result<Column, Refusal> {
        let At { value, offset } = path;
        let mut parts: Vec<&str> = value.split('.').collect();
        let named = |part: &str| {
            part.eq_ignore_ascii_case(self.root.name)
                || self.alias.as_deref().is_some_and(|alias| part.eq_ignore_ascii_case(alias))
        };
        // `Account.Name` from Account is its own name, unless Account has a parent called Account.
        if parts.len() > 1 && named(parts[0]) && cx.schema.relationship(self.root, parts[0]).is_none() {
            parts.remove(0);
        }
        let last = parts.pop().unwrap_or_default();
        if parts.len() > LEVELS {
            return Err(error::at(cx.text, *offset, "MALFORMED_QUERY", "The maximum number of levels is 5"));
        }
        let mut table = 0;
        let mut object = self.root;
        let mut walked: Vec<String> = Vec::new();
        for part in parts {
            let Some((lookup, parent)) = cx.schema.relationship(object, part) else {
                return Err(error::at(
                    cx.text,
                    *offset,
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
        let field = object.field(last).ok_or_else(|| {
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
