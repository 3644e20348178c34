//! Writes Avro data (Apache Avro 1.12 Specification, "Binary Encoding"), and names schemas.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Bytes of a value.
#[derive(Debug, Default)]
pub(super) struct Avro(pub(super) Vec<u8>);

impl Avro {
    /// An `int` or a `long`; also a branch of a union, and a symbol of an enumeration.
    pub(super) fn long(&mut self, number: i64) {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while rest >= 0x80 {
            self.0.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
            rest >>= 7;
        }
        self.0.push(u8::try_from(rest).unwrap_or_default());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.long(i64::try_from(text.len()).unwrap_or(i64::MAX));
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn double(&mut self, number: f64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    pub(super) fn texts(&mut self, texts: &[String]) {
        if !texts.is_empty() {
            self.long(i64::try_from(texts.len()).unwrap_or(i64::MAX));
            texts.iter().for_each(|text| self.text(text));
        }
        self.long(0);
    }
}

/// The id of a schema: 22 characters that change with the schema, as Salesforce's do.
pub(super) fn schema_id(json: &str) -> String {
    let hash = Sha256::digest(json.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default())
}

/// A bitmap of positions: hexadecimal with an even number of upper-case digits, field 0 as the lowest bit. (Java's helper
/// of Salesforce needs an even number, pub-sub-api-node-client upper case.)
pub(super) fn bitmap(positions: &[usize]) -> Option<String> {
    let highest = positions.iter().max()?;
    let mut bytes = vec![0_u8; highest / 8 + 1];
    for position in positions {
        if let Some(byte) = bytes.get_mut(position / 8) {
            *byte |= 1 << (position % 8);
        }
    }
    let digits: String = bytes.iter().rev().map(|byte| format!("{byte:02X}")).collect();
    Some(format!("0x{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_is_written_as_salesforce_does() {
        // Captured: pub-sub-api-node-client issue 27. The long one is that of the Change Data Capture guide.
        assert_eq!(bitmap(&[7, 13]).as_deref(), Some("0x2080"));
        assert_eq!(bitmap(&[5, 6, 7, 10, 24, 26, 29, 30]).as_deref(), Some("0x650004E0"));
        assert_eq!(bitmap(&[]), None);
    }
}
