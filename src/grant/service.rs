//! The tokens of a service user: kept in memory, asked for anew when Salesforce refuses them.
//!
//! Nothing rotates here, so that no store and no lease is needed: each process has a token of its own. What is shared
//! with the grants of people is that one token call runs at a time, in a task that no request owns, and that a failure
//! is not tried again at once.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};
use tracing::{Instrument as _, Span, field::Empty, info_span};

use super::{
    AppKey, Engine, GrantError, GrantKey, LiveGrant, Profile, Version,
    cell::{Renewed, Waiting},
    engine::outcome,
    machine::{LONGEST_WAIT, Machine, Need, Outcome},
    refresh::{NoTimeLeft, backoff},
};
use crate::{
    OrgId,
    background::follow_up,
    events::Event,
    oauth::{OAuthClient, OAuthError, ServiceUser, TokenSet},
};

/// What getting a token may take altogether, with the wait for others who get theirs.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often an answered failure is tried again within that.
const MAX_RETRIES: u32 = 2;
/// After a failure that may pass everybody waits so long.
const COOL_DOWN: Duration = Duration::from_secs(2);
/// After a refusal, which only a person can mend: so long.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// A renewed token that is refused so soon after it was given is not replaced: the next one would fare no better, and a
/// user may log in 3,600 times an hour only.
const JUST_GIVEN: Duration = Duration::from_secs(5);

/// A service user and its token.
pub(crate) struct ServiceGrant {
    oauth: OAuthClient,
    app: AppKey,
    user: ServiceUser,
    /// Stands for "no token yet".
    start: Version,
    state: Mutex<State>,
}

struct State {
    machine: Machine,
    live: Option<Arc<LiveGrant>>,
    renewed_at: Option<Instant>,
    waiting: Option<Waiting>,
    /// What the cool-down is about.
    failed: Option<GrantError>,
}

/// The app's user became one of another organization.
#[derive(Debug, thiserror::Error)]
#[error("the service user is now one of another organization; restart the app if that is meant")]
struct AnotherOrganization;

/// See [`JUST_GIVEN`].
#[derive(Debug, thiserror::Error)]
#[error("a token that was renewed a moment ago is refused already")]
struct RefusedAtOnce;

impl ServiceGrant {
    pub(super) fn new(engine: &Engine, user: ServiceUser) -> Arc<Self> {
        let (oauth, app) = match &user.app {
            Some(app) => (engine.oauth().with_app(app.clone()), AppKey::of_client_id(&app.client_id)),
            None => (engine.oauth().clone(), engine.parts.app),
        };
        // Only ever compared with versions of this very grant.
        let start = Version { lineage: 0, revision: 0 };
        let mut machine = Machine::new();
        machine.adopt(start);
        let state = State { machine, live: None, renewed_at: None, waiting: None, failed: None };
        Arc::new(Self { oauth, app, user, start, state: Mutex::new(state) })
    }

