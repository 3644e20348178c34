//! Signing keys of id tokens. Made for each process, shared by all its fake orgs, never shipped.

use std::sync::{Arc, Mutex, Once, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::base::lock;

/// A key, once it is made. `None` if that failed.
type Slot = Arc<OnceLock<Option<RsaKeyPair>>>;

/// All keys of the process, in order; `kid` is 200 plus the place.
static POOL: Mutex<Vec<Slot>> = Mutex::new(Vec::new());

fn slot(place: usize) -> Option<Slot> {
    let mut pool = lock(&POOL);
    let len = pool.len().max(place + 1);
    pool.resize_with(len, Slot::default);
    pool.get(place).cloned()
}

/// Calls `use_key` with the key of this place. It is made if it is missing, which takes tenths of a second of a
/// processor, and on a machine that is busy many times as long. Other keys can be used meanwhile.
fn with_key<T>(place: usize, use_key: impl FnOnce(&RsaKeyPair) -> Option<T>) -> Option<T> {
    let slot = slot(place)?;
    let key = slot.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).ok());
    use_key(key.as_ref()?)
}

/// Starts to make the keys that each org needs, so that the first token response does not wait for them.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for place in [1, 0] {
            let make = move || {
                let _ = with_key(place, |_| Some(()));
            };
            // Without a thread, the first token response waits.
            drop(std::thread::Builder::new().name("fake-org-keys".into()).spawn(make));
        }
    });
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
    with_key(place, |key| {
        let public = key.public_key();
        let n = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
        let e = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
        Some(json!({ "kty": "RSA", "n": n, "e": e, "alg": "RS256", "use": "sig", "kid": kid }))
    })
}

fn sign_with(place: usize, header: &Value, claims: &Value) -> Option<String> {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    with_key(place, |key| {
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).ok()?;
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_without_those_before_it() {
        let place = 70;
        let made = |place| slot(place).is_some_and(|slot| slot.get().is_some());
        assert!(!made(place));
        assert!(sign_with(place, &json!({}), &json!({})).is_some());
        assert!(made(place) && !made(place - 1));
    }
}
