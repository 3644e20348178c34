//! What requests of Salesforce to the app need of the store.

use std::time::Duration;

use super::GrantManager;
use crate::store::{OneTimeKey, StoreError};
use salesforce_connection::Secret;

impl GrantManager {
    /// Marks a token of a caller as used. Returns whether it was unused.
    pub(crate) async fn consume_call(&self, token: String, lifetime: Duration) -> Result<bool, StoreError> {
        let once = OneTimeKey::from_secret(&Secret::new(token));
        self.config.store.consume_once(once, lifetime).await
    }
}
