//! Reports when no stored grant needs the previous credentials of the app any more.

use std::sync::{Arc, Weak};

use super::{AuthEvent, GrantManager, manager::absent_if_corrupt};
use crate::{
    base::background::TaskSpawner,
    store::{GrantFilter, GrantKey, GrantRecord, StoreError},
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
    /// Returns the number of stored grants whose tokens were given to the previous credentials.
    async fn previous_grants(&self) -> Result<usize, StoreError> {
        let grants = self.config.store.list_grants(GrantFilter::All).await?;
        let needs_them = |grant: &&GrantRecord| {
            self.config.apps.is_previous(grant.key.app()) && self.open_broken(grant).is_none()
        };
        Ok(grants.iter().filter(needs_them).count())
    }

    /// Deletes what stays of a refused grant of this user under the other credentials: the user has just logged in.
    pub(super) fn forget_other_broken_grant(self: &Arc<Self>, new: GrantKey) {
        for app in self.config.apps.keys().filter(|app| *app != new.app()) {
            let (manager, key) = (Arc::clone(self), GrantKey::new(app, new.user()));
            self.config.background.spawn(async move {
                let store = &manager.config.store;
                let forgotten = async {
                    let Some(record) = absent_if_corrupt(store.load_grant(key).await)? else { return Ok(()) };
                    if manager.open_broken(&record).is_some() {
                        store.delete_grant(key, Some(record.version)).await?;
                    }
                    Ok::<_, StoreError>(())
                };
                if let Err(error) = forgotten.await {
                    tracing::warn!(grant = %key, %error, "what stays of a refused grant was not deleted");
                }
            });
        }
    }
}
