//! The texts and numbers that stand for records in a database.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{GrantKey, GrantVersion, LeaseHolder, LoginKey, LoginProof, OwnedKey, OwnerKey, StoreError};
use crate::base::hex::digits;

/// A field of a stored record is invalid.
#[derive(Debug, thiserror::Error)]
#[error("invalid field of a stored record: {0}")]
pub(super) struct InvalidField(&'static str);

pub(super) fn corrupt(field: &'static str) -> StoreError {
    StoreError::Corrupt(InvalidField(field).into())
}

/// Returns the milliseconds since 1970, or 0 for an earlier time.
pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn time(millis: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

/// Returns the milliseconds of a duration, at most half of the largest number: stores add the time to it.
pub(super) fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

pub(super) fn version_text(version: GrantVersion) -> String {
    format!("{} {}", version.epoch, version.revision)
}

pub(super) fn version(text: &str) -> Result<GrantVersion, StoreError> {
    let (epoch, revision) = text.split_once(' ').ok_or_else(|| corrupt("version"))?;
    match (epoch.parse(), revision.parse()) {
        (Ok(epoch), Ok(revision)) => Ok(GrantVersion { epoch, revision }),
        _ => Err(corrupt("version")),
    }
}

pub(super) fn grant_key(text: &str) -> Result<GrantKey, StoreError> {
    text.parse().map_err(|_| corrupt("grant"))
}

/// Returns the holder of a lease as 32 hexadecimal digits.
pub(super) fn holder_text(holder: LeaseHolder) -> String {
    format!("{:032x}", holder.0)
}

/// Returns 64 hexadecimal digits.
pub(super) fn hex(bytes: &[u8; 32]) -> String {
    let mut text = String::with_capacity(64);
    text.extend(digits(bytes));
    text
}

fn from_hex(text: &str, field: &'static str) -> Result<[u8; 32], StoreError> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return Err(corrupt(field));
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(|| corrupt(field));
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = (digit(digits[0])? << 4 | digit(digits[1])?) as u8;
    }
    Ok(bytes)
}

pub(super) fn login_key(text: &str) -> Result<LoginKey, StoreError> {
    from_hex(text, "login").map(LoginKey::from_bytes)
}

pub(super) fn owner_key(text: &str) -> Result<OwnerKey, StoreError> {
    from_hex(text, "owner").map(OwnerKey::from_bytes)
}

pub(super) fn owned_key(text: &str) -> Result<OwnedKey, StoreError> {
    from_hex(text, "owned connection").map(OwnedKey::from_bytes)
}

/// Returns 64 hexadecimal digits, or nothing for a record without a proof.
pub(super) fn proof_text(proof: Option<&LoginProof>) -> String {
    proof.map(|proof| hex(proof.as_bytes())).unwrap_or_default()
}

pub(super) fn proof(text: &str) -> Result<Option<LoginProof>, StoreError> {
    if text.is_empty() {
        return Ok(None);
    }
    from_hex(text, "proof").map(|bytes| Some(LoginProof::from_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_fields_are_read_back() {
        let key = LoginKey::from_bytes(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(login_key(&hex(key.as_bytes())).unwrap(), key);
        let written = Some(LoginProof::from_bytes(*key.as_bytes()));
        assert_eq!(proof(&proof_text(written.as_ref())).unwrap(), written);
        assert_eq!(proof(&proof_text(None)).unwrap(), None);
        let highest = GrantVersion { epoch: u64::MAX, revision: u64::MAX };
        assert_eq!(version(&version_text(highest)).unwrap(), highest);
        let now = time(millis(SystemTime::now()));
        assert_eq!(time(millis(now)), now);
        assert_eq!(millis(UNIX_EPOCH - Duration::from_secs(1)), 0);
        for bad in ["", "1", "1 x", " 1", "-1 0", "1 2 3"] {
            assert!(version(bad).is_err(), "{bad:?}");
        }
        for bad in ["", &"g".repeat(64), &"0".repeat(63), &"ä".repeat(32), &"+1".repeat(32)] {
            assert!(login_key(bad).is_err(), "{bad:?}");
            assert!(bad.is_empty() || proof(bad).is_err(), "{bad:?}");
        }
    }
}
