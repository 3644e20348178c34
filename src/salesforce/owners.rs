//! Connections of the app's own users.

use std::sync::Arc;

use super::Salesforce;
use crate::{
    grants::{JobGrant, OwnedName, OwnerConnection, StoredGrant},
    store::{ConnectionName, GrantFilter, Owner, StoreError},
    web::owner::ConnectFunction,
};
use salesforce_connection::{Connection, Error, Result};

impl Salesforce {
    /// Returns the connection that an owner, a user of the app itself, calls `name`.
    ///
    /// The owner connected it at the route of [`connect_owner`](crate::SalesforceBuilder::connect_owner). It needs no
    /// login and no request: jobs use it as handlers do.
    ///
    /// # Errors
    /// [`Error::LoginRequired`] if the owner has no connection of this name; [`Error::NeedsReconnecting`] with the path at
    /// which the owner connects again if Salesforce refused its grant for good, or the grant was revoked;
    /// [`Error::OrgNotAllowed`] if the settings do not let the user's org in; [`Error::is_transient`] if the store is down.
    pub async fn owner_connection(&self, owner: &Owner, name: &ConnectionName) -> Result<Connection> {
        let owned = OwnedName { owner: owner.clone(), name: name.clone() };
        match self.grants().grant_of_owner(&owned).await? {
            StoredGrant::Valid(grant) => {
                Ok(self.connect(Arc::new(JobGrant { grant, owned: Some(name.clone()) })))
            }
            StoredGrant::Broken(broken) => Err(Error::NeedsReconnecting(Arc::new(broken))),
            StoredGrant::OrgNotAllowed => Err(Error::OrgNotAllowed),
            StoredGrant::Undecided(cause) => Err(cause.into()),
            StoredGrant::Absent => Err(Error::LoginRequired),
        }
    }

    /// Lists the connections of an owner by name, those that need reconnecting included.
    ///
    /// # Errors
    /// The store is down.
    pub async fn owner_connections(&self, owner: &Owner) -> Result<Vec<OwnerConnection>> {
        Ok(self.grants().owner_connections(owner).await?)
    }

    /// Lists the connections of all owners to a Salesforce user, to an org, or all.
    ///
    /// # Errors
    /// The store is down.
    pub async fn list_owner_connections(&self, of: GrantFilter) -> Result<Vec<OwnerConnection>> {
        Ok(self.grants().list_owner_connections(of).await?)
    }

    /// Ends a connection of an owner, and returns whether there was one.
    ///
    /// If no login and no other owner uses its grant, the tokens are revoked at Salesforce in the background.
    ///
    /// # Errors
    /// The store is down. It is retried in the background if the connection was found before.
    pub async fn disconnect_owner(&self, owner: &Owner, name: &ConnectionName) -> Result<bool> {
        let owned = OwnedName { owner: owner.clone(), name: name.clone() };
        // To its end, even if the caller is dropped: a token that is not revoked stays valid.
        let grants = Arc::clone(self.grants());
        let ended = self.inner.background.run(async move { grants.disconnect_owner(&owned).await });
        let ended = ended.await.map_err(|stopped| StoreError::Unavailable(stopped.into()))?;
        Ok(ended?)
    }

    /// The app's function that names owners.
    pub(crate) fn connect_function(&self) -> &ConnectFunction {
        &self.inner.functions.connect
    }
}
