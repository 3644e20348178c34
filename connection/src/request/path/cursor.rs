//! [`Cursor`]: the address of the next page of a query.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use super::{InvalidPath, ResourcePath};

/// The address of the next page of a query.
///
/// `Display` writes it into a link or a form, and `parse` reads it back. A user who changes it can reach only other query
/// paths of this API, with the rights of the same user.
///
/// ```
/// use salesforce_connection::query::Cursor;
///
/// let cursor: Cursor = "/services/data/v66.0/query/01gD0000002HU6KIAW-2000".parse()?;
/// assert!("https://elsewhere.example/services/data/v66.0/query/01g".parse::<Cursor>().is_err());
/// assert!("/services/data/v66.0/../../../setup".parse::<Cursor>().is_err());
/// # Ok::<(), salesforce_connection::request::InvalidPath>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(ResourcePath);

impl Cursor {
    pub(crate) fn into_path(self) -> ResourcePath {
        self.0
    }

    /// Returns the position of the page's first row, which ends the cursors of the REST API: `01g…-2000`.
    pub(crate) fn position(&self) -> Option<u64> {
        self.0.path.rsplit_once('-')?.1.parse().ok()
    }
}

impl FromStr for Cursor {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        ResourcePath::checked(text)?;
        // The path of the instance, which an Experience Cloud site may have, is no part of the cursor: requests put it
        // before each path. So no other prefix has an effect.
        let start = text.find("/services/").unwrap_or_default();
        let text = text.get(start..).unwrap_or_default();
        let path = ResourcePath::checked(text)?;
        // Salesforce's cursors have letters, digits and hyphens; none has an encoded character or a query.
        let is_query = text.strip_prefix("/services/data/v").is_some_and(|rest| rest.contains("/query"));
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte);
        if is_query && text.bytes().all(is_valid) { Ok(Self(path)) } else { Err(InvalidPath::Origin) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.path)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.path)
    }
}

crate::deserialize::deserialize_from_str!(Cursor);

#[cfg(test)]
mod tests {
    use super::*;

    // Threat A-27 of docs/threat-model.md.
    #[test]
    fn other_paths_and_urls_are_not_cursors() {
        for text in [
            "https://evil.example/services/data/v66.0/query/01g",
            "//evil.example/services/data/v66.0/query/01g",
            "@evil.example/services/data/v66.0/query/01g",
            ".evil.example",
            ":443@evil.example",
            "\\\\evil.example",
            "/\\evil.example",
            "/services/../../x",
            "/services/data/v66.0/query/..%2f..",
            "/services/data/v66.0/query/01g\r\nHost: evil.example",
            "/services/data/v66.0/sobjects/Account",
            "/services/oauth2/userinfo",
            "/services/apexrest/x/services/data/v66.0/query/01g",
            "/portal/services/apexrest/services/data/v66.0/query/01g",
            "/portal/../services/data/v66.0/query/01g",
            "//evil.example/services/data/v66.0/query/01g",
            "/services/data/v66.0/query/../../x",
            "",
            "https://acme.my.salesforce.com/services/data/v66.0/query/01g",
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text:?}");
        }
    }
}
