//! Bytes of a raw response in JSON: text, or `{"base64":"…"}` for bytes that are not text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The body of [`Fault::RawBody`](super::Fault::RawBody).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawBytes(pub Vec<u8>);

impl<T: Into<Vec<u8>>> From<T> for RawBytes {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum BytesInJson {
    Text(String),
    Base64 { base64: String },
}

impl Serialize for RawBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match String::from_utf8(self.0.clone()) {
            Ok(text) => BytesInJson::Text(text),
            Err(_) => BytesInJson::Base64 { base64: STANDARD.encode(&self.0) },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match BytesInJson::deserialize(deserializer)? {
            BytesInJson::Text(text) => Ok(Self(text.into_bytes())),
            BytesInJson::Base64 { base64 } => STANDARD.decode(base64).map(Self).map_err(D::Error::custom),
        }
    }
}
