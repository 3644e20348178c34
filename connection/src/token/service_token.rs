//! [`ServiceTokenSource`]: holds the token of a service user in memory and requests a new one when Salesforce rejects it.
//! [`ExchangedTokenSource`](super::ExchangedTokenSource) is this source with another [`TokenRequest`].
//!
//! These tokens do not rotate, so that no store and no lease is needed: each process has a separate token. One token
//! request runs at a time, in a task that no caller owns. A cool-down follows a failed one.

use std::{
    fmt,
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tracing::{Instrument as _, Span, field::Empty, info_span};

use super::{
    AccessToken, Generation, TokenError, TokenSource,
    no_token::{Cancelled, NoTokenInTime, RejectedTooSoon, TooManyRequests, UserChanged},
    service_token_builder::{ServiceTokenEvent, ServiceTokenSourceBuilder, ServiceTokenTiming},
    service_user::ServiceUser,
    token_request::{TokenRequest, TokenRequestError},
};
use crate::{
    http::error::HttpError,
    oauth::{client::OAuthClient, error::OAuthError, token_response::TokenResponse},
    user_ref::UserRef,
};

/// Number of retries of a transient failure within the deadline.
const MAX_RETRIES: u32 = 2;
/// Longest pause after a transient failure, even if `Retry-After` asks for more.
const MAX_COOL_DOWN: Duration = Duration::from_secs(60);

/// Provides the tokens of a [`ServiceUser`]: client credentials or JWT bearer.
///
/// Share one source among all connections of the user: they share its token then. Cheap to clone.
///
/// ```no_run
/// use salesforce_connection::{
///     Client, Connection,
///     oauth::{LoginHost, OAuthApp, OAuthClient},
///     token::{ServiceTokenSource, ServiceUser},
/// };
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder().build()?;
/// let oauth = OAuthClient::with_client(OAuthApp::new("3MVG9…", Some("the consumer secret".into())), &client);
/// let user = ServiceUser::client_credentials(LoginHost::my_domain("acme")?);
/// let source = ServiceTokenSource::builder(oauth, user).build();
/// let sf = Connection::new(&client, source.connect().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServiceTokenSource {
    pub(super) shared: Arc<Shared>,
}

pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;
pub(super) type OnEvent = Arc<dyn Fn(&ServiceTokenEvent) + Send + Sync>;
type Outcome = Result<Arc<AccessToken>, TokenError>;
type Waiting = watch::Receiver<Option<Outcome>>;

pub(super) struct Shared {
    pub(super) oauth: OAuthClient,
    pub(super) request: TokenRequest,
    pub(super) runtime: Option<Handle>,
    pub(super) permits: Option<Arc<Semaphore>>,
    pub(super) clock: Clock,
    pub(super) on_event: OnEvent,
    pub(super) timing: ServiceTokenTiming,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    user: Option<UserRef>,
    token: Option<Arc<AccessToken>>,
    /// When the token replaced another one; `None` for the first token.
    refreshed_at: Option<Instant>,
    waiting: Option<Waiting>,
    rejected: Option<Rejected>,
    /// The last failure and the end of its cool-down.
    failed: Option<(TokenError, Instant)>,
}

/// A new token that was rejected like the one before it.
#[derive(Clone, Copy)]
struct Rejected {
    token: Generation,
    /// How many there were in a row.
    count: u32,
    /// No other token is requested before this time.
    until: Instant,
}

impl fmt::Debug for ServiceTokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTokenSource").field("host", self.shared.request.host()).finish_non_exhaustive()
    }
}

impl ServiceTokenSource {
    /// Returns a builder of a source for `user`.
    ///
    /// Token requests are sent with `oauth` and the credentials of its app, unless the user has
    /// [another one](ServiceUser::with_app).
    pub fn builder(oauth: OAuthClient, user: ServiceUser) -> ServiceTokenSourceBuilder {
        ServiceTokenSourceBuilder::new(oauth, TokenRequest::ServiceUser(user))
    }

