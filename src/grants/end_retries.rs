//! Repeats an end that is not stored yet: of a login, of a grant, of a connection of an owner.

use std::time::Duration;

use tokio::sync::SemaphorePermit;

use super::{GrantManager, Timing};
use crate::store::StoreError;

/// Returns the wait before an attempt, counted from 0. There is always a further one: an end is never given up.
fn wait_before(timing: &Timing, attempt: usize) -> Duration {
    let longest = timing.logout_max_wait;
    timing.retry_schedule.get(attempt).map_or(longest, |wait| longest.min(*wait))
}

/// The attempts to store one end, in the background:
///
/// `while let Some(_permit) = retries.turn().await { if retries.is_over(attempt().await) { return; } }`
pub(super) struct EndRetries<'a> {
    manager: &'a GrantManager,
    attempts: usize,
    /// What is to end, for the log.
    what: String,
}

impl<'a> EndRetries<'a> {
    pub(super) fn new(manager: &'a GrantManager, what: String) -> Self {
        Self { manager, attempts: 0, what }
    }

    /// Waits until the next attempt is due and few others are at work. `None`: the process ends.
    pub(super) async fn turn(&mut self) -> Option<SemaphorePermit<'a>> {
        let wait = wait_before(&self.manager.config.timing, self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        if !self.manager.config.background.sleep_unless_stopping(wait).await {
            tracing::error!(what = %self.what, "logout or deletion not stored: the process is stopping");
            return None;
        }
        // The semaphore is never closed.
        self.manager.pending_logouts.writes.acquire().await.ok()
    }

    /// Returns whether no further attempt follows: it is stored, or its record is unreadable and counts as absent.
    pub(super) fn is_over(&self, ended: Result<(), StoreError>) -> bool {
        match ended {
            Ok(()) => true,
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(what = %self.what, %error, "storing an end failed; its record counts as absent");
                true
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However long an outage lasts.
    #[test]
    fn a_logout_is_never_given_up() {
        for timing in [Timing::default(), Timing::fast()] {
            let longest = timing.logout_max_wait;
            assert_eq!(wait_before(&timing, 0), timing.retry_schedule[0]);
            assert!((0..100).all(|attempt| wait_before(&timing, attempt) <= longest));
            assert_eq!(wait_before(&timing, usize::MAX), longest);
        }
    }
}
