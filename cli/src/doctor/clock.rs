//! The difference between this machine's clock and Salesforce's.

use std::time::{Duration, SystemTime};

use super::finding::{Check, Finding};

/// More than this, and ID tokens are refused (`LEEWAY` of `IdTokenError::Clock`).
const LOGINS_FAIL: u64 = 90;
/// More than this is no delay on the way: a clock that is set by NTP differs by milliseconds.
const UNSYNCHRONIZED: u64 = 10;

/// Compares a response's `Date` with this machine's clock. `took`: the time between request and response, in which it was
/// written.
pub(super) fn check(date: Option<&str>, received: SystemTime, took: Duration) -> Finding {
    let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
        return Finding::skipped(Check::Clock, "The response has no date to compare with.");
    };
    // A date has whole seconds.
    let slack = took.as_secs() + 1;
    let (difference, direction) = match received.duration_since(date) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(error) => (error.duration(), "behind"),
    };
    let seconds = difference.as_secs().saturating_sub(slack);
    let what = format!("This machine's clock is {seconds} seconds {direction} Salesforce's.");
    let fix = "synchronize the clock of this machine (NTP)";
    if seconds > LOGINS_FAIL {
        Finding::failed(Check::Clock, format!("{what} Logins fail above {LOGINS_FAIL}.")).fix(fix)
    } else if seconds > UNSYNCHRONIZED {
        Finding::warning(Check::Clock, what).fix(fix)
    } else {
        Finding::passed(Check::Clock, "This machine's clock agrees with Salesforce's.")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Outcome, *};

    #[test]
    fn a_difference_counts_without_the_time_of_the_request() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let at = |seconds: i64| {
            let offset = Duration::from_secs(seconds.unsigned_abs());
            let date = if seconds < 0 { now - offset } else { now + offset };
            check(Some(&httpdate::fmt_http_date(date)), now, Duration::from_secs(2)).outcome
        };
        for (seconds, outcome) in [
            (0, Outcome::Passed),
            (13, Outcome::Passed),
            (-14, Outcome::Warning),
            (93, Outcome::Warning),
            (94, Outcome::Failed),
            (-7_200, Outcome::Failed),
        ] {
            assert_eq!(at(seconds), outcome, "{seconds}");
        }
        assert_eq!(check(Some("yesterday"), now, Duration::ZERO).outcome, Outcome::Skipped);
    }
}
