//! Salesforce record ids, checked and converted to one form.
//!
//! An id has 15 characters (case-sensitive) or 18 (three check characters appended). Both name the same record, so that
//! ids are stored and compared in the 18-character form only. Source: SOAP API Developer Guide, "ID Field Type".

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};

/// The check characters, by the five bits that they stand for. Source: as for the module.
const CHECK_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// Why a text is not a Salesforce id. Never contains the text itself.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// Not 15 or 18 characters long.
    #[error("invalid Salesforce id: its length is not 15 or 18 characters")]
    Length,
    /// A character outside `A-Z a-z 0-9`.
    #[error("invalid Salesforce id: it has characters other than letters and digits")]
    Character,
    /// The three check characters do not match the first fifteen: the id was mistyped, or its case was changed.
    #[error(
        "invalid Salesforce id: its check characters do not match. Copy the id again; upper and lower case matter"
    )]
    Checksum,
    /// The id of another kind of record than the expected one.
    #[error("invalid Salesforce id: it does not begin with {expected}")]
    #[non_exhaustive]
    Prefix {
        /// The three characters that ids of the expected kind begin with.
        expected: &'static str,
    },
}

crate::debug::debug_as_display!(InvalidId);

/// The id of any Salesforce record, in its 18-character form.
///
/// Parses both forms; `Display`, `Debug` and `Serialize` write the 18-character form.
///
/// ```
/// use salesforce_connection::SalesforceId;
///
/// let short: SalesforceId = "001D000000IqhSL".parse()?;
/// assert_eq!(short.as_str(), "001D000000IqhSLIAZ");
/// assert_eq!(short, "001D000000IqhSLIAZ".parse()?);
/// # Ok::<(), salesforce_connection::InvalidId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SalesforceId([u8; 18]);

impl SalesforceId {
    /// Returns the id in its 18-character form.
    pub fn as_str(&self) -> &str {
        // `from_str` accepts ASCII letters and digits only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the three characters that name the kind of record, for example `001` for an account.
    pub fn key_prefix(&self) -> &str {
        self.as_str().get(..3).unwrap_or_default()
    }
}

impl FromStr for SalesforceId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bytes = text.as_bytes();
        if bytes.len() != 15 && bytes.len() != 18 {
            return Err(InvalidId::Length);
        }
        if !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(InvalidId::Character);
        }
        let mut id = [0; 18];
        id[..15].copy_from_slice(&bytes[..15]);
        for (block, check) in bytes[..15].chunks(5).zip(15..) {
            let index = block
                .iter()
                .enumerate()
                .filter(|(_, byte)| byte.is_ascii_uppercase())
                .fold(0, |bits, (position, _)| bits | 1 << position);
            id[check] = CHECK_ALPHABET[index];
        }
        if bytes.len() == 18 && !bytes[15..].eq_ignore_ascii_case(&id[15..]) {
            return Err(InvalidId::Checksum);
        }
        Ok(Self(id))
    }
}

impl fmt::Display for SalesforceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SalesforceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for SalesforceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

crate::deserialize::deserialize_from_str!(SalesforceId);

macro_rules! id_of_kind {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "SalesforceId", into = "SalesforceId")]
        pub struct $name(SalesforceId);

        impl $name {
            /// Returns the id in its 18-character form.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl TryFrom<SalesforceId> for $name {
            type Error = InvalidId;

            fn try_from(id: SalesforceId) -> Result<Self, InvalidId> {
                if id.key_prefix() == $prefix { Ok(Self(id)) } else { Err(InvalidId::Prefix { expected: $prefix }) }
            }
        }

        impl From<$name> for SalesforceId {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse::<SalesforceId>()?.try_into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id_of_kind! {
    /// The id of an organization (`00D…`), in its 18-character form.
    OrgId, "00D"
}
id_of_kind! {
    /// The id of a user (`005…`), in its 18-character form.
    UserId, "005"
}

#[cfg(test)]
mod tests {
    use super::*;

    // Test vectors for the rule in the SOAP API guide.
    #[test]
    fn both_forms_of_an_id_are_equal() {
        for (short, long) in [
            ("001D000000IqhSL", "001D000000IqhSLIAZ"),
            ("00Dx0000000BV7z", "00Dx0000000BV7zEAG"),
            ("005x00000012Q9P", "005x00000012Q9PAAU"),
        ] {
            assert_eq!(short.parse::<SalesforceId>().map(|id| id.to_string()), Ok(long.to_owned()));
            assert_eq!(long.parse::<SalesforceId>(), short.parse());
        }
    }

    #[test]
    fn invalid_ids_are_rejected() {
        for (text, error) in [
            ("", InvalidId::Length),
            ("001D000000IqhS", InvalidId::Length),
            ("001D000000Iqh/L", InvalidId::Character),
            ("001D000000IqhSé", InvalidId::Length),
            ("001d000000IqhSLIAZ", InvalidId::Checksum),
        ] {
            assert_eq!(text.parse::<SalesforceId>(), Err(error), "{text}");
        }
        assert_eq!("001D000000IqhSL".parse::<OrgId>(), Err(InvalidId::Prefix { expected: "00D" }));
    }

    proptest::proptest! {
        #[test]
        fn any_fifteen_letters_and_digits_are_an_id_equal_to_its_long_form(text in "[0-9A-Za-z]{15}", at in 0..15_usize) {
            let id: SalesforceId = text.parse().unwrap();
            proptest::prop_assert!(id.as_str().starts_with(&text) && id.as_str().len() == 18);
            proptest::prop_assert_eq!(id.as_str().parse::<SalesforceId>(), Ok(id));
            // A changed case is detected.
            let mut bytes = id.as_str().as_bytes().to_vec();
            if bytes[at].is_ascii_alphabetic() {
                bytes[at] ^= b' ';
                let other = std::str::from_utf8(&bytes).unwrap().parse::<SalesforceId>();
                proptest::prop_assert_eq!(other, Err(InvalidId::Checksum));
            }
        }

        #[test]
        fn an_id_has_letters_and_digits_only(text in "[0-9A-Za-z]{14}[ -~]([0-9A-Za-z]{3})?|[0-9A-Za-z]{17}[ -~]") {
            if let Ok(id) = text.parse::<SalesforceId>() {
                proptest::prop_assert!(id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric()));
            }
        }
    }
}
