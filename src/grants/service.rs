//! The token of a service user: in memory, requested again when Salesforce rejects it.
//!
//! Service users have no refresh token that could rotate, so neither store nor lease is needed: each process has a
//! separate token. As with the grants of users, one token request runs at a time, in a task that no request owns, and a
//! failure is followed by a cool-down.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};
use tracing::{Instrument as _, Span, field::Empty, info_span};

use super::{
    AuthEvent, GrantError, GrantManager, GrantTokens, Profile,
    entry::{Renewed, Waiting},
    manager::outcome,
    refresh::NoTimeLeft,
    refresh_state::{Decision, Outcome, RefreshState},
    timing::MAX_COOL_DOWN,
};
use crate::{
    OrgId,
    base::{background::detached_span, lock::lock},
    oauth::{OAuthClient, OAuthError, ServiceUser, TokenSet},
    store::{AppKey, GrantKey, GrantVersion},
    user_ref::UserRef,
};

/// Maximum number of retries of a token request that failed with a response.
const MAX_RETRIES: u32 = 2;
/// Jitter of the waits between token requests, in percent.
const JITTER: u32 = 50;

/// A service user and its token.
pub(crate) struct ServiceGrant {
    oauth: OAuthClient,
    app: AppKey,
    user: ServiceUser,
    /// The version before the first token.
    start: GrantVersion,
    state: Mutex<State>,
}

struct State {
    refresh_state: RefreshState,
    live: Option<Arc<GrantTokens>>,
    renewed_at: Option<Instant>,
    waiting: Option<Waiting>,
    /// Why the last request failed, for the time of the cool-down.
    failed: Option<GrantError>,
}

/// The service user now belongs to another organization.
#[derive(Debug, thiserror::Error)]
#[error("the service user now belongs to another organization. Restart the app if that is intended")]
struct AnotherOrganization;

/// The token was rejected sooner than the minimum age of a token allows.
#[derive(Debug, thiserror::Error)]
#[error("Salesforce rejected a service token that was renewed a moment ago")]
struct RejectedAtOnce;

