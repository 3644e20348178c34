//! Canvas: the signed request that Salesforce posts to an app in a frame (Canvas Developer Guide "Signed Request
//! Authentication").

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use url::Url;

use crate::{OrgId, UserId, UserRef, oauth::client::OAuthClient, secret::Secret};

/// Largest signed request in bytes. One has about 4 KiB, and more with the parameters of the page.
const MAX_BYTES: usize = 64 * 1024;

/// What a valid signed request says. It proves that Salesforce made it for this app, and not when: `issuedAt` is always
/// `null`, so that a copy is as valid as the original.
#[derive(Clone)]
#[non_exhaustive]
pub struct SignedRequest {
    /// The user who sees the app's frame.
    pub user: UserRef,
    /// The user name.
    pub username: Option<String>,
    /// The name to display.
    pub display_name: Option<String>,
    /// The instance of the user's org: one of the allowed hosts.
    pub instance_url: Url,
    /// The user's access token for this app. It ends with the user's session in Salesforce.
    pub access_token: Secret,
    /// The origin of the page around the frame, for messages to it.
    pub target_origin: Option<String>,
    /// The address of the page around the frame.
    pub location_url: Option<String>,
    /// All of `context`: organization, user, environment with the record and the parameters, links.
    pub context: serde_json::Value,
    signature: Vec<u8>,
}

impl SignedRequest {
    /// The signature. A program that takes each request once remembers it, or a hash of it: of the text several forms are
    /// valid.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// Without the token, the signature and the context, which holds what users entered.
impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("user", &self.user)
            .field("instance_url", &self.instance_url.as_str())
            .finish_non_exhaustive()
    }
}

/// Why a signed request is rejected. Repeats nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSignedRequest {
    /// It is not `signature.payload`, or is too long.
    #[error("it is not a signature and a payload in base64")]
    Form,
    /// The app has no client secret to verify it with.
    #[error("the app has no client secret, with which Salesforce signs it")]
    NoSecret,
    /// The signature is not made with a secret of this app.
    #[error("its signature is not made with the client secret of this app")]
    Signature,
    /// It names another algorithm than HMAC-SHA256.
    #[error("its algorithm is not HMACSHA256")]
    Algorithm,
    /// The payload lacks a member or has one of another type, or it names two users.
    #[error("its payload is incomplete or contradictory")]
    Payload,
    /// The instance is not one of the allowed hosts.
    #[error("it names an instance that is not allowed")]
    Instance,
}

crate::debug::debug_as_display!(InvalidSignedRequest);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    user_id: UserId,
    client: Client,
    context: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Client {
    instance_url: String,
    oauth_token: Secret,
    target_origin: Option<String>,
}

