//! Noting that logins are used, on a coarse clock: not with every request, and of many that come at once only for one.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use super::{Lifetimes, kept::Kept};
use crate::store::LoginKey;

/// A login's last use is noted at most this often.
const AT_MOST_EVERY: Duration = Duration::from_secs(60);

/// Which last use of a login this process has replaced by a later one, and when.
#[derive(Debug, Default)]
pub(super) struct Touches(Mutex<Kept<LoginKey, (SystemTime, Instant)>>);

/// How old the note of a login's last use may get.
pub(super) fn interval(lifetimes: Lifetimes) -> Duration {
    AT_MOST_EVERY.min(lifetimes.idle / 4)
}

impl Touches {
    /// Whether whoever found that this login was last used at `seen_at` is to note its use now: nobody did so a moment
    /// ago. What was noted in vain is noted again after the interval.
    pub(super) fn is_due(
        &self,
        key: LoginKey,
        seen_at: SystemTime,
        interval: Duration,
        now: Instant,
    ) -> bool {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < interval;
        let mut touches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if touches.get(&key).is_some_and(|(seen, at)| *seen == seen_at && is_recent(at)) {
            return false;
        }
        touches.insert(key, (seen_at, now), |(_, at)| is_recent(at));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salesforce_connection::Secret;

    #[test]
    fn of_many_at_once_one_notes_the_use() {
        let (touches, start, minute) = (Touches::default(), Instant::now(), Duration::from_secs(60));
        let key = |n: usize| LoginKey::of_id(&Secret::new(format!("login {n}")));
        let seen = SystemTime::UNIX_EPOCH;
        for later in [Duration::ZERO, minute, 3 * minute] {
            let due = (0..50).filter(|_| touches.is_due(key(0), seen, minute, start + later)).count();
            assert_eq!(due, 1, "{later:?}");
        }
        assert!(touches.is_due(key(0), seen + minute, minute, start + 3 * minute), "a later use");
        assert!(touches.is_due(key(1), seen, minute, start), "another login");
    }

    #[test]
    fn a_short_lifetime_is_noted_more_often() {
        let every =
            |idle| interval(Lifetimes { idle: Duration::from_secs(idle), absolute: Duration::from_secs(9) });
        assert_eq!(every(3_600), Duration::from_secs(60));
        assert_eq!(every(20), Duration::from_secs(5));
    }
}
