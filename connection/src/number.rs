//! Numbers as Salesforce writes them: `5`, `5.0`, `1.0E7`.

use serde::de::{self, Visitor};

/// Returns true for a number in the grammar of JSON. A text such as `0049301`, `+49` or `nan` is not one.
#[cfg(any(feature = "bulk", feature = "inbound"))]
pub(crate) fn is_number(text: &str) -> bool {
    parts(text).is_some()
}

/// Returns the integer, however it is written. `None` for a fraction and for a text that is not a number.
pub(crate) fn integer(text: &str) -> Option<i128> {
    let Parts { negative, whole, fraction, exponent } = parts(text)?;
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().all(|digit| digit == b'0') {
        return Some(0);
    }
    // Number of digits before the point.
    let before = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    // Bounds the loop. The value would be out of range anyway, because its first digits are at most zeros.
    if before > 1_000 {
        return None;
    }
    let before = usize::try_from(before).ok()?;
    if digits().skip(before).any(|digit| digit != b'0') {
        return None;
    }
    let mut value = 0_i128;
    for digit in digits().chain(std::iter::repeat(b'0')).take(before) {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    Some(if negative { -value } else { value })
}

/// Returns whether serde has a place for the integer below `#[serde(flatten)]`.
#[cfg(feature = "bulk")]
pub(crate) fn has_64_bits(integer: i128) -> bool {
    i64::try_from(integer).is_ok() || u64::try_from(integer).is_ok()
}

/// Gives an integer to a visitor in the type that all visitors of integers take.
pub(crate) fn visit_integer<'de, V: Visitor<'de>, E: de::Error>(
    integer: i128,
    visitor: V,
) -> Result<V::Value, E> {
    if let Ok(integer) = u64::try_from(integer) {
        visitor.visit_u64(integer)
    } else if let Ok(integer) = i64::try_from(integer) {
        visitor.visit_i64(integer)
    } else {
        visitor.visit_i128(integer)
    }
}

/// A number in the grammar of JSON.
pub(crate) struct Parts<'a> {
    pub(crate) negative: bool,
    pub(crate) whole: &'a str,
    /// Empty if there is none.
    pub(crate) fraction: &'a str,
    pub(crate) exponent: i64,
}

/// Returns the parts of a number; `None` for another text.
pub(crate) fn parts(text: &str) -> Option<Parts<'_>> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    if !is_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) || !fraction.is_none_or(is_digits) {
        return None;
    }
    let exponent = match exponent {
        None => 0,
        Some(exponent) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if !is_digits(digits) {
                return None;
            }
            // Beyond 64 bits the value is zero or out of range as well, and no sum with a length overflows.
            exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 })
        }
    };
    Some(Parts { negative, whole, fraction: fraction.unwrap_or_default(), exponent })
}

/// The methods of a `Deserializer` for numbers, which read by its methods `integer` and `float`; or the named methods,
/// which read by another one.
macro_rules! read_as {
    (numbers) => {
        $crate::number::read_as! { integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 }
        $crate::number::read_as! { integer: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 }
        $crate::number::read_as! { float: deserialize_f32 deserialize_f64 }
    };
    ($read:ident: $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            self.$read(visitor)
        }
    )*};
}
pub(crate) use read_as;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_is_read_however_it_is_written() {
        for (text, expected) in [
            ("5", Some(5)),
            ("5.0", Some(5)),
            ("-5.00", Some(-5)),
            ("1.0E7", Some(10_000_000)),
            ("1.5e1", Some(15)),
            ("150e-1", Some(15)),
            ("0.0E99999999", Some(0)),
            ("0E99999999999999999999", Some(0)),
            ("1E99999999999999999999", None),
            ("1E-99999999999999999999", None),
            ("9007199254740993.0", Some(9_007_199_254_740_993)),
            ("5.5", None),
            ("1.5E0", None),
            ("1E-1", None),
            ("1E99999", None),
            ("0049301", None),
            ("+49", None),
            ("nan", None),
            ("Infinity", None),
            ("12E", None),
            (".5", None),
            ("5.", None),
            (" 5", None),
            ("", None),
        ] {
            assert_eq!(integer(text), expected, "{text}");
        }
        assert!(is_number("5.5") && is_number("12E5") && !is_number("0049301") && !is_number("1,5"));
    }
}
