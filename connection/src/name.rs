//! API names of objects and fields. They are checked, because paths and queries have no way to escape a name.

use std::{fmt, str::FromStr};

/// Words with a meaning in a SOQL condition. Bound as a field name, one of them could invert a condition.
const KEYWORDS: [&str; 16] = [
    "AND", "OR", "NOT", "NULL", "TRUE", "FALSE", "SELECT", "FROM", "WHERE", "LIKE", "IN", "INCLUDES",
    "EXCLUDES", "HAVING", "WITH", "USING",
];
/// Longest accepted name in bytes. Salesforce's own names are far shorter.
const MAX_BYTES: usize = 255;

/// The error for a text that is not the API name of an object, a field or an action. Never contains the text itself.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid API name of {0}: expected letters, digits and single underscores that begin with a letter, with an \
     optional namespace before and an optional suffix such as `__c` after them"
)]
pub struct InvalidName(&'static str);

crate::debug::debug_as_display!(InvalidName);

impl InvalidName {
    /// Creates the error for the name of something else than an object or a field.
    pub(crate) fn of(what: &'static str) -> Self {
        Self(what)
    }
}

/// The API name of an object, for example `Account` or `acme__Invoice__c`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectName(String);

/// The API name of a field, for example `Name`, `Total__c` or, across relationships, `Owner.Name`.
///
/// Can be bound where a query needs a field, for example to let the user choose the sort order:
///
/// ```
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # fake_org::connected(async |sf| {
/// # let chosen = "Name";
/// use salesforce_connection::soql::FieldName;
///
/// let order: FieldName = chosen.parse()?;
/// let rows: Vec<serde_json::Value> =
///     sf.query("SELECT Id, Name FROM Account ORDER BY :order LIMIT 10").bind("order", order).fetch_all().await?;
/// # assert_eq!(rows.len(), 10);
/// # Ok(()) });
/// ```
///
/// Any field is accepted, even one that the page does not show. Compare it with a list of allowed fields if that matters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldName(String);

/// Returns whether `text` is one name: at most four parts joined by `__`, each of letters, digits and single
/// underscores.
pub(crate) fn is_api_name(text: &str) -> bool {
    let is_valid_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !part.starts_with('_')
            && !part.ends_with('_')
    };
    text.len() <= MAX_BYTES
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.split("__").count() <= 4
        && text.split("__").all(is_valid_part)
}

impl FromStr for ObjectName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_api_name(text) { Ok(Self(text.to_owned())) } else { Err(InvalidName("an object")) }
    }
}

impl FromStr for FieldName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_keyword = KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(text));
        // Salesforce follows at most five relationships (SOQL and SOSL Reference, "Understanding Relationship Query
        // Limitations").
        if !is_keyword && text.split('.').count() <= 6 && text.split('.').all(is_api_name) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName("a field"))
        }
    }
}

macro_rules! name {
    ($($name:ident)*) => {$(
        impl $name {
            /// Returns the name as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

name! { ObjectName FieldName }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_names_are_accepted() {
        for name in ["Account", "acme__Invoice__c", "A_b_1__c", "Order", "Group", "Account__ChangeEvent"] {
            assert!(name.parse::<ObjectName>().is_ok(), "{name}");
        }
        for name in
            ["Name", "Owner.Name", "Parent__r.Owner.Total_2__c", "acme__Place__Latitude__s", "Group.Name"]
        {
            assert!(name.parse::<FieldName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn invalid_names_are_rejected() {
        for name in [
            "",
            ".",
            "..",
            "../Account",
            "Account/describe",
            "Account?",
            "Account#",
            "Account;",
            "Account%00",
            "%2e%2e",
            "\u{ff0e}\u{ff0e}",
            "1Account",
            "_Account",
            "Account_",
            "A___c",
            "A__",
            "A__b__c__d__e",
            "Account Name",
            "Näme",
            "Account\r\n",
            "Owner..Name",
            ".Name",
            "a.b.c.d.e.f.g",
            "null",
            "OR",
            "Name DESC",
            &"a".repeat(256),
        ] {
            assert!(name.parse::<FieldName>().is_err(), "{name:?}");
            if !["null", "OR"].contains(&name) {
                assert!(name.parse::<ObjectName>().is_err(), "{name:?}");
            }
        }
    }
}
