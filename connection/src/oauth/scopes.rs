//! Scopes (Salesforce Help "OAuth Tokens and Scopes").

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A set of scope names, in the order they came, each once.
///
/// ```
/// use salesforce_connection::oauth::Scopes;
///
/// let scopes: Scopes = "api openid refresh_token".parse()?;
/// assert!(scopes.contains("api") && scopes.contains("offline_access"));
/// assert!(!scopes.contains("full"));
/// # Ok::<(), salesforce_connection::oauth::InvalidScopes>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(Vec<String>);

/// A text that holds characters which no scope name has (RFC 6749 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("scope names consist of printable ASCII characters without \" and \\, separated by spaces")]
#[non_exhaustive]
pub struct InvalidScopes;

impl Scopes {
    /// Whether this scope is in the set, by either of its names, or through `full` (which stands for every scope but
    /// `refresh_token`).
    pub fn contains(&self, scope: &str) -> bool {
        let has = |name: &str| self.0.iter().any(|known| known == name);
        match scope {
            "refresh_token" | "offline_access" => has("refresh_token") || has("offline_access"),
            // Being asked to identify a person is not part of "full": the answer has no ID token without `openid`.
            "openid" => has("openid"),
            scope => has(scope) || has("full"),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(crate) fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidScopes> {
        let mut scopes = Vec::new();
        for name in names {
            if !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
                return Err(InvalidScopes);
            }
            if !scopes.iter().any(|known| known == name) {
                scopes.push(name.to_owned());
            }
        }
        Ok(Self(scopes))
    }
}

impl FromStr for Scopes {
    type Err = InvalidScopes;

    fn from_str(text: &str) -> Result<Self, InvalidScopes> {
        Self::from_names(text.split_whitespace())
    }
}

/// Separated by spaces.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}
