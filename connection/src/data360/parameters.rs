//! [`SqlValue`]: a value that is bound to a query of Data 360, and the placeholders of its text.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::query::soql::{
    bind::BindError,
    date::{SoqlDate, SoqlDateTime},
};

/// A value for a placeholder (`:name`) of a query. Salesforce inserts it: it is no part of the SQL.
#[derive(Clone, PartialEq)]
pub struct SqlValue {
    kind: &'static str,
    value: Value,
}

/// Leaves out the value.
impl fmt::Debug for SqlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlValue").field("kind", &self.kind).finish_non_exhaustive()
    }
}

macro_rules! impl_from {
    ($($type:ty => $kind:literal, $value:expr;)*) => {$(
        impl From<$type> for SqlValue {
            fn from(value: $type) -> Self {
                let value = $value(value);
                Self { kind: $kind, value }
            }
        }
    )*};
}

impl_from! {
    &str => "Varchar", Value::from;
    String => "Varchar", Value::from;
    bool => "Boolean", Value::from;
    i32 => "Numeric", Value::from;
    i64 => "Numeric", Value::from;
    u32 => "Numeric", Value::from;
    SoqlDate => "Date", |date: SoqlDate| Value::from(date.to_string());
    SoqlDateTime => "TimestampTZ", |time: SoqlDateTime| Value::from(time.to_string());
}

/// A member of `sqlParameters`.
#[derive(Serialize)]
pub(super) struct SqlParameter {
    name: String,
    value: Value,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// Checks that each placeholder has one value and each value a placeholder.
pub(super) fn bind(sql: &str, values: Vec<(String, SqlValue)>) -> Result<Vec<SqlParameter>, BindError> {
    let names = placeholders(sql)?;
    for (position, (name, _)) in values.iter().enumerate() {
        if values[..position].iter().any(|(other, _)| other == name) {
            return Err(BindError::Twice(name.clone()));
        }
        if !names.contains(&name.as_str()) {
            return Err(BindError::Unused(name.clone()));
        }
    }
    if let Some(name) = names.iter().find(|name| values.iter().all(|(bound, _)| bound != *name)) {
        return Err(BindError::Unbound((*name).to_owned()));
    }
    let parameter = |(name, SqlValue { kind, value })| SqlParameter { name, value, kind };
    Ok(values.into_iter().map(parameter).collect())
}

/// Returns the names after a colon, outside of quotes and comments. `::` is a cast.
fn placeholders(sql: &str) -> Result<Vec<&str>, BindError> {
    let mut names = Vec::new();
    let mut rest = sql;
    while let Some(start) = rest.find(['\'', '"', ':', '-', '/']) {
        let (_, from) = rest.split_at(start);
        rest = match from.as_bytes() {
            [quote @ (b'\'' | b'"'), ..] => {
                // A doubled quote ends one string and begins another.
                let end = from[1..].find(char::from(*quote)).ok_or(BindError::UnclosedString)?;
                &from[end + 2..]
            }
            [b'-', b'-', ..] => from.find('\n').map_or("", |end| &from[end..]),
            [b'/', b'*', ..] => {
                let end = from[2..].find("*/").ok_or(BindError::UnclosedString)?;
                &from[end + 4..]
            }
            [b':', b':', ..] => &from[2..],
            [b':', ..] => {
                let name = &from[1..];
                let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
                if end == 0 || name.starts_with(|c: char| c.is_ascii_digit()) {
                    return Err(BindError::Placeholder);
                }
                names.push(&name[..end]);
                &name[end..]
            }
            _ => &from[1..],
        };
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(sql: &str, names: &[&str]) -> Result<usize, BindError> {
        bind(sql, names.iter().map(|name| ((*name).to_owned(), SqlValue::from(1))).collect())
            .map(|all| all.len())
    }

    #[test]
    fn each_placeholder_has_one_value_and_each_value_a_placeholder() {
        let sql = "SELECT a::text, ':no', \":no\", 'it''s :no' -- :no\n FROM t /* :no */ WHERE a = :one AND b - 1 > :two_2/:one";
        assert_eq!(bound(sql, &["one", "two_2"]).unwrap(), 2);
        assert!(matches!(bound(sql, &["one"]), Err(BindError::Unbound(name)) if name == "two_2"));
        assert!(matches!(bound(sql, &["one", "two_2", "no"]), Err(BindError::Unused(name)) if name == "no"));
        assert!(matches!(bound(sql, &["one", "two_2", "one"]), Err(BindError::Twice(name)) if name == "one"));
        for sql in ["a = :", "a = :1", "a = : b"] {
            assert!(matches!(bound(sql, &[]), Err(BindError::Placeholder)), "{sql}");
        }
        for sql in ["a = 'x", "a = \"x", "/* x", "''' :x"] {
            assert!(matches!(bound(sql, &[]), Err(BindError::UnclosedString)), "{sql}");
        }
        assert_eq!(bound("ä = 'ö' - ß", &[]).unwrap(), 0);
    }
}
