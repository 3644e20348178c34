//! [`SqlValue`]: a value that is bound to a query of Data 360, and the placeholders of its text.

use std::fmt;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::query::soql::{
    bind::{BindError, InvalidValue},
    date::{SoqlDate, SoqlDateTime},
    decimal::SoqlDecimal,
};

/// A value for a placeholder (`:name`) of a query. Salesforce inserts it: it is no part of the SQL.
///
/// Made of texts, `bool`, numbers ([`SoqlDecimal`] with all its digits), dates, times, and an `Option` of each: `None` is
/// SQL's `NULL` (unverified). In SQL `= NULL` is never true: write `IS NULL` for a condition.
#[derive(Clone)]
pub struct SqlValue {
    kind: &'static str,
    /// `None`: a number that is not finite.
    json: Option<Box<RawValue>>,
}

impl PartialEq for SqlValue {
    fn eq(&self, other: &Self) -> bool {
        let text = |value: &Self| value.json.as_ref().map(|json| json.get().to_owned());
        self.kind == other.kind && text(self) == text(other)
    }
}

/// Leaves out the value.
impl fmt::Debug for SqlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlValue").field("kind", &self.kind).finish_non_exhaustive()
    }
}

macro_rules! impl_from {
    ($($type:ty => $kind:literal, $json:expr;)*) => {$(
        impl From<$type> for SqlValue {
            fn from(value: $type) -> Self {
                Self { kind: $kind, json: $json(value) }
            }
        }

        impl From<Option<$type>> for SqlValue {
            fn from(value: Option<$type>) -> Self {
                Self { kind: $kind, json: value.map_or_else(|| json(()), $json) }
            }
        }
    )*};
}

impl_from! {
    &str => "Varchar", json;
    String => "Varchar", json;
    bool => "Boolean", json;
    i32 => "Numeric", json;
    i64 => "Numeric", json;
    u32 => "Numeric", json;
    u64 => "Numeric", json;
    f32 => "Numeric", |number: f32| if number.is_finite() { json(number) } else { None };
    f64 => "Numeric", |number: f64| if number.is_finite() { json(number) } else { None };
    SoqlDecimal => "Numeric", |number: SoqlDecimal| RawValue::from_string(number.to_string()).ok();
    SoqlDate => "Date", |date: SoqlDate| json(date.to_string());
    SoqlDateTime => "TimestampTZ", |time: SoqlDateTime| json(time.to_string());
}

fn json(value: impl Serialize) -> Option<Box<RawValue>> {
    to_raw_value(&value).ok()
}

/// A member of `sqlParameters`.
#[derive(Serialize)]
pub(super) struct SqlParameter {
    name: String,
    value: Box<RawValue>,
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
    let parameter = |(name, SqlValue { kind, json })| match json {
        Some(value) => Ok(SqlParameter { name, value, kind }),
        None => Err(BindError::Value { name, source: InvalidValue::NotFinite }),
    };
    values.into_iter().map(parameter).collect()
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
    fn values_keep_their_digits_and_what_json_cannot_say_is_an_error() {
        let written = |value: SqlValue| {
            let parameters = bind(":v", vec![("v".to_owned(), value)])?;
            Ok::<_, BindError>(serde_json::to_string(&parameters[0]).unwrap())
        };
        let decimal: SoqlDecimal = "123456789012345678.90".parse().unwrap();
        for (value, json, kind) in [
            (SqlValue::from(u64::MAX), "18446744073709551615", "Numeric"),
            (SqlValue::from(2.5), "2.5", "Numeric"),
            (SqlValue::from(decimal), "123456789012345678.9", "Numeric"),
            (SqlValue::from("x\"y"), r#""x\"y""#, "Varchar"),
            (SqlValue::from(None::<&str>), "null", "Varchar"),
            (SqlValue::from(None::<f64>), "null", "Numeric"),
            (SqlValue::from(Some(true)), "true", "Boolean"),
        ] {
            let expected = format!(r#"{{"name":"v","value":{json},"type":"{kind}"}}"#);
            assert_eq!(written(value).unwrap(), expected);
        }
        for value in [SqlValue::from(f64::NAN), SqlValue::from(Some(f32::INFINITY))] {
            let error = written(value).unwrap_err();
            let is_expected =
                matches!(&error, BindError::Value { name, source: InvalidValue::NotFinite } if name == "v");
            assert!(is_expected, "{error}");
        }
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