    /// Returns whether a clone of this source or a connection exists.
    pub fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.shared) > 1
    }

    /// Fetches the first token, unless the source has one, and returns the source for [`Connection::new`].
    ///
    /// [`Connection::new`]: crate::Connection::new
    ///
    /// # Errors
    /// [`TokenError::Refused`] if Salesforce refuses a token to the user or the app; [`TokenError::Unavailable`] for
    /// transient failures.
    pub async fn connect(&self) -> Result<Arc<dyn TokenSource>, TokenError> {
        let has_token = self.shared.lock().token.is_some();
        if !has_token {
            self.shared.refresh(Generation::default()).await?;
        }
        let user = self
            .shared
            .lock()
            .user
            .ok_or_else(|| TokenError::unavailable(self.shared.timing.cool_down, Cancelled))?;
        Ok(Arc::new(ConnectedSource { shared: Arc::clone(&self.shared), user }))
    }
}

/// A source that has received a token, so that its user is known.
struct ConnectedSource {
    shared: Arc<Shared>,
    /// The user of the first token.
    user: UserRef,
}

impl fmt::Debug for ConnectedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTokenSource").field("user", &self.user).finish_non_exhaustive()
    }
}

impl TokenSource for ConnectedSource {
    fn user(&self) -> UserRef {
        // An administrator may have changed the user that the app runs as.
        self.shared.lock().user.unwrap_or(self.user)
    }

    fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
        self.shared
            .lock()
            .token
            .clone()
            .ok_or_else(|| TokenError::unavailable(self.shared.timing.cool_down, Cancelled))
    }

    fn refresh<'a>(&'a self, rejected: &'a AccessToken) -> BoxFuture<'a, Outcome> {
        Box::pin(self.shared.refresh(rejected.generation()))
    }

    fn rejected_again<'a>(&'a self, fresh: &'a AccessToken) -> BoxFuture<'a, ()> {
        self.shared.rejected_again(fresh.generation());
        Box::pin(ready(()))
    }
}

impl Shared {
    /// Locks the state. The lock is held for a few instructions and never across an await.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a new token was rejected: another one would be, too.
    fn rejected_again(&self, token: Generation) {
        let mut state = self.lock();
        if state.token.as_ref().is_none_or(|current| current.generation() != token) {
            return;
        }
        let now = Instant::now();
        // After that the tokens are not in a row, although no other one was requested between them.
        let is_recent =
            |before: Rejected| now.saturating_duration_since(before.until) < self.timing.rejected_max_pause;
        let count = match state.rejected {
            Some(known) if known.token == token => return,
            Some(before) if before.token.0 + 1 == token.0 && is_recent(before) => {
                before.count.saturating_add(1)
            }
            _ => 1,
        };
        let pause = self.timing.rejected_pause.saturating_mul(1 << (count - 1).min(16));
        let until = now + pause.min(self.timing.rejected_max_pause);
        state.rejected = Some(Rejected { token, count, until });
    }

