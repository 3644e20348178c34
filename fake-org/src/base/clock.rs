//! The org's wall clock: the machine's, plus whatever a test added.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// Milliseconds since 1970, UTC.
pub(crate) type Millis = i64;

#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: AtomicI64,
}

impl Clock {
    pub(crate) fn now(&self) -> Millis {
        machine_now().saturating_add(self.ahead.load(Ordering::SeqCst))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(millis(by), Ordering::SeqCst);
    }

    /// Makes it that moment now; time goes on from there.
    pub(crate) fn set(&self, now: Millis) {
        self.ahead.store(now.saturating_sub(machine_now()), Ordering::SeqCst);
    }

    pub(crate) fn reset(&self) {
        self.ahead.store(0, Ordering::SeqCst);
    }
}

pub(crate) fn machine_now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

pub(crate) fn millis(duration: Duration) -> Millis {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// The moment as calendar fields; out of range values become 1970.
pub(crate) fn calendar(at: Millis) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A datetime as REST responses write it: `2015-08-20T11:50:05.000+0000`, an offset without a colon.
pub(crate) fn datetime(at: Millis) -> String {
    let t = calendar(at);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}+0000",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        t.millisecond()
    )
}

/// The moment of a stored datetime, `2015-08-20T11:50:05.000+0000`.
pub(crate) fn moment(stored: &str) -> Option<Millis> {
    let number = |from: usize, to: usize| stored.get(from..to)?.parse::<u16>().ok();
    let month = time::Month::try_from(u8::try_from(number(5, 7)?).ok()?).ok()?;
    let small = |from: usize, to: usize| u8::try_from(number(from, to)?).ok();
    let date = time::Date::from_calendar_date(i32::from(number(0, 4)?), month, small(8, 10)?).ok()?;
    let at = date.with_hms_milli(small(11, 13)?, small(14, 16)?, small(17, 19)?, number(20, 23)?).ok()?;
    i64::try_from(at.assume_utc().unix_timestamp_nanos() / 1_000_000).ok()
}

/// A datetime as the identity URL writes it: `2026-01-15T17:02:11Z`.
pub(crate) fn zulu(at: Millis) -> String {
    let long = datetime(at);
    format!("{}Z", long.get(..19).unwrap_or(&long))
}

/// A date: `2026-01-31`.
pub(crate) fn date(at: Millis) -> String {
    let t = calendar(at);
    format!("{:04}-{:02}-{:02}", t.year(), u8::from(t.month()), t.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_datetimes_as_salesforce_does() {
        assert_eq!(datetime(1_278_448_384_422), "2010-07-06T20:33:04.422+0000");
        assert_eq!(moment(&datetime(1_278_448_384_422)), Some(1_278_448_384_422));
        assert_eq!(zulu(1_278_448_384_422), "2010-07-06T20:33:04Z");
        assert_eq!(date(1_278_448_384_422), "2010-07-06");
    }
}
