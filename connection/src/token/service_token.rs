//! [`ServiceTokenSource`]: holds the token of a service user in memory and requests a new one when Salesforce rejects it.
//!
//! These tokens do not rotate, so that no store and no lease is needed: each process has a separate token. One token
//! request runs at a time, in a task that no caller owns. A cool-down follows a failed one.

use std::{
    fmt,
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

use super::{AccessToken, Generation, TokenError, TokenSource, service_user::ServiceUser};
use crate::{
    http::error::HttpError,
    oauth::{client::OAuthClient, error::OAuthError, token_response::TokenResponse},
    user_ref::UserRef,
};

/// Longest time for one token with its retries, including the wait for a permit. Must stay below [`MAX_WAIT`].
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest time that a caller waits for the shared token request. Above [`DEADLINE`], so that the outcome arrives.
const MAX_WAIT: Duration = Duration::from_secs(12);
/// Number of retries of a transient failure within [`DEADLINE`].
const MAX_RETRIES: u32 = 2;
/// Shortest pause after a transient failure, so that a burst of callers does not become a burst of requests.
const COOL_DOWN: Duration = Duration::from_secs(2);
/// Longest pause after a transient failure, even if `Retry-After` asks for more.
const MAX_COOL_DOWN: Duration = Duration::from_secs(60);
/// Pause after a refusal. Longer, since only an administrator can fix its cause.
const REFUSED_COOL_DOWN: Duration = Duration::from_secs(30);
/// Age below which a rejected token is not replaced.
///
/// The next one would be rejected as well, and Salesforce allows a user 3,600 logins per hour.
const MIN_TOKEN_AGE: Duration = Duration::from_secs(5);

/// An event of a service user's token, for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceTokenEvent {
    /// A rejected token was replaced.
    Refreshed(UserRef),
    /// A rejected token could not be replaced.
    RefreshFailed(UserRef),
}

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
    shared: Arc<Shared>,
}

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;
type OnEvent = Arc<dyn Fn(ServiceTokenEvent) + Send + Sync>;
type Outcome = Result<Arc<AccessToken>, TokenError>;
type Waiting = watch::Receiver<Option<Outcome>>;

struct Shared {
    oauth: OAuthClient,
    user: ServiceUser,
    runtime: Option<Handle>,
    permits: Option<Arc<Semaphore>>,
    clock: Clock,
    on_event: OnEvent,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    user: Option<UserRef>,
    token: Option<Arc<AccessToken>>,
    /// When the token replaced another one; `None` for the first token.
    refreshed_at: Option<Instant>,
    waiting: Option<Waiting>,
    /// The last failure and the end of its cool-down.
    failed: Option<(TokenError, Instant)>,
}

/// The app's "run as" user was changed to one of another org.
#[derive(Debug, thiserror::Error)]
#[error("the service user now belongs to another org. Restart the app if that is intended")]
struct OrgChanged;

/// The token was younger than [`MIN_TOKEN_AGE`].
#[derive(Debug, thiserror::Error)]
#[error("a token that was refreshed a moment ago was rejected")]
struct RejectedTooSoon;

/// No token arrived within [`DEADLINE`].
#[derive(Debug, thiserror::Error)]
#[error("no token arrived in time")]
struct NoTokenInTime;

/// The task that requested the token ended early, for example because its runtime was shut down.
#[derive(Debug, thiserror::Error)]
#[error("the token request was cancelled")]
struct Cancelled;

impl fmt::Debug for ServiceTokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTokenSource").field("host", &self.shared.user.host).finish_non_exhaustive()
    }
}

/// Configures a [`ServiceTokenSource`].
#[must_use = "no token is requested before connect()"]
pub struct ServiceTokenSourceBuilder {
    oauth: OAuthClient,
    user: ServiceUser,
    runtime: Option<Handle>,
    permits: Option<Arc<Semaphore>>,
    clock: Clock,
    on_event: OnEvent,
}

impl fmt::Debug for ServiceTokenSourceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTokenSourceBuilder").field("host", &self.user.host).finish_non_exhaustive()
    }
}

