//! Signing keys of id tokens. Made when first needed, shared by all fake orgs of the process, never shipped.

use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::base::lock;

/// All keys of the process, in order; `kid` is 200 plus the place.
static POOL: Mutex<Vec<Arc<RsaKeyPair>>> = Mutex::new(Vec::new());

fn key(place: usize) -> Option<Arc<RsaKeyPair>> {
    let mut pool = lock(&POOL);
    while pool.len() <= place {
        pool.push(Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).ok()?));
    }
    pool.get(place).cloned()
}

fn kid(place: usize) -> String {
    (200 + place).to_string()
}

/// The keys of one org: place 0 is published, signs access tokens and never id tokens; the current one is `1 +
/// generation`, its predecessor stays published.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signer {
    pub(crate) generation: usize,
}

impl Signer {
    /// A JWS with RS256, signed with the current key.
    pub(crate) fn sign(self, claims: &Value) -> Option<String> {
        let kid = kid(1 + self.generation);
        sign_with(1 + self.generation, &json!({ "kid": kid, "typ": "JWT", "alg": "RS256" }), claims)
    }

    /// A JWT-based access token (H: JWT-Based Access Tokens).
    pub(crate) fn sign_access_token(self, organization_id: &str, claims: &Value) -> Option<String> {
        let header = json!({
            "tnk": format!("core/fake/{organization_id}"), "ver": "1.0", "kid": access_token_kid(organization_id),
            "tty": "sfdc-core-token", "typ": "JWT", "alg": "RS256",
        });
        sign_with(0, &header, claims)
    }

    /// Claims the current key's `kid`, signed with another key.
    pub(crate) fn forge(self, claims: &Value) -> Option<String> {
        let kid = kid(1 + self.generation);
        sign_with(0, &json!({ "kid": kid, "typ": "JWT", "alg": "RS256" }), claims)
    }

    /// The JSON Web Key Set. A My Domain's, of this organization, has the key of access tokens too (unverified).
    pub(crate) fn jwks(self, organization_id: Option<&str>) -> Option<Value> {
        let current = 1 + self.generation;
        let mut places = vec![0, current];
        if self.generation > 0 {
            places.push(current - 1);
        }
        let keys = places.into_iter().map(|place| jwk(place, &kid(place)));
        let more = organization_id.map(|id| jwk(0, &access_token_kid(id)));
        let keys: Option<Vec<Value>> = keys.chain(more).collect();
        Some(json!({ "keys": keys? }))
    }
}

fn access_token_kid(organization_id: &str) -> String {
    format!("CORE_ATJWT.{organization_id}.1278448384422")
}

fn jwk(place: usize, kid: &str) -> Option<Value> {
    let key = key(place)?;
    let public = key.public_key();
    let n = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
    let e = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
    Some(json!({ "kty": "RSA", "n": n, "e": e, "alg": "RS256", "use": "sig", "kid": kid }))
}

fn sign_with(place: usize, header: &Value, claims: &Value) -> Option<String> {
    let key = key(place)?;
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).ok()?;
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
