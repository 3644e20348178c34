//! [`Refresh`]: one refresh, from acquiring the lease to publishing the outcome. It runs on the background thread, and no
//! request owns it.
//!
//! If Salesforce rotates refresh tokens, a used token is invalid, and sending it again revokes the whole token family
//! (RFC 9700 section 4.14.2). So one holder of the lease at a time writes the in-flight marker, reads the stored grant
//! again, sends the token, stores the response if the version is still the one it read, and only then publishes it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};
use tracing::{Instrument as _, Span, field::Empty, info_span};

use super::{
    GrantError, GrantManager, GrantTokens, Timing,
    apps::are_credentials_over,
    entry::{GrantEntry, RefreshResult},
    in_flight::{self, Marker},
    manager::random_holder,
    pending_write,
    refresh_policy::{Attempts, Failure, NextStep, after_failure, permanent_pause},
    refresh_state::StoredVersion,
    tokens::UnreadableGrant,
};
use crate::{
    base::background::detached_span,
    store::{GrantRecord, LeaseHolder, StoreError},
};
use salesforce_connection::{
    Secret,
    oauth::{OAuthError, TokenResponse},
};

mod lease;
mod outcome;
mod report;

use self::lease::Lease;

/// Jitter of the waits between token requests, in percent.
const JITTER: u32 = 50;

/// What a refresh does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// It gets new tokens.
    Refresh,
    /// It stores the same tokens again, under the newest key.
    Reseal,
}

/// One refresh of a grant.
pub(super) struct Refresh {
    work: Work,
    manager: Arc<GrantManager>,
    entry: Arc<GrantEntry>,
    /// The tokens to replace.
    from: Arc<GrantTokens>,
    /// Where the requests that wait read the outcome.
    result: watch::Sender<Option<RefreshResult>>,
    /// Names this process as the holder of the lease: one for a grant's refresh and its pending write.
    holder: LeaseHolder,
    began: Instant,
    span: Span,
    /// Whether the outcome was published.
    ended: bool,
    has_left_lease: bool,
}

/// The outcome of the token requests.
enum TokenOutcome {
    Tokens(Box<TokenResponse>),
    /// Another process refreshed the grant meanwhile.
    Newer(Box<GrantTokens>),
    Refused {
        /// `None` if nothing was sent, because the grant has no refresh token.
        error: Option<OAuthError>,
        response_was_lost: bool,
    },
    /// The response has a new refresh token, and is invalid otherwise.
    OnlyRotated {
        refresh_token: Secret,
        error: OAuthError,
    },
    /// The response is about another user.
    IdentityMismatch(Box<TokenResponse>),
    Failed(GrantError),
}

/// New tokens.
enum Done {
    /// They are stored, by this process or another.
    Stored(GrantTokens),
    /// The new tokens could not be stored.
    NotStored(GrantTokens, Box<GrantRecord>),
    /// None: another process found that Salesforce rejects new tokens like the old ones.
    Unchanged,
}

/// The send window has passed: other refreshes, here or in another process, took the time.
#[derive(Debug, thiserror::Error)]
#[error("too many tokens are being renewed at once: there was no time left for this one")]
pub(super) struct NoTimeLeft;

/// A request with this token got no response within the last cool-down.
#[derive(Debug, thiserror::Error)]
#[error("the token endpoint did not respond a moment ago, and the token may be used: it is sent again later")]
pub(super) struct InDoubt;

impl Refresh {
    pub(super) fn new(
        manager: Arc<GrantManager>,
        entry: Arc<GrantEntry>,
        from: Arc<GrantTokens>,
        result: watch::Sender<Option<RefreshResult>>,
        work: Work,
    ) -> Self {
        let holder = entry.lease_holder(random_holder());
        let began = manager.config.clock.instant();
        let span = info_span!(
            parent: None,
            "salesforce.refresh",
            grant = %from.key,
            revision = from.version.revision,
            outcome = Empty
        );
        let span = detached_span(span);
        Self { work, manager, entry, from, result, holder, began, span, ended: false, has_left_lease: false }
    }

