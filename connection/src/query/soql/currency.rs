//! Amounts of money as SOQL literals.

use std::fmt;

use crate::query::soql::{
    bind::InvalidValue,
    literal::{SoqlLiteral, ToSoql},
};

/// Longest amount in characters: the 18 digits of a currency field, its sign and its point.
const MAX_AMOUNT: usize = 20;

/// An amount of money in one currency, for orgs that use several: `USD5000`, `USD-500.25`.
///
/// Salesforce converts it to the currency of each record. A plain number compares amounts without their currency.
/// Source: SOQL and SOSL Reference, "Querying Currency Fields in Multi-Currency Orgs".
///
/// ```
/// use salesforce_connection::soql::{Currency, InvalidValue, ToSoql};
///
/// assert!(Currency::new("USD", 5000).to_soql().is_ok());
/// assert!(Currency::new("EUR", "-500.25").to_soql().is_ok());
/// assert_eq!(Currency::new("$", 1).to_soql(), Err(InvalidValue::Currency));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Currency(Result<String, InvalidValue>);

impl Currency {
    /// Creates an amount from an ISO 4217 code and a number, or the text of one with a decimal point.
    ///
    /// An invalid code or amount is [`InvalidValue::Currency`] when the value is bound.
    pub fn new(code: &str, amount: impl fmt::Display) -> Self {
        let amount = amount.to_string();
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        let literal = format!("{code}{amount}");
        Self(if is_code && is_decimal(&amount) { Ok(literal) } else { Err(InvalidValue::Currency) })
    }
}

/// Returns whether a text is a decimal number, such as `5000` and `-500.25`.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MAX_AMOUNT && are_digits(whole) && are_digits(fraction)
}

impl ToSoql for Currency {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        self.0.clone().map(SoqlLiteral::single)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(code: &str, amount: impl fmt::Display) -> Result<String, InvalidValue> {
        Ok(Currency::new(code, amount).to_soql()?.as_str().to_owned())
    }

    #[test]
    fn an_amount_is_a_code_and_a_number() {
        assert_eq!(literal("USD", 5000).as_deref(), Ok("USD5000"));
        assert_eq!(literal("USD", -500.25).as_deref(), Ok("USD-500.25"));
        assert_eq!(literal("JPY", "0.10").as_deref(), Ok("JPY0.10"));
        for (code, amount) in [
            ("usd", "1"),
            ("US", "1"),
            ("USDX", "1"),
            ("US1", "1"),
            ("USD", ""),
            ("USD", "1e5"),
            ("USD", "1,5"),
            ("USD", "--1"),
            ("USD", "-"),
            ("USD", "1."),
            ("USD", ".5"),
            ("USD", "1 OR Id != null"),
            ("ÄU", "1"),
            ("USD", "123456789012345678901"),
            ("USD", "NaN"),
            ("USD", "+1"),
        ] {
            assert_eq!(literal(code, amount), Err(InvalidValue::Currency), "{code}{amount}");
        }
        assert_eq!(literal("USD", f64::INFINITY), Err(InvalidValue::Currency));
    }
}
