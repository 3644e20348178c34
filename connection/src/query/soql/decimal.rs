//! Decimal numbers with all their digits.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

use crate::{json::error::EXPECTED_DECIMAL, number, query::soql::literal::written_as_text};

/// Largest exponent of a number that is read. Above that of the largest `f64`, as which Salesforce calculates.
const MAX_EXPONENT: i64 = 400;
/// Longest number in characters that is read. Salesforce's fields have 18 digits.
const MAX_CHARACTERS: usize = 1_000;
/// The member as which `serde_json` hands over a number as it is written.
const RAW: &str = "$serde_json::private::RawValue";

/// A text that is not a decimal number.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number such as 5, -500.25 or 1.0E7")]
#[non_exhaustive]
pub struct InvalidDecimal;

crate::debug::debug_as_display!(InvalidDecimal);

/// A number with all its digits, for currency and number fields: a `f64` has 15 of them for certain.
///
/// It does not calculate. With [`FromStr`] and [`Display`](fmt::Display) it converts into the decimal type of another
/// crate, such as `rust_decimal`; [`serde_helpers::decimal`](crate::serde_helpers::decimal) reads a field into such a type.
///
/// Reads each spelling of a number in JSON and CSV (`5`, `5.0`, `1.0E7`) and writes it without an exponent and without
/// zeros at its end. Two numbers of one value are equal. Serialized as a text, which Salesforce takes for a number too
/// (its own sample of a record tree has such texts; for currency fields unverified), and which no JSON library rounds.
///
/// ```
/// use salesforce_connection::soql::SoqlDecimal;
///
/// let amount: SoqlDecimal = serde_json::from_str("123456789012345678.90").unwrap();
/// assert_eq!(amount.to_string(), "123456789012345678.9");
/// assert_eq!(amount, "1.234567890123456789E17".parse()?);
/// assert!("1,5".parse::<SoqlDecimal>().is_err());
/// # Ok::<(), salesforce_connection::soql::InvalidDecimal>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SoqlDecimal {
    negative: bool,
    /// The digits before the point, without zeros at the start.
    whole: String,
    /// The digits after the point, without zeros at the end.
    fraction: String,
}

impl FromStr for SoqlDecimal {
    type Err = InvalidDecimal;

    fn from_str(text: &str) -> Result<Self, InvalidDecimal> {
        if text.len() > MAX_CHARACTERS {
            return Err(InvalidDecimal);
        }
        let number::Parts { negative, whole, fraction, exponent } =
            number::parts(text).ok_or(InvalidDecimal)?;
        if exponent.abs() > MAX_EXPONENT {
            return Err(InvalidDecimal);
        }
        let mut digits = format!("{whole}{fraction}");
        // The number of digits before the point.
        let mut point = i64::try_from(whole.len()).map_err(|_| InvalidDecimal)? + exponent;
        while point < 0 {
            digits.insert(0, '0');
            point += 1;
        }
        let point = usize::try_from(point).map_err(|_| InvalidDecimal)?;
        while digits.len() < point {
            digits.push('0');
        }
        let (whole, fraction) = digits.split_at(point);
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let is_zero = whole.is_empty() && fraction.is_empty();
        Ok(Self { negative: negative && !is_zero, whole: whole.to_owned(), fraction: fraction.to_owned() })
    }
}

impl fmt::Display for SoqlDecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let whole = if self.whole.is_empty() { "0" } else { &self.whole };
        write!(f, "{sign}{whole}")?;
        if self.fraction.is_empty() { Ok(()) } else { write!(f, ".{}", self.fraction) }
    }
}

impl Ord for SoqlDecimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = |number: &Self| (number.whole.len(), number.whole.clone(), number.fraction.clone());
        match (self.negative, other.negative) {
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
            (is_negative, _) => {
                if is_negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        }
    }
}

impl PartialOrd for SoqlDecimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! from_integers {
    ($($kind:ty)*) => {$(
        impl From<$kind> for SoqlDecimal {
            fn from(integer: $kind) -> Self {
                let whole = integer.unsigned_abs();
                let whole = if whole == 0 { String::new() } else { whole.to_string() };
                Self { negative: integer < 0, whole, fraction: String::new() }
            }
        }
    )*};
}

