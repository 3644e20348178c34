//! [`GrantManager`]: all grants of this process, over the store that all processes share.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::{
    Admission, Apps, AuthEvent, ConnectPath, Events, GrantError, GrantTokens, HostOrgs, LogInError,
    LoginPath, RevokeOnLogout, Timing,
    callback::Outcomes,
    entry::{GrantEntry, Step},
    health::LastOutage,
    host_limit::HostLimit,
    in_flight,
    last_seen::LastSeenThrottle,
    pending_logouts::PendingLogouts,
    refresh::{Refresh, Work},
    stored_grant::StoredGrant,
    tokens::version_of,
};
use crate::{
    base::{
        background::{Stopped, TaskSpawner},
        clock::Clock,
        evicting_map::EvictingMap,
        lock::lock,
        random,
        seal::KeyRing,
    },
    store::{ConnectionName, GrantKey, GrantVersion, LeaseHolder, Store, StoreError},
};
use salesforce_connection::{
    Client, UserRef,
    oauth::{LoginHost, OAuthClient},
    token::{
        AccessToken, BrokenConnection, ServiceTokenEvent, ServiceTokenSource, ServiceTokenTiming,
        ServiceUser, TokenError, TokenSource,
    },
};

/// Maximum number of concurrent refreshes of this process, even if the tokens of many users expire at once.
const MAX_TOKEN_REQUESTS: usize = 64;
/// Maximum number of concurrent refreshes at one login host, and of token requests for its service users. A host that
/// hangs, or whose users are many, leaves the others three quarters.
const MAX_TOKEN_REQUESTS_PER_HOST: usize = 16;
/// Maximum number of concurrent code exchanges of this process, so that a flood of callbacks cannot starve refreshes.
const MAX_LOGINS: usize = 128;
/// Maximum number of concurrent code exchanges at one login host, so that a host that hangs, or a flood of invented
/// codes for it, does not stop the logins of the others.
const MAX_LOGINS_PER_HOST: usize = 32;
/// Maximum number of concurrent revocations, for example when an operator logs out all users.
const MAX_REVOCATIONS: usize = 64;
/// Maximum number of concurrent revocations at one instance.
const MAX_REVOCATIONS_PER_HOST: usize = 16;
/// Maximum number of concurrent retries to store a new token, so that a store that recovers is not overloaded.
const MAX_PENDING_WRITES: usize = 16;

/// The parts of a [`GrantManager`].
pub(crate) struct GrantManagerConfig {
    pub(crate) apps: Apps,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: KeyRing,
    pub(crate) background: TaskSpawner,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) lifetimes: Lifetimes,
    /// The longest time until Salesforce is asked whether a grant is still valid. `None`: it is not asked.
    pub(crate) recheck: Option<Duration>,
    pub(crate) host_orgs: HostOrgs,
    pub(crate) admission: Admission,
    /// For questions to an org before its user is let in.
    pub(crate) client: Client,
    /// How long a grant that Salesforce refused for good stays listed. Zero: it is forgotten at once.
    pub(crate) keep_broken: Duration,
    pub(crate) login_path: LoginPath,
    pub(crate) connect_path: ConnectPath,
    /// What a user's logout does to the grant.
    pub(crate) revoke_on_logout: RevokeOnLogout,
    pub(crate) timing: Timing,
}

/// When a login ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    /// This long after its last use.
    pub(crate) idle: Duration,
    /// This long after it was made, even if it is used.
    pub(crate) absolute: Duration,
}

