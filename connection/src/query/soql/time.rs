//! Times of day, for fields of type Time.

use std::{fmt, str::FromStr};

use crate::query::soql::literal::written_as_text;

/// A text, or numbers, that are not a valid time of day.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time of day in the form 23:59:59.000Z")]
#[non_exhaustive]
pub struct InvalidTime;

crate::debug::debug_as_display!(InvalidTime);

/// A time of day in milliseconds, for fields of type Time.
///
/// Written `23:59:59.000Z`, in queries and in JSON. Salesforce's times have no time zone, in spite of the `Z`.
/// Source: REST API Developer Guide, "Valid Date and DateTime Formats".
///
/// ```
/// use salesforce_connection::soql::SoqlTime;
///
/// assert_eq!(SoqlTime::new(9, 30, 0, 0)?, "09:30:00.000Z".parse()?);
/// assert!(SoqlTime::new(24, 0, 0, 0).is_err());
/// # Ok::<(), salesforce_connection::soql::InvalidTime>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SoqlTime {
    millis: u32,
}

impl SoqlTime {
    /// Creates a time from an hour (0 to 23), a minute, a second and a millisecond.
    ///
    /// # Errors
    /// If a number is out of range. There are no leap seconds.
    pub fn new(hour: u8, minute: u8, second: u8, millisecond: u16) -> Result<Self, InvalidTime> {
        if hour > 23 || minute > 59 || second > 59 || millisecond > 999 {
            return Err(InvalidTime);
        }
        let seconds = (u32::from(hour) * 60 + u32::from(minute)) * 60 + u32::from(second);
        Ok(Self { millis: seconds * 1_000 + u32::from(millisecond) })
    }

    /// Reads a time without a zone, with or without a fraction: `23:59:59.000`.
    pub(super) fn from_clock(text: &str) -> Result<Self, InvalidTime> {
        let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |part: &str, length: std::ops::RangeInclusive<usize>| {
            length.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let parts: Vec<&str> = clock.split(':').collect();
        let [hour, minute, second] = parts.as_slice() else { return Err(InvalidTime) };
        let numbers = [hour, minute, second];
        if !numbers.iter().all(|part| is_number(part, 2..=2)) || !is_number(fraction, 1..=9) {
            return Err(InvalidTime);
        }
        let number = |part: &str| part.parse().map_err(|_| InvalidTime);
        // Only the first three digits of the fraction count.
        let millis = fraction.bytes().chain(*b"00").take(3);
        let millis = millis.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        Self::new(number(hour)?, number(minute)?, number(second)?, millis)
    }

    /// Returns the time at which so many milliseconds have passed since midnight.
    pub(crate) fn from_millis(millis: u32) -> Option<Self> {
        (millis < 86_400_000).then_some(Self { millis })
    }

    /// Returns the milliseconds since midnight.
    pub fn since_midnight(self) -> u32 {
        self.millis
    }
}

impl FromStr for SoqlTime {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        Self::from_clock(text.strip_suffix('Z').unwrap_or(text))
    }
}

impl fmt::Display for SoqlTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.millis / 1_000, self.millis % 1_000);
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
    }
}

written_as_text! { SoqlTime }
crate::deserialize::deserialize_from_str!(SoqlTime);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_invalid_time_is_rejected() {
        for text in [
            "",
            "9:30:00Z",
            "24:00:00.000Z",
            "23:60:00Z",
            "23:59:60Z",
            "23:59",
            "23:59:59.Z",
            "+1:00:00Z",
            "09:30:00+00:00",
        ] {
            assert_eq!(text.parse::<SoqlTime>(), Err(InvalidTime), "{text}");
        }
        assert_eq!("09:30:05.5Z".parse(), SoqlTime::new(9, 30, 5, 500));
    }

    proptest! {
        #[test]
        fn a_written_time_reads_back_equal(hour in 0..24_u8, minute in 0..60_u8, second in 0..60_u8, milli in 0..1_000_u16) {
            let time = SoqlTime::new(hour, minute, second, milli).unwrap();
            prop_assert_eq!(time.to_string().parse(), Ok(time));
            let json = serde_json::to_string(&time).unwrap();
            prop_assert_eq!(serde_json::from_str::<SoqlTime>(&json).unwrap(), time);
        }
    }
}
