//! Tokens that a test issues itself.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Tokens made by `issue_tokens` as if that user had logged in. Serialized, they are what the token
/// endpoint would have returned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// The refresh token, when the scopes hold `refresh_token`.
    pub refresh_token: Option<String>,
    /// Where the data is.
    pub instance_url: String,
    /// The identity URL.
    pub id: String,
    /// The granted scopes, space separated.
    pub scope: String,
    /// Milliseconds since 1970.
    pub issued_at: i64,
    pub(crate) response: serde_json::Map<String, Value>,
}

impl Serialize for Tokens {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.response.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let response = serde_json::Map::deserialize(deserializer)?;
        let text = |name: &str| response.get(name).and_then(Value::as_str).map(str::to_owned);
        let member = |name: &'static str| text(name).ok_or_else(|| D::Error::missing_field(name));
        Ok(Self {
            access_token: member("access_token")?,
            refresh_token: text("refresh_token"),
            instance_url: member("instance_url")?,
            id: member("id")?,
            scope: member("scope")?,
            issued_at: member("issued_at")?.parse().map_err(D::Error::custom)?,
            response,
        })
    }
}
