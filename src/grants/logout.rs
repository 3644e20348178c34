//! Ends logins and whole grants, and retries while the store is unavailable.

use std::{sync::Arc, time::SystemTime};

use tracing::{
    Instrument as _,
    field::{Empty, display},
    info_span,
};

use super::{
    AuthEvent, GrantManager, GrantTokens,
    end_retries::EndRetries,
    logout_policy::{AppCheck, Ends},
    manager::absent_if_corrupt,
    tokens::UnreadableGrant,
};
use crate::store::{DeletedLogin, GrantFilter, GrantKey, GrantRecord, GrantVersion, LoginKey, StoreError};
use salesforce_connection::{Secret, UserRef};
use url::Url;

/// What the login of a user who logs out was for.
#[derive(Debug)]
pub(crate) struct EndedLogin {
    pub(crate) user: UserRef,
    /// `None` if the grant cannot be used by the settings of today.
    pub(crate) instance: Option<Url>,
}

/// A logout that is not stored yet.
struct PendingLogout {
    key: LoginKey,
    ends: Ends,
    app_check: AppCheck,
    asked_at: SystemTime,
    /// The grant that the login used.
    used: Option<GrantRecord>,
    /// The grant before the logout. If the store's response is lost, only this copy still has the tokens to revoke.
    grant: Option<GrantRecord>,
    /// Whether an earlier attempt failed, which may have taken effect.
    unsure: bool,
}

/// Finishes an interrupted logout in the background: its request was dropped, or the store failed.
struct ResumeOnDrop {
    manager: Arc<GrantManager>,
    pending: Option<PendingLogout>,
}

impl Drop for ResumeOnDrop {
    fn drop(&mut self) {
        if let Some(pending) = self.pending.take() {
            let manager = Arc::clone(&self.manager);
            self.manager.config.background.spawn(async move {
                let key = pending.key;
                manager.retry_logout(pending).await;
                manager.pending_logouts.remove(&key);
            });
        }
    }
}

impl GrantManager {
    /// Ends the login of a user who logs out. Whether its grant ends too, the settings say; its tokens are revoked in the
    /// background then.
    ///
    /// # Errors
    /// The store failed. The logout is retried in the background; this process rejects the login from now on.
    pub(crate) async fn log_out(self: &Arc<Self>, id: &Secret) -> Result<Option<EndedLogin>, StoreError> {
        let ends = Ends::by_user(self.config.revoke_on_logout);
        let grant = self.delete_login(LoginKey::from_login_id(id), ends, AppCheck::NotNeeded).await?;
        Ok(grant.map(|grant| EndedLogin {
            user: grant.key.user(),
            instance: self.open(&grant).ok().map(|tokens| tokens.access.instance_url().clone()),
        }))
    }

