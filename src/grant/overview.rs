//! For operators: who is logged in, and ending that.

use std::{sync::Arc, time::SystemTime};

use tracing::Instrument as _;

use super::{Engine, GrantKey};
use crate::{
    OrgId, UserId,
    events::Event,
    store::{GrantRecord, LoginKey, LoginRecord, StoreError, Subject},
};

/// One browser that is logged in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoginInfo {
    /// A reference that the log uses too. Nobody can act with it.
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
    pub(crate) async fn end_all(self: &Arc<Self>, of: Subject) -> Result<usize, StoreError> {
        let mut ended = 0;
        for grant in self.parts.store.grants(of).await? {
            ended += usize::from(self.end(grant.key).await?);
        }
        Ok(ended)
    }

    async fn end(self: &Arc<Self>, key: GrantKey) -> Result<bool, StoreError> {
        let span = tracing::info_span!("salesforce.revoke", grant = %key);
        let ended = self.parts.store.end_grant(key, None).instrument(span.clone()).await?;
        let _entered = span.enter();
        let Some(record) = ended else { return Ok(false) };
        tracing::info!(grant = %key, "a grant was ended with all of its logins");
        self.parts.events.tell(&Event::LoggedOut(key.into()));
        self.forget(&record);
        Ok(true)
    }
}
