//! What ID tokens and tokens of callers have in common: the form of a signed JSON Web Token (RFC 7515 section 3.1).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};

/// Shortest accepted RSA modulus, in bytes (NIST SP 800-131A).
pub(crate) const MIN_MODULUS_BYTES: usize = 2048 / 8;

/// The header of a signed token. Nothing of it is proved before the signature is verified.
#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    pub(crate) crit: Option<IgnoredAny>,
    #[cfg(feature = "inbound")]
    jku: Option<IgnoredAny>,
    #[cfg(feature = "inbound")]
    jwk: Option<IgnoredAny>,
    #[cfg(feature = "inbound")]
    x5c: Option<IgnoredAny>,
    #[cfg(feature = "inbound")]
    x5u: Option<IgnoredAny>,
}

impl Header {
    /// Reads the header of a token of three parts.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
    }

    /// Returns whether the header brings a key, or says where to fetch one. Such a key is never used.
    #[cfg(feature = "inbound")]
    pub(crate) fn brings_key(&self) -> bool {
        [self.jku, self.jwk, self.x5c, self.x5u].iter().any(Option::is_some)
    }
}
