//! Patterns for `LIKE`.

use crate::query::soql::{
    bind::InvalidValue,
    literal::{SoqlLiteral, ToSoql, push_quoted},
};

/// A pattern for SOQL's `LIKE`, in which wildcards of a user's input are escaped.
///
/// ```
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # fake_org::connected(async |sf| {
/// # let typed = "aurora";
/// use salesforce_connection::soql::Like;
///
/// let names: Vec<serde_json::Value> =
///     sf.query("SELECT Name FROM Account WHERE Name LIKE :name").bind("name", Like::contains(typed)).fetch_all().await?;
/// # assert!(!names.is_empty());
/// # Ok(()) });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Like(String);

impl Like {
    /// Matches texts that contain `text`.
    pub fn contains(text: impl AsRef<str>) -> Self {
        Self::new("%", text.as_ref(), "%")
    }

    /// Matches texts that begin with `text`.
    pub fn starts_with(text: impl AsRef<str>) -> Self {
        Self::new("", text.as_ref(), "%")
    }

    /// Matches texts that end with `text`.
    pub fn ends_with(text: impl AsRef<str>) -> Self {
        Self::new("%", text.as_ref(), "")
    }

    /// Uses the program's pattern, in which `%` matches any text and `_` any one character.
    ///
    /// Not for input of a user, whose wildcards would be effective.
    pub fn raw(pattern: impl AsRef<str>) -> Self {
        let mut literal = String::new();
        push_quoted(&mut literal, |literal, push| push(literal, pattern.as_ref()));
        Self(literal)
    }

    fn new(before: &str, text: &str, after: &str) -> Self {
        let mut literal = String::with_capacity(text.len() + 8);
        push_quoted(&mut literal, |literal, push| {
            literal.push_str(before);
            let mut rest = text;
            while let Some(at) = rest.find(['%', '_']) {
                let (plain, from) = rest.split_at(at);
                push(literal, plain);
                literal.push('\\');
                literal.push_str(&from[..1]);
                rest = &from[1..];
            }
            push(literal, rest);
            literal.push_str(after);
        });
        Self(literal)
    }
}

impl ToSoql for Like {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        Ok(SoqlLiteral::single(self.0.clone()))
    }
}
