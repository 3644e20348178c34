//! Hexadecimal texts.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Returns two digits for each byte, the higher one first.
pub(crate) fn digits(bytes: &[u8]) -> impl Iterator<Item = char> {
    let digit = |half: u8| char::from(DIGITS[usize::from(half & 15)]);
    bytes.iter().flat_map(move |byte| [digit(byte >> 4), digit(*byte)])
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_byte_has_two_digits() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text: String = super::digits(&bytes).collect();
        let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, expected);
    }
}
