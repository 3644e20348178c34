//! Throttles writes of a login's last-used time: at most one per interval, even for concurrent requests.

use std::{
    sync::Mutex,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    base::{evicting_map::EvictingMap, lock::lock},
    store::LoginKey,
};

/// For each login, the last-used time that this process has replaced, and when.
#[derive(Debug, Default)]
pub(super) struct LastSeenThrottle(Mutex<EvictingMap<LoginKey, (SystemTime, Instant)>>);

/// Returns how old a stored last-used time may become: `interval`, or a quarter of a short idle timeout.
pub(super) fn interval(interval: Duration, idle_timeout: Duration) -> Duration {
    interval.min(idle_timeout / 4)
}

impl LastSeenThrottle {
    /// Returns true if the caller should write the new last-used time.
    ///
    /// `last_used_at` is the stored time. If the write fails, the next call after the interval returns true again.
    pub(super) fn should_write(
        &self,
        key: LoginKey,
        last_used_at: SystemTime,
        interval: Duration,
        now: Instant,
    ) -> bool {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < interval;
        let mut replaced = lock(&self.0);
        if replaced.get(&key).is_some_and(|(stored, at)| *stored == last_used_at && is_recent(at)) {
            return false;
        }
        replaced.insert(key, (last_used_at, now), |(_, at)| is_recent(at));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salesforce_connection::Secret;

    #[test]
    fn one_of_many_concurrent_requests_writes() {
        let (throttle, start, minute) =
            (LastSeenThrottle::default(), Instant::now(), Duration::from_secs(60));
        let key = |n: usize| LoginKey::from_login_id(&Secret::new(format!("login {n}")));
        let seen = SystemTime::UNIX_EPOCH;
        for later in [Duration::ZERO, minute, 3 * minute] {
            let writes =
                (0..50).filter(|_| throttle.should_write(key(0), seen, minute, start + later)).count();
            assert_eq!(writes, 1, "{later:?}");
        }
        assert!(throttle.should_write(key(0), seen + minute, minute, start + 3 * minute), "a later use");
        assert!(throttle.should_write(key(1), seen, minute, start), "another login");
    }

    #[test]
    fn a_short_idle_timeout_is_written_more_often() {
        let every = |idle| interval(Duration::from_secs(60), Duration::from_secs(idle));
        assert_eq!(every(3_600), Duration::from_secs(60));
        assert_eq!(every(20), Duration::from_secs(5));
    }
}
