//! [`ServiceTokenSourceBuilder`]: the settings of a [`ServiceTokenSource`](super::ServiceTokenSource).

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tokio::{runtime::Handle, sync::Semaphore};

use super::{
    ServiceTokenSource, TokenError,
    service_token::{Clock, OnEvent, Shared},
    service_user::ServiceUser,
    token_request::TokenRequest,
};
use crate::{oauth::client::OAuthClient, user_ref::UserRef};

/// The waits and deadlines of a [`ServiceTokenSource`].
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct ServiceTokenTiming {
    /// Longest time for one token with its retries, including the wait for a permit. Stays below `max_wait`.
    pub deadline: Duration,
    /// Longest time that a caller waits for the shared token request. Above `deadline`, so that its outcome arrives.
    pub max_wait: Duration,
    /// Shortest pause after a transient failure, so that a burst of callers does not become a burst of requests.
    pub cool_down: Duration,
    /// Pause after a refusal. Longer, since only an administrator can fix its cause.
    pub refused_cool_down: Duration,
    /// Age below which a rejected token is not replaced: the next one would be rejected as well, and Salesforce allows a
    /// user 3,600 logins per hour.
    pub min_token_age: Duration,
    /// Pause after a new token that was rejected like the one before: the cause is a policy. Doubles with each token in a row
    /// up to `rejected_max_pause`.
    pub rejected_pause: Duration,
    /// Longest such pause.
    pub rejected_max_pause: Duration,
}

impl Default for ServiceTokenTiming {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            max_wait: Duration::from_secs(12),
            cool_down: Duration::from_secs(2),
            refused_cool_down: Duration::from_secs(30),
            min_token_age: Duration::from_secs(5),
            rejected_pause: Duration::from_secs(20),
            rejected_max_pause: Duration::from_secs(600),
        }
    }
}

/// An event of a service user's token, for logs and metrics.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ServiceTokenEvent {
    /// A rejected token was replaced.
    Refreshed(UserRef),
    /// A token could not be fetched.
    #[non_exhaustive]
    Failed {
        /// The user, if there was a token before.
        user: Option<UserRef>,
        /// Why.
        error: TokenError,
    },
}

/// Configures a [`ServiceTokenSource`].
#[must_use = "no token is requested before connect()"]
pub struct ServiceTokenSourceBuilder {
    oauth: OAuthClient,
    request: TokenRequest,
    runtime: Option<Handle>,
    permits: Option<Arc<Semaphore>>,
    clock: Clock,
    on_event: OnEvent,
    timing: ServiceTokenTiming,
}

impl fmt::Debug for ServiceTokenSourceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTokenSourceBuilder").field("host", self.request.host()).finish_non_exhaustive()
    }
}

impl ServiceTokenSourceBuilder {
    pub(super) fn new(oauth: OAuthClient, request: TokenRequest) -> Self {
        Self {
            oauth,
            request,
            runtime: None,
            permits: None,
            clock: Arc::new(SystemTime::now),
            on_event: Arc::new(|_| {}),
            timing: ServiceTokenTiming::default(),
        }
    }

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
    pub fn on_event(mut self, listener: impl Fn(&ServiceTokenEvent) + Send + Sync + 'static) -> Self {
        self.on_event = Arc::new(listener);
        self
    }

    /// Sets waits and deadlines.
    #[doc(hidden)]
    pub fn timing(mut self, timing: ServiceTokenTiming) -> Self {
        self.timing = timing;
        self
    }

    /// Creates the source, without a token: [`ServiceTokenSource::connect`] fetches the first one.
    pub fn build(self) -> ServiceTokenSource {
        let Self { oauth, request, runtime, permits, clock, on_event, timing } = self;
        let oauth = match &request {
            TokenRequest::ServiceUser(ServiceUser { app: Some(app), .. }) => oauth.with_app(app.clone()),
            _ => oauth,
        };
        let state = Mutex::default();
        ServiceTokenSource {
            shared: Arc::new(Shared { oauth, request, runtime, permits, clock, on_event, timing, state }),
        }
    }
}
