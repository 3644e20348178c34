//! Dates for queries, and from responses: [`SoqlDate`], [`SoqlDateTime`] and [`DateLiteral`]. A query gets them unquoted
//! (`written_as_text!`).

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use crate::query::soql::{
    bind::InvalidValue,
    literal::{SoqlLiteral, ToSoql, written_as_text},
    time::SoqlTime,
};

const MILLIS_PER_DAY: i64 = 86_400_000;

/// A text, or numbers, that are not a valid date of the years 1700 to 4000, which are Salesforce's limits.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date of the years 1700 to 4000 in the form 2026-01-31 or 2026-01-31T23:59:59Z")]
#[non_exhaustive]
pub struct InvalidDate;

crate::debug::debug_as_display!(InvalidDate);

// What a query and a JSON body get is what `Display` writes.
written_as_text! { SoqlDate SoqlDateTime }
crate::deserialize::deserialize_from_str!(SoqlDate, SoqlDateTime);

/// A day, for fields of type Date.
///
/// Written `2026-01-31`, in queries and in JSON.
///
/// ```
/// use salesforce_connection::soql::SoqlDate;
///
/// assert_eq!(SoqlDate::new(2024, 2, 29)?, "2024-02-29".parse()?);
/// assert!(SoqlDate::new(2023, 2, 29).is_err());
/// # Ok::<(), salesforce_connection::soql::InvalidDate>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SoqlDate {
    year: u16,
    month: u8,
    day: u8,
}

impl SoqlDate {
    /// Creates a day. Months and days count from 1.
    ///
    /// # Errors
    /// If the calendar has no such day, or the year is not within 1700 to 4000.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, InvalidDate> {
        let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u8::from(is_leap),
            _ => return Err(InvalidDate),
        };
        if (1700..=4000).contains(&year) && (1..=days).contains(&day) {
            Ok(Self { year, month, day })
        } else {
            Err(InvalidDate)
        }
    }

    /// Returns the days since 1970-01-01.
    // The year begins with March, so that the leap day is its last.
    // Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    fn days(self) -> i64 {
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    #[cfg(feature = "events")]
    pub(crate) fn from_millis(millis: i64) -> Result<Self, InvalidDate> {
        Self::from_days(millis.div_euclid(MILLIS_PER_DAY))
    }

    #[cfg(feature = "events")]
    pub(crate) fn millis(self) -> i64 {
        self.days() * MILLIS_PER_DAY
    }

    fn from_days(days: i64) -> Result<Self, InvalidDate> {
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        let narrow = |number: i64| u8::try_from(number).map_err(|_| InvalidDate);
        Self::new(u16::try_from(year).map_err(|_| InvalidDate)?, narrow(month)?, narrow(day)?)
    }
}

impl FromStr for SoqlDate {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        let [year, month, day] = numbers(text, b"dddd-dd-dd", [(0, 4), (5, 2), (8, 2)])?;
        let narrow = |number: u32| u8::try_from(number).map_err(|_| InvalidDate);
        Self::new(u16::try_from(year).map_err(|_| InvalidDate)?, narrow(month)?, narrow(day)?)
    }
}

impl fmt::Display for SoqlDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A point in time in milliseconds, for fields of type Date/Time.
///
/// Reads Salesforce's form (`2015-08-20T11:50:05.000+0000`, which RFC 3339 parsers reject) and RFC 3339. Written
/// `2015-08-20T11:50:05.000Z`, in queries and in JSON.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use salesforce_connection::soql::SoqlDateTime;
///
/// let moment: SoqlDateTime = "2015-08-20T11:50:05.000+0000".parse()?;
/// assert_eq!(moment, "2015-08-20T13:50:05+02:00".parse()?);
/// assert_eq!(SystemTime::from(moment), SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_071_405));
/// # Ok::<(), salesforce_connection::soql::InvalidDate>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SoqlDateTime {
    date: SoqlDate,
    /// UTC.
    time: SoqlTime,
}

