//! Durations in settings: a whole number with a unit, such as `24h`.

use std::time::Duration;

/// Parses a whole number followed by `ms`, `s`, `m`, `h` or `d`. Returns `None` for any other text.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// Writes a duration for [`parse`], in milliseconds. A fraction of one is dropped.
pub(crate) fn format(duration: Duration) -> String {
    format!("{}ms", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_with_a_unit() {
        for (text, seconds) in [("24h", 86_400), ("30d", 2_592_000), (" 90s ", 90), ("5m", 300), ("0s", 0)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
        for text in [
            "",
            "h",
            "24",
            "1.5h",
            "-1s",
            "+1s",
            "1 h",
            "1H",
            "1w",
            "99999999999999999999s",
            "300000000000000000d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_written_duration_is_parsed_again() {
        for millis in [0, 1, 999, 86_400_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&format(duration)), Some(duration));
        }
        assert!(parse(&format(Duration::MAX)).is_some());
    }
}
