//! PKCE as Salesforce does it: S256, also when the method is missing (RFC 7636 would mean `plain`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Whether the verifier belongs to the challenge. No upper limit on its length: Salesforce's own CLI sends 171
/// characters.
pub(crate) fn matches(challenge: &str, verifier: &str) -> bool {
    verifier.len() >= 43 && self::challenge(verifier) == challenge
}

/// The challenge of a verifier.
pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// A challenge is the base64url text of 32 bytes, unpadded.
pub(crate) fn well_formed(challenge: &str) -> bool {
    URL_SAFE_NO_PAD.decode(challenge).is_ok_and(|bytes| bytes.len() == 32)
}
