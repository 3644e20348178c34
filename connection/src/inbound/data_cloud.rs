//! [`DataCloudPayload`]: what a webhook target of Data 360 (Data Cloud) is sent (Salesforce Help "Webhook Data Action
//! Target"; the members are those of the type definitions of Heroku AppLink 1.1).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use crate::Secret;

/// Largest payload in bytes that is read.
const MAX_BYTES: usize = 5 * 1024 * 1024;
/// Most events of a payload. How many Salesforce sends is unverified.
const MAX_EVENTS: usize = 10_000;
/// Longest id of an event. It is a UUID.
const MAX_ID: usize = 100;

/// The events of a verified payload.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct DataCloudPayload {
    /// The events, in the order of the payload.
    pub events: Vec<DataCloudEvent>,
    /// The schemas of the events' values, as they came.
    #[serde(default)]
    pub schemas: Value,
}

/// One change of a data model object or a calculated insight.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct DataCloudEvent {
    /// The id of the event. Repeats have the same one.
    pub event_uuid: String,
    /// What happened.
    pub event_type: Option<String>,
    /// The data action that sent it.
    pub action_developer_name: Option<String>,
    /// The object that changed.
    pub source_object_developer_name: Option<String>,
    /// When the change was seen, as Salesforce writes it.
    pub event_creation_date_time: Option<String>,
    /// When the event was published, as Salesforce writes it.
    pub event_publish_date_time: Option<String>,
    /// The values after the change. Whether they are an object or JSON in a text is unverified.
    #[serde(default)]
    pub payload_current_value: Value,
    /// The values before the change.
    #[serde(default)]
    pub payload_prev_value: Value,
    /// What else Salesforce says about the values.
    #[serde(default)]
    pub payload_metadata: Value,
}

/// Without the values.
impl fmt::Debug for DataCloudPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataCloudPayload").field("events", &self.events.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for DataCloudEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataCloudEvent").field("event_uuid", &self.event_uuid).finish_non_exhaustive()
    }
}

/// Why a payload is refused. Repeats nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPayload {
    /// It is larger than 5 MiB.
    #[error("it is larger than 5 MiB")]
    TooLarge,
    /// The signature is missing, or not HMAC-SHA256 in base64.
    #[error("its signature is missing or not 32 bytes in base64")]
    Form,
    /// The signature is made with none of the keys, or over other bytes.
    #[error("its signature is made with none of the keys, or over other bytes")]
    Signature,
    /// It is signed, and not JSON with events.
    #[error("it is signed, and its JSON has no list of events with their ids")]
    Json,
}

crate::debug::debug_as_display!(InvalidPayload);

impl DataCloudPayload {
    /// Verifies the signature over the bytes as they were received, then reads them.
    ///
    /// `signature` is the header `x-signature`. It is compared in constant time with each key: two are valid while
    /// Salesforce exchanges them, which takes up to 15 minutes. A payload has no time: a copy of it is as valid as the
    /// original, so that a program drops events whose ids it knows.
    ///
    /// # Errors
    /// [`InvalidPayload`]. Nothing of an unsigned payload is read.
    pub fn verify(body: &[u8], signature: &str, keys: &[Secret]) -> Result<Self, InvalidPayload> {
        if body.len() > MAX_BYTES {
            return Err(InvalidPayload::TooLarge);
        }
        let signature = STANDARD.decode(signature.trim()).map_err(|_| InvalidPayload::Form)?;
        if signature.len() != 32 {
            return Err(InvalidPayload::Form);
        }
        // Each key is tried, so that the time does not say which one it is.
        if !keys.iter().fold(false, |found, key| is_signed_with(key, body, &signature) | found) {
            return Err(InvalidPayload::Signature);
        }
        let payload: Self = serde_json::from_slice(body).map_err(|_| InvalidPayload::Json)?;
        let is_id =
            |id: &str| (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        let are_ids = payload.events.iter().all(|event| is_id(&event.event_uuid));
        if !are_ids || payload.events.len() > MAX_EVENTS { Err(InvalidPayload::Json) } else { Ok(payload) }
    }
}

fn is_signed_with(key: &Secret, body: &[u8], signature: &[u8]) -> bool {
    Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).is_ok_and(|mut mac| {
        mac.update(body);
        mac.verify_slice(signature).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"count":1,"events":[{"EventUuid":"8f6b1f0e-3b0a-4c55-9f0e-6d2f6c1f7a11"}]}"#;
    /// `openssl dgst -sha256 -hmac our-own-test-key -binary | base64`.
    const SIGNATURE: &str = "rL2XwXPNwI8mEEt5GRjga/XFW5ktiH2OAOP36GsC4Io=";

    fn keys(keys: &[&str]) -> Vec<Secret> {
        keys.iter().map(|key| Secret::new(*key)).collect()
    }

    #[test]
    fn the_signature_of_a_payload_is_that_of_the_known_vector() {
        for keys in [keys(&["our-own-test-key"]), keys(&["new", "our-own-test-key"])] {
            let payload = DataCloudPayload::verify(BODY, SIGNATURE, &keys).unwrap();
            assert_eq!(payload.events[0].event_uuid, "8f6b1f0e-3b0a-4c55-9f0e-6d2f6c1f7a11");
        }
        for keys in [keys(&[]), keys(&["another"]), keys(&[""])] {
            let error = DataCloudPayload::verify(BODY, SIGNATURE, &keys).unwrap_err();
            assert_eq!(error, InvalidPayload::Signature);
        }
    }

    #[test]
    fn each_changed_byte_of_a_payload_is_found() {
        let keys = keys(&["our-own-test-key"]);
        for place in 0..BODY.len() {
            let mut changed = BODY.to_vec();
            changed[place] ^= 1;
            assert!(DataCloudPayload::verify(&changed, SIGNATURE, &keys).is_err(), "{place}");
            assert!(DataCloudPayload::verify(&BODY[..place], SIGNATURE, &keys).is_err(), "{place}");
        }
        for place in 0..43 {
            let mut changed = SIGNATURE.as_bytes().to_vec();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(DataCloudPayload::verify(BODY, &changed, &keys).is_err(), "{place}");
        }
        // A proxy that writes the JSON again.
        let again = serde_json::from_slice::<Value>(BODY).unwrap();
        let again = serde_json::to_string_pretty(&again).unwrap();
        let error = DataCloudPayload::verify(again.as_bytes(), SIGNATURE, &keys).unwrap_err();
        assert_eq!(error, InvalidPayload::Signature);
    }
}