/// Loads, stores and refreshes grants. Each [`Salesforce`](crate::Salesforce) has one.
///
/// Its methods are in the file of their task:
///
/// | task | file |
/// |---|---|
/// | complete a login | `callback.rs`, `login.rs`, `new_login.rs`, `admission.rs` |
/// | find the login of a request | `find_login.rs`, `last_seen.rs` |
/// | refresh a grant | `refresh.rs`, `refresh/`, `pending_write.rs`, `in_flight.rs` |
/// | ask whether a grant is still valid | `recheck.rs`, `keep_alive.rs` |
/// | end a login or a grant | `logout.rs`, `undo_login.rs`, `revoke.rs`, `broken.rs` |
/// | connections of owners | `owners.rs`, `owners/` |
/// | list them, report health | `admin.rs`, `health.rs` |
/// | change keys or credentials | `reseal.rs`, `rotation.rs` |
pub(crate) struct GrantManager {
    pub(super) config: GrantManagerConfig,
    /// Identifies this process as the holder of in-flight markers.
    pub(super) id: LeaseHolder,
    pub(super) token_requests: HostLimit<LoginHost>,
    pub(super) logins: HostLimit<LoginHost>,
    /// By the origin of the instance.
    pub(super) revocations: Arc<HostLimit<String>>,
    pub(super) pending_writes: Semaphore,
    pub(super) pending_write_count: AtomicUsize,
    pub(super) last_seen: LastSeenThrottle,
    pub(super) pending_logouts: PendingLogouts,
    pub(super) last_outage: Arc<LastOutage>,
    pub(super) outcomes: Outcomes,
    entries: Mutex<EvictingMap<GrantKey, Arc<GrantEntry>>>,
    services: Mutex<EvictingMap<ServiceKey, ServiceTokenSource>>,
    /// The hosts and orgs of stored grants that are not allowed, as far as they were logged.
    pub(super) not_allowed: Mutex<HashSet<String>>,
}

/// Names a service user: which app, at which host, and as which user.
#[derive(PartialEq, Eq, Hash)]
struct ServiceKey {
    app: Option<String>,
    host: LoginHost,
    username: Option<String>,
}

impl fmt::Debug for GrantManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantManager").field("app", &self.config.apps.current_key()).finish_non_exhaustive()
    }
}

/// The refresh did not end while the request waited for it, or its process is stopping.
#[derive(Debug, thiserror::Error)]
#[error("the refresh did not end in time")]
struct NoOutcome;

/// A grant as a connection holds it: by reference, so that it always uses the current tokens.
#[derive(Clone)]
pub(crate) struct GrantHandle {
    pub(super) entry: Arc<GrantEntry>,
    pub(super) manager: Arc<GrantManager>,
}

impl fmt::Debug for GrantHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantHandle({:?})", self.key())
    }
}

impl GrantHandle {
    /// Returns the key of the grant.
    pub(crate) fn key(&self) -> GrantKey {
        self.entry.key()
    }

    /// Returns whether its user has to log in again under other credentials of the app.
    pub(super) fn needs_other_credentials(&self) -> bool {
        self.entry.needs_other_credentials()
    }

    /// Returns the tokens to use now.
    pub(crate) fn current(&self) -> Result<Arc<GrantTokens>, GrantError> {
        self.entry.current().ok_or(GrantError::LoginOver)
    }

    /// Returns why Salesforce refused the grant for good, if this process knows it.
    ///
    /// `owned`: what its owner calls the connection, so that it says where the owner connects again.
    pub(super) fn broken(&self, owned: Option<&ConnectionName>) -> Option<BrokenConnection> {
        let broken = self.entry.broken()?;
        let mut connection = self.manager.connection_of(&broken);
        if let Some(name) = owned {
            connection.login_path = (self.manager.config.connect_path)(Some(&broken.host), name);
        }
        Some(connection)
    }

    /// Returns the tokens to use after those of version `used` were rejected. Concurrent calls share one refresh, which
    /// goes on if this future is dropped.
    pub(crate) async fn refresh_version(&self, used: GrantVersion) -> Result<Arc<GrantTokens>, GrantError> {
        self.replace(used, Work::Refresh).await
    }

    /// Seals the tokens of version `used` again, as the next version.
    pub(super) async fn reseal(&self, used: GrantVersion) -> Result<Arc<GrantTokens>, GrantError> {
        self.replace(used, Work::Reseal).await
    }

