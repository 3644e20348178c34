//! What else sends requests to an app: a webhook target of Data 360, and Heroku AppLink's side-car.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::base::clock::zulu;
use crate::org::FakeOrg;
use crate::user::User;

impl FakeOrg {
    /// The body of a webhook target of Data 360, with these events. Each is an object with the members that it adds to, or
    /// replaces of, those that an event has: `EventUuid`, `EventType`, `PayloadCurrentValue` and others.
    #[must_use]
    pub fn data_cloud_payload(&self, events: &[Value]) -> String {
        let now = zulu(self.org.clock.now());
        let events: Vec<Value> = events.iter().map(|event| data_cloud_event(event, &now)).collect();
        json!({ "creationDateTime": now, "count": events.len(), "schemas": [], "events": events }).to_string()
    }

    /// The header `x-signature` of a body: HMAC-SHA256 with the signing key, in base64.
    #[must_use]
    pub fn data_cloud_signature(&self, key: &str, body: &str) -> String {
        sign(key, body.as_bytes())
    }

    /// The header `x-client-context` that AppLink's side-car puts before a request of this user, with a new access token.
    #[must_use]
    pub fn applink_context(&self, user: &User) -> String {
        let tokens = self.issue_tokens(user, "api");
        STANDARD.encode(
            json!({
                "requestId": "00DFk0000000001-request", "accessToken": tokens.access_token, "apiVersion": "67.0",
                "namespace": "null", "orgId": self.organization_id(), "orgDomainUrl": self.instance_url(),
                "userContext": { "userId": user.id, "username": user.username },
            })
            .to_string(),
        )
    }
}

fn data_cloud_event(changes: &Value, now: &str) -> Value {
    let mut event = json!({
        "ActionDeveloperName": "Orders_Action", "EventCreationDateTime": now, "EventPrompt": "",
        "EventPublishDateTime": now, "EventSchemaVersion": "1", "EventType": "DataObjectDataChgEvent",
        "EventUuid": "8f6b1f0e-3b0a-4c55-9f0e-6d2f6c1f7a11", "Offset": "1", "PayloadCurrentValue": {},
        "PayloadPrevValue": {}, "PayloadMetadata": {}, "ReplayId": "1",
        "SourceObjectDeveloperName": "Order__dlm",
    });
    if let (Some(event), Some(changes)) = (event.as_object_mut(), changes.as_object()) {
        event.extend(changes.clone());
    }
    event
}

pub(crate) fn sign(key: &str, body: &[u8]) -> String {
    // HMAC takes keys of every length, so this cannot fail.
    Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(body);
            STANDARD.encode(mac.finalize().into_bytes())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn the_signature_matches_the_known_vector() {
        let body = br#"{"count":1,"events":[{"EventUuid":"8f6b1f0e-3b0a-4c55-9f0e-6d2f6c1f7a11"}]}"#;
        assert_eq!(sign("our-own-test-key", body), "rL2XwXPNwI8mEEt5GRjga/XFW5ktiH2OAOP36GsC4Io=");
    }
}
