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
    AuthEvent, GrantError, GrantManager, GrantTokens, Timing,
    entry::{GrantEntry, Renewed},
    in_flight::{self, Marker},
    manager::random_holder,
    pending_write,
    refresh_policy::{Attempts, Failure, NextStep, after_failure},
    refresh_state::StoredVersion,
};
use crate::{
    base::background::detached_span,
    store::{GrantRecord, LeaseHolder, StoreError, SwapOutcome},
};
use salesforce_connection::oauth::TokenResponse;

mod lease;

/// Jitter of the waits between token requests, in percent.
const JITTER: u32 = 50;

/// One refresh of a grant.
pub(super) struct Refresh {
    manager: Arc<GrantManager>,
    entry: Arc<GrantEntry>,
    from: Arc<GrantTokens>,
    result: watch::Sender<Option<Renewed>>,
    holder: LeaseHolder,
    began: Instant,
    span: Span,
    ended: bool,
    left: bool,
}

/// The outcome of the token requests.
enum Response {
    Tokens(Box<TokenResponse>),
    /// Another process refreshed the grant meanwhile.
    Newer(Box<GrantTokens>),
    Refused {
        response_was_lost: bool,
    },
    /// The response is about another user.
    IdentityMismatch(Box<TokenResponse>),
    Failed(GrantError),
}