    async fn replace(&self, used: GrantVersion, work: Work) -> Result<Arc<GrantTokens>, GrantError> {
        let (entry, manager) = (&self.entry, &self.manager);
        let mut waiting = match entry.decide(used, manager.config.clock.instant()) {
            Step::Use(tokens) => return Ok(tokens),
            Step::Fail(GrantError::Unavailable { retry_after, .. })
                if manager.config.background.is_stopping() =>
            {
                return Err(GrantError::unavailable(retry_after, Stopped));
            }
            Step::Fail(error) => return Err(error),
            Step::Wait(waiting) => waiting,
            Step::Begin { from, result, waiting } => {
                let refresh = Refresh::new(Arc::clone(manager), Arc::clone(entry), from, result, work);
                manager.config.background.spawn(refresh.run());
                waiting
            }
        };
        outcome(&mut waiting, manager.config.timing.request_wait).await
    }
}

impl TokenSource for GrantHandle {
    fn user(&self) -> UserRef {
        self.key().user()
    }

    fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
        Ok(Arc::clone(&self.current()?.access))
    }

    fn refresh<'a>(
        &'a self,
        rejected: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>> {
        Box::pin(async { Ok(Arc::clone(&self.refresh_version(version_of(rejected)).await?.access)) })
    }

    fn rejected_again<'a>(&'a self, fresh: &'a AccessToken) -> BoxFuture<'a, ()> {
        Box::pin(async {
            let (config, version) = (&self.manager.config, version_of(fresh));
            let pauses = config.timing.rejected_pauses();
            let pause = self.entry.rejected_again(version, config.clock.instant(), pauses);
            let Some(pause) = pause else { return };
            let marked = in_flight::mark_rejected(&self.manager, self.key(), version, pause).await;
            if let Err(error) = marked {
                tracing::debug!(grant = %self.key(), %error, "in-flight marker not written: token rejected");
            }
        })
    }

    fn is_revoked(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            // An unavailable store says nothing about the login.
            self.entry.current().is_none()
                || (self.manager.grant(self.key()).await)
                    .is_ok_and(|grant| !matches!(grant, StoredGrant::Valid(_)))
        })
    }
}

async fn outcome(waiting: &mut super::entry::Waiting, request_wait: Duration) -> super::entry::RefreshResult {
    match tokio::time::timeout(request_wait, waiting.wait_for(Option::is_some)).await {
        Ok(Ok(outcome)) => match &*outcome {
            Some(outcome) => outcome.clone(),
            None => Err(GrantError::unavailable(Duration::from_secs(1), NoOutcome)),
        },
        Ok(Err(_)) | Err(_) => Err(GrantError::unavailable(Duration::from_secs(1), NoOutcome)),
    }
}

impl GrantManager {
    pub(crate) fn new(config: GrantManagerConfig) -> Arc<Self> {
        Arc::new(Self {
            config,
            id: random_holder(),
            token_requests: HostLimit::new(MAX_TOKEN_REQUESTS, MAX_TOKEN_REQUESTS_PER_HOST),
            logins: HostLimit::new(MAX_LOGINS, MAX_LOGINS_PER_HOST),
            revocations: Arc::new(HostLimit::new(MAX_REVOCATIONS, MAX_REVOCATIONS_PER_HOST)),
            pending_writes: Semaphore::new(MAX_PENDING_WRITES),
            pending_write_count: AtomicUsize::new(0),
            last_seen: LastSeenThrottle::default(),
            pending_logouts: PendingLogouts::default(),
            last_outage: Arc::default(),
            outcomes: Outcomes::default(),
            entries: Mutex::default(),
            services: Mutex::default(),
            not_allowed: Mutex::default(),
        })
    }

    /// Returns the OAuth client of the background thread, with the credentials of new logins.
    pub(crate) fn oauth(&self) -> &OAuthClient {
        self.config.apps.current()
    }

    /// Returns the client of the background thread.
    #[cfg(feature = "events")]
    pub(crate) fn client(&self) -> &Client {
        &self.config.client
    }

