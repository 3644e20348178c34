//! Callouts with a Named Credential: the certificates of "Certificate and Key Management", and the JSON Web Tokens that
//! they sign (H: JWT Claims of External Credentials; a captured request of a legacy Named Credential).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::base::clock::Millis;
use crate::base::lock;
use crate::user::User;

/// A certificate with its key, 2048 bits.
#[derive(Debug)]
pub(crate) struct CallCertificate {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    key: RsaKeyPair,
}

/// The org's certificates by their unique names, made when they are first named.
#[derive(Debug, Default)]
pub(crate) struct CallCertificates(Mutex<BTreeMap<String, Arc<CallCertificate>>>);

impl CallCertificates {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<CallCertificate>> {
        let mut all = lock(&self.0);
        if let Some(known) = all.get(name) {
            return Some(Arc::clone(known));
        }
        let made = Arc::new(make(name)?);
        all.insert(name.to_owned(), Arc::clone(&made));
        Some(made)
    }
}

fn make(name: &str) -> Option<CallCertificate> {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).ok()?;
    let mut params = CertificateParams::new(Vec::new()).ok()?;
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).ok()?;
    let der = certificate.der().to_vec();
    let key = RsaKeyPair::from_pkcs8(&key.serialize_der()).ok()?;
    Some(CallCertificate { pem: certificate.pem(), der, key })
}

/// What a call's token says, and who signs it. The defaults are those of an External Credential with a principal per user.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CallToken {
    /// The unique name of the certificate: `kid`.
    pub(crate) certificate: String,
    /// The certificate whose key signs, if it is another one.
    pub(crate) signed_by: Option<String>,
    /// `RS256`, `RS512`; `HS256` signs with the certificate as a password, `none` not at all.
    pub(crate) algorithm: String,
    pub(crate) audience: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) lifetime_seconds: i64,
    /// Members of the header and claims that are added or replaced; `null` leaves one out.
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
}

impl Default for CallToken {
    fn default() -> Self {
        Self {
            certificate: "fake_org".to_owned(),
            signed_by: None,
            algorithm: "RS256".to_owned(),
            audience: None,
            issuer: None,
            // The default of `exp`: now + 2 minutes.
            lifetime_seconds: 120,
            header: Map::new(),
            claims: Map::new(),
        }
    }
}

impl CallToken {
    /// The token of a call in a transaction of this user; `None` if no key could be made.
    pub(crate) fn sign(
        &self,
        certificates: &CallCertificates,
        user: &User,
        instance_url: &str,
        now: Millis,
    ) -> Option<String> {
        let now = now.div_euclid(1_000);
        let issuer = self.issuer.as_deref().unwrap_or(instance_url);
        let mut header = json!({ "kid": self.certificate, "typ": "JWT", "alg": self.algorithm });
        let mut claims = json!({
            "iss": issuer, "sub": user.id, "aud": self.audience, "org": user.organization_id,
            "iat": now, "nbf": now, "exp": now + self.lifetime_seconds,
        });
        change(&mut header, &self.header);
        change(&mut claims, &self.claims);
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let certificate = certificates.get(self.signed_by.as_ref().unwrap_or(&self.certificate))?;
        let padding = match self.algorithm.as_str() {
            "none" => return Some(format!("{message}.")),
            "HS256" => {
                let mut mac = Hmac::<Sha256>::new_from_slice(certificate.pem.as_bytes()).ok()?;
                mac.update(message.as_bytes());
                return Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())));
            }
            "RS512" => &RSA_PKCS1_SHA512,
            _ => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; certificate.key.public_modulus_len()];
        certificate.key.sign(padding, &SystemRandom::new(), message.as_bytes(), &mut signature).ok()?;
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Adds and replaces members; `null` leaves one out.
fn change(object: &mut Value, changes: &Map<String, Value>) {
    if let Some(object) = object.as_object_mut() {
        object.extend(changes.clone());
        object.retain(|_, value| !value.is_null());
    }
}