from_integers! { i8 i16 i32 i64 i128 }

written_as_text! { SoqlDecimal }

/// Reads a number, or a text with one. `serde_json` is asked for the number as it is written.
///
/// A float that arrives in another way may have lost digits, and is an error.
impl<'de> Deserialize<'de> for SoqlDecimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Decimal;

        impl<'de> Visitor<'de> for Decimal {
            type Value = SoqlDecimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED_DECIMAL)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SoqlDecimal, A::Error> {
                let unexpected = || de::Error::invalid_type(de::Unexpected::Map, &self);
                if map.next_key::<String>()?.as_deref() != Some(RAW) {
                    return Err(unexpected());
                }
                let json: String = map.next_value()?;
                let text = if json.starts_with('"') { serde_json::from_str(&json).ok() } else { Some(json) };
                let decimal = text.and_then(|text| text.trim().parse().ok());
                decimal.ok_or_else(|| de::Error::invalid_value(de::Unexpected::Other("another value"), &self))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<SoqlDecimal, D::Error> {
                inner.deserialize_any(self)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SoqlDecimal, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E>(self, integer: i64) -> Result<SoqlDecimal, E> {
                Ok(integer.into())
            }

            fn visit_u64<E>(self, integer: u64) -> Result<SoqlDecimal, E> {
                Ok(i128::from(integer).into())
            }

            fn visit_i128<E>(self, integer: i128) -> Result<SoqlDecimal, E> {
                Ok(integer.into())
            }
        }

        deserializer.deserialize_newtype_struct(RAW, Decimal)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::soql::literal::ToSoql as _;

    fn decimal(text: &str) -> SoqlDecimal {
        text.parse().unwrap()
    }

    #[test]
    fn each_spelling_of_a_number_is_one_value() {
        for (text, plain) in [
            ("5", "5"),
            ("5.0", "5"),
            ("-0.0", "0"),
            ("0.10", "0.1"),
            ("1.0E7", "10000000"),
            ("1.5E-3", "0.0015"),
            ("-500.25", "-500.25"),
            ("123456789012345678.90", "123456789012345678.9"),
            ("12e-1", "1.2"),
            ("0e400", "0"),
        ] {
            assert_eq!(decimal(text).to_string(), plain, "{text}");
            assert_eq!(serde_json::from_str::<SoqlDecimal>(text).unwrap(), decimal(plain), "{text}");
            assert_eq!(serde_json::from_str::<SoqlDecimal>(&format!("\"{text}\"")).unwrap(), decimal(plain));
        }
        for text in
            ["", "-", "1,5", "+1", "01", ".5", "5.", "1e", "1e401", "NaN", "0x1", " 1", "1 OR Id != null"]
        {
            assert_eq!(text.parse::<SoqlDecimal>(), Err(InvalidDecimal), "{text}");
        }
        for json in ["null", "true", "[]", "{}", "\"x\"", "\"\""] {
            assert!(serde_json::from_str::<SoqlDecimal>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::from_str::<Option<SoqlDecimal>>("null").unwrap(), None);
        assert!(serde_json::from_value::<SoqlDecimal>(serde_json::json!(5)).is_ok());
        assert_eq!(decimal("0.1").to_soql().unwrap().as_str(), "0.1");
    }

    proptest! {
        #[test]
        fn a_written_number_reads_back_equal_and_is_ordered_by_value(
            a in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?(E[+-]?[0-9]{1,2})?",
            (b, c) in (any::<i64>(), any::<i32>()),
        ) {
            let number = decimal(&a);
            prop_assert_eq!(&decimal(&number.to_string()), &number);
            let json = serde_json::to_string(&number).unwrap();
            prop_assert_eq!(serde_json::from_str::<SoqlDecimal>(&json).unwrap(), number);
            prop_assert_eq!(SoqlDecimal::from(b).cmp(&SoqlDecimal::from(c)), b.cmp(&i64::from(c)));
        }
    }
}