    pub(super) fn run(self) -> impl Future<Output = ()> {
        let span = self.span.clone();
        self.execute().instrument(span)
    }

    async fn execute(mut self) {
        let refreshed = match self.acquire_lease().await {
            Ok(Lease::Acquired) => {
                let done = tokio::select! {
                    done = self.with_lease() => done,
                    never = self.keep_lease() => match never {},
                };
                match done {
                    Ok(Done::NotStored(tokens, record)) => {
                        return self.publish_and_store(tokens, &record).await;
                    }
                    Ok(Done::Stored(live)) => self.publish(Ok(live)),
                    Ok(Done::Unchanged) => self.publish_unchanged(),
                    Err(error) => self.publish(Err(error)),
                }
                // After the publication, so that no other refresh starts before it.
                return self.release_lease().await;
            }
            Ok(Lease::Overtaken(newer)) => Ok(*newer),
            Err(error) => Err(error),
        };
        self.publish(refreshed);
        self.leave_lease();
    }

    /// Publishes tokens that could not be stored, and retries to store them: the old token is used already.
    async fn publish_and_store(mut self, live: GrantTokens, record: &GrantRecord) {
        self.entry.keep_lease(self.holder);
        self.publish(Ok(live));
        self.span.record("outcome", "held");
        pending_write::retry_until_stored(&self.manager, &self.entry, self.from.version, record, || {
            self.renew_lease()
        })
        .await;
        self.remove_marker().await;
        self.release_lease().await;
    }

    /// Reports the outcome and passes it to the waiting requests.
    fn publish(&mut self, refreshed: Result<GrantTokens, GrantError>) {
        self.report(&refreshed);
        let refreshed = self.entry.finish(self.from.version, refreshed, self.manager.config.clock.instant());
        self.send_result(refreshed);
    }

    /// Passes the tokens, as they were, to the waiting requests.
    fn publish_unchanged(&mut self) {
        self.span.record("outcome", "rejected");
        let unchanged = self.entry.finish_unchanged(self.from.version, self.manager.config.clock.instant());
        self.send_result(unchanged);
    }

    fn send_result(&mut self, result: RefreshResult) {
        self.ended = true;
        // All waiting requests may have been dropped.
        let _ = self.result.send(Some(result));
    }

    fn timing(&self) -> &Timing {
        &self.manager.config.timing
    }

    fn unavailable(&self, why: impl std::error::Error + Send + Sync + 'static) -> GrantError {
        GrantError::unavailable(self.timing().cool_down, why)
    }

    /// Returns the time since the refresh started.
    fn age(&self) -> Duration {
        self.manager.config.clock.instant().saturating_duration_since(self.began)
    }

    /// Returns how much longer this refresh may send token requests. Once sent, a request is always awaited: dropping it
    /// would lose the rotated token.
    fn time_left(&self) -> Duration {
        self.timing().send_window.saturating_sub(self.age())
    }

    /// Removes the in-flight marker.
    async fn remove_marker(&self) {
        if let Err(error) = in_flight::remove(&self.manager, self.from.key, self.from.version).await {
            tracing::debug!(grant = %self.from.key, %error, "removing an in-flight marker failed; it expires by itself");
        }
    }

    /// Returns the stored grant if it is newer than the one to refresh. `LoginOver` if there is none.
    async fn newer(&self) -> Result<Option<GrantTokens>, GrantError> {
        let record = match self.manager.config.store.load_grant(self.from.key).await {
            Ok(record) => record.ok_or(GrantError::LoginOver)?,
            Err(StoreError::Corrupt(_)) => return Err(GrantError::LoginOver),
            Err(error) => return Err(self.unavailable(error)),
        };
        match StoredVersion::compare(self.from.version, Some(record.version)) {
            StoredVersion::Missing => return Err(GrantError::LoginOver),
            StoredVersion::SameOrOlder => return Ok(None),
            StoredVersion::Newer => {}
        }
        self.manager.open(&record).map(Some).map_err(|unreadable| self.login_over(unreadable))
    }

