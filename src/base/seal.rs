//! [`KeyRing`]: encrypts what leaves the process (cookies, stored tokens) and binds it to its place.
//!
//! AES-256-GCM with a key that HKDF-SHA256 derives per purpose, and with the purpose and the record's name as associated
//! data: a value that is moved to another record, or to another kind of record, does not open. Each sealed value begins
//! with the id of its key, so that keys can be rotated.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::random::{self, NoRandomness};

const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

/// What is sealed. Each purpose has a separate key, so that a value of one cannot be used as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The tokens of a grant in the store.
    Grant,
    /// The cookie of a login.
    Login,
    /// The cookie of a login that has started.
    PendingLogin,
    /// The cookie that detects login loops.
    LoopGuard,
    /// The cookie that says which of a browser's logins is current.
    CurrentLogin,
    /// The connection of an owner in the store.
    Owned,
    /// The cookie that can end a login, and nothing else.
    LogoutHandle,
    /// The cookie of a login in a Canvas frame.
    CanvasLogin,
    /// The page to which a silent login returns, in its `state`.
    SilentReturn,
    /// How far a consumer of events is, in the store.
    #[cfg_attr(not(feature = "events"), allow(dead_code, reason = "consumers need the feature"))]
    Position,
}

impl Purpose {
    const ALL: [Self; 10] = [
        Self::Grant,
        Self::Login,
        Self::PendingLogin,
        Self::LoopGuard,
        Self::CurrentLogin,
        Self::Owned,
        Self::LogoutHandle,
        Self::CanvasLogin,
        Self::SilentReturn,
        Self::Position,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Grant => "actix-salesforce grant",
            Self::Login => "actix-salesforce login",
            Self::PendingLogin => "actix-salesforce attempt",
            Self::LoopGuard => "actix-salesforce landing",
            Self::CurrentLogin => "actix-salesforce current login",
            Self::Owned => "actix-salesforce owned connection",
            Self::LogoutHandle => "actix-salesforce logout handle",
            Self::CanvasLogin => "actix-salesforce canvas login",
            Self::SilentReturn => "actix-salesforce silent return",
            Self::Position => "actix-salesforce position",
        }
    }
}

/// The keys that seal cookies and stored tokens. The newest seals; all of them open.
#[derive(Clone)]
pub(crate) struct KeyRing {
    keys: Arc<[Key]>,
    /// Whether a grant was opened with another key than the newest.
    opened_with_older: Arc<AtomicBool>,
}

struct Key {
    id: [u8; KEY_ID_BYTES],
    bytes: Zeroizing<[u8; 32]>,
    /// One for each purpose, in the order of [`Purpose::ALL`]. Deriving one costs ten times as much as opening a cookie.
    ciphers: [Option<Aes256Gcm>; Purpose::ALL.len()],
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing of {}", self.keys.len())
    }
}

/// Why keys are rejected. Names the position of the key, never its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidKeys {
    /// There are no keys.
    #[error("at least one key is needed: 32 random bytes in base64 (openssl rand -base64 32)")]
    None,
    /// A key is not base64, or not 32 bytes.
    #[error("key {0} is not 32 bytes in base64; make one with: openssl rand -base64 32")]
    Form(usize),
    /// A key is not random.
    #[error("key {0} is not random; make one with: openssl rand -base64 32")]
    Weak(usize),
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random bytes")]
    NoRandomness,
}

impl KeyRing {
    fn new(keys: Vec<Key>) -> Self {
        Self { keys: keys.into(), opened_with_older: Arc::default() }
    }

