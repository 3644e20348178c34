//! Reports when no stored grant needs the previous credentials of the app any more.

use std::sync::Weak;

use super::{AuthEvent, GrantManager};
use crate::{
    base::background::TaskSpawner,
    store::{GrantFilter, StoreError},
};

/// Looks from time to time, until the process ends.
pub(crate) async fn run(manager: Weak<GrantManager>, background: TaskSpawner) {
    let mut last = None;
    loop {
        let Some(manager) = manager.upgrade() else { return };
        let interval = manager.config.timing.reseal_interval;
        match manager.previous_grants().await {
            // A process with the former settings may still add some.
            Ok(grants) if last == Some(grants) => {}
            Ok(grants) => {
                last = Some(grants);
                if grants == 0 {
                    tracing::info!("no stored grant needs SALESFORCE_PREVIOUS_CLIENT_ID any more");
                    manager.config.events.emit(&AuthEvent::PreviousCredentialsUnused);
                } else {
                    tracing::info!(grants, "stored grants that need SALESFORCE_PREVIOUS_CLIENT_ID");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "counting the grants of the previous client id failed; it is retried");
            }
        }
        drop(manager);
        if !background.sleep_unless_stopping(interval).await {
            return;
        }
    }
}

impl GrantManager {
    /// Returns the number of stored grants of the previous credentials.
    async fn previous_grants(&self) -> Result<usize, StoreError> {
        let grants = self.config.store.list_grants(GrantFilter::All).await?;
        Ok(grants.iter().filter(|grant| self.config.apps.is_previous(grant.key.app())).count())
    }
}