impl SoqlDateTime {
    pub(crate) fn from_millis(millis: i64) -> Result<Self, InvalidDate> {
        let date = SoqlDate::from_days(millis.div_euclid(MILLIS_PER_DAY))?;
        let time = u32::try_from(millis.rem_euclid(MILLIS_PER_DAY)).ok().and_then(SoqlTime::from_millis);
        Ok(Self { date, time: time.ok_or(InvalidDate)? })
    }

    /// Returns the milliseconds since 1970-01-01.
    pub(crate) fn millis(self) -> i64 {
        self.date.days() * MILLIS_PER_DAY + i64::from(self.time.since_midnight())
    }
}

impl TryFrom<SystemTime> for SoqlDateTime {
    type Error = InvalidDate;

    fn try_from(time: SystemTime) -> Result<Self, InvalidDate> {
        let millis = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).ok(),
            Err(error) => i64::try_from(error.duration().as_millis()).ok().map(|before| -before),
        };
        Self::from_millis(millis.ok_or(InvalidDate)?)
    }
}

impl From<SoqlDateTime> for SystemTime {
    fn from(moment: SoqlDateTime) -> Self {
        let millis = moment.millis();
        let distance = Duration::from_millis(millis.unsigned_abs());
        // Cannot overflow: every platform's `SystemTime` covers the years 1700 to 4000.
        if millis < 0 { Self::UNIX_EPOCH - distance } else { Self::UNIX_EPOCH + distance }
    }
}

impl FromStr for SoqlDateTime {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        let (date, time) = text.split_at_checked(10).ok_or(InvalidDate)?;
        let date: SoqlDate = date.parse()?;
        let time = time.strip_prefix('T').ok_or(InvalidDate)?;
        let (clock, offset) = time.split_at(time.find(['Z', '+', '-']).ok_or(InvalidDate)?);
        let time = SoqlTime::from_clock(clock).map_err(|_| InvalidDate)?;
        let offset_minutes = match offset.as_bytes() {
            b"Z" => 0,
            [sign @ (b'+' | b'-'), ..] => {
                let [hours, minutes] = match offset.len() {
                    5 => numbers(&offset[1..], b"dddd", [(0, 2), (2, 2)])?,
                    _ => numbers(&offset[1..], b"dd:dd", [(0, 2), (3, 2)])?,
                };
                if hours > 23 || minutes > 59 {
                    return Err(InvalidDate);
                }
                let minutes = i64::from(hours * 60 + minutes);
                if *sign == b'-' { -minutes } else { minutes }
            }
            _ => return Err(InvalidDate),
        };
        Self::from_millis(Self { date, time }.millis() - offset_minutes * 60_000)
    }
}

impl fmt::Display for SoqlDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{}", self.date, self.time)
    }
}

/// Returns the numbers at `places` (start, length) of a text that matches `pattern`, in which `d` is a digit.
fn numbers<const N: usize>(
    text: &str,
    pattern: &[u8],
    places: [(usize, usize); N],
) -> Result<[u32; N], InvalidDate> {
    let matches =
        |(byte, expected): (u8, u8)| if expected == b'd' { byte.is_ascii_digit() } else { byte == expected };
    if text.len() != pattern.len() || !text.bytes().zip(pattern.iter().copied()).all(matches) {
        return Err(InvalidDate);
    }
    let mut found = [0; N];
    for (number, (start, length)) in found.iter_mut().zip(places) {
        let digits = text.bytes().skip(start).take(length);
        *number = digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    }
    Ok(found)
}

macro_rules! date_literals {
    ($($name:ident $text:literal,)* ; $($of_n:ident $text_of_n:literal,)*) => {
        /// A range of time relative to now, in the user's time zone, as Salesforce evaluates it.
        ///
        /// `LastNDays(n)` begins at midnight n days ago and includes today; `NextNDays` begins tomorrow; the ranges of
        /// weeks, months, quarters and years exclude the current one. Source: SOQL and SOSL Reference, "Date Formats
        /// and Date Literals".
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum DateLiteral {
            $(#[doc = concat!("`", $text, "`")] $name,)*
            $(#[doc = concat!("`", $text_of_n, ":n`")] $of_n(u32),)*
        }

        impl fmt::Display for DateLiteral {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($text),)*
                    $(Self::$of_n(n) => write!(f, concat!($text_of_n, ":{}"), n),)*
                }
            }
        }
    };
}

