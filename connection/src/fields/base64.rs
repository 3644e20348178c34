//! Bytes of a field of type Base64.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{json::error, request::decode::PATH_OF_FILE};

/// The bytes of a field of type Base64, for example `VersionData` of a file, for writing a record.
///
/// When a record is read, also by a query, Salesforce returns a path in such a field. That is an error which says so: read
/// the path into a `String`, and the bytes with [`SObjectHandle::blob`](crate::records::SObjectHandle::blob).
///
/// ```
/// use salesforce_connection::records::Base64;
///
/// let body = serde_json::json!({ "PathOnClient": "notes.txt", "VersionData": Base64(b"hello".to_vec()) });
/// assert_eq!(body["VersionData"], "aGVsbG8=");
/// assert_eq!(serde_json::from_value::<Base64>(body["VersionData"].clone())?.0, b"hello");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Base64(pub Vec<u8>);

/// Shows the number of bytes only: the content may be personal data.
impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64({} bytes)", self.0.len())
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&base64::display::Base64Display::new(&self.0, &STANDARD))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        // No base64 has a point, which the API's version has.
        if text.starts_with("/services/data/") {
            return Err(error::own(PATH_OF_FILE));
        }
        // serde's own message would repeat the text.
        STANDARD.decode(text.as_bytes()).map(Self).map_err(|_| de::Error::custom("invalid base64"))
    }
}
