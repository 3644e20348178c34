//! Random parts of waits, so that processes that failed at the same time do not retry at the same time.

use std::time::Duration;

/// Returns a random fraction from 0 to 1, or 0.5 if the system has no source of randomness.
pub(crate) fn fraction() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

/// Returns a random UUID (RFC 9562 section 5.4).
///
/// # Errors
/// The system has no source of randomness.
pub(crate) fn uuid() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let number = u128::from_be_bytes(bytes);
    let part = |shift: u32, bits: u32| number >> shift & ((1 << bits) - 1);
    Ok(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        part(96, 32),
        part(80, 16),
        part(64, 16),
        part(48, 16),
        part(0, 48)
    ))
}

/// Returns the pause before the next retry: 0.2 seconds, doubled `retries` times, plus a random part.
///
/// It doubles at most six times, to 12.8 seconds. The random part is up to half of the pause.
pub(crate) fn backoff(retries: u32) -> Duration {
    Duration::from_millis(200 << retries.min(6)).mul_f64(1.0 + fraction() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_random_uuid() {
        let (one, other) = (uuid().unwrap(), uuid().unwrap());
        assert_ne!(one, other);
        let parts: Vec<&str> = one.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4') && "89ab".contains(&parts[3][..1]), "{one}");
    }
}
