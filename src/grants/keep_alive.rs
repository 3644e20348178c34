//! Refreshes unused grants before Salesforce expires them.
//!
//! A refresh token policy can say "expire refresh token if not used for" some days (Salesforce Help, "Manage OAuth Access
//! Policies for a Connected App"). Apps whose users come rarely keep their grants valid with this.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};

use super::GrantManager;
use crate::{
    base::{background::TaskSpawner, backoff::plus_jitter, random},
    store::{GrantFilter, GrantRecord},
};

/// Number of grants that are refreshed at a time. A quarter of the token requests to one login host, so that refreshes of
/// users who are waiting come first.
const CONCURRENT_REFRESHES: usize = 4;

/// Checks the grants from time to time, until the process ends.
pub(crate) async fn run(manager: Weak<GrantManager>, background: TaskSpawner, unused_for: Duration) {
    let Some(interval) = manager.upgrade().map(|manager| manager.config.timing.keep_alive_interval) else {
        return;
    };
    run_every(interval, manager, background, unused_for).await;
}

pub(super) async fn run_every(
    interval: Duration,
    manager: Weak<GrantManager>,
    background: TaskSpawner,
    unused_for: Duration,
) {
    while background.sleep_unless_stopping(jittered(interval, random::byte_or_zero())).await {
        let Some(manager) = manager.upgrade() else { return };
        manager.keep_alive(unused_for).await;
    }
}

impl GrantManager {
    /// Refreshes the grants whose tokens are older than `unused_for`. A grant that Salesforce has revoked meanwhile is
    /// deleted.
    pub(crate) async fn keep_alive(self: &Arc<Self>, unused_for: Duration) {
        let read_at = self.config.clock.instant();
        let grants = match self.config.store.list_grants(GrantFilter::All).await {
            Ok(grants) => grants,
            Err(error) => return tracing::warn!(%error, "listing grants for keep-alive failed"),
        };
        let now = self.config.clock.now();
        let old = |grant: &GrantRecord| {
            let is_ours = self.owns_login_of(grant.key);
            is_ours && now.duration_since(grant.updated_at).is_ok_and(|age| age >= unused_for)
        };
        let refreshes = grants.into_iter().filter(old).map(|grant| async move {
            let Some(handle) = self.handle(&grant, read_at) else { return };
            match handle.refresh_version(grant.version).await {
                Ok(_) => tracing::debug!(grant = %grant.key, "unused grant refreshed"),
                Err(error) => tracing::warn!(grant = %grant.key, %error, "refreshing an unused grant failed"),
            }
        });
        stream::iter(refreshes).buffer_unordered(CONCURRENT_REFRESHES).collect::<()>().await;
    }
}

/// Returns the interval, up to a tenth more or less, so that processes that started together check at different times.
/// (The lease keeps them apart anyway.)
fn jittered(interval: Duration, random: u8) -> Duration {
    plus_jitter(interval * 9 / 10, interval / 5, random)
}

#[cfg(test)]
mod tests {
    use super::{super::Timing, *};

    #[test]
    fn checks_are_spread_over_a_tenth_more_or_less() {
        let interval = Timing::default().keep_alive_interval;
        let at = |random| jittered(interval, random);
        assert_eq!((at(0), at(255)), (interval * 9 / 10, interval * 11 / 10));
        assert!((1..=255).all(|random| at(random - 1) < at(random)), "each random byte is another time");
    }
}