    /// Ends all logins of a user, each as [`log_out`](Self::log_out) does.
    ///
    /// # Errors
    /// The store failed. If it could list the logins, they are ended in the background.
    pub(crate) async fn log_out_everywhere(self: &Arc<Self>, user: UserRef) -> Result<(), StoreError> {
        let logins = self.config.store.list_logins(GrantFilter::User(user)).await?;
        let ends = Ends::by_user(self.config.revoke_on_logout);
        let mut failed = None;
        for (key, login) in logins {
            // Those of another app in the same store are not ours to end.
            if self.owns(login.grant)
                && let Err(error) = self.delete_login(key, ends, AppCheck::NotNeeded).await
            {
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Ends this one login, whatever the settings say of a user's logout: other logins of its grant stay.
    ///
    /// # Errors
    /// As [`log_out`](Self::log_out).
    pub(crate) async fn end_login(self: &Arc<Self>, key: LoginKey) -> Result<(), StoreError> {
        self.delete_login(key, Ends::of_one(self.config.revoke_on_logout), AppCheck::NotNeeded)
            .await
            .map(drop)
    }

    /// Ends a login in the background that another one replaces.
    pub(crate) fn log_out_later(self: &Arc<Self>, id: Secret) {
        self.delete_login_later(id, Ends::of_one(self.config.revoke_on_logout));
    }

    pub(super) fn delete_login_later(self: &Arc<Self>, id: Secret, ends: Ends) {
        let manager = Arc::clone(self);
        self.config.background.spawn(async move {
            if let Err(error) =
                manager.delete_login(LoginKey::from_login_id(&id), ends, AppCheck::NotNeeded).await
            {
                tracing::warn!(%error, "ending a replaced login failed; it is retried");
            }
        });
    }

    /// Returns the grant that the login used; `None` if it was absent, or is being ended already.
    pub(super) async fn delete_login(
        self: &Arc<Self>,
        key: LoginKey,
        ends: Ends,
        app_check: AppCheck,
    ) -> Result<Option<GrantRecord>, StoreError> {
        if !self.pending_logouts.add(key) {
            return Ok(None);
        }
        let asked_at = self.config.clock.now();
        let pending =
            PendingLogout { key, ends, app_check, asked_at, used: None, grant: None, unsure: false };
        let mut resume = ResumeOnDrop { manager: Arc::clone(self), pending: None };
        let ended = self.try_logout(resume.pending.insert(pending)).await;
        match ended {
            Ok(()) => {
                let used = resume.pending.take().and_then(|pending| pending.used);
                self.pending_logouts.remove(&key);
                Ok(used)
            }
            Err(error) => {
                self.config.events.emit(&AuthEvent::LogoutNotStored);
                Err(error)
            }
        }
    }

    async fn retry_logout(self: &Arc<Self>, mut pending: PendingLogout) {
        let mut retries = EndRetries::new(self, format!("login {:?}", pending.key));
        while let Some(_permit) = retries.turn().await {
            if retries.is_over(self.try_logout(&mut pending).await) {
                return;
            }
        }
    }

    async fn try_logout(self: &Arc<Self>, pending: &mut PendingLogout) -> Result<(), StoreError> {
        if pending.app_check == AppCheck::First
            && let Some((login, _)) = absent_if_corrupt(self.config.store.load_login(pending.key).await)?
            && !self.owns(login.grant)
        {
            return Ok(());
        }
        match pending.ends {
            Ends::Login => self.end_without_grant(pending).await,
            Ends::LastGrant => self.end_with_last_grant(pending).await,
            Ends::AllLogins => {
                // A login that is made before a later attempt is none of this logout's.
                let made_by = pending.unsure.then_some(pending.asked_at);
                self.end_with_last_grant(pending).await?;
                // Unless the grant has ended with its last login. It stays known meanwhile: the request may be dropped.
                if let Some(grant) = pending.grant.as_ref().map(|grant| grant.key)
                    && self.end_logins_of(grant, made_by).await.is_err()
                {
                    self.end_logins_later(grant, pending.asked_at);
                }
                Ok(())
            }
        }
    }

    /// Ends the logins of a grant, or those that were made by then. The grant ends with the last of them, unless an
    /// owner uses it. Each login that cannot be ended is retried in the background.
    ///
    /// # Errors
    /// The logins could not be listed.
    async fn end_logins_of(
        self: &Arc<Self>,
        grant: GrantKey,
        made_by: Option<SystemTime>,
    ) -> Result<(), StoreError> {
        for (key, login) in self.config.store.list_logins(GrantFilter::User(grant.user())).await? {
            if login.grant == grant && made_by.is_none_or(|time| login.created_at <= time) {
                // Boxed, because this future is a part of that one. What fails is retried there.
                let _ = Box::pin(self.delete_login(key, Ends::LastGrant, AppCheck::NotNeeded)).await;
            }
        }
        Ok(())
    }

    fn end_logins_later(self: &Arc<Self>, grant: GrantKey, made_by: SystemTime) {
        let manager = Arc::clone(self);
        self.config.background.spawn(async move {
            let mut retries = EndRetries::new(&manager, format!("logins of {grant}"));
            while let Some(permit) = retries.turn().await {
                // Each login that is left takes one itself.
                drop(permit);
                if retries.is_over(manager.end_logins_of(grant, Some(made_by)).await) {
                    return;
                }
            }
        });
    }

    /// Ends the login and leaves its grant in the store, even without a login.
    async fn end_without_grant(self: &Arc<Self>, pending: &mut PendingLogout) -> Result<(), StoreError> {
        let (key, store) = (pending.key, &self.config.store);
        if let Some((_, grant)) = absent_if_corrupt(store.load_login(key).await)? {
            pending.used = Some(grant.clone());
            pending.grant = Some(grant);
        }
        let span = info_span!("salesforce.logout", login = ?key, grant = Empty, outcome = Empty);
        let ended = async {
            // An expired login is absent to the deletion, which then leaves the grant, and only marks the login as deleted.
            let now = self.config.clock.now();
            store.touch_login(key, now, now).await?;
            store.delete_login(key).await
        };
        let ended = ended.instrument(span.clone()).await;
        let _entered = span.enter();
        let outcome = match (&ended, &pending.grant) {
            (Err(_), _) => "not stored",
            (Ok(_), None) => "absent",
            (Ok(_), Some(_)) => "ended",
        };
        span.record("outcome", outcome);
        if let DeletedLogin::GrantDeleted(record) = ended? {
            self.forget(&record);
        }
        let Some(grant) = pending.grant.take().map(|grant| grant.key) else { return Ok(()) };
        span.record("grant", display(grant));
        tracing::info!(login = ?key, %grant, "logged out; the grant stays");
        self.config.events.emit(&AuthEvent::LoggedOut { user: grant.user(), login: Some(key) });
        Ok(())
    }

    /// Ends the login, and its grant if this was the last one. Takes the grant out of `pending` if it has ended.
    async fn end_with_last_grant(self: &Arc<Self>, pending: &mut PendingLogout) -> Result<(), StoreError> {
        let key = pending.key;
        if let Some((_, grant)) = absent_if_corrupt(self.config.store.load_login(key).await)? {
            pending.used = Some(grant.clone());
            pending.grant = Some(grant);
        }
        let was_unsure = std::mem::replace(&mut pending.unsure, true);
        let span = info_span!("salesforce.logout", login = ?key, grant = Empty, outcome = Empty);
        let deleted = self.config.store.delete_login(key).instrument(span.clone()).await;
        // An earlier attempt whose response was lost has deleted the login.
        let deleted_before =
            pending.grant.as_ref().filter(|_| was_unsure && matches!(deleted, Ok(DeletedLogin::NotFound)));
        if let Some(grant) = deleted_before {
            // What is stored shows whether it was the grant's last login.
            self.forget_if_gone(grant).instrument(span.clone()).await?;
        }
        let _entered = span.enter();
        let outcome = match &deleted {
            Ok(DeletedLogin::NotFound) if deleted_before.is_none() => "absent",
            Ok(_) => "ended",
            Err(_) => "not stored",
        };
        span.record("outcome", outcome);
        let (grant, is_last) = match deleted? {
            DeletedLogin::NotFound => match deleted_before {
                Some(grant) => (grant.key, None),
                None => return Ok(()),
            },
            DeletedLogin::GrantKept(grant) => (grant, None),
            DeletedLogin::GrantDeleted(record) => (record.key, Some(record)),
        };
        span.record("grant", display(grant));
        tracing::info!(login = ?key, %grant, last_login = is_last.is_some(), "logged out");
        self.config.events.emit(&AuthEvent::LoggedOut { user: grant.user(), login: Some(key) });
        if let Some(record) = is_last {
            self.forget(&record);
            pending.grant = None;
        }
        Ok(())
    }

    /// Deletes a grant with all its logins. Returns true if there was one.
    ///
    /// # Errors
    /// The store failed, and may have deleted the grant or not. It is retried in the background.
    pub(super) async fn delete_grant(self: &Arc<Self>, listed: GrantRecord) -> Result<bool, StoreError> {
        let span = info_span!("salesforce.revoke", grant = %listed.key);
        match self.config.store.delete_grant(listed.key, None).instrument(span.clone()).await {
            Ok(None) => Ok(false),
            Ok(Some(record)) => {
                let _entered = span.enter();
                self.report_deleted(&record);
                self.forget(&record);
                Ok(true)
            }
            Err(error) => {
                self.delete_grant_later(listed);
                Err(error)
            }
        }
    }

    /// Deletes a grant in the background. Retries until it succeeds.
    pub(super) fn delete_grant_later(self: &Arc<Self>, listed: GrantRecord) {
        let manager = Arc::clone(self);
        self.config.background.spawn(async move {
            let mut retries = EndRetries::new(&manager, format!("grant {}", listed.key));
            while let Some(_permit) = retries.turn().await {
                let deleted = manager.delete_listed_grant(&listed).await;
                if deleted.is_ok() {
                    manager.report_deleted(&listed);
                }
                if retries.is_over(deleted) {
                    return;
                }
            }
        });
    }

    /// Deletes a grant whose deletion failed before, unless the user has logged in again since.
    async fn delete_listed_grant(self: &Arc<Self>, listed: &GrantRecord) -> Result<(), StoreError> {
        while let Some(stored) = absent_if_corrupt(self.config.store.load_grant(listed.key).await)? {
            // What stays of a grant that was refused since is to be deleted, too.
            if stored.version.epoch != listed.version.epoch && self.open_broken(&stored).is_none() {
                break;
            }
            if let Some(deleted) = self.config.store.delete_grant(listed.key, Some(stored.version)).await? {
                self.forget(&deleted);
                return Ok(());
            }
            // The grant was refreshed or deleted in between.
        }
        self.forget_if_gone(listed).await
    }

    fn report_deleted(&self, record: &GrantRecord) {
        let key = record.key;
        tracing::info!(grant = %key, "grant deleted with all its logins");
        // The logins of a broken grant have ended before.
        if self.open_broken(record).is_none() {
            self.config.events.emit(&AuthEvent::LoggedOut { user: key.user(), login: None });
        }
    }

    /// [Forgets](Self::forget) a grant unless the store still has it, or has a later one with the same refresh token.
    pub(super) async fn forget_if_gone(self: &Arc<Self>, grant: &GrantRecord) -> Result<(), StoreError> {
        let read_at = self.config.clock.instant();
        let stored = absent_if_corrupt(self.config.store.load_grant(grant.key).await)?;
        let token = GrantTokens::open(&self.config.keys, grant).ok().and_then(|tokens| tokens.refresh_token);
        if self.is_in_use(grant.version, token.as_ref(), stored.as_ref()) {
            return Ok(());
        }
        if let Some(stored) = stored {
            // Connections that are held go on with what replaced the grant.
            self.handle(&stored, read_at);
        }
        self.forget(grant);
        Ok(())
    }

    /// Returns whether the stored grant is of the same login as these tokens, or has the same refresh token.
    pub(super) fn is_in_use(
        &self,
        version: GrantVersion,
        token: Option<&Secret>,
        stored: Option<&GrantRecord>,
    ) -> bool {
        let has_token = |stored: &GrantRecord| {
            let tokens = GrantTokens::open(&self.config.keys, stored).ok();
            token.is_some() && tokens.is_some_and(|tokens| tokens.refresh_token.as_ref() == token)
        };
        stored.is_some_and(|stored| stored.version.epoch == version.epoch || has_token(stored))
    }

    /// Drops a grant that was deleted from the store, and revokes its newest tokens.
    pub(super) fn forget(&self, record: &GrantRecord) {
        let entry = self.entry(record.key);
        // This process may have newer tokens than the store had.
        let newer = entry.current().filter(|tokens| tokens.version.is_after(record.version));
        entry.end(Some(record.version.epoch), self.config.clock.instant());
        match newer {
            Some(tokens) => self.revoke_later(&tokens),
            None => match GrantTokens::open(&self.config.keys, record) {
                Ok(tokens) => self.revoke_later(&tokens),
                Err(UnreadableGrant::Broken(_)) => {}
                Err(_) if self.config.apps.is_canvas(record.key.app()) => {}
                Err(error) => {
                    tracing::error!(
                        grant = %record.key,
                        %error,
                        "revoking a token failed: its record does not open. It stays valid at Salesforce until it expires \
                         there. Check SALESFORCE_KEYS, or revoke it in Salesforce Setup"
                    );
                    self.config.events.emit(&AuthEvent::RevocationFailed);
                }
            },
        }
    }
}
