//! Record ids: 15 case-sensitive base-62 characters, and the 18-character form with three check characters.

const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The three check characters: one per block of five, bit i set when character i is upper case.
fn suffix(id15: &str) -> String {
    id15.as_bytes()
        .chunks(5)
        .map(|block| {
            let bits = block
                .iter()
                .enumerate()
                .fold(0_usize, |bits, (i, c)| if c.is_ascii_uppercase() { bits | (1 << i) } else { bits });
            CHECK.get(bits).map_or('A', |c| char::from(*c))
        })
        .collect()
}

/// The 18-character form of a well-formed id. `None`: not an id. Check characters may come in any case.
pub(crate) fn normalize(id: &str) -> Option<String> {
    if !id.bytes().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    match id.len() {
        15 => Some(format!("{id}{}", suffix(id))),
        18 => {
            let (base, check) = id.split_at(15);
            let right = suffix(base);
            right.eq_ignore_ascii_case(check).then(|| format!("{base}{right}"))
        }
        _ => None,
    }
}

/// The n-th id with a three-character prefix, 18 characters.
pub(crate) fn make(prefix: &str, n: u64) -> String {
    let mut tail = [b'0'; 9];
    let mut rest = n;
    for slot in tail.iter_mut().rev() {
        let digit = usize::try_from(rest % 62).unwrap_or(0);
        *slot = DIGITS.get(digit).copied().unwrap_or(b'0');
        rest /= 62;
    }
    let id15 = format!("{prefix}Fk0{}", String::from_utf8_lossy(&tail));
    let check = suffix(&id15);
    format!("{id15}{check}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_characters_match_the_known_vectors() {
        for (short, long) in [
            ("001D000000IqhSL", "001D000000IqhSLIAZ"),
            ("00Dx0000000BV7z", "00Dx0000000BV7zEAG"),
            ("005x00000012Q9P", "005x00000012Q9PAAU"),
        ] {
            assert_eq!(normalize(short).as_deref(), Some(long));
            assert_eq!(normalize(long).as_deref(), Some(long));
            assert_eq!(normalize(&format!("{short}{}", long[15..].to_lowercase())).as_deref(), Some(long));
        }
    }

    #[test]
    fn wrong_ids_are_refused() {
        for id in ["", "001", "001D000000IqhSLIAA", "001D000000Iqh/L", "001D000000IqhSLIAZ0"] {
            assert_eq!(normalize(id), None, "{id}");
        }
    }

    #[test]
    fn made_ids_are_well_formed_and_differ() {
        let ids: std::collections::HashSet<_> = (0..5_000).map(|n| make("001", n)).collect();
        assert_eq!(ids.len(), 5_000);
        assert!(ids.iter().all(|id| normalize(id).as_ref() == Some(id)));
    }
}