    /// Returns a token newer than `rejected`, or that one if a newer one would be rejected, too.
    ///
    /// Generation 0 means that there was none yet.
    async fn refresh(self: &Arc<Self>, rejected: Generation) -> Outcome {
        let now = Instant::now();
        let (task, mut waiting) = {
            let mut state = self.lock();
            let current = state.token.as_ref().map(|token| token.generation()).unwrap_or_default();
            if current != rejected
                && let Some(token) = &state.token
            {
                return Ok(Arc::clone(token));
            }
            if let (Some(token), Some(held)) = (&state.token, state.rejected)
                && held.token == rejected
                && held.until > now
            {
                return Ok(Arc::clone(token));
            }
            let age = state.refreshed_at.map(|refreshed_at| now.saturating_duration_since(refreshed_at));
            if let Some(age) = age.filter(|age| *age < self.timing.min_token_age) {
                return Err(TokenError::unavailable(self.timing.min_token_age - age, RejectedTooSoon));
            }
            match (&state.waiting, &state.failed) {
                (Some(waiting), _) => (None, waiting.clone()),
                (None, Some((error, until))) if *until > now => {
                    return Err(match error.clone() {
                        TokenError::Unavailable { source, .. } => {
                            TokenError::Unavailable { retry_after: *until - now, source }
                        }
                        error => error,
                    });
                }
                (None, _) => {
                    let (result, waiting) = watch::channel(None);
                    state.waiting = Some(waiting.clone());
                    // Not a child of the caller's span: the task outlives the caller.
                    let span = info_span!(
                        parent: None,
                        "salesforce.service_token",
                        host = ?self.request.host(),
                        revision = u64::try_from(rejected.0).unwrap_or_default(),
                        outcome = Empty
                    );
                    span.follows_from(Span::current());
                    let task = Task { shared: Arc::clone(self), rejected, result, span, outcome: None };
                    (Some(task), waiting)
                }
            }
        };
        if let Some(task) = task {
            // Outside of the lock: a runtime that was shut down drops the task here, and the drop takes the lock.
            let span = task.span.clone();
            let runtime = self.runtime.clone().unwrap_or_else(Handle::current);
            runtime.spawn(task.run().instrument(span));
        }
        match timeout(self.timing.max_wait, waiting.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => match &*outcome {
                Some(outcome) => outcome.clone(),
                None => Err(TokenError::unavailable(self.timing.cool_down, Cancelled)),
            },
            Ok(Err(_)) => Err(TokenError::unavailable(self.timing.cool_down, Cancelled)),
            Err(_) => Err(TokenError::unavailable(self.timing.cool_down, NoTokenInTime)),
        }
    }

    fn finish(&self, rejected: Generation, outcome: Result<(UserRef, AccessToken), TokenError>) -> Outcome {
        let now = Instant::now();
        let mut state = self.lock();
        state.waiting = None;
        match outcome {
            Ok((user, token)) => {
                let token = Arc::new(token);
                state.user = Some(user);
                state.token = Some(Arc::clone(&token));
                state.refreshed_at = (rejected != Generation::default()).then_some(now);
                state.failed = None;
                Ok(token)
            }
            Err(error) => {
                let pause = match &error {
                    TokenError::Unavailable { retry_after, .. } => *retry_after,
                    // Nothing was sent, and the user may log in again at any moment.
                    TokenError::LoginRequired => Duration::ZERO,
                    _ => self.timing.refused_cool_down,
                };
                state.failed = Some((error.clone(), now + pause));
                Err(error)
            }
        }
    }

    /// Revokes a token that no caller gets.
    async fn revoke(&self, tokens: TokenResponse) {
        let token = tokens.refresh_token.unwrap_or(tokens.access_token);
        for retries in 0.. {
            match self.oauth.revoke(&tokens.instance_url, &token).await {
                Ok(()) => return tracing::info!(user = %tokens.identity.user, "unused token revoked"),
                Err(error) if error.is_transient() && retries < MAX_RETRIES => {
                    let wait = error.retry_after().unwrap_or_else(|| crate::random::backoff(retries));
                    sleep(wait.min(MAX_COOL_DOWN)).await;
                }
                Err(error) => {
                    return tracing::error!(
                        %error,
                        "revoking an unused token failed; it stays valid at Salesforce until it expires there"
                    );
                }
            }
        }
    }
}

/// One token request with its retries.
struct Task {
    shared: Arc<Shared>,
    rejected: Generation,
    result: watch::Sender<Option<Outcome>>,
    span: Span,
    /// What the callers get when the task is dropped. `None`: it ended early.
    outcome: Option<Outcome>,
}

