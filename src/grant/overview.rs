//! For operators: who is logged in, and ending that.

use std::{sync::Arc, time::SystemTime};

use super::Engine;
use crate::store::{GrantRecord, LoginKey, LoginRecord, StoreError, Subject};
use salesforce_connection::{OrgId, UserId};

/// One browser that is logged in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoginInfo {
    /// Which one, for [`Salesforce::end_login`](crate::Salesforce::end_login). It is no credential: nobody can act as
    /// the person with it.
    pub key: LoginKey,
    /// A short reference that the log uses too. Nobody can act with it.
    pub reference: String,
    /// The organization.
    pub organization_id: OrgId,
    /// The user.
    pub user_id: UserId,
    /// When the person logged in.
    pub created_at: SystemTime,
    /// When the login was last used, to the minute.
    pub seen_at: SystemTime,
    /// When it ends unless it is used.
    pub expires_at: SystemTime,
}

/// One user's grant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GrantInfo {
    /// The organization.
    pub organization_id: OrgId,
    /// The user.
    pub user_id: UserId,
    /// How often its token was renewed since the login.
    pub renewals: u64,
    /// When its token was obtained.
    pub updated_at: SystemTime,
}

impl LoginInfo {
    fn of((key, login): (LoginKey, LoginRecord)) -> Self {
        Self {
            key,
            reference: format!("{key:?}"),
            organization_id: login.grant.org(),
            user_id: login.grant.user(),
            created_at: login.created_at,
            seen_at: login.seen_at,
            expires_at: login.expires_at,
        }
    }
}

impl GrantInfo {
    fn of(grant: GrantRecord) -> Self {
        Self {
            organization_id: grant.key.org(),
            user_id: grant.key.user(),
            renewals: grant.version.revision,
            updated_at: grant.updated_at,
        }
    }
}

impl Engine {
    pub(crate) async fn list_logins(&self, of: Subject) -> Result<Vec<LoginInfo>, StoreError> {
        Ok(self.parts.store.logins(of).await?.into_iter().map(LoginInfo::of).collect())
    }

    pub(crate) async fn list_grants(&self, of: Subject) -> Result<Vec<GrantInfo>, StoreError> {
        Ok(self.parts.store.grants(of).await?.into_iter().map(GrantInfo::of).collect())
    }

    /// Ends all grants of `of` with all their logins, and has them revoked. Gives how many there were.
    ///
    /// # Errors
    /// The first that the store failed with. What it did not take is tried again in the background; so is all that
    /// comes after an outage, which nobody waits for once for each grant.
    pub(crate) async fn end_all(self: &Arc<Self>, of: Subject) -> Result<usize, StoreError> {
        let mut ended = 0;
        let mut failed = None;
        for grant in self.parts.store.grants(of).await? {
            if matches!(failed, Some(StoreError::Unavailable(_))) {
                self.end_grant_later(grant);
                continue;
            }
            match self.end_grant(grant).await {
                Ok(was_there) => ended += usize::from(was_there),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(ended), Err)
    }
}
