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
    /// What its SQL is made from: `"User"`, or the records of several objects.
    source: String,
}

impl Join {
    /// The object of the parent's record: a text, or a column of [`polymorphic`].
    pub(super) fn object_sql(&self, table: usize) -> String {
        match self.object.prefix {
            "" => format!("t{table}.\"{OBJECT}\""),
            _ => format!("'{}'", self.object.name),
        }
    }
}

/// The column with the name of the object. No field has this name.
const OBJECT: &str = "object of the record";

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
    pub(super) fn parts(&self, path: &str) -> Vec<String> {
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
        let is_parent = cx.schema.parent(self.root, first).is_some();
        let mut parts = if value.contains('.') && !is_parent { self.parts(value) } else { whole() };
        let last = parts.pop().unwrap_or_default();
        let (table, object) = self.walk(cx, &parts, *offset)?;
        let field = object.field(&last).ok_or_else(|| no_such_column(cx, *offset, &last, object))?;
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
            let Some((lookup, parent)) = cx.schema.parent(object, part) else {
                return Err(no_such_relationship(cx, offset, part));
            };
            if let crate::data::schema::Kind::Reference(_, relationship) = lookup.kind {
                walked.push(relationship.to_owned());
            }
            let on = format!("t{table}.\"{}\"", lookup.name);
            let source = || match lookup.kind.is_polymorphic() {
                true => polymorphic(cx, lookup),
                false => format!("\"{}\"", parent.name),
            };
            table = self.join(&walked, parent, on, source);
            object = parent;
        }
        if self.joins.len() > PARENTS {
            return Err(ApiError::bad("QUERY_TOO_COMPLICATED", format!("more than {PARENTS} parents")));
        }
        Ok((table, object))
    }

    /// The table of one object's records behind a polymorphic lookup of the root, for TYPEOF.
    pub(super) fn join_type(&mut self, lookup: &'static Field, object: &'static Object) -> usize {
        // No relationship has such a name, so that the parent's record is not made from it.
        let path = [format!("{}:{}", lookup.name, object.name)];
        self.join(&path, object, format!("t0.\"{}\"", lookup.name), || format!("\"{}\"", object.name))
    }

    /// The table of [`polymorphic`] records behind a lookup of the root, for ELSE of TYPEOF.
    pub(super) fn join_any(
        &mut self,
        cx: &Context<'_>,
        lookup: &'static Field,
        name: &'static Object,
    ) -> usize {
        let path = [format!("{}:", lookup.name)];
        self.join(&path, name, format!("t0.\"{}\"", lookup.name), || polymorphic(cx, lookup))
    }

    fn join(
        &mut self,
        path: &[String],
        object: &'static Object,
        on: String,
        source: impl FnOnce() -> String,
    ) -> usize {
        let known = self.joins.iter().position(|join| join.path == path);
        known.unwrap_or_else(|| {
            self.joins.push(Join { path: path.to_vec(), object, on, source: source() });
            self.joins.len() - 1
        }) + 1
    }

    /// `"Account" t0 LEFT JOIN "User" t1 ON …`.
    pub(super) fn from(&self) -> String {
        let mut sql = format!("\"{}\" t0", self.root.name);
        for (i, join) in self.joins.iter().enumerate() {
            let n = i + 1;
            sql.push_str(&format!(" LEFT JOIN {} t{n} ON t{n}.Id = {}", join.source, join.on));
        }
        sql
    }
}

pub(super) fn no_such_column(cx: &Context<'_>, offset: usize, name: &str, object: &Object) -> ApiError {
    let sentence = format!(
        "No such column '{name}' on entity '{}'. If you are attempting to use a custom field, be sure to append the \
         '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
        object.name
    );
    error::at(cx.text, offset, "INVALID_FIELD", &sentence)
}

pub(super) fn no_such_relationship(cx: &Context<'_>, offset: usize, name: &str) -> ApiError {
    let sentence = format!(
        "Didn't understand relationship '{name}' in field path. If you are attempting to use a custom relationship, be \
         sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call \
         for the appropriate names."
    );
    error::at(cx.text, offset, "INVALID_FIELD", &sentence)
}

/// The records of all objects that a lookup points to, with the fields of `Name`.
fn polymorphic(cx: &Context<'_>, lookup: &'static Field) -> String {
    let objects = lookup.kind.targets().iter().filter_map(|target| cx.schema.object(target));
    let selects: Vec<String> = objects
        .map(|object| {
            let mut columns = format!("'{}' AS \"{OBJECT}\"", object.name);
            for field in cx.schema.described("Name").map_or(&[][..], |name| name.fields) {
                let source = match (field.name, object.field(field.name)) {
                    // A queue is a group.
                    ("Type", _) if object.name == "Group" => "\"Type\"".to_owned(),
                    ("Type", _) => format!("'{}'", object.name),
                    ("Name", _) => format!("\"{}\"", object.name_field),
                    (name, Some(_)) => format!("\"{name}\""),
                    // A boolean is never null.
                    ("IsActive", None) => "0".to_owned(),
                    _ => "NULL".to_owned(),
                };
                // The first of the selects gives the columns their collations.
                let collation = if field.kind.is_text() { " COLLATE NOCASE" } else { "" };
                columns.push_str(&format!(", {source}{collation} AS \"{}\"", field.name));
            }
            format!("SELECT {columns} FROM \"{}\"", object.name)
        })
        .collect();
    format!("({})", selects.join(" UNION ALL "))
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
