//! Random text for tokens, codes and cookies.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

/// `n` random characters of `A-Z a-z 0-9 . _`, the alphabet of Salesforce's opaque tokens.
pub(crate) fn opaque(n: usize) -> String {
    bytes(n).into_iter().map(|b| ALPHABET.get(usize::from(b & 63)).map_or('A', |c| char::from(*c))).collect()
}

/// `n` random letters and digits.
pub(crate) fn plain(n: usize) -> String {
    bytes(n).into_iter().map(|b| ALPHABET.get(usize::from(b % 62)).map_or('A', |c| char::from(*c))).collect()
}

/// `n` random digits.
pub(crate) fn digits(n: usize) -> String {
    bytes(n).into_iter().map(|b| char::from(b'0' + b % 10)).collect()
}

/// The items in random order.
pub(crate) fn shuffled<T>(items: Vec<T>) -> Vec<T> {
    let keys = bytes(items.len());
    let mut pairs: Vec<_> = keys.into_iter().zip(items).collect();
    pairs.sort_by_key(|(key, _)| *key);
    pairs.into_iter().map(|(_, item)| item).collect()
}

fn bytes(n: usize) -> Vec<u8> {
    let mut out = vec![0_u8; n];
    if getrandom::fill(&mut out).is_err() {
        // No system randomness: tokens of a fake org need to differ, not to be secret.
        let seed = super::clock::machine_now().to_le_bytes();
        for (i, slot) in out.iter_mut().enumerate() {
            *slot = seed.get(i % 8).copied().unwrap_or(0).wrapping_mul(31).wrapping_add(i.to_le_bytes()[0]);
        }
    }
    out
}