    /// Returns what starts work on the background thread.
    #[cfg(feature = "events")]
    pub(crate) fn spawner(&self) -> &TaskSpawner {
        &self.config.background
    }

    /// Returns a handle on a new grant.
    pub(super) fn handle_of(self: &Arc<Self>, tokens: GrantTokens) -> GrantHandle {
        let entry = self.entry(tokens.key);
        entry.adopt(tokens, self.config.clock.instant());
        GrantHandle { entry, manager: Arc::clone(self) }
    }

    /// Returns the token source of a service user. Requests its token first if there is none.
    ///
    /// # Errors
    /// There is no token, or the settings do not let in the org that it is for.
    pub(crate) async fn service(
        self: &Arc<Self>,
        user: &ServiceUser,
    ) -> Result<Arc<dyn TokenSource>, salesforce_connection::Error> {
        let source = self.service_tokens(user).connect().await?;
        let org = source.user().organization_id;
        let token = source.token()?;
        if let Err(refused) = self.check_org_unasked(user.host(), org, token.instance_url()) {
            tracing::error!(%org, host = ?user.host(), %refused, "the org of a service user is not let in");
            return Err(LogInError::from(refused).into());
        }
        Ok(source)
    }

    fn service_tokens(&self, user: &ServiceUser) -> ServiceTokenSource {
        let key = ServiceKey {
            app: user.app().map(|app| app.client_id.clone()),
            host: user.host().clone(),
            username: user.username().map(str::to_owned),
        };
        let mut services = lock(&self.services);
        if let Some(source) = services.get(&key) {
            return source.clone();
        }
        let (clock, events) = (self.config.clock.clone(), self.config.events.clone());
        let (outage, outage_clock) = (Arc::clone(&self.last_outage), self.config.clock.clone());
        let timing = self.config.timing;
        let source = ServiceTokenSource::builder(self.oauth().clone(), user.clone())
            .runtime(self.config.background.runtime())
            .permits(self.token_requests.of_host(user.host()))
            .timing(ServiceTokenTiming {
                deadline: timing.service_deadline,
                max_wait: timing.request_wait,
                cool_down: timing.cool_down,
                refused_cool_down: timing.service_refused_for,
                min_token_age: timing.min_token_age,
                rejected_pause: timing.rejected_pause,
                rejected_max_pause: timing.rejected_max_pause,
            })
            .clock(move || clock.now())
            .on_event(move |event| match event {
                ServiceTokenEvent::Refreshed(user) => {
                    events.emit(&AuthEvent::Refreshed { user: *user, rotated: false });
                }
                ServiceTokenEvent::Failed { user, error, .. } => {
                    outage.record(error, outage_clock.now());
                    if let Some(user) = user {
                        events.emit(&AuthEvent::RefreshFailed(*user));
                    }
                }
                _ => {}
            })
            .build();
        services.insert(key, source.clone(), ServiceTokenSource::is_in_use);
        source
    }

    /// Returns the entry of `key`. Makes it if there is none.
    pub(super) fn entry(&self, key: GrantKey) -> Arc<GrantEntry> {
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.get(&key) {
            return Arc::clone(entry);
        }
        let entry = Arc::new(GrantEntry::new(key));
        // An entry that no connection holds can be dropped: its grant is loaded again when it is needed.
        let now = self.config.clock.instant();
        entries.insert(key, Arc::clone(&entry), |entry| Arc::strong_count(entry) > 1 || !entry.is_idle(now));
        entry
    }
}

/// Returns a random holder of leases.
pub(super) fn random_holder() -> LeaseHolder {
    // Without randomness the holder is zero. Two such holders share a lease, and only the versioned write keeps them
    // apart.
    LeaseHolder(random::bytes().map_or(0, u128::from_be_bytes))
}

/// Turns a corrupt record into an absent one, so that it affects only its own user.
pub(super) fn absent_if_corrupt<T>(read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(error @ StoreError::Corrupt(_)) => {
            tracing::error!(%error, "unreadable record ignored");
            Ok(None)
        }
        read => read,
    }
}
