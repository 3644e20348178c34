//! [`Scopes`] of a token (Salesforce Help "OAuth Tokens and Scopes").

use std::{collections::HashSet, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most scopes in a set. Salesforce has some forty.
const MAX_SCOPES: usize = 100;
/// Longest name of a scope in bytes. Salesforce's longest has 30.
const MAX_NAME_BYTES: usize = 128;

/// A set of scope names in their original order, cheap to clone. Parses names separated by spaces.
///
/// ```
/// use salesforce_connection::oauth::Scopes;
///
/// let scopes: Scopes = "api openid refresh_token".parse()?;
/// assert!(scopes.contains("api") && scopes.contains("offline_access"));
/// assert!(!scopes.contains("full"));
/// # Ok::<(), salesforce_connection::oauth::InvalidScopes>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Arc<[String]>);

/// The error for a scope name with invalid characters (RFC 6749 section 3.3).
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid scopes: expected at most 100 names of at most 128 printable ASCII characters except \" and \\, separated by \
     spaces"
)]
#[non_exhaustive]
pub struct InvalidScopes;

crate::debug::debug_as_display!(InvalidScopes);

impl Scopes {
    /// Returns whether the set grants a scope.
    ///
    /// `refresh_token` and `offline_access` are the same scope. `full` grants every scope except `refresh_token` and
    /// `openid`.
    pub fn contains(&self, scope: &str) -> bool {
        let has = |name: &str| self.0.iter().any(|granted| granted == name);
        match scope {
            "refresh_token" | "offline_access" => has("refresh_token") || has("offline_access"),
            // "full" does not include it: without `openid` the token response has no ID token.
            "openid" => has("openid"),
            scope => has(scope) || has("full"),
        }
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names in their original order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(crate) fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidScopes> {
        let mut scopes = Vec::new();
        let mut seen = HashSet::new();
        for name in names {
            let is_valid = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
            if !is_valid || name.len() > MAX_NAME_BYTES {
                return Err(InvalidScopes);
            }
            if seen.insert(name) {
                if scopes.len() == MAX_SCOPES {
                    return Err(InvalidScopes);
                }
                scopes.push(name.to_owned());
            }
        }
        Ok(Self(scopes.into()))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<String>::deserialize(deserializer).map(|names| Self(names.into()))
    }
}

impl FromStr for Scopes {
    type Err = InvalidScopes;

    fn from_str(text: &str) -> Result<Self, InvalidScopes> {
        Self::from_names(text.split_whitespace())
    }
}

/// Writes the names separated by spaces.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}
