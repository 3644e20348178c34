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

/// The keys of one org: place 0 is published but never signs, the current one is `1 + generation`, its
/// predecessor stays published.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signer {
    pub(crate) generation: usize,
}

impl Signer {
    /// A JWS with RS256, signed with the current key.
    pub(crate) fn sign(self, claims: &Value) -> Option<String> {
        sign_with(1 + self.generation, &kid(1 + self.generation), claims)
    }

    /// Claims the current key's `kid`, signed with another key.
    pub(crate) fn forge(self, claims: &Value) -> Option<String> {
        sign_with(0, &kid(1 + self.generation), claims)
    }

    /// The JSON Web Key Set.
    pub(crate) fn jwks(self) -> Option<Value> {
        let current = 1 + self.generation;
        let mut places = vec![0, current];
        if self.generation > 0 {
            places.push(current - 1);
        }
        let keys: Option<Vec<Value>> = places.into_iter().map(jwk).collect();
        Some(json!({ "keys": keys? }))
    }
}

fn jwk(place: usize) -> Option<Value> {
    let key = key(place)?;
    let public = key.public_key();
    let n = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
    let e = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
    Some(json!({ "kty": "RSA", "n": n, "e": e, "alg": "RS256", "use": "sig", "kid": kid(place) }))
}

fn sign_with(place: usize, kid: &str, claims: &Value) -> Option<String> {
    let key = key(place)?;
    let header = json!({ "kid": kid, "typ": "JWT", "alg": "RS256" });
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).ok()?;
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