/// The members of `context` that are read.
#[derive(Deserialize)]
struct Context {
    user: User,
    organization: Organization,
    environment: Option<Environment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    user_id: UserId,
    user_name: Option<String>,
    full_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Organization {
    organization_id: OrgId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Environment {
    location_url: Option<String>,
}

impl OAuthClient {
    /// Verifies Salesforce's `signed_request` for a Canvas app: the value of the form field, decoded once.
    ///
    /// The signature is compared in constant time, with the client secret and with those of
    /// [`accepting_signatures_of`](Self::accepting_signatures_of); nothing of the payload is read before. Whether the
    /// token is still valid, only a request with it shows, for example [`userinfo`](Self::userinfo).
    ///
    /// # Errors
    /// [`InvalidSignedRequest`].
    pub fn verify_signed_request(&self, text: &str) -> Result<SignedRequest, InvalidSignedRequest> {
        if text.len() > MAX_BYTES {
            return Err(InvalidSignedRequest::Form);
        }
        // A form that is not encoded turns `+` into a blank, which base64 does not have.
        let text = text.trim().replace(' ', "+");
        let (signature, payload) = text.split_once('.').ok_or(InvalidSignedRequest::Form)?;
        let signature = STANDARD.decode(signature).map_err(|_| InvalidSignedRequest::Form)?;
        let secrets = self.secrets();
        if secrets.is_empty() {
            return Err(InvalidSignedRequest::NoSecret);
        }
        if !secrets.into_iter().any(|secret| is_signed_with(secret, payload, &signature)) {
            return Err(InvalidSignedRequest::Signature);
        }
        let payload = STANDARD.decode(payload).map_err(|_| InvalidSignedRequest::Form)?;
        let payload: serde_json::Value =
            serde_json::from_slice(&payload).map_err(|_| InvalidSignedRequest::Payload)?;
        // Before the other members: another algorithm may have others.
        if payload.get("algorithm").and_then(serde_json::Value::as_str) != Some("HMACSHA256") {
            return Err(InvalidSignedRequest::Algorithm);
        }
        self.read_signed(payload, signature)
    }

    fn read_signed(
        &self,
        payload: serde_json::Value,
        signature: Vec<u8>,
    ) -> Result<SignedRequest, InvalidSignedRequest> {
        let invalid = |_| InvalidSignedRequest::Payload;
        let Payload { user_id, client, context, .. } = serde_json::from_value(payload).map_err(invalid)?;
        let Context { user, organization, environment } = Context::deserialize(&context).map_err(invalid)?;
        let is_printable = client.oauth_token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if user.user_id != user_id || client.oauth_token.is_empty() || !is_printable {
            return Err(InvalidSignedRequest::Payload);
        }
        let instance_url = self.allowed_hosts().instance_url(&client.instance_url);
        Ok(SignedRequest {
            user: UserRef::new(organization.organization_id, user_id),
            username: user.user_name,
            display_name: user.full_name,
            instance_url: instance_url.map_err(|_| InvalidSignedRequest::Instance)?,
            access_token: client.oauth_token,
            target_origin: client.target_origin,
            location_url: environment.and_then(|environment| environment.location_url),
            context,
            signature,
        })
    }
}

/// Whether `signature` is HMAC-SHA256 over the encoded payload, compared in constant time.
fn is_signed_with(secret: &Secret, payload: &str, signature: &[u8]) -> bool {
    Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).is_ok_and(|mut mac| {
        mac.update(payload.as_bytes());
        mac.verify_slice(signature).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::oauth::OAuthApp;

    const SECRET: &str = "test-consumer-secret";

    fn client() -> OAuthClient {
        let app = OAuthApp::new("3MVG9", Some(SECRET.into()));
        OAuthClient::new(app, []).unwrap().accepting_signatures_of("previous-secret".into())
    }

    fn payload() -> Value {
        json!({
            "algorithm": "HMACSHA256", "issuedAt": null, "userId": "005000000000001AAA",
            "client": {
                "instanceUrl": "https://acme.my.salesforce.com", "targetOrigin": "https://acme.lightning.force.com",
                "oauthToken": "00D!token", "refreshToken": null,
            },
            "context": {
                "user": { "userId": "005000000000001AAA", "userName": "ada@example.com", "fullName": "Ada Lovelace" },
                "organization": { "organizationId": "00D000000000001EAA" },
                "environment": { "locationUrl": "https://acme.lightning.force.com/x", "parameters": { "a": 1 } },
            },
        })
    }

    fn sign(secret: &str, payload: &[u8]) -> String {
        let payload = STANDARD.encode(payload);
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(payload.as_bytes());
        format!("{}.{payload}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    fn verified(payload: &Value) -> Result<SignedRequest, InvalidSignedRequest> {
        client().verify_signed_request(&sign(SECRET, payload.to_string().as_bytes()))
    }

    #[test]
    fn a_request_of_salesforce_is_read() {
        let request = verified(&payload()).unwrap();
        assert_eq!(
            request.user,
            UserRef::new("00D000000000001EAA".parse().unwrap(), "005000000000001AAA".parse().unwrap())
        );
        assert_eq!(request.instance_url.as_str(), "https://acme.my.salesforce.com/");
        assert_eq!((request.access_token.expose(), request.signature().len()), ("00D!token", 32));
        assert_eq!(request.target_origin.as_deref(), Some("https://acme.lightning.force.com"));
        assert_eq!(request.context["environment"]["parameters"]["a"], 1);
        let debug = format!("{request:?}");
        assert!(!debug.contains("token") && !debug.contains("ada@"), "{debug}");
    }

    /// `printf PAYLOAD | openssl dgst -sha256 -hmac test-consumer-secret -binary | base64`.
    #[test]
    fn the_signature_is_that_of_the_known_vector() {
        let payload = "eyJhbGdvcml0aG0iOiJITUFDU0hBMjU2IiwiaXNzdWVkQXQiOm51bGwsInVzZXJJZCI6IjAwNXgwMDAwMDAxMlE5UEFBVSJ9";
        let signature = "j+pfsBx0kIUM9c+LUgNhLBRKu57DOnEWagNNZaZ1xYU=";
        let verify = |text: &str| client().verify_signed_request(text).unwrap_err();
        assert_eq!(
            verify(&format!("{signature}.{payload}")),
            InvalidSignedRequest::Payload,
            "signed, incomplete"
        );
        // A form that was not encoded.
        assert_eq!(
            verify(&format!("{}.{payload}", signature.replace('+', " "))),
            InvalidSignedRequest::Payload
        );
        assert_eq!(verify(&format!("k{}.{payload}", &signature[1..])), InvalidSignedRequest::Signature);
    }

    #[test]
    fn each_change_of_a_byte_is_found() {
        let text = sign(SECRET, payload().to_string().as_bytes());
        for position in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(client().verify_signed_request(&changed).is_err(), "{position}");
            assert!(client().verify_signed_request(&text[..position]).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn only_secrets_of_this_app_sign() {
        let text = payload().to_string();
        assert!(client().verify_signed_request(&sign("previous-secret", text.as_bytes())).is_ok());
        for secret in ["", "other", "3MVG9"] {
            let signed = sign(secret, text.as_bytes());
            assert_eq!(client().verify_signed_request(&signed).unwrap_err(), InvalidSignedRequest::Signature);
        }
        let public = OAuthClient::new(OAuthApp::new("3MVG9", None), []).unwrap();
        let signed = sign("", text.as_bytes());
        assert_eq!(public.verify_signed_request(&signed).unwrap_err(), InvalidSignedRequest::NoSecret);
    }

    #[test]
    fn what_is_signed_and_wrong_is_rejected() {
        use InvalidSignedRequest::{Algorithm, Instance, Payload};
        for (pointer, value, expected) in [
            ("/algorithm", json!("HMACSHA1"), Algorithm),
            ("/algorithm", json!("none"), Algorithm),
            ("/algorithm", json!(null), Algorithm),
            ("/userId", json!("005000000000002AAA"), Payload),
            ("/userId", json!("00D000000000001EAA"), Payload),
            ("/context/user/userId", json!("005000000000002AAA"), Payload),
            ("/context/organization", json!({}), Payload),
            ("/client/oauthToken", json!(null), Payload),
            ("/client/oauthToken", json!(""), Payload),
            ("/client/oauthToken", json!("a\r\nb"), Payload),
            ("/client/instanceUrl", json!("https://evil.example"), Instance),
            ("/client/instanceUrl", json!("http://acme.my.salesforce.com"), Instance),
            ("/client/instanceUrl", json!("https://acme.my.salesforce.com@evil.example"), Instance),
        ] {
            let mut payload = payload();
            *payload.pointer_mut(pointer).unwrap() = value;
            assert_eq!(verified(&payload).unwrap_err(), expected, "{pointer}");
        }
        let verify = |bytes: &[u8]| client().verify_signed_request(&sign(SECRET, bytes)).unwrap_err();
        assert_eq!(verify(b"[]"), Algorithm);
        assert_eq!(verify(b"{"), Payload);
        assert_eq!(verify("[".repeat(200).as_bytes()), Payload);
        let long = client().verify_signed_request(&"a.".repeat(MAX_BYTES));
        assert_eq!(long.unwrap_err(), InvalidSignedRequest::Form);
        for text in ["", ".", "a", "a.b", "==.==", "j+pfsBx0"] {
            assert!(client().verify_signed_request(text).is_err(), "{text}");
        }
    }
}
