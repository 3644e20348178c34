//! Random bytes from the operating system.

/// The operating system returned no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system returned no random bytes")]
pub(crate) struct NoRandomness;

/// Fills `bytes`. For keys, ids and nonces.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    getrandom::fill(bytes).map_err(|_| NoRandomness)
}

/// Returns `N` random bytes. For keys, ids and nonces.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// Returns a random byte, or 0 if the system returned none. For spreading load, never for secrets.
pub(crate) fn byte_or_zero() -> u8 {
    bytes::<1>().map_or(0, |[byte]| byte)
}
