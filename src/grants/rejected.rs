//! [`Rejected`]: how long a grant is not refreshed after Salesforce rejected a new access token like the one before it.
//! Without I/O; the time is a parameter.
//!
//! A session that is locked to an address, a scope without `api`, or the API access control of an org: Salesforce rejects
//! each token then, and each refresh uses up a refresh token. So the version is not refreshed for a while, by no process:
//! [`in_flight::mark_rejected`](super::in_flight::mark_rejected) says so in the store. A process counts the versions that
//! it, or another process, found rejected, and the pause grows with them.

use std::time::{Duration, Instant};

use crate::{base::backoff::Backoff, store::GrantVersion};

/// A version whose access token was rejected although it was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rejected {
    version: GrantVersion,
    /// Number of versions in a row that met with that.
    in_a_row: u32,
    /// This process starts no refresh of the version before.
    until: Instant,
    /// A version that is rejected before then belongs to the same row.
    row_until: Instant,
}

impl Rejected {
    /// This process found the version rejected. `before` is the last such version that it knows.
    pub(super) fn here(before: Option<Self>, version: GrantVersion, now: Instant, pauses: Backoff) -> Self {
        let in_a_row = in_a_row(before, version, now);
        Self::lasting(version, in_a_row, pauses.base(in_a_row - 1), now, pauses)
    }

    /// Another process found it rejected. This one looks at the store again after `look_again`.
    pub(super) fn elsewhere(
        before: Option<Self>,
        version: GrantVersion,
        now: Instant,
        pauses: Backoff,
        look_again: Duration,
    ) -> Self {
        Self::lasting(version, in_a_row(before, version, now), look_again, now, pauses)
    }

    fn lasting(version: GrantVersion, in_a_row: u32, pause: Duration, now: Instant, pauses: Backoff) -> Self {
        let after = |time: Duration| now.checked_add(time).unwrap_or(now);
        // Time for the longest pause of all processes, and for a request after it.
        let row_until = after(pauses.base(in_a_row - 1).saturating_add(pauses.max));
        Self { version, in_a_row, until: after(pause), row_until }
    }

    /// Returns how much longer this process does not refresh `version`; `None` if it may.
    pub(super) fn time_left(&self, version: GrantVersion, now: Instant) -> Option<Duration> {
        let left = self.until.checked_duration_since(now).filter(|left| !left.is_zero());
        left.filter(|_| self.version == version)
    }

    /// Returns whether neither the pause nor the row counts any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now > self.row_until
    }
}

/// Returns the number of versions in a row that were rejected, with this one.
fn in_a_row(before: Option<Rejected>, version: GrantVersion, now: Instant) -> u32 {
    match before {
        Some(before) if before.is_over(now) => 1,
        Some(before) if before.version == version => before.in_a_row,
        // Those between them were made because the one before was rejected: a token that is accepted lives longer than that.
        Some(before) if version.is_after(before.version) => {
            let steps = version.revision - before.version.revision;
            before.in_a_row.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX))
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAUSES: Backoff = Backoff { initial: Duration::from_secs(10), max: Duration::from_secs(80) };
    const LOOK_AGAIN: Duration = Duration::from_secs(2);

    fn version(revision: u64) -> GrantVersion {
        GrantVersion { epoch: 1, revision }
    }

    #[test]
    fn the_pause_grows_with_each_version_in_a_row() {
        let (mut now, mut before) = (Instant::now(), None);
        for (revision, expected) in [10, 20, 40, 80, 80].into_iter().enumerate() {
            let found = Rejected::here(before, version(revision as u64), now, PAUSES);
            let again = Rejected::here(Some(found), version(revision as u64), now, PAUSES);
            assert_eq!(found, again, "a version counts once");
            assert_eq!(found.time_left(version(revision as u64), now), Some(Duration::from_secs(expected)));
            assert_eq!(found.time_left(version(revision as u64 + 1), now), None, "another version");
            now = found.until;
            assert_eq!(found.time_left(version(revision as u64), now), None);
            before = Some(found);
        }
    }

    #[test]
    fn versions_of_other_processes_count_and_a_version_that_worked_ends_the_row() {
        let now = Instant::now();
        let first = Rejected::here(None, version(3), now, PAUSES);
        let second = Rejected::elsewhere(Some(first), version(5), now, PAUSES, LOOK_AGAIN);
        assert_eq!((second.in_a_row, second.time_left(version(5), now)), (3, Some(LOOK_AGAIN)));
        let third = Rejected::here(Some(second), version(6), now, PAUSES);
        assert_eq!(third.time_left(version(6), now), Some(Duration::from_secs(80)));
        let much_later = third.row_until + Duration::from_secs(1);
        assert_eq!(Rejected::here(Some(third), version(7), much_later, PAUSES).in_a_row, 1);
        let other_login = GrantVersion { epoch: 2, revision: 7 };
        assert_eq!(Rejected::here(Some(third), other_login, now, PAUSES).in_a_row, 1);
    }

    proptest! {
        /// Salesforce rejects every token. Requests reach the processes in any order.
        #[test]
        fn all_processes_together_refresh_ever_more_rarely(
            requests in prop::collection::vec((0..3_usize, 0..30_u64), 1..200),
        ) {
            let (start, mut now) = (Instant::now(), Instant::now());
            let mut known: [Option<Rejected>; 3] = [None; 3];
            let (mut current, mut refreshed_at) = (0, Vec::new());
            // The mark in the store: its version, and its end.
            let mut mark: Option<(u64, Instant)> = None;
            for (process, seconds) in requests {
                now += Duration::from_secs(seconds);
                let before = known[process];
                if before.is_some_and(|known| known.time_left(version(current), now).is_some()) {
                    continue;
                }
                if mark.is_some_and(|(marked, until)| marked == current && until > now) {
                    known[process] = Some(Rejected::elsewhere(before, version(current), now, PAUSES, LOOK_AGAIN));
                    continue;
                }
                current += 1;
                refreshed_at.push(now);
                let found = Rejected::here(before, version(current), now, PAUSES);
                mark = Some((current, found.until));
                known[process] = Some(found);
            }
            for pair in refreshed_at.windows(2) {
                prop_assert!(pair[1] - pair[0] >= PAUSES.initial, "{:?}", pair[0] - start);
            }
            for known in known.into_iter().flatten() {
                prop_assert!(known.until <= known.row_until && known.in_a_row >= 1);
                prop_assert!(u64::from(known.in_a_row) <= current, "no version counts twice");
            }
        }
    }
}