    /// The lock is held for a few instructions, never across an await.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn current(&self) -> Option<Arc<LiveGrant>> {
        self.lock().live.clone()
    }

    /// The token, got first if there is none yet.
    pub(super) async fn token(self: &Arc<Self>, engine: &Arc<Engine>) -> Renewed {
        let current = self.current();
        match current {
            Some(live) => Ok(live),
            None => self.renew(engine, self.start).await,
        }
    }

    /// The token to use after that of version `used` was refused. Dropping this future does not end the call.
    pub(super) async fn renew(self: &Arc<Self>, engine: &Arc<Engine>, used: Version) -> Renewed {
        let now = engine.parts.clock.instant();
        let (ask, mut waiting) = {
            let mut state = self.lock();
            let age = state.renewed_at.map(|renewed_at| now.saturating_duration_since(renewed_at));
            let is_current = state.live.as_ref().is_some_and(|live| live.version == used);
            if let Some(age) = age.filter(|age| is_current && *age < JUST_GIVEN) {
                return Err(GrantError::unavailable(JUST_GIVEN - age, RefusedAtOnce));
            }
            match (state.machine.need(used, now), &state.live, &state.waiting) {
                (Need::UseCurrent, Some(live), _) => return Ok(Arc::clone(live)),
                (Need::Join, _, Some(waiting)) => (None, waiting.clone()),
                (Need::Start, ..) => {
                    let (result, waiting) = watch::channel(None);
                    state.waiting = Some(waiting.clone());
                    let (grant, owner) = (Arc::clone(self), Arc::clone(engine));
                    let span = follow_up(info_span!(
                        parent: None,
                        "salesforce.service_token",
                        host = ?self.user.host,
                        revision = used.revision,
                        outcome = Empty
                    ));
                    let ask = Ask { grant, engine: owner, from: used, result, span, ended: false };
                    (Some(ask), waiting)
                }
                (Need::Wait(again_in), ..) => {
                    let failed = state.failed.clone();
                    return Err(match failed {
                        Some(GrantError::Unavailable { source, .. }) => {
                            GrantError::Unavailable { retry_after: again_in, source }
                        }
                        Some(failed) => failed,
                        None => GrantError::cooling_down(again_in),
                    });
                }
                _ => return Err(GrantError::cooling_down(COOL_DOWN)),
            }
        };
        if let Some(ask) = ask {
            // Not under the lock, which the task takes where it is dropped: on a thread that has ended, that is here.
            let span = ask.span.clone();
            engine.parts.background.spawn(ask.run().instrument(span));
        }
        outcome(&mut waiting).await
    }

    fn finish(&self, from: Version, renewed: Result<LiveGrant, GrantError>, now: Instant) -> Renewed {
        let mut state = self.lock();
        match renewed {
            Ok(live) => {
                state.machine.finished(from, Outcome::Moved(live.version), now);
                let live = Arc::new(live);
                state.live = Some(Arc::clone(&live));
                state.renewed_at = (from != self.start).then_some(now);
                state.failed = None;
                Ok(live)
            }
            Err(error) => {
                let again_in = match &error {
                    GrantError::Unavailable { retry_after, .. } => *retry_after,
                    _ => REFUSED_FOR,
                };
                state.machine.finished(from, Outcome::Failed { again_in }, now);
                state.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    fn organization(&self) -> Option<OrgId> {
        self.lock().live.as_ref().map(|live| live.key.org())
    }
}

/// One token call. It runs on the background thread.
struct Ask {
    grant: Arc<ServiceGrant>,
    engine: Arc<Engine>,
    from: Version,
    result: watch::Sender<Option<Renewed>>,
    span: Span,
    ended: bool,
}

impl Ask {
    async fn run(mut self) {
        let renewed = self.tokens().await.and_then(|tokens| self.take(tokens));
        let parts = &self.engine.parts;
        let is_first = self.from == self.grant.start;
        match &renewed {
            Ok(live) => {
                self.span.record("outcome", "renewed");
                tracing::info!(grant = %live.key, "the service user has a token");
                if !is_first {
                    parts.events.tell(&Event::Refreshed { who: live.key.into(), rotated: false });
                }
            }
            Err(error) => {
                let is_refusal = matches!(error, GrantError::ServiceRefused(_));
                self.span.record("outcome", if is_refusal { "refused" } else { "unavailable" });
                let cause = std::error::Error::source(error);
                tracing::error!(host = ?self.grant.user.host, %error, cause, "the service user has no token");
                if let Some(live) = self.grant.current() {
                    parts.events.tell(&Event::RefreshFailed(live.key.into()));
                }
            }
        }
        let renewed = self.grant.finish(self.from, renewed, parts.clock.instant());
        self.ended = true;
        // Everybody may have gone away.
        let _ = self.result.send(Some(renewed));
    }

    /// Asking twice does no harm: a token that nobody learns of is one more session, which ends by itself.
    async fn tokens(&self) -> Result<TokenSet, GrantError> {
        let engine = &self.engine;
        let deadline = engine.parts.clock.instant() + DEADLINE;
        // The semaphore is never closed.
        let Ok(_permit) = tokio::time::timeout(DEADLINE, engine.token_calls.acquire()).await else {
            return Err(GrantError::unavailable(COOL_DOWN, NoTimeLeft));
        };
        let mut retries = 0;
        loop {
            let left = deadline.saturating_duration_since(engine.parts.clock.instant());
            let call = self.grant.oauth.service_tokens(&self.grant.user, engine.parts.clock.now());
            let error = match tokio::time::timeout(left, call).await {
                Ok(Ok(tokens)) => return Ok(tokens),
                Ok(Err(error)) => error,
                Err(_) => OAuthError::Http(crate::http::HttpError::Timeout),
            };
            if !error.is_transient() {
                return Err(GrantError::ServiceRefused(Arc::new(error)));
            }
            let wait = error.retry_after().unwrap_or_else(|| backoff(retries));
            if retries >= MAX_RETRIES || wait >= left {
                return Err(GrantError::unavailable(wait.clamp(COOL_DOWN, LONGEST_WAIT), error));
            }
            retries += 1;
            sleep(wait).await;
        }
    }

    /// The user may be another than before: an administrator can have changed whom the app runs as. The organization
    /// may not.
    fn take(&self, tokens: TokenSet) -> Result<LiveGrant, GrantError> {
        let grant = &self.grant;
        let organization = tokens.identity.organization;
        if grant.organization().is_some_and(|known| known != organization) {
            return Err(GrantError::unavailable(REFUSED_FOR, AnotherOrganization));
        }
        let key = GrantKey::new(grant.app, organization, tokens.identity.user);
        let (host, now) = (grant.user.host.clone(), self.engine.parts.clock.now());
        LiveGrant::new(key, self.from.next(), tokens, host, Profile::default(), now)
            .map_err(|fault| GrantError::ServiceRefused(Arc::new(fault.into())))
    }
}

impl Drop for Ask {
    /// Whatever ends it early (a panic, the end of the runtime), nobody waits for it for ever.
    fn drop(&mut self) {
        if !self.ended {
            self.span.record("outcome", "cut off");
            let error = GrantError::cut_short(COOL_DOWN, &self.engine.parts.background);
            let renewed = self.grant.finish(self.from, Err(error), Instant::now());
            let _ = self.result.send(Some(renewed));
        }
    }
}
