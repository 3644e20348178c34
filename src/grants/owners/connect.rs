//! Stores connections of owners.

use std::{sync::Arc, time::Duration};

use super::{
    super::{AuthEvent, GrantManager, GrantTokens, LogInError, manager::absent_if_corrupt},
    Content, LIFETIME, OwnedName,
    disconnect::PendingDisconnect,
    hash_of,
};
use crate::store::{ConnectedOwner, GrantKey, GrantRecord, OwnedKey, OwnedRecord, StoreError};
use salesforce_connection::{Secret, UserRef};

/// Two connections that are further apart than this are told apart by their times: stores hold milliseconds.
const RESOLUTION: Duration = Duration::from_millis(1);

/// A connection that is being stored.
struct NewConnection {
    key: OwnedKey,
    grant: GrantTokens,
    /// A hash of the callback that brings it.
    callback: String,
    /// What it replaces, as it was read before: if the store's response is lost, only these copies still have the tokens to
    /// revoke.
    replaces: Vec<GrantRecord>,
    /// What the owner connected under other credentials of the app: it is replaced, too.
    others: Vec<PendingDisconnect>,
}

impl GrantManager {
    /// Stores a grant for an owner. `id` follows from the callback that brought it.
    pub(in super::super) async fn connect_owner(
        self: &Arc<Self>,
        grant: GrantTokens,
        owned: &OwnedName,
        id: &Secret,
    ) -> Result<UserRef, LogInError> {
        let key = owned.key(grant.key.app());
        let (replaces, others) = (Vec::new(), Vec::new());
        let mut connection = NewConnection { key, grant, callback: hash_of(id), replaces, others };
        let connected = match self.store_connection(&mut connection, owned).await {
            Ok(connected) => connected,
            Err(error) => {
                self.settle_connection_later(connection);
                return Err(error);
            }
        };
        let NewConnection { grant, others, .. } = connection;
        let (grant_key, new_token) = (grant.key, grant.refresh_token.clone());
        self.handle_of(grant);
        self.connected(key, grant_key, others);
        self.revoke_replaced(connected.replaced, new_token.as_ref());
        if let Some(deleted) = connected.deleted {
            self.forget(&deleted);
        }
        Ok(grant_key.user())
    }

    async fn store_connection(
        &self,
        connection: &mut NewConnection,
        owned: &OwnedName,
    ) -> Result<ConnectedOwner, LogInError> {
        let (store, now) = (&self.config.store, self.config.clock.now());
        let (key, grant) = (connection.key, &connection.grant);
        let ends_at = now.checked_add(LIFETIME).unwrap_or(now);
        let record = grant.seal(&self.config.keys, ends_at)?;
        let content = Content {
            owner: owned.owner.as_str().to_owned(),
            name: owned.name.as_str().to_owned(),
            callback: connection.callback.clone(),
        };
        let sealed = self.seal_owned(key, grant.key, &content)?;
        let keys = (owned.owner_key(grant.key.app()), key);
        // What another process stores from here on is not known if the response is lost.
        let (known, former) = absent_if_corrupt(store.load_owned(key).await)?.unzip();
        let former = former.flatten();
        // A clock that was ahead must not keep the owner from connecting again.
        let after = known.and_then(|known| known.connected_at.checked_add(RESOLUTION)).unwrap_or(now);
        let owned_record = OwnedRecord::new(keys, grant.key, sealed, now.max(after), ends_at);
        let keep_unused = self.keep_unused(former.as_ref());
        if former.as_ref().is_none_or(|former| former.key != grant.key) {
            connection.replaces.extend(absent_if_corrupt(store.load_grant(grant.key).await)?);
        }
        connection.replaces.extend(former);
        for app in self.config.apps.keys().filter(|app| *app != grant.key.app()) {
            let other = absent_if_corrupt(store.load_owned(owned.key(app)).await)?;
            connection.others.extend(other.map(|other| PendingDisconnect::of(other, now)));
        }
        Ok(store.connect_owner(owned_record, record, keep_unused).await?)
    }

    /// Reports a connection that is stored, and ends what it replaces.
    fn connected(self: &Arc<Self>, key: OwnedKey, grant: GrantKey, others: Vec<PendingDisconnect>) {
        tracing::info!(owned = ?key, %grant, "connected for an owner of the app");
        self.config.events.emit(&AuthEvent::OwnerConnected { user: grant.user() });
        self.rechecked_by_login(grant);
        self.forget_other_broken_grant(grant);
        for other in others {
            self.disconnect_later(other);
        }
    }

    /// Finds out whether a connection is stored although the store failed. If not, its tokens are revoked.
    fn settle_connection_later(self: &Arc<Self>, mut connection: NewConnection) {
        let manager = Arc::clone(self);
        self.config.background.spawn(async move {
            for wait in manager.config.timing.retry_schedule {
                if !manager.config.background.sleep_unless_stopping(wait).await {
                    break;
                }
                match manager.settle_connection(&mut connection).await {
                    Ok(true) => {
                        return manager.connected(connection.key, connection.grant.key, connection.others);
                    }
                    Ok(false) => return,
                    Err(_) => {}
                }
            }
            tracing::error!(
                grant = %connection.grant.key,
                "settling a failed connection failed; its tokens, or those that it replaced, stay valid until they expire"
            );
        });
    }

    /// Returns whether the connection is stored. Revokes the tokens that the store does not have.
    async fn settle_connection(self: &Arc<Self>, connection: &mut NewConnection) -> Result<bool, StoreError> {
        let found = absent_if_corrupt(self.config.store.load_owned(connection.key).await)?;
        let content = found.and_then(|(record, _)| self.open_owned(&record));
        while let Some(former) = connection.replaces.last() {
            self.forget_if_gone(former).await?;
            connection.replaces.pop();
        }
        if content.is_some_and(|content| content.callback == connection.callback) {
            return Ok(true);
        }
        self.revoke_unless_stored(&connection.grant).await?;
        Ok(false)
    }
}
