//! Asks Salesforce from time to time whether a grant is still valid, so that a user who was deactivated loses the pages
//! that send no request to Salesforce, too.
//!
//! Due at most once per period and grant, over all processes: a lease in the store ([`LeaseName::Recheck`]) lasts as long
//! as the period. The first request after it asks, never a timer, so that unused logins cost nothing.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{GrantError, GrantHandle, GrantManager, manager::random_holder};
use crate::{
    base::{background::detached_span, backoff::Backoff},
    store::{GrantKey, LeaseHolder, LeaseName},
};
use salesforce_connection::oauth::OAuthError;
use tracing::{Instrument as _, debug_span};

/// How long a request waits for the outcome. Afterwards it passes; the next one meets the outcome.
pub(super) const RECHECK_WAIT: Duration = Duration::from_secs(2);
/// How often a process looks whether another one has asked: so many times per period.
const LOOKS: u32 = 8;

/// What Salesforce says about a grant.
enum Verdict {
    Valid,
    /// The refresh was refused, for a reason that a new login meets again; `None`: for another one.
    Ended(Option<Arc<OAuthError>>),
    /// It did not say.
    Unknown,
}

impl GrantManager {
    /// Asks Salesforce whether the grant is valid, if that is due. An outage lets the request pass, and so does a response
    /// that takes longer than `max_wait`.
    ///
    /// Returns why Salesforce has ended the grant, to the request that asked.
    pub(super) async fn recheck(
        self: &Arc<Self>,
        grant: &GrantHandle,
        max_wait: Duration,
    ) -> Option<Arc<OAuthError>> {
        let period = self.config.recheck?;
        let now = self.config.clock.instant();
        if !grant.entry.take_recheck(now, period / LOOKS) {
            return None;
        }
        let (sender, done) = oneshot::channel();
        let (manager, grant) = (Arc::clone(self), grant.clone());
        let span = detached_span(debug_span!(parent: None, "salesforce.recheck", grant = %grant.key()));
        let check = async move {
            let refused = manager.recheck_now(&grant, period).await;
            // The request may have been dropped.
            let _ = sender.send(refused);
        };
        self.config.background.spawn(check.instrument(span));
        tokio::time::timeout(max_wait, done).await.ok()?.ok()?
    }

    async fn recheck_now(self: &Arc<Self>, grant: &GrantHandle, period: Duration) -> Option<Arc<OAuthError>> {
        let entry = self.entry(grant.key());
        let pause =
            Backoff { initial: self.config.timing.recheck_pause, max: period }.base(entry.unknown_rechecks());
        // A fresh holder, so that a process that has asked before cannot renew the lease.
        let holder = random_holder();
        if !self.take_recheck_lease(grant.key(), holder, pause).await {
            return None;
        }
        let now = || self.config.clock.instant();
        match self.ask(grant).await {
            Verdict::Ended(refused) => return refused,
            Verdict::Valid => {
                self.take_recheck_lease(grant.key(), holder, period).await;
                entry.rechecked(now(), period);
            }
            Verdict::Unknown => entry.recheck_unknown(now(), pause),
        }
        None
    }

    /// Records that the grant is known to be valid, because it is new.
    pub(super) fn rechecked_by_login(self: &Arc<Self>, key: GrantKey) {
        let Some(period) = self.config.recheck else { return };
        self.entry(key).rechecked(self.config.clock.instant(), period);
        let manager = Arc::clone(self);
        self.config.background.spawn(async move {
            manager.take_recheck_lease(key, random_holder(), period).await;
        });
    }

    async fn take_recheck_lease(&self, key: GrantKey, holder: LeaseHolder, lifetime: Duration) -> bool {
        match self.config.store.acquire_lease(LeaseName::Recheck(key), holder, lifetime).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::debug!(grant = %key, %error, "the store did not say whether a grant is to be checked");
                false
            }
        }
    }

    async fn ask(&self, grant: &GrantHandle) -> Verdict {
        let Ok(tokens) = grant.current() else { return Verdict::Ended(None) };
        match self.oauth().userinfo(tokens.access.instance_url(), &tokens.access_token).await {
            Ok(_) => Verdict::Valid,
            // The token has expired, or was revoked. Only the refusal of a refresh tells them apart.
            Err(error) if error.is_invalid_token() => match grant.refresh_version(tokens.version).await {
                // Nothing was asked: another request waits, or a new token was rejected a moment ago.
                Ok(same) if same.version == tokens.version => Verdict::Unknown,
                Ok(_) => Verdict::Valid,
                Err(GrantError::Refused(error)) => Verdict::Ended(Some(error)),
                Err(GrantError::LoginOver | GrantError::CredentialsOver) => Verdict::Ended(None),
                Err(GrantError::Unavailable { .. }) => Verdict::Unknown,
            },
            Err(error) => {
                tracing::debug!(grant = %grant.key(), %error, "Salesforce did not say whether a grant is valid");
                Verdict::Unknown
            }
        }
    }
}