/// New tokens.
enum Done {
    /// They are stored, by this process or another.
    Stored(GrantTokens),
    /// Storing them failed.
    NotStored(GrantTokens, Box<GrantRecord>),
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
        result: watch::Sender<Option<Renewed>>,
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
        Self { manager, entry, from, result, holder, began, span, ended: false, left: false }
    }

    pub(super) fn run(self) -> impl Future<Output = ()> {
        let span = self.span.clone();
        self.renew().instrument(span)
    }

    async fn renew(mut self) {
        let renewed = match self.acquire_lease().await {
            Ok(None) => {
                let done = tokio::select! {
                    done = self.with_lease() => done,
                    never = self.keep_lease() => match never {},
                };
                match done {
                    Ok(Done::NotStored(tokens, record)) => {
                        return self.publish_and_store(tokens, &record).await;
                    }
                    Ok(Done::Stored(live)) => self.publish(Ok(live)),
                    Err(error) => self.publish(Err(error)),
                }
                // After the publication, so that no other refresh starts before it.
                return self.release_lease().await;
            }
            Ok(Some(newer)) => Ok(newer),
            Err(error) => Err(error),
        };
        self.publish(renewed);
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
    fn publish(&mut self, renewed: Result<GrantTokens, GrantError>) {
        match &renewed {
            Ok(live) => {
                self.span.record("outcome", "renewed");
                tracing::info!(grant = %live.key, revision = live.version.revision, "token renewed");
            }
            Err(GrantError::LoginOver) => {
                self.span.record("outcome", "over");
                tracing::warn!(grant = %self.from.key, "grant revoked or deleted");
            }
            Err(error @ GrantError::Unavailable { source, .. }) => {
                self.span.record("outcome", "unavailable");
                tracing::error!(grant = %self.from.key, %error, cause = %source, "renewing a token failed");
                let config = &self.manager.config;
                self.manager.last_outage.record(&error.clone().into(), config.clock.now());
                config.events.emit(&AuthEvent::RefreshFailed(self.from.key.into()));
            }
        }
        let renewed = self.entry.finish(self.from.version, renewed, self.manager.config.clock.instant());
        self.ended = true;
        // All waiting requests may have been dropped.
        let _ = self.result.send(Some(renewed));
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
    fn left(&self) -> Duration {
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
        GrantTokens::open(&self.manager.config.keys, &record).map(Some).map_err(|_| GrantError::LoginOver)
    }

    /// Waits for a permit, writes the in-flight marker, and refreshes.
    async fn with_lease(&self) -> Result<Done, GrantError> {
        // Before the marker, which says that the token is about to be sent.
        let _permit = tokio::time::timeout(self.left(), self.manager.token_requests.acquire()).await;
        if self.left().is_zero() {
            return self.not_sent(NoTimeLeft).await;
        }
        let (key, version) = (self.from.key, self.from.version);
        match in_flight::write(&self.manager, key, version).await.map_err(|error| self.unavailable(error))? {
            Marker::Fresh => {}
            Marker::RetryLater => return self.not_sent(InDoubt).await,
            Marker::InDoubt => self.entry.set_in_doubt(version),
            Marker::HeldByOther => {
                tracing::warn!(grant = %key, revision = version.revision, "another process started to renew this token and did not end");
                self.entry.set_in_doubt(version);
            }
        }
        let done = self.with_marker().await;
        match &done {
            Ok(Done::NotStored(..)) => {}
            Err(GrantError::Unavailable { .. }) if self.entry.is_in_doubt(version) => {
                if let Err(error) = in_flight::leave_in_doubt(&self.manager, key, version).await {
                    tracing::debug!(grant = %key, %error, "marking a token as in doubt failed");
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
        match self.send().await {
            Response::Tokens(tokens) => self.store(*tokens).await,
            Response::Newer(newer) => Ok(Done::Stored(*newer)),
            Response::Failed(error) => Err(error),
            Response::IdentityMismatch(tokens) => self.identity_mismatch(*tokens).await.map(Done::Stored),
            Response::Refused { response_was_lost } => {
                self.token_refused(response_was_lost).await.map(Done::Stored)
            }
        }
    }

    /// Deletes the grant: its refresh token is invalid or revoked.
    async fn token_refused(&self, response_was_lost: bool) -> Result<GrantTokens, GrantError> {
        let user = self.from.key.user();
        // Another process may have used the token first. Its stored grant is the outcome then.
        if let Some(newer) = self.newer().await? {
            self.manager.config.events.emit(&AuthEvent::ReuseSuspected(user));
            return Ok(newer);
        }
        let store = &self.manager.config.store;
        store
            .delete_grant(self.from.key, Some(self.from.version))
            .await
            .map_err(|error| self.unavailable(error))?;
        self.manager.config.events.emit(&AuthEvent::GrantRevoked { user, response_was_lost });
        Err(GrantError::LoginOver)
    }

    /// Deletes the grant: the response names another user, in its identity URL or its ID token, and is never used.
    ///
    /// The login ends, because its refresh token is already used, and continuing could show one user another user's data.
    async fn identity_mismatch(&self, tokens: TokenResponse) -> Result<GrantTokens, GrantError> {
        tracing::error!(grant = %self.from.key, "refresh response names another user; the login ends");
        self.manager.revoke_tokens_later(tokens);
        // Another process refreshed the grant. Its tokens are valid, and may share this refresh token.
        if let Some(newer) = self.newer().await? {
            return Ok(newer);
        }
        let store = &self.manager.config.store;
        let deleted = store
            .delete_grant(self.from.key, Some(self.from.version))
            .await
            .map_err(|error| self.unavailable(error))?;
        if deleted.is_some() {
            self.manager.revoke_later(&self.from);
        }
        let user = self.from.key.user();
        self.manager.config.events.emit(&AuthEvent::GrantRevoked { user, response_was_lost: false });
        Err(GrantError::LoginOver)
    }

    /// Sends the refresh token, and retries only if that is safe.
    async fn send(&self) -> Response {
        let Some(refresh_token) = &self.from.refresh_token else {
            return Response::Refused { response_was_lost: false };
        };
        let version = self.from.version;
        let mut attempts = Attempts::first(self.entry.is_in_doubt(version));
        loop {
            if self.left().is_zero() {
                return Response::Failed(self.unavailable(NoTimeLeft));
            }
            let error = match self.manager.config.oauth.refresh(&self.from.host, refresh_token).await {
                Ok(tokens) if self.names_another_user(&tokens) => {
                    return Response::IdentityMismatch(Box::new(tokens));
                }
                Ok(tokens) => return Response::Tokens(Box::new(tokens)),
                Err(error) => error,
            };
            let failure = Failure::of(&error);
            if failure.leaves_doubt() {
                self.entry.set_in_doubt(version);
            }
            let wait = error
                .retry_after()
                .unwrap_or_else(|| self.timing().token_backoff().wait(attempts.retries().into(), JITTER));
            match after_failure(failure, attempts, wait, self.left(), self.timing().cool_down) {
                NextStep::EndGrant { response_was_lost } => return Response::Refused { response_was_lost },
                NextStep::GiveUp { again_in } => {
                    return Response::Failed(GrantError::unavailable(again_in, error));
                }
                NextStep::Retry { wait, attempts: now } => {
                    attempts = now;
                    sleep(wait).await;
                }
            }
            match self.newer().await {
                Ok(None) => {}
                Ok(Some(newer)) => return Response::Newer(Box::new(newer)),
                Err(error) => return Response::Failed(error),
            }
        }
    }

    /// Returns true if the response is about another user.
    fn names_another_user(&self, tokens: &TokenResponse) -> bool {
        !tokens.is_for(&self.from.key.user(), &self.from.host)
    }

    /// Stores the new tokens in place of the version that they replace.
    async fn store(&self, tokens: TokenResponse) -> Result<Done, GrantError> {
        let now = self.manager.config.clock.now();
        let next = self.from.renewed(tokens, now).map_err(|fault| self.unavailable(fault))?;
        let expires_at = now.checked_add(self.manager.config.lifetimes.absolute).unwrap_or(now);
        let record =
            next.seal(&self.manager.config.keys, expires_at).map_err(|error| self.unavailable(error))?;
        match pending_write::write(&self.manager, self.from.version, &record).await {
            Ok(SwapOutcome::Stored) => {
                let rotated = next.refresh_token != self.from.refresh_token;
                self.manager.config.events.emit(&AuthEvent::Refreshed { user: next.key.user(), rotated });
                Ok(Done::Stored(next))
            }
            // The grant was deleted meanwhile and must not come back. The new tokens belong to no login.
            Ok(SwapOutcome::NotFound) => {
                self.manager.revoke_later(&next);
                Err(GrantError::LoginOver)
            }
            // The user logged in again meanwhile, or another process refreshed the grant too.
            Ok(SwapOutcome::Conflict(stored)) => {
                let theirs = GrantTokens::open(&self.manager.config.keys, &stored);
                // Without rotation every version of a login has the same refresh token, which the stored grant now uses. If
                // that one does not open, only a refresh token that is new is certainly not used by it.
                let known = match &theirs {
                    Ok(theirs) => theirs,
                    Err(_) => &self.from,
                };
                // If both were made from the same token, revoking one may revoke both.
                if next.refresh_token != known.refresh_token && stored.version != next.version {
                    self.manager.revoke_later(&next);
                }
                theirs.map(Done::Stored).map_err(|_| GrantError::LoginOver)
            }
            Err(error) => {
                tracing::error!(grant = %next.key, %error, "storing a renewed token failed; it is retried");
                self.manager.config.events.emit(&AuthEvent::TokenWritePending(next.key.into()));
                Ok(Done::NotStored(next, Box::new(record)))
            }
        }
    }
}

impl Drop for Refresh {
    /// Publishes a failure if the refresh was interrupted by a panic or the end of the runtime, so that the waiting
    /// requests end.
    fn drop(&mut self) {
        if !self.ended {
            self.span.record("outcome", "interrupted");
            let error = GrantError::interrupted(self.timing().cool_down, &self.manager.config.background);
            let renewed = self.entry.finish(self.from.version, Err(error), Instant::now());
            let _ = self.result.send(Some(renewed));
        }
        if !self.left {
            self.leave_lease();
            // The lease expires soon, but the marker would make other processes wait.
            let (manager, key, version) = (Arc::clone(&self.manager), self.from.key, self.from.version);
            self.manager.config.background.spawn(async move {
                let _ = in_flight::remove(&manager, key, version).await;
            });
        }
    }
}
