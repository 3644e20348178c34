//! Finds the grant of a login, and says why there is none.

use std::sync::Arc;

use super::{
    GrantHandle, GrantManager, LoginId, Undecided, last_seen,
    manager::absent_if_corrupt,
    recheck::RECHECK_WAIT,
    sandboxes::{BESIDE_WAIT, StoredAdmission},
};
use crate::store::StoreError;
use salesforce_connection::{Secret, UserRef, oauth::OAuthError};

/// What the store has under the id of a login.
#[derive(Debug, Clone)]
pub(crate) enum FoundLogin {
    /// A valid login and its grant.
    Valid(GrantHandle),
    /// The store says that the login has ended or expired. The browser needs its cookie no more.
    Over,
    /// Salesforce has just refused the grant for good, and says why. The next request finds that the login is over.
    Refused(Arc<OAuthError>),
    /// Whether the org of this user may come in cannot be found out for now. The login stays.
    Undecided(UserRef, Undecided),
    /// No valid login. It may be one again, for example with the right key, or with a newer version of this crate. With its
    /// user, as far as the store says who that is.
    Unusable(Option<UserRef>),
}

impl FoundLogin {
    /// Returns the grant of a valid login.
    pub(crate) fn valid(self) -> Option<GrantHandle> {
        match self {
            Self::Valid(grant) => Some(grant),
            Self::Over | Self::Refused(_) | Self::Undecided(..) | Self::Unusable(_) => None,
        }
    }
}

/// Why a login is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// Its user sent a request.
    Use,
    /// A page sent a request by itself.
    Request,
    /// Its user sent a request that works with another login of the browser, or with several.
    UseBeside,
    /// A request is about another login of the browser.
    Beside,
    /// A response goes on.
    Peek,
}

impl Reason {
    fn is_use(self) -> bool {
        matches!(self, Self::Use | Self::UseBeside)
    }

    fn is_beside(self) -> bool {
        matches!(self, Self::UseBeside | Self::Beside)
    }
}

impl GrantManager {
    /// Returns the grant of the login with this id, or `None` if the login is absent.
    pub(super) async fn login(self: &Arc<Self>, id: &Secret) -> Result<Option<GrantHandle>, StoreError> {
        Ok(self.find_login(&LoginId::new(id.clone())).await?.valid())
    }

    /// Returns the grant of the login with this id, or why there is none. This is a use of the login.
    pub(crate) async fn find_login(self: &Arc<Self>, id: &LoginId) -> Result<FoundLogin, StoreError> {
        self.look_up(id, Reason::Use).await
    }

    /// As [`find_login`](Self::find_login), for what its user did not ask for, such as a page that reconnects. The
    /// login expires all the same.
    pub(crate) async fn find_login_without_use(
        self: &Arc<Self>,
        id: &LoginId,
    ) -> Result<FoundLogin, StoreError> {
        self.look_up(id, Reason::Request).await
    }

    /// As [`find_login`](Self::find_login), for a login beside the one that a request works with. Its org may keep the request
    /// waiting for [`BESIDE_WAIT`] only, together with the orgs of those that are looked up at the same time. `is_use`: the
    /// request works with it, which counts as its use.
    pub(crate) async fn find_login_beside(
        self: &Arc<Self>,
        id: &LoginId,
        is_use: bool,
    ) -> Result<FoundLogin, StoreError> {
        self.look_up(id, if is_use { Reason::UseBeside } else { Reason::Beside }).await
    }

    /// Only looks whether the login is valid, for a response that goes on.
    #[cfg(feature = "events")]
    pub(super) async fn peek_login(self: &Arc<Self>, id: &LoginId) -> Result<FoundLogin, StoreError> {
        self.look_up(id, Reason::Peek).await
    }

    async fn look_up(self: &Arc<Self>, id: &LoginId, reason: Reason) -> Result<FoundLogin, StoreError> {
        let key = id.key();
        // The store does not say so yet.
        if self.pending_logouts.has(&key) {
            return Ok(FoundLogin::Unusable(None));
        }
        let read_at = self.config.clock.instant();
        let (login, grant) = match self.config.store.load_login(key).await {
            Ok(None) => return Ok(FoundLogin::Over),
            loaded => match absent_if_corrupt(loaded)? {
                Some(loaded) => loaded,
                None => return Ok(FoundLogin::Unusable(None)),
            },
        };
        let now = self.config.clock.now();
        let lifetimes = self.config.lifetimes;
        if !id.is_bound(&login, now, lifetimes.absolute) {
            tracing::error!(
                login = ?key,
                "login ignored: its record in the store is not bound to it. It was moved or changed by another program, \
                 the store does not return the proof of a login, or an earlier version of this crate wrote it too long ago"
            );
            return Ok(FoundLogin::Unusable(None));
        }
        let user = grant.key.user();
        let unusable = FoundLogin::Unusable(Some(user));
        let Some(handle) = self.handle(&grant, read_at) else { return Ok(unusable) };
        // Again: a logout may have started while the store was read.
        if self.pending_logouts.has(&key) {
            return Ok(unusable);
        }
        let interval = last_seen::interval(self.config.timing.last_used_interval, lifetimes.idle);
        if reason.is_use()
            && now.duration_since(login.last_used_at).is_ok_and(|age| age >= interval)
            && self.last_seen.should_write(key, login.last_used_at, interval, read_at)
        {
            let ends_at = login.created_at.checked_add(lifetimes.absolute).unwrap_or(now);
            let expires_at = now.checked_add(lifetimes.idle).unwrap_or(now).min(ends_at);
            let store = Arc::clone(&self.config.store);
            self.config.background.spawn(async move {
                if let Err(error) = store.touch_login(key, now, expires_at).await {
                    tracing::warn!(login = ?key, %error, "storing the last use of a login failed");
                }
            });
        }
        let beside_until = reason.is_beside().then(|| tokio::time::Instant::now() + BESIDE_WAIT);
        let recheck_wait = if reason.is_beside() { BESIDE_WAIT } else { RECHECK_WAIT };
        if reason != Reason::Peek
            && let Some(refused) = self.recheck(&handle, recheck_wait).await
        {
            return Ok(FoundLogin::Refused(refused));
        }
        if handle.needs_other_credentials() {
            return Ok(unusable);
        }
        let mut found = unusable.clone();
        if handle.current().is_ok() {
            match self.is_let_in_now(&handle) {
                Some(true) => return Ok(FoundLogin::Valid(handle)),
                Some(false) => return Ok(unusable),
                None => {}
            }
            let admission = match beside_until {
                Some(until) => self.is_let_in_until(&handle, until).await,
                None => self.is_let_in(&handle).await,
            };
            match admission {
                StoredAdmission::Allowed => found = FoundLogin::Valid(handle),
                StoredAdmission::Undecided(cause) => found = FoundLogin::Undecided(user, cause),
                StoredAdmission::Refused => return Ok(unusable),
                StoredAdmission::Ended(Some(reason)) => return Ok(FoundLogin::Refused(reason)),
                StoredAdmission::Ended(None) => {}
            }
            if self.pending_logouts.has(&key) {
                return Ok(unusable);
            }
        }
        // Meanwhile the login may have ended, at Salesforce or by a logout. Whether that is stored, the store knows.
        Ok(match self.config.store.load_login(key).await {
            Ok(None) => FoundLogin::Over,
            _ => found,
        })
    }
}
