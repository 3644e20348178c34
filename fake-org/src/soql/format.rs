//! Values as results show them.

use rusqlite::types::ValueRef;
use serde_json::{Value as Json, json};

use crate::data::schema::Kind;
use crate::data::to_json;

/// A value, or with `formatted` what `FORMAT()` makes of it: in the locale en_US and in US dollars,
/// which every user of this org has. (That locale's exact layout of dates is unverified.)
pub(super) fn value(kind: Kind, formatted: bool, value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Null if formatted => Json::Null,
        _ if !formatted => to_json(kind, value),
        ValueRef::Integer(n) if kind.is_number() => json!(number(kind, n as f64)),
        ValueRef::Real(x) => json!(number(kind, x)),
        ValueRef::Text(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let shown = match kind {
                Kind::Date => date(&text),
                Kind::DateTime => {
                    date(&text).zip(clock(&text)).map(|(date, clock)| format!("{date}, {clock}"))
                }
                _ => None,
            };
            json!(shown.unwrap_or_else(|| text.into_owned()))
        }
        _ => to_json(kind, value),
    }
}

/// `1,234.5`; `$1,234.50`.
fn number(kind: Kind, x: f64) -> String {
    let digits = match kind {
        Kind::Currency => format!("{:.2}", x.abs()),
        _ => x.abs().to_string(),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut out = String::from(if x < 0.0 { "-" } else { "" });
    if kind == Kind::Currency {
        out.push('$');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// `1/31/2026` of `2026-01-31…`.
fn date(text: &str) -> Option<String> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
    Some(format!("{}/{}/{}", part(5, 7)?, part(8, 10)?, part(0, 4)?))
}

/// `11:05 PM` of `…T23:05…`.
fn clock(text: &str) -> Option<String> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
    let (hour, minute) = (part(11, 13)?, part(14, 16)?);
    let half = if hour < 12 { "AM" } else { "PM" };
    Some(format!("{}:{minute:02} {half}", (hour + 11) % 12 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_people_in_the_us_read() {
        let shown = |kind, stored| value(kind, true, stored);
        assert_eq!(shown(Kind::Currency, ValueRef::Real(1_234_567.5)), "$1,234,567.50");
        assert_eq!(shown(Kind::Currency, ValueRef::Real(-12.0)), "-$12.00");
        assert_eq!(shown(Kind::Int, ValueRef::Integer(100)), "100");
        assert_eq!(shown(Kind::Double, ValueRef::Real(1_000.25)), "1,000.25");
        assert_eq!(shown(Kind::Date, ValueRef::Text(b"2026-01-31")), "1/31/2026");
        assert_eq!(
            shown(Kind::DateTime, ValueRef::Text(b"2026-01-31T00:05:00.000+0000")),
            "1/31/2026, 12:05 AM"
        );
        assert_eq!(
            shown(Kind::DateTime, ValueRef::Text(b"2026-01-31T23:05:00.000+0000")),
            "1/31/2026, 11:05 PM"
        );
        assert_eq!(shown(Kind::Text(9), ValueRef::Text(b"x")), "x");
        assert_eq!(shown(Kind::Currency, ValueRef::Null), Json::Null);
    }
}
