//! [`LoginProof`]: binds a login record to its login, so that it means nothing under the key of another one.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::GrantKey;
use salesforce_connection::Secret;

/// Binds a login record to its login: an HMAC-SHA256 over the grant's key, with the login's id as the key.
///
/// The id is in the browser's sealed cookie and nowhere else. A program that can write to the store, but has not the keys
/// of `SALESFORCE_KEYS`, can neither make a proof nor use one for another login or another grant. It does not depend on
/// these keys, so that it stays valid when they rotate.
#[derive(Clone, Copy)]
pub struct LoginProof([u8; 32]);

impl LoginProof {
    /// Makes the proof that the login with this id uses this grant.
    pub(crate) fn new(id: &Secret, grant: &GrantKey) -> Self {
        let message = format!("actix-salesforce login record\0{grant}");
        // HKDF-Extract is HMAC(salt, input) (RFC 5869 section 2.2).
        Self(Hkdf::<Sha256>::extract(Some(id.expose().as_bytes()), message.as_bytes()).0.into())
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Restores a proof from stored [bytes](Self::as_bytes).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// In constant time.
impl PartialEq for LoginProof {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for LoginProof {}

impl fmt::Debug for LoginProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginProof")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::hex, store::AppKey};
    use salesforce_connection::UserRef;

    #[test]
    fn a_proof_is_for_one_login_and_one_grant() {
        let grant = |app, user: &str| {
            let user = UserRef::new("00D000000000001EAA".parse().unwrap(), user.parse().unwrap());
            GrantKey::new(AppKey::from_client_id(app), user)
        };
        let (id, ada) = (Secret::new("~id"), grant("app", "005000000000001AAA"));
        let proof = LoginProof::new(&id, &ada);
        assert_eq!(proof, LoginProof::from_bytes(*proof.as_bytes()));
        assert_eq!(proof, LoginProof::new(&id, &ada));
        for (id, grant) in [
            (Secret::new("~other"), ada),
            (Secret::new("id"), ada),
            (id.clone(), grant("app", "005000000000002AAA")),
            (id, grant("other", "005000000000001AAA")),
        ] {
            assert_ne!(proof, LoginProof::new(&id, &grant), "{grant}");
        }
    }

    /// Processes of two releases share a store during a deployment: the bytes must never change. Computed with openssl:
    /// `printf 'actix-salesforce login record\0a172cedcae47474b:00D000000000001EAA:005000000000001AAA' | openssl dgst
    /// -sha256 -hmac '~id'`.
    #[test]
    fn the_bytes_of_a_proof_are_those_of_the_first_release() {
        let user = UserRef::new("00D000000000001EAA".parse().unwrap(), "005000000000001AAA".parse().unwrap());
        let grant = GrantKey::new(AppKey::from_client_id("app"), user);
        let proof = LoginProof::new(&Secret::new("~id"), &grant);
        let hex: String = hex::digits(proof.as_bytes()).collect();
        assert_eq!(hex, "1ac31ac04e8f6d8adc301d826e55b99edca4ffa634911f77f968d37907074626");
    }
}