    /// The stored grant is not usable. Another process may have found that Salesforce refuses it for good.
    fn login_over(&self, unreadable: UnreadableGrant) -> GrantError {
        if let UnreadableGrant::Broken(broken) = unreadable {
            self.entry.set_broken(self.from.version, broken);
        }
        GrantError::LoginOver
    }

    /// Waits for a permit, writes the in-flight marker, and refreshes.
    async fn with_lease(&self) -> Result<Done, GrantError> {
        // Before the marker, which says that the token is about to be sent.
        let _turn = self.manager.token_requests.acquire(&self.from.host, self.time_left()).await;
        if self.time_left().is_zero() {
            return self.not_sent(NoTimeLeft).await;
        }
        let (key, version) = (self.from.key, self.from.version);
        let rests = || self.entry.rests(version, self.manager.config.clock.instant());
        let marker = in_flight::write(&self.manager, key, version, rests).await;
        match marker.map_err(|error| self.unavailable(error))? {
            Marker::Fresh => {}
            Marker::RetryLater => return self.not_sent(InDoubt).await,
            Marker::Rejected => return self.rejected_elsewhere().await,
            // The doubt belongs to this version. It must not be forgotten with it.
            Marker::InDoubt if self.work == Work::Reseal => {
                if let Err(error) = in_flight::leave_in_doubt(&self.manager, key, version).await {
                    tracing::debug!(grant = %key, %error, "in-flight marker not written: token in doubt, tokens not sealed again");
                }
                return self.not_sent(InDoubt).await;
            }
            Marker::InDoubt => self.entry.set_in_doubt(version),
            Marker::HeldByOther => {
                tracing::warn!(grant = %key, revision = version.revision, "another process started to refresh this token and did not end");
                self.entry.set_in_doubt(version);
            }
        }
        let done = self.with_marker().await;
        match &done {
            Ok(Done::NotStored(..)) => {}
            Err(GrantError::Unavailable { .. } | GrantError::CredentialsOver)
                if self.entry.is_in_doubt(version) =>
            {
                if let Err(error) = in_flight::leave_in_doubt(&self.manager, key, version).await {
                    tracing::debug!(grant = %key, %error, "in-flight marker not written: token in doubt");
                }
            }
            _ => self.remove_marker().await,
        }
        done
    }

    /// Ends the refresh without a token request. Another process may have stored a newer grant meanwhile.
    async fn not_sent(
        &self,
        why: impl std::error::Error + Send + Sync + 'static,
    ) -> Result<Done, GrantError> {
        let newer = self.newer().await?.map(Done::Stored);
        newer.ok_or_else(|| self.unavailable(why))
    }

    /// Reads the stored grant again, sends the token, and stores the outcome.
    async fn with_marker(&self) -> Result<Done, GrantError> {
        // After the marker and not before it: the lease may have been lost meanwhile, and another process may have
        // refreshed the grant.
        if let Some(newer) = self.newer().await? {
            return Ok(Done::Stored(newer));
        }
        if self.work == Work::Reseal {
            if self.entry.is_in_doubt(self.from.version) {
                return self.not_sent(InDoubt).await;
            }
            let next = self.from.same_tokens().map_err(|fault| self.unavailable(fault))?;
            return self.store(next).await;
        }
        match self.send().await {
            TokenOutcome::Tokens(tokens) => {
                let next = self.from.refreshed(*tokens, self.manager.config.clock.now());
                self.store(next.map_err(|fault| self.unavailable(fault))?).await
            }
            TokenOutcome::OnlyRotated { refresh_token, error } => {
                self.store_rotated(refresh_token, error).await
            }
            TokenOutcome::Newer(newer) => Ok(Done::Stored(*newer)),
            TokenOutcome::Failed(error) => Err(error),
            TokenOutcome::IdentityMismatch(tokens) => self.identity_mismatch(*tokens).await.map(Done::Stored),
            TokenOutcome::Refused { error, response_was_lost } => {
                self.token_refused(error, response_was_lost).await.map(Done::Stored)
            }
        }
    }

