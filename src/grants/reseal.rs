//! Seals stored grants again that are under an older key, so that the key can be dropped.
//!
//! A grant is sealed again as it is refreshed: under the lease, with the in-flight marker and as the next version. Another
//! process that refreshes it at the same time would otherwise find a version that it does not expect, and give up its new
//! token.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use futures_util::{StreamExt as _, stream};

use super::{AuthEvent, GrantManager, broken::BrokenGrant, tokens::UnreadableGrant};
use crate::{
    base::background::TaskSpawner,
    store::{GrantFilter, GrantRecord, StoreError},
};

/// Number of grants that are sealed at a time. Few, because users who are waiting come first.
const CONCURRENT_SEALS: usize = 4;

/// Seals the grants again, and checks from time to time whether a process still seals under an older key.
pub(crate) async fn run(manager: Weak<GrantManager>, background: TaskSpawner) {
    let mut is_reported = false;
    loop {
        let Some(manager) = manager.upgrade() else { return };
        let interval = manager.config.timing.reseal_interval;
        // Grants first: without them a connection is of no use.
        let resealed =
            async { Ok::<_, StoreError>(manager.reseal_grants().await? & manager.reseal_owned().await?) };
        match resealed.await {
            Ok(true) if !is_reported => {
                is_reported = true;
                tracing::info!("no stored grant needs an older key of SALESFORCE_KEYS");
                manager.config.events.emit(&AuthEvent::OlderKeysUnused);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "sealing stored grants under the newest key failed; it is retried")
            }
        }
        drop(manager);
        if !background.sleep_unless_stopping(interval).await {
            return;
        }
    }
}

impl GrantManager {
    /// Seals the grants of this app again that are under an older key. Returns true if none needs an older key.
    async fn reseal_grants(self: &Arc<Self>) -> Result<bool, StoreError> {
        let stale = self.stale_grants().await?;
        if stale.is_empty() {
            return Ok(true);
        }
        let read_at = self.config.clock.instant();
        let seals = stale.into_iter().map(|grant| async move { self.reseal(&grant, read_at).await });
        stream::iter(seals).buffer_unordered(CONCURRENT_SEALS).collect::<()>().await;
        Ok(self.stale_grants().await?.is_empty())
    }

    async fn reseal(self: &Arc<Self>, grant: &GrantRecord, read_at: Instant) {
        if let Some(broken) = self.open_broken(grant) {
            return self.reseal_broken(grant, &broken).await;
        }
        let Some(handle) = self.handle(grant, read_at) else { return };
        match handle.reseal(grant.version).await {
            Ok(_) => tracing::debug!(grant = %grant.key, "grant sealed under the newest key"),
            Err(error) => tracing::debug!(grant = %grant.key, %error, "sealing a grant again failed"),
        }
    }

    /// Seals what stays of a refused grant again. It has no token that could be used twice, so it needs no lease.
    async fn reseal_broken(&self, grant: &GrantRecord, broken: &BrokenGrant) {
        let sealed = broken.seal_as(grant.version.next(), &self.config.keys, grant.expires_at);
        let Ok(record) = sealed else { return };
        if let Err(error) = self.config.store.compare_and_swap_grant(grant.version, record).await {
            tracing::debug!(grant = %grant.key, %error, "sealing a broken grant again failed");
        }
    }

    /// Returns the grants that open under an older key.
    async fn stale_grants(&self) -> Result<Vec<GrantRecord>, StoreError> {
        let mut grants = self.config.store.list_grants(GrantFilter::All).await?;
        grants.retain(|grant| {
            self.owns(grant.key)
                && !self.config.keys.is_under_newest(grant.sealed.as_bytes())
                && matches!(self.open(grant), Ok(_) | Err(UnreadableGrant::Broken(_)))
        });
        Ok(grants)
    }
}