impl ServiceTokenSourceBuilder {
    /// Sets the runtime of token requests. Default: the runtime of the caller that needs the token.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Sets a semaphore whose permits limit the token requests of several sources. Default: no limit.
    pub fn permits(mut self, permits: Arc<Semaphore>) -> Self {
        self.permits = Some(permits);
        self
    }

    /// Sets the clock for the expiry of JWT assertions. Default: the system's clock.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets a listener for [`ServiceTokenEvent`]s. It runs inside the token request's task and must not block.
    pub fn on_event(mut self, listener: impl Fn(ServiceTokenEvent) + Send + Sync + 'static) -> Self {
        self.on_event = Arc::new(listener);
        self
    }

    /// Creates the source, without a token: [`ServiceTokenSource::connect`] fetches the first one.
    pub fn build(self) -> ServiceTokenSource {
        let Self { oauth, user, runtime, permits, clock, on_event } = self;
        let oauth = match &user.app {
            Some(app) => oauth.with_app(app.clone()),
            None => oauth,
        };
        let state = Mutex::default();
        ServiceTokenSource {
            shared: Arc::new(Shared { oauth, user, runtime, permits, clock, on_event, state }),
        }
    }
}

impl ServiceTokenSource {
    /// Returns a builder of a source for `user`.
    ///
    /// Token requests are sent with `oauth` and the credentials of its app, unless the user has
    /// [another one](ServiceUser::with_app).
    pub fn builder(oauth: OAuthClient, user: ServiceUser) -> ServiceTokenSourceBuilder {
        ServiceTokenSourceBuilder {
            oauth,
            user,
            runtime: None,
            permits: None,
            clock: Arc::new(SystemTime::now),
            on_event: Arc::new(|_| {}),
        }
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
        let user = self.shared.lock().user.ok_or_else(|| TokenError::unavailable(COOL_DOWN, Cancelled))?;
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
        self.shared.lock().token.clone().ok_or_else(|| TokenError::unavailable(COOL_DOWN, Cancelled))
    }

    fn refresh<'a>(&'a self, rejected: &'a AccessToken) -> BoxFuture<'a, Outcome> {
        Box::pin(self.shared.refresh(rejected.generation()))
    }
}

impl Shared {
    /// Locks the state. The lock is held for a few instructions and never across an await.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a token newer than `rejected`; generation 0 means that there was none yet.
    async fn refresh(self: &Arc<Self>, rejected: Generation) -> Outcome {
        let now = Instant::now();
        let (request, mut waiting) = {
            let mut state = self.lock();
            let current = state.token.as_ref().map(|token| token.generation()).unwrap_or_default();
            if current != rejected
                && let Some(token) = &state.token
            {
                return Ok(Arc::clone(token));
            }
            let age = state.refreshed_at.map(|refreshed_at| now.saturating_duration_since(refreshed_at));
            if let Some(age) = age.filter(|age| *age < MIN_TOKEN_AGE) {
                return Err(TokenError::unavailable(MIN_TOKEN_AGE - age, RejectedTooSoon));
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
                        host = ?self.user.host,
                        revision = u64::try_from(rejected.0).unwrap_or_default(),
                        outcome = Empty
                    );
                    span.follows_from(Span::current());
                    let task = Task { shared: Arc::clone(self), rejected, result, span, done: false };
                    (Some(task), waiting)
                }
            }
        };
        if let Some(task) = request {
            // Outside of the lock: a runtime that was shut down drops the task here, and the drop takes the lock.
            let span = task.span.clone();
            let runtime = self.runtime.clone().unwrap_or_else(Handle::current);
            runtime.spawn(task.run().instrument(span));
        }
        match timeout(MAX_WAIT, waiting.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => match &*outcome {
                Some(outcome) => outcome.clone(),
                None => Err(TokenError::unavailable(COOL_DOWN, Cancelled)),
            },
            Ok(Err(_)) => Err(TokenError::unavailable(COOL_DOWN, Cancelled)),
            Err(_) => Err(TokenError::unavailable(COOL_DOWN, NoTokenInTime)),
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
                    _ => REFUSED_COOL_DOWN,
                };
                state.failed = Some((error.clone(), now + pause));
                Err(error)
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
    done: bool,
}

