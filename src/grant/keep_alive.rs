//! Renews grants that nobody uses, before Salesforce ends them for that.
//!
//! A refresh token policy can say "expires when not used for so many days" (Salesforce Help, "Manage OAuth Access
//! Policies for a Connected App"). Apps that act for people who rarely come by keep their grants alive with this.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};

use super::Engine;
use crate::{
    background::Spawner,
    store::{GrantRecord, Subject},
};

/// How often it is looked for grants that need it.
const LOOK_EVERY: Duration = Duration::from_secs(6 * 60 * 60);
/// How many are renewed at a time.
const AT_ONCE: usize = 4;

/// Looks now and then, until the program ends.
pub(crate) async fn run(engine: Weak<Engine>, background: Spawner, unused_for: Duration) {
    run_every(LOOK_EVERY, engine, background, unused_for).await;
}

pub(super) async fn run_every(
    time: Duration,
    engine: Weak<Engine>,
    background: Spawner,
    unused_for: Duration,
) {
    // Processes that were started together do not look together; the lease keeps them apart anyway.
    while background.pause(jittered(time, random())).await {
        let Some(engine) = engine.upgrade() else { return };
        engine.keep_alive(unused_for).await;
    }
}

impl Engine {
    /// Renews the grants whose tokens are older than `unused_for`. A grant that Salesforce has ended meanwhile ends
    /// here too.
    pub(crate) async fn keep_alive(self: &Arc<Self>, unused_for: Duration) {
        let asked_at = self.parts.clock.instant();
        let grants = match self.parts.store.grants(Subject::All).await {
            Ok(grants) => grants,
            Err(error) => return tracing::warn!(%error, "grants could not be looked through"),
        };
        let now = self.parts.clock.now();
        let old = |grant: &GrantRecord| {
            grant.key.app() == self.parts.app
                && now.duration_since(grant.updated_at).is_ok_and(|age| age >= unused_for)
        };
        let renewals = grants.into_iter().filter(old).map(|grant| async move {
            let Some(handle) = self.handle(&grant, asked_at) else { return };
            match handle.renew(grant.version).await {
                Ok(_) => tracing::debug!(grant = %grant.key, "kept alive"),
                Err(error) => tracing::warn!(grant = %grant.key, %error, "a grant could not be kept alive"),
            }
        });
        stream::iter(renewals).buffer_unordered(AT_ONCE).collect::<()>().await;
    }
}

/// Without randomness all processes look together, which does no harm.
fn random() -> u8 {
    let mut random = [0; 1];
    let _ = getrandom::fill(&mut random);
    random[0]
}

/// Up to a tenth more or less.
fn jittered(time: Duration, random: u8) -> Duration {
    time * 9 / 10 + time / 5 * u32::from(random) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_spread_over_a_tenth_more_or_less() {
        let at = |random| jittered(LOOK_EVERY, random);
        assert_eq!((at(0), at(255)), (LOOK_EVERY * 9 / 10, LOOK_EVERY * 11 / 10));
        assert!((1..=255).all(|random| at(random - 1) < at(random)), "each random number is another time");
        assert!((0..100).any(|_| random() != random()), "and they differ");
    }
}
