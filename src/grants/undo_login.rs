//! Undoes logins whose storing failed.

use std::sync::Arc;

use super::{GrantManager, GrantTokens, manager::absent_if_corrupt};
use crate::store::{DeletedLogin, GrantRecord, LoginKey, StoreError};

/// A login whose creation failed, with the tokens that are to be revoked unless the store has them.
pub(super) struct UndoneLogin {
    pub(super) key: LoginKey,
    pub(super) grant: Option<GrantTokens>,
    /// The grant before the login.
    pub(super) former: Option<GrantRecord>,
}

impl GrantManager {
    /// Deletes a login whose creation failed: the store may have created it anyway, or may still do so.
    pub(super) fn undo_login_later(self: &Arc<Self>, mut undone: UndoneLogin) {
        let manager = Arc::clone(self);
        self.config.background.spawn(async move {
            let mut waits = manager.config.timing.retry_schedule.into_iter();
            while manager.undo_login(&mut undone).await.is_err() {
                match waits.next() {
                    Some(wait) if manager.config.background.sleep_unless_stopping(wait).await => {}
                    _ => {
                        // Not revoked: other logins of the user may use these tokens by now.
                        tracing::error!(
                            login = ?undone.key,
                            "undoing a failed login failed; its tokens, or those that it replaced, stay valid until they \
                             expire"
                        );
                        return;
                    }
                }
            }
        });
    }

    async fn undo_login(self: &Arc<Self>, undone: &mut UndoneLogin) -> Result<(), StoreError> {
        if let DeletedLogin::GrantDeleted(record) = self.config.store.delete_login(undone.key).await? {
            self.forget(&record);
            // Otherwise another login replaced the grant, and these tokens are revoked below.
            undone.grant.take_if(|grant| grant.version.epoch == record.version.epoch);
        }
        if let Some(grant) = &undone.grant {
            self.revoke_unless_stored(grant).await?;
            undone.grant = None;
        }
        match &undone.former {
            Some(former) => self.forget_if_gone(former).await,
            None => Ok(()),
        }
    }

    /// Revokes the tokens of a grant unless the store has it, or has a later one with the same refresh token.
    pub(super) async fn revoke_unless_stored(&self, grant: &GrantTokens) -> Result<(), StoreError> {
        let stored = absent_if_corrupt(self.config.store.load_grant(grant.key).await)?;
        if !self.is_in_use(grant.version, grant.refresh_token.as_ref(), stored.as_ref()) {
            self.revoke_later(grant);
        }
        Ok(())
    }
}