impl Task {
    async fn run(mut self) {
        let tokens = self.fetch().await;
        let outcome = tokens.as_ref().map_err(Clone::clone).and_then(|tokens| self.accept(tokens));
        let event = match &outcome {
            Ok((user, _)) => {
                self.span.record("outcome", "refreshed");
                tracing::info!(%user, "token obtained");
                (self.rejected != Generation::default()).then_some(ServiceTokenEvent::Refreshed(*user))
            }
            Err(error) => {
                let is_refusal = !matches!(error, TokenError::Unavailable { .. });
                self.span.record("outcome", if is_refusal { "refused" } else { "unavailable" });
                let cause = std::error::Error::source(error);
                if matches!(error, TokenError::LoginRequired) {
                    tracing::debug!(host = ?self.shared.request.host(), "no token requested: the login has ended");
                } else {
                    tracing::error!(host = ?self.shared.request.host(), %error, cause, "token request failed");
                }
                Some(ServiceTokenEvent::Failed { user: self.shared.lock().user, error: error.clone() })
            }
        };
        let unused = tokens.ok().filter(|_| outcome.is_err());
        // Before the listener, which may panic: the token is obtained.
        self.outcome = Some(self.shared.finish(self.rejected, outcome));
        if let Some(event) = event {
            (self.shared.on_event)(&event);
        }
        let shared = Arc::clone(&self.shared);
        drop(self);
        if let Some(tokens) = unused.filter(|_| shared.request.revokes_unused()) {
            shared.revoke(tokens).await;
        }
    }

    /// Sends the request until it succeeds or [`ServiceTokenTiming::deadline`] passes.
    ///
    /// Repeating it is harmless: a token whose response was lost is one more session, which expires.
    async fn fetch(&self) -> Result<TokenResponse, TokenError> {
        let shared = &self.shared;
        let deadline = Instant::now() + self.shared.timing.deadline;
        let _permit = match &shared.permits {
            None => None,
            // The semaphore is never closed.
            Some(permits) => match timeout(self.shared.timing.deadline, permits.acquire()).await {
                Ok(Ok(permit)) => Some(permit),
                _ => return Err(TokenError::unavailable(self.shared.timing.cool_down, TooManyRequests)),
            },
        };
        let mut retries = 0;
        loop {
            let time_left = deadline.saturating_duration_since(Instant::now());
            let sending = shared.request.send(&shared.oauth, (shared.clock)());
            let error = match timeout(time_left, sending).await {
                Ok(Ok(tokens)) => return Ok(tokens),
                Ok(Err(TokenRequestError::OAuth(error))) => error,
                Ok(Err(TokenRequestError::LoginEnded)) => return Err(TokenError::LoginRequired),
                Ok(Err(TokenRequestError::NoSubject(source))) => {
                    let retry_after = shared.timing.cool_down;
                    return Err(TokenError::Unavailable { retry_after, source: source.into() });
                }
                Err(_) => OAuthError::Http(HttpError::Timeout),
            };
            if !error.is_transient() {
                return Err(shared.request.refused(error));
            }
            let wait = error.retry_after().unwrap_or_else(|| crate::random::backoff(retries));
            if retries >= MAX_RETRIES || wait >= time_left {
                return Err(TokenError::unavailable(
                    wait.clamp(self.shared.timing.cool_down, MAX_COOL_DOWN),
                    error,
                ));
            }
            retries += 1;
            sleep(wait).await;
        }
    }

    /// Checks the user of a token.
    fn accept(&self, tokens: &TokenResponse) -> Result<(UserRef, AccessToken), TokenError> {
        let user = tokens.identity.user;
        let known = self.shared.lock().user;
        if known.is_some_and(|known| !self.shared.request.may_follow(known, user)) {
            return Err(TokenError::unavailable(self.shared.timing.refused_cool_down, UserChanged));
        }
        let token =
            AccessToken::new(&tokens.access_token, tokens.instance_url.clone(), tokens.scopes.clone())
                .map_err(|error| self.shared.request.refused(error.into()))?;
        Ok((user, token.with_generation(Generation(self.rejected.0 + 1))))
    }
}

impl Drop for Task {
    /// Gives all callers the outcome: a failure if the task ends early, by a panic or with its runtime.
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| {
            self.span.record("outcome", "interrupted");
            let error = TokenError::unavailable(self.shared.timing.cool_down, Cancelled);
            self.shared.finish(self.rejected, Err(error))
        });
        // Every caller may have gone away.
        let _ = self.result.send(Some(outcome));
    }
}