date_literals! {
    Yesterday "YESTERDAY", Today "TODAY", Tomorrow "TOMORROW",
    LastWeek "LAST_WEEK", ThisWeek "THIS_WEEK", NextWeek "NEXT_WEEK",
    LastMonth "LAST_MONTH", ThisMonth "THIS_MONTH", NextMonth "NEXT_MONTH",
    Last90Days "LAST_90_DAYS", Next90Days "NEXT_90_DAYS",
    LastQuarter "LAST_QUARTER", ThisQuarter "THIS_QUARTER", NextQuarter "NEXT_QUARTER",
    LastYear "LAST_YEAR", ThisYear "THIS_YEAR", NextYear "NEXT_YEAR",
    LastFiscalQuarter "LAST_FISCAL_QUARTER", ThisFiscalQuarter "THIS_FISCAL_QUARTER",
    NextFiscalQuarter "NEXT_FISCAL_QUARTER",
    LastFiscalYear "LAST_FISCAL_YEAR", ThisFiscalYear "THIS_FISCAL_YEAR", NextFiscalYear "NEXT_FISCAL_YEAR",
    ;
    LastNDays "LAST_N_DAYS", NextNDays "NEXT_N_DAYS", NDaysAgo "N_DAYS_AGO",
    LastNWeeks "LAST_N_WEEKS", NextNWeeks "NEXT_N_WEEKS", NWeeksAgo "N_WEEKS_AGO",
    LastNMonths "LAST_N_MONTHS", NextNMonths "NEXT_N_MONTHS", NMonthsAgo "N_MONTHS_AGO",
    LastNQuarters "LAST_N_QUARTERS", NextNQuarters "NEXT_N_QUARTERS", NQuartersAgo "N_QUARTERS_AGO",
    LastNYears "LAST_N_YEARS", NextNYears "NEXT_N_YEARS", NYearsAgo "N_YEARS_AGO",
    LastNFiscalQuarters "LAST_N_FISCAL_QUARTERS", NextNFiscalQuarters "NEXT_N_FISCAL_QUARTERS",
    NFiscalQuartersAgo "N_FISCAL_QUARTERS_AGO",
    LastNFiscalYears "LAST_N_FISCAL_YEARS", NextNFiscalYears "NEXT_N_FISCAL_YEARS",
    NFiscalYearsAgo "N_FISCAL_YEARS_AGO",
}