    /// Parses keys of 32 bytes in base64 (either alphabet, with or without padding), newest first, separated by commas or
    /// white space.
    pub(crate) fn from_base64(keys: &str) -> Result<Self, InvalidKeys> {
        let keys = keys
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|key| !key.is_empty())
            .enumerate()
            .map(|(index, text)| Key::from_base64(text, index + 1))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(InvalidKeys::None) } else { Ok(Self::new(keys)) }
    }

    /// Generates one random key.
    pub(crate) fn generate() -> Result<Self, InvalidKeys> {
        let mut bytes = Zeroizing::new([0; 32]);
        random::fill(&mut *bytes).map_err(|NoRandomness| InvalidKeys::NoRandomness)?;
        Ok(Self::new(vec![Key::new(bytes)]))
    }

    /// Seals `plain` for `purpose`, bound to the name of its place.
    pub(crate) fn seal(&self, purpose: Purpose, bound_to: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.keys.first().ok_or(SealError)?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + plain.len() + 16);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&key.id);
        let nonce: [u8; NONCE_BYTES] = random::bytes().map_err(|_| SealError)?;
        sealed.extend_from_slice(&nonce);
        let aad = associated_data(purpose, bound_to);
        let payload = Payload { msg: plain, aad: &aad };
        let body = key.cipher(purpose)?.encrypt(Nonce::from_slice(&nonce), payload).map_err(|_| SealError)?;
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) sealed for the same purpose and place.
    pub(crate) fn open(
        &self,
        purpose: Purpose,
        bound_to: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let (header, body) = sealed.split_at_checked(HEADER_BYTES).ok_or(Unopened)?;
        let (head, nonce) = header.split_at(1 + KEY_ID_BYTES);
        if head[0] != FORMAT {
            return Err(Unopened);
        }
        let aad = associated_data(purpose, bound_to);
        // Two keys may have the same id: the one that opens the value is the right one.
        let (position, plain) = self
            .keys
            .iter()
            .enumerate()
            .filter(|(_, key)| key.id == head[1..])
            .find_map(|(position, key)| {
                let payload = Payload { msg: body, aad: &aad };
                let plain = key.cipher(purpose).ok()?.decrypt(Nonce::from_slice(nonce), payload).ok()?;
                Some((position, Zeroizing::new(plain)))
            })
            .ok_or(Unopened)?;
        if position > 0 && matches!(purpose, Purpose::Grant | Purpose::Owned) {
            self.opened_with_older.store(true, Ordering::Relaxed);
        }
        Ok(plain)
    }

    /// Returns whether there are keys besides the newest, which is so while keys rotate.
    pub(crate) fn has_older(&self) -> bool {
        self.keys.len() > 1
    }

    /// Returns whether these bytes name the newest key as theirs. They may still not open.
    pub(crate) fn is_under_newest(&self, sealed: &[u8]) -> bool {
        let id = sealed.get(1..1 + KEY_ID_BYTES);
        id.is_some() && self.keys.first().map(|key| &key.id[..]) == id
    }

    /// Returns the number of keys.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns true if a grant was opened with another key than the newest since the process started.
    pub(crate) fn has_opened_with_older_key(&self) -> bool {
        self.opened_with_older.load(Ordering::Relaxed)
    }

    /// Returns the keys for actix-session's cookie, one derived from each key, newest first.
    pub(crate) fn session_keys(&self) -> impl Iterator<Item = Zeroizing<[u8; 64]>> {
        self.keys.iter().map(|key| {
            let mut derived = Zeroizing::new([0; 64]);
            // HKDF-SHA256 can derive up to 255 * 32 bytes (RFC 5869 section 2.3).
            let _ = Hkdf::<Sha256>::new(None, &*key.bytes).expand(b"actix-salesforce session", &mut *derived);
            derived
        })
    }
}

impl Key {
    fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let digest = Sha256::new().chain_update(b"actix-salesforce key id").chain_update(*bytes).finalize();
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&digest[..KEY_ID_BYTES]);
        let ciphers = Purpose::ALL.map(|purpose| derive_cipher(&bytes, purpose));
        Self { id, bytes, ciphers }
    }

    fn from_base64(text: &str, position: usize) -> Result<Self, InvalidKeys> {
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let standard = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
        let url_safe = GeneralPurpose::new(&base64::alphabet::URL_SAFE, config);
        let decoded = standard.decode(text).or_else(|_| url_safe.decode(text)).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| InvalidKeys::Form(position))?;
        let bytes: [u8; 32] = decoded.as_slice().try_into().map_err(|_| InvalidKeys::Form(position))?;
        let mut seen = bytes.to_vec();
        seen.sort_unstable();
        seen.dedup();
        // The probability that 32 random bytes have fewer than 16 different values is negligible.
        if seen.len() < 16 { Err(InvalidKeys::Weak(position)) } else { Ok(Self::new(Zeroizing::new(bytes))) }
    }

    fn cipher(&self, purpose: Purpose) -> Result<&Aes256Gcm, SealError> {
        self.ciphers.get(purpose as usize).and_then(Option::as_ref).ok_or(SealError)
    }
}