impl ServiceGrant {
    pub(super) fn new(manager: &GrantManager, user: ServiceUser) -> Arc<Self> {
        let (oauth, app) = match &user.app {
            Some(app) => (manager.oauth().with_app(app.clone()), AppKey::from_client_id(&app.client_id)),
            None => (manager.oauth().clone(), manager.config.app),
        };
        // Compared only with versions of the same service user.
        let start = GrantVersion { epoch: 0, revision: 0 };
        let mut refresh_state = RefreshState::new();
        refresh_state.adopt(start);
        let state = State { refresh_state, live: None, renewed_at: None, waiting: None, failed: None };
        Arc::new(Self { oauth, app, user, start, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn current(&self) -> Option<Arc<GrantTokens>> {
        self.lock().live.clone()
    }

    /// Returns the token. Requests it first if there is none.
    pub(super) async fn token(self: &Arc<Self>, manager: &Arc<GrantManager>) -> Renewed {
        let current = self.current();
        match current {
            Some(live) => Ok(live),
            None => self.renew(manager, self.start).await,
        }
    }

    /// Returns the token to use after the one of version `used` was rejected. Dropping this future does not end the
    /// request.
    pub(super) async fn renew(self: &Arc<Self>, manager: &Arc<GrantManager>, used: GrantVersion) -> Renewed {
        let now = manager.config.clock.instant();
        let (ask, mut waiting) = {
            let mut state = self.lock();
            let age = state.renewed_at.map(|renewed_at| now.saturating_duration_since(renewed_at));
            let is_current = state.live.as_ref().is_some_and(|live| live.version == used);
            let min_age = manager.config.timing.min_token_age;
            if let Some(age) = age.filter(|age| is_current && *age < min_age) {
                return Err(GrantError::unavailable(min_age - age, RejectedAtOnce));
            }
            match (state.refresh_state.decide(used, now), &state.live, &state.waiting) {
                (Decision::UseCurrent, Some(live), _) => return Ok(Arc::clone(live)),
                (Decision::JoinInFlight, _, Some(waiting)) => (None, waiting.clone()),
                (Decision::Start, ..) => {
                    let (result, waiting) = watch::channel(None);
                    state.waiting = Some(waiting.clone());
                    let (grant, owner) = (Arc::clone(self), Arc::clone(manager));
                    let span = detached_span(info_span!(
                        parent: None,
                        "salesforce.service_token",
                        host = ?self.user.host,
                        revision = used.revision,
                        outcome = Empty
                    ));
                    let ask = Ask { grant, manager: owner, from: used, result, span, ended: false };
                    (Some(ask), waiting)
                }
                (Decision::BackOff(again_in), ..) => {
                    let failed = state.failed.clone();
                    return Err(match failed {
                        Some(GrantError::Unavailable { source, .. }) => {
                            GrantError::Unavailable { retry_after: again_in, source }
                        }
                        Some(failed) => failed,
                        None => GrantError::cooling_down(again_in),
                    });
                }
                _ => return Err(GrantError::cooling_down(manager.config.timing.cool_down)),
            }
        };
        if let Some(ask) = ask {
            // Not under the lock: a stopped background thread drops the task here, and its `Drop` takes the lock.
            let span = ask.span.clone();
            manager.config.background.spawn(ask.run().instrument(span));
        }
        outcome(&mut waiting, manager.config.timing.request_wait).await
    }

    fn finish(
        &self,
        from: GrantVersion,
        renewed: Result<GrantTokens, GrantError>,
        now: Instant,
        refused_for: Duration,
    ) -> Renewed {
        let mut state = self.lock();
        match renewed {
            Ok(live) => {
                state.refresh_state.finished(from, Outcome::NewVersion(live.version), now);
                let live = Arc::new(live);
                state.live = Some(Arc::clone(&live));
                state.renewed_at = (from != self.start).then_some(now);
                state.failed = None;
                Ok(live)
            }
            Err(error) => {
                let again_in = match &error {
                    GrantError::Unavailable { retry_after, .. } => *retry_after,
                    _ => refused_for,
                };
                state.refresh_state.finished(from, Outcome::Failed { again_in }, now);
                state.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    fn organization(&self) -> Option<OrgId> {
        self.lock().live.as_ref().map(|live| live.key.user().organization_id)
    }
}

/// One token request. It runs on the background thread.
struct Ask {
    grant: Arc<ServiceGrant>,
    manager: Arc<GrantManager>,
    from: GrantVersion,
    result: watch::Sender<Option<Renewed>>,
    span: Span,
    ended: bool,
}

impl Ask {
    async fn run(mut self) {
        let renewed = self.tokens().await.and_then(|tokens| self.accept(tokens));
        let config = &self.manager.config;
        let is_first = self.from == self.grant.start;
        match &renewed {
            Ok(live) => {
                self.span.record("outcome", "renewed");
                tracing::info!(grant = %live.key, "service token renewed");
                if !is_first {
                    config.events.emit(&AuthEvent::Refreshed { user: live.key.into(), rotated: false });
                }
            }
            Err(error) => {
                let is_refusal = matches!(error, GrantError::ServiceRefused(_));
                self.span.record("outcome", if is_refusal { "refused" } else { "unavailable" });
                let cause = std::error::Error::source(error);
                tracing::error!(host = ?self.grant.user.host, %error, cause, "renewing a service token failed");
                self.manager.last_outage.record(error, config.clock.now());
                if let Some(live) = self.grant.current() {
                    config.events.emit(&AuthEvent::RefreshFailed(live.key.into()));
                }
            }
        }
        let renewed =
            self.grant.finish(self.from, renewed, config.clock.instant(), config.timing.service_refused_for);
        self.ended = true;
        // All waiting requests may have been dropped.
        let _ = self.result.send(Some(renewed));
    }

    /// A request may be repeated: a token whose response is lost is one more session, which expires by itself.
    async fn tokens(&self) -> Result<TokenSet, GrantError> {
        let manager = &self.manager;
        let timing = &manager.config.timing;
        let deadline = manager.config.clock.instant() + timing.service_deadline;
        // The semaphore is never closed.
        let Ok(_permit) =
            tokio::time::timeout(timing.service_deadline, manager.token_requests.acquire()).await
        else {
            return Err(GrantError::unavailable(timing.cool_down, NoTimeLeft));
        };
        let mut retries = 0;
        loop {
            let left = deadline.saturating_duration_since(manager.config.clock.instant());
            let call = self.grant.oauth.service_tokens(&self.grant.user, manager.config.clock.now());
            let error = match tokio::time::timeout(left, call).await {
                Ok(Ok(tokens)) => return Ok(tokens),
                Ok(Err(error)) => error,
                Err(_) => OAuthError::Http(crate::http::HttpError::Timeout),
            };
            if !error.is_transient() {
                return Err(GrantError::ServiceRefused(Arc::new(error)));
            }
            let wait = error.retry_after().unwrap_or_else(|| timing.token_backoff().wait(retries, JITTER));
            if retries >= MAX_RETRIES || wait >= left {
                return Err(GrantError::unavailable(wait.clamp(timing.cool_down, MAX_COOL_DOWN), error));
            }
            retries += 1;
            sleep(wait).await;
        }
    }

    /// Checks and takes over the tokens. The user may have changed, because an administrator can change the user that the
    /// app runs as. The organization must not.
    fn accept(&self, tokens: TokenSet) -> Result<GrantTokens, GrantError> {
        let grant = &self.grant;
        let organization = tokens.identity.organization;
        if grant.organization().is_some_and(|known| known != organization) {
            return Err(GrantError::unavailable(
                self.manager.config.timing.service_refused_for,
                AnotherOrganization,
            ));
        }
        let key = GrantKey::new(grant.app, UserRef::new(organization, tokens.identity.user));
        let (host, now) = (grant.user.host.clone(), self.manager.config.clock.now());
        GrantTokens::new(key, self.from.next(), tokens, host, Profile::default(), now)
            .map_err(|fault| GrantError::ServiceRefused(Arc::new(fault.into())))
    }
}

impl Drop for Ask {
    /// Publishes a failure if the request was interrupted by a panic or the end of the runtime, so that the waiting
    /// requests end.
    fn drop(&mut self) {
        if !self.ended {
            self.span.record("outcome", "interrupted");
            let timing = &self.manager.config.timing;
            let error = GrantError::interrupted(timing.cool_down, &self.manager.config.background);
            let renewed =
                self.grant.finish(self.from, Err(error), Instant::now(), timing.service_refused_for);
            let _ = self.result.send(Some(renewed));
        }
    }
}