impl ToSoql for DateLiteral {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        Ok(SoqlLiteral::single(self.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_day_is_the_day_after_the_one_before() {
        let mut date = SoqlDate::new(1700, 1, 1).unwrap();
        assert_eq!(SoqlDate::new(1970, 1, 1).unwrap().days(), 0);
        for days in date.days()..=SoqlDate::new(4000, 12, 31).unwrap().days() {
            let next = SoqlDate::from_days(days).unwrap();
            assert!(next >= date && next.days() == days, "{next}");
            assert_eq!(next.to_string().parse(), Ok(next));
            date = next;
        }
        assert_eq!(SoqlDate::from_days(date.days() + 1), Err(InvalidDate));
    }

    #[test]
    fn date_times_are_read_in_every_form_that_salesforce_uses() {
        for text in [
            "2026-01-31T23:59:59.000+0000",
            "2026-01-31T23:59:59Z",
            "2026-01-31T23:59:59.000Z",
            "2026-02-01T00:59:59+01:00",
            "2026-01-31T15:59:59.0-0800",
            "2026-01-31T23:59:59.000999999Z",
        ] {
            let moment: SoqlDateTime = text.parse().unwrap();
            assert_eq!(moment.to_string(), "2026-01-31T23:59:59.000Z", "{text}");
        }
        assert_eq!(
            "1969-12-31T23:59:59.5Z".parse::<SoqlDateTime>().unwrap().to_string(),
            "1969-12-31T23:59:59.500Z"
        );
    }

    #[test]
    fn an_invalid_date_is_rejected() {
        for text in [
            "",
            "2026-02-30",
            "2026-13-01",
            "2026-00-01",
            "1699-12-31",
            "4001-01-01",
            "2026-1-1",
            "2024-01-01 OR Id",
            "２026-01-01",
            "+026-01-01",
        ] {
            assert_eq!(text.parse::<SoqlDate>(), Err(InvalidDate), "{text}");
            assert_eq!(format!("{text}T00:00:00Z").parse::<SoqlDateTime>(), Err(InvalidDate), "{text}");
        }
        for time in [
            "",
            "T",
            "T24:00:00Z",
            "T00:60:00Z",
            "T00:00:60Z",
            "T00:00:00",
            "T00:00:00.Z",
            "T00:00:00z",
            "T00:00:00+1",
            "T00:00:00+24:00",
            "T00:00:00+00:0é",
            "T00:00:00.1234567890Z",
            "T00:00:00Z ",
            " 00:00:00Z",
            "T00:00:00+ä:0",
        ] {
            assert_eq!(format!("2026-01-31{time}").parse::<SoqlDateTime>(), Err(InvalidDate), "{time}");
        }
    }

    /// A text with escapes, which serde cannot borrow, is read, too.
    #[test]
    fn an_invalid_date_in_json_is_an_error() {
        let day = SoqlDate::new(2026, 1, 31).unwrap();
        assert_eq!(serde_json::from_str::<SoqlDate>(r#""2026\u002d01-31""#).unwrap(), day);
        assert_eq!(serde_json::from_str::<Option<SoqlDate>>("null").unwrap(), None);
        for json in [r#""2026-02-30""#, r#""""#, "20260131", "null", "[]", r#""2026-01-31T00:00:00Z""#] {
            assert!(serde_json::from_str::<SoqlDate>(json).is_err(), "{json}");
        }
        for json in [r#""2026-01-31""#, r#""""#, "1769817600", "null", "{}"] {
            assert!(serde_json::from_str::<SoqlDateTime>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn a_date_time_reads_back_equal(millis in -8_520_336_000_000_i64..64_092_211_199_999) {
            let moment = SoqlDateTime::from_millis(millis).unwrap();
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
            prop_assert_eq!(SoqlDateTime::try_from(SystemTime::from(moment)), Ok(moment));
        }

        /// In both directions, and from the form that Salesforce writes.
        #[test]
        fn dates_and_date_times_round_trip_through_json(millis in -8_520_336_000_000_i64..64_092_211_199_999) {
            let moment = SoqlDateTime::from_millis(millis).unwrap();
            let json = serde_json::to_string(&moment).unwrap();
            prop_assert_eq!(&json, &format!("\"{moment}\""));
            prop_assert_eq!(serde_json::from_str::<SoqlDateTime>(&json).unwrap(), moment);
            let salesforce_form = json.replace('Z', "+0000");
            prop_assert_eq!(serde_json::from_str::<SoqlDateTime>(&salesforce_form).unwrap(), moment);

            let json = serde_json::to_string(&moment.date).unwrap();
            prop_assert_eq!(&json, &format!("\"{}\"", moment.date));
            prop_assert_eq!(serde_json::from_str::<SoqlDate>(&json).unwrap(), moment.date);
        }

        #[test]
        fn the_parser_does_not_panic_on_any_text(text in "[0-9T:.Z+\\-äé ]{0,30}") {
            let _ = text.parse::<SoqlDateTime>();
        }
    }

    #[test]
    fn date_literals_are_written_in_the_syntax_of_soql() {
        assert_eq!(DateLiteral::LastNDays(30).to_string(), "LAST_N_DAYS:30");
        assert_eq!(DateLiteral::ThisFiscalQuarter.to_string(), "THIS_FISCAL_QUARTER");
    }
}
