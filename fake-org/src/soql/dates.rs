//! Date literals: names for ranges of days, counted in the user's time zone. Here that is UTC, and a week
//! begins on Sunday, as in en_US. Fiscal years are calendar years.

use time::{Date, Duration, Month};

use crate::base::clock::{Millis, calendar};

/// `TODAY`, `LAST_N_DAYS:5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DateLiteral {
    pub(super) name: String,
    pub(super) n: Option<i64>,
}

/// First day, and the first day that is no longer in it.
pub(super) type Range = (Date, Date);

impl DateLiteral {
    /// Whether the word names a date literal, and whether it takes a number.
    pub(super) fn takes_number(word: &str) -> Option<bool> {
        let word = word.to_ascii_uppercase();
        let fixed = ["TODAY", "YESTERDAY", "TOMORROW", "LAST_90_DAYS", "NEXT_90_DAYS"];
        if fixed.contains(&word.as_str()) {
            return Some(false);
        }
        const COUNTED: [&str; 7] =
            ["N_DAYS", "N_WEEKS", "N_MONTHS", "N_QUARTERS", "N_YEARS", "N_FISCAL_QUARTERS", "N_FISCAL_YEARS"];
        const SINGLE: [&str; 6] = ["WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR"];
        if let Some(unit) = word.strip_suffix("_AGO") {
            return COUNTED.contains(&unit).then_some(true);
        }
        let (lead, unit) = word.split_once('_')?;
        match lead {
            "LAST" | "NEXT" if COUNTED.contains(&unit) => Some(true),
            "LAST" | "THIS" | "NEXT" if SINGLE.contains(&unit) => Some(false),
            _ => None,
        }
    }

    pub(super) fn range(&self, now: Millis) -> Option<Range> {
        let today = calendar(now).date();
        let name = self.name.to_ascii_uppercase().replace("FISCAL_", "");
        let n = self.n.unwrap_or(0);
        let day = |from: i64, to: i64| {
            Some((today.checked_add(Duration::days(from))?, today.checked_add(Duration::days(to))?))
        };
        match name.as_str() {
            "TODAY" => return day(0, 1),
            "YESTERDAY" => return day(-1, 0),
            "TOMORROW" => return day(1, 2),
            "LAST_90_DAYS" => return day(-90, 1),
            "NEXT_90_DAYS" => return day(1, 91),
            // From midnight n days ago, today included: n + 1 calendar days.
            "LAST_N_DAYS" => return day(-n, 1),
            "NEXT_N_DAYS" => return day(1, n.checked_add(1)?),
            "N_DAYS_AGO" => return day(-n, n.checked_neg()?.checked_add(1)?),
            _ => {}
        }
        let unit = ["WEEK", "MONTH", "QUARTER", "YEAR"].into_iter().find(|unit| name.contains(unit))?;
        let step = |k: i64| shift(start(today, unit)?, unit, k);
        // Ranges of several units leave the current one out.
        match (name.split('_').next()?, name.contains("_N_"), name.ends_with("_AGO")) {
            (_, _, true) => Some((step(n.checked_neg()?)?, step(n.checked_neg()?.checked_add(1)?)?)),
            ("LAST", true, _) => Some((step(n.checked_neg()?)?, step(0)?)),
            ("NEXT", true, _) => Some((step(1)?, step(n.checked_add(1)?)?)),
            ("LAST", ..) => Some((step(-1)?, step(0)?)),
            ("THIS", ..) => Some((step(0)?, step(1)?)),
            ("NEXT", ..) => Some((step(1)?, step(2)?)),
            _ => None,
        }
    }
}

fn start(day: Date, unit: &str) -> Option<Date> {
    match unit {
        "WEEK" => day.checked_sub(Duration::days(i64::from(day.weekday().number_days_from_sunday()))),
        "MONTH" => day.replace_day(1).ok(),
        "QUARTER" => {
            let first = (u8::from(day.month()) - 1) / 3 * 3 + 1;
            Date::from_calendar_date(day.year(), Month::try_from(first).ok()?, 1).ok()
        }
        _ => Date::from_calendar_date(day.year(), Month::January, 1).ok(),
    }
}

/// The first day of a unit, moved by `k` units.
fn shift(first: Date, unit: &str, k: i64) -> Option<Date> {
    let months = match unit {
        "WEEK" => return first.checked_add(Duration::weeks(k.clamp(-1_000_000, 1_000_000))),
        "MONTH" => k,
        "QUARTER" => k.checked_mul(3)?,
        _ => k.checked_mul(12)?,
    };
    let total = i64::from(first.year()) * 12 + i64::from(u8::from(first.month())) - 1;
    let total = total.checked_add(months)?;
    let month = Month::try_from(u8::try_from(total.rem_euclid(12) + 1).ok()?).ok()?;
    Date::from_calendar_date(i32::try_from(total.div_euclid(12)).ok()?, month, 1).ok()
}