impl Task {
    async fn run(mut self) {
        let outcome = self.request().await.and_then(|tokens| self.accept(tokens));
        let user = self.shared.lock().user;
        match &outcome {
            Ok((user, _)) => {
                self.span.record("outcome", "renewed");
                tracing::info!(%user, "service user token obtained");
                if self.rejected != Generation::default() {
                    (self.shared.on_event)(ServiceTokenEvent::Refreshed(*user));
                }
            }
            Err(error) => {
                let is_refusal = matches!(error, TokenError::Refused(_));
                self.span.record("outcome", if is_refusal { "refused" } else { "unavailable" });
                let cause = std::error::Error::source(error);
                tracing::error!(host = ?self.shared.user.host, %error, cause, "service user token request failed");
                if let Some(user) = user {
                    (self.shared.on_event)(ServiceTokenEvent::RefreshFailed(user));
                }
            }
        }
        let outcome = self.shared.finish(self.rejected, outcome);
        self.done = true;
        // Every caller may have gone away.
        let _ = self.result.send(Some(outcome));
    }

    /// Sends the request until it succeeds or [`DEADLINE`] passes.
    ///
    /// Repeating it is harmless: a token whose response was lost is one more session, which expires.
    async fn request(&self) -> Result<TokenResponse, TokenError> {
        let shared = &self.shared;
        let deadline = Instant::now() + DEADLINE;
        let _permit = match &shared.permits {
            None => None,
            // The semaphore is never closed.
            Some(permits) => match timeout(DEADLINE, permits.acquire()).await {
                Ok(Ok(permit)) => Some(permit),
                _ => return Err(TokenError::unavailable(COOL_DOWN, NoTokenInTime)),
            },
        };
        let mut retries = 0;
        loop {
            let time_left = deadline.saturating_duration_since(Instant::now());
            let request = shared.oauth.service_tokens(&shared.user, (shared.clock)());
            let error = match timeout(time_left, request).await {
                Ok(Ok(tokens)) => return Ok(tokens),
                Ok(Err(error)) => error,
                Err(_) => OAuthError::Http(HttpError::Timeout),
            };
            if !error.is_transient() {
                return Err(TokenError::Refused(Arc::new(error)));
            }
            let wait = error.retry_after().unwrap_or_else(|| crate::random::backoff(retries));
            if retries >= MAX_RETRIES || wait >= time_left {
                return Err(TokenError::unavailable(wait.clamp(COOL_DOWN, MAX_COOL_DOWN), error));
            }
            retries += 1;
            sleep(wait).await;
        }
    }

    /// Checks the user of a token.
    ///
    /// Another user than before is accepted, since an administrator may change the user that the app runs as. Another org
    /// is not.
    fn accept(&self, tokens: TokenResponse) -> Result<(UserRef, AccessToken), TokenError> {
        let user = tokens.identity.user;
        let known = self.shared.lock().user;
        if known.is_some_and(|known| known.organization_id != user.organization_id) {
            return Err(TokenError::unavailable(REFUSED_COOL_DOWN, OrgChanged));
        }
        let token = AccessToken::new(&tokens.access_token, tokens.instance_url, tokens.scopes)
            .map_err(|error| TokenError::Refused(Arc::new(error.into())))?;
        Ok((user, token.with_generation(Generation(self.rejected.0 + 1))))
    }
}

impl Drop for Task {
    /// Reports a failure to all callers if the task ends early: by a panic, or with its runtime.
    fn drop(&mut self) {
        if !self.done {
            self.span.record("outcome", "cut off");
            let error = TokenError::unavailable(COOL_DOWN, Cancelled);
            let outcome = self.shared.finish(self.rejected, Err(error));
            let _ = self.result.send(Some(outcome));
        }
    }
}