/// HKDF-SHA256 derives at most 255 * 32 bytes (RFC 5869 section 2.3), so the cipher is always there.
fn derive_cipher(key: &[u8; 32], purpose: Purpose) -> Option<Aes256Gcm> {
    let mut derived = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, key).expand(purpose.label().as_bytes(), &mut *derived).ok()?;
    Aes256Gcm::new_from_slice(&*derived).ok()
}

fn associated_data(purpose: Purpose, bound_to: &[u8]) -> Vec<u8> {
    [purpose.label().as_bytes(), b"\0", bound_to].concat()
}

/// Sealing failed: the operating system returned no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealing failed: the operating system returned no random bytes")]
pub(crate) struct SealError;

impl From<SealError> for salesforce_connection::Error {
    fn from(error: SealError) -> Self {
        Self::internal(error)
    }
}

/// A sealed value does not open: its key is missing, or it was moved or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open: its key is missing, or it was moved or changed")]
pub(crate) struct Unopened;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> String {
        let bytes: Vec<u8> = (0..32).map(|i| seed.wrapping_mul(31).wrapping_add(i * 7)).collect();
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    #[test]
    fn each_purpose_finds_its_cipher() {
        for (index, purpose) in Purpose::ALL.into_iter().enumerate() {
            assert_eq!(purpose as usize, index, "{purpose:?}");
        }
    }

    #[test]
    fn only_the_same_purpose_and_place_open_it() {
        let ring = KeyRing::from_base64(&key(1)).unwrap();
        let sealed = ring.seal(Purpose::Grant, b"a", b"secret").unwrap();
        assert_eq!(ring.open(Purpose::Grant, b"a", &sealed).unwrap().as_slice(), b"secret");
        assert!(ring.open(Purpose::Grant, b"b", &sealed).is_err());
        assert!(ring.open(Purpose::PendingLogin, b"a", &sealed).is_err());
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(ring.open(Purpose::Grant, b"a", &changed).is_err(), "byte {position}");
            assert!(ring.open(Purpose::Grant, b"a", &sealed[..position]).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn old_keys_open_and_the_newest_seals() {
        let old = KeyRing::from_base64(&key(1)).unwrap();
        let both = KeyRing::from_base64(&format!("{}, {}", key(2), key(1))).unwrap();
        let new = KeyRing::from_base64(&key(2)).unwrap();
        let sealed = old.seal(Purpose::Grant, b"a", b"x").unwrap();
        assert!(!both.has_opened_with_older_key());
        assert!(both.open(Purpose::Grant, b"a", &sealed).is_ok());
        assert!(both.clone().has_opened_with_older_key(), "clones share the flag");
        assert!(new.open(Purpose::Grant, b"a", &sealed).is_err());
        let sealed = both.seal(Purpose::Grant, b"a", b"x").unwrap();
        assert!(new.open(Purpose::Grant, b"a", &sealed).is_ok());
        assert!(old.open(Purpose::Grant, b"a", &sealed).is_err());
    }

    #[test]
    fn weak_keys_are_rejected() {
        for (keys, error) in [
            ("", InvalidKeys::None),
            (" , ", InvalidKeys::None),
            ("c2hvcnQ=", InvalidKeys::Form(1)),
            ("not base64 at all!", InvalidKeys::Form(1)),
            ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", InvalidKeys::Weak(1)),
        ] {
            assert_eq!(KeyRing::from_base64(keys).err(), Some(error), "{keys}");
        }
        let second = format!("{} c2hvcnQ=", key(1));
        assert_eq!(KeyRing::from_base64(&second).err(), Some(InvalidKeys::Form(2)));
        let url_safe = key(3).replace('+', "-").replace('/', "_").replace('=', "");
        assert!(KeyRing::from_base64(&url_safe).is_ok());
    }
}