    /// Sends the refresh token, and retries only if that is safe.
    async fn send(&self) -> TokenOutcome {
        let Some(refresh_token) = &self.from.refresh_token else {
            return TokenOutcome::Refused { error: None, response_was_lost: false };
        };
        let version = self.from.version;
        let mut attempts = Attempts::first(self.entry.is_in_doubt(version));
        loop {
            if self.time_left().is_zero() {
                return TokenOutcome::Failed(self.unavailable(NoTimeLeft));
            }
            let known = self.from.known(self.entry.token_host());
            let apps = &self.manager.config.apps;
            let Some(oauth) = apps.get(self.from.key.app()) else {
                return TokenOutcome::Failed(GrantError::LoginOver);
            };
            let failed = match oauth.refresh_grant(&self.from.host, refresh_token, &known).await {
                Ok(refreshed) if self.names_another_user(&refreshed.tokens) => {
                    return TokenOutcome::IdentityMismatch(Box::new(refreshed.tokens));
                }
                Ok(refreshed) => {
                    self.entry.set_token_host(refreshed.token_host);
                    return TokenOutcome::Tokens(Box::new(refreshed.tokens));
                }
                Err(failed) => failed,
            };
            let error = failed.error;
            if let Some(rotated) = failed.rotated.filter(|rotated| rotated != refresh_token) {
                return TokenOutcome::OnlyRotated { refresh_token: rotated, error };
            }
            let failure = Failure::of(&error);
            if failure.leaves_doubt() {
                self.entry.set_in_doubt(version);
            }
            // The next request goes to the login host again.
            self.entry.set_token_host(None);
            if apps.is_previous(self.from.key.app()) && are_credentials_over(&error) {
                return TokenOutcome::Failed(GrantError::CredentialsOver);
            }
            let wait = match failure {
                Failure::Permanent => {
                    permanent_pause(self.timing().cool_down, self.entry.count_permanent_failure())
                }
                _ => error
                    .retry_after()
                    .unwrap_or_else(|| self.timing().token_backoff().wait(attempts.retries().into(), JITTER)),
            };
            match after_failure(failure, attempts, wait, self.time_left(), self.timing().cool_down) {
                NextStep::EndGrant { response_was_lost } => {
                    return TokenOutcome::Refused { error: Some(error), response_was_lost };
                }
                NextStep::GiveUp { again_in } => {
                    return TokenOutcome::Failed(GrantError::unavailable(again_in, error));
                }
                NextStep::Retry { wait, attempts: now } => {
                    attempts = now;
                    sleep(wait).await;
                }
            }
            match self.newer().await {
                Ok(None) => {}
                Ok(Some(newer)) => return TokenOutcome::Newer(Box::new(newer)),
                Err(error) => return TokenOutcome::Failed(error),
            }
        }
    }

    /// Returns true if the response is about another user.
    fn names_another_user(&self, tokens: &TokenResponse) -> bool {
        !tokens.is_for(&self.from.key.user(), &self.from.host)
    }
}

impl Drop for Refresh {
    /// Publishes a failure if the refresh was interrupted by a panic or the end of the runtime, so that the waiting
    /// requests end.
    fn drop(&mut self) {
        if !self.ended {
            self.span.record("outcome", "interrupted");
            let error = GrantError::interrupted(self.timing().cool_down, &self.manager.config.background);
            let refreshed = self.entry.finish(self.from.version, Err(error), Instant::now());
            let _ = self.result.send(Some(refreshed));
        }
        if !self.has_left_lease {
            self.leave_lease();
            // The lease expires soon, but the marker would make other processes wait.
            let (manager, key, version) = (Arc::clone(&self.manager), self.from.key, self.from.version);
            self.manager.config.background.spawn(async move {
                let _ = in_flight::remove(&manager, key, version).await;
            });
        }
    }
}
