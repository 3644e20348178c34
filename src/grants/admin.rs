//! For operators: lists logins and grants, and revokes them.

use std::{sync::Arc, time::SystemTime};

use super::{
    GrantManager,
    logout_policy::{AppCheck, Ends},
};
use crate::store::{GrantFilter, GrantRecord, LoginKey, LoginRecord, StoreError};
use salesforce_connection::{OrgId, UserId, token::BrokenConnection};

/// A login: one browser that may use a user's grant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoginInfo {
    /// Names the login, for [`Salesforce::revoke_login`](crate::Salesforce::revoke_login). It is no credential.
    pub key: LoginKey,
    /// A short id of the login, as it appears in the log. It is no credential.
    pub log_id: String,
    /// The organization.
    pub organization_id: OrgId,
    /// The user.
    pub user_id: UserId,
    /// When the user logged in.
    pub created_at: SystemTime,
    /// When the login was last used, accurate to about a minute.
    pub last_used_at: SystemTime,
    /// When the login ends unless it is used before.
    pub expires_at: SystemTime,
}

/// The grant of a user.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GrantInfo {
    /// The organization.
    pub organization_id: OrgId,
    /// The user.
    pub user_id: UserId,
    /// The client id that the grant was given to: the app's, or while its credentials rotate the one before.
    pub client_id: String,
    /// How often the token was refreshed since the login.
    pub refresh_count: u64,
    /// When the token was obtained.
    pub updated_at: SystemTime,
    /// Why the grant needs reconnecting, since when, and where its user logs in. Salesforce refused it for good: it has
    /// no tokens and no logins, and is listed for `SALESFORCE_KEEP_BROKEN` or until the user logs in. `None`: it is valid
    /// as far as known.
    pub needs_reconnecting: Option<BrokenConnection>,
}

impl LoginInfo {
    fn new((key, login): (LoginKey, LoginRecord)) -> Self {
        let user = login.grant.user();
        Self {
            key,
            log_id: format!("{key:?}"),
            organization_id: user.organization_id,
            user_id: user.user_id,
            created_at: login.created_at,
            last_used_at: login.last_used_at,
            expires_at: login.expires_at,
        }
    }
}

impl GrantInfo {
    fn new(grant: GrantRecord, client_id: String, needs_reconnecting: Option<BrokenConnection>) -> Self {
        let user = grant.key.user();
        Self {
            organization_id: user.organization_id,
            user_id: user.user_id,
            client_id,
            refresh_count: grant.version.revision,
            updated_at: grant.updated_at,
            needs_reconnecting,
        }
    }
}

impl GrantManager {
    pub(crate) async fn list_logins(&self, filter: GrantFilter) -> Result<Vec<LoginInfo>, StoreError> {
        let logins = self.config.store.list_logins(filter).await?;
        let of_this_app = logins.into_iter().filter(|(_, login)| self.owns(login.grant));
        Ok(of_this_app.map(LoginInfo::new).collect())
    }

    pub(crate) async fn list_grants(&self, filter: GrantFilter) -> Result<Vec<GrantInfo>, StoreError> {
        let info = |grant: GrantRecord| {
            let client = self.config.apps.get(grant.key.app());
            let client_id = client.map(|client| client.app().client_id.clone()).unwrap_or_default();
            let broken = self.open_broken(&grant).map(|broken| self.connection_of(&broken));
            GrantInfo::new(grant, client_id, broken)
        };
        Ok(self.grants_of_this_app(filter).await?.into_iter().map(info).collect())
    }

    /// Returns the grants that `filter` selects without those of other apps in the same store: they are not ours to list
    /// or to revoke.
    async fn grants_of_this_app(&self, filter: GrantFilter) -> Result<Vec<GrantRecord>, StoreError> {
        let mut grants = self.config.store.list_grants(filter).await?;
        grants.retain(|grant| self.owns(grant.key));
        Ok(grants)
    }

    /// Ends the login under this key, and no other one, unless it is one of another app in the same store.
    ///
    /// # Errors
    /// The store failed. The logout is retried in the background.
    pub(crate) async fn revoke_login(self: &Arc<Self>, key: LoginKey) -> Result<(), StoreError> {
        // Whose it is may be known after an outage only.
        let ends = Ends::of_one(self.config.revoke_on_logout);
        self.delete_login(key, ends, AppCheck::First).await.map(drop)
    }

    /// Deletes all grants that `filter` selects with all their logins, and revokes their tokens. Returns the number of
    /// grants.
    ///
    /// # Errors
    /// The first failure of the store. Failed deletions are retried in the background. After an outage so are all
    /// remaining ones, so that the caller does not wait for each of them.
    pub(crate) async fn revoke_matching(self: &Arc<Self>, filter: GrantFilter) -> Result<usize, StoreError> {
        let mut revoked = 0;
        let mut failed = None;
        for grant in self.grants_of_this_app(filter).await? {
            if matches!(failed, Some(StoreError::Unavailable(_))) {
                self.delete_grant_later(grant);
                continue;
            }
            match self.delete_grant(grant).await {
                Ok(was_there) => revoked += usize::from(was_there),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(revoked), Err)
    }
}
