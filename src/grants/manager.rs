//! [`GrantManager`]: all grants of this process, over the store that all processes share.

use std::{
    fmt,
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{
    Events, GrantError, GrantTokens, Timing,
    entry::{GrantEntry, Step},
    health::LastOutage,
    last_seen::LastSeenThrottle,
    logout::PendingLogouts,
    pending_write,
    refresh::Refresh,
    service::ServiceGrant,
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
    oauth::{LoginHost, OAuthClient, ServiceUser},
    store::{AppKey, GrantKey, GrantRecord, GrantVersion, LeaseHolder, Store, StoreError},
};

/// Maximum number of concurrent token requests of this process, even if the tokens of many users expire at once.
const MAX_TOKEN_REQUESTS: usize = 16;
/// Maximum number of concurrent code exchanges, so that a flood of callbacks cannot starve refreshes.
const MAX_LOGINS: usize = 32;
/// Maximum number of concurrent revocations, for example when an operator logs out all users.
const MAX_REVOCATIONS: usize = 16;
/// Maximum number of concurrent retries to store a new token, so that a store that recovers is not overloaded.
const MAX_PENDING_WRITES: usize = 16;

/// The parts of a [`GrantManager`].
pub(crate) struct GrantManagerConfig {
    pub(crate) app: AppKey,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: KeyRing,
    pub(crate) oauth: OAuthClient,
    pub(crate) background: TaskSpawner,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) timing: Timing,
}

/// How long a login lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    /// Without use.
    pub(crate) idle: Duration,
    /// At most.
    pub(crate) absolute: Duration,
}

/// Loads, stores and refreshes grants. Each [`Salesforce`](crate::Salesforce) has one.
pub(crate) struct GrantManager {
    pub(super) config: GrantManagerConfig,
    /// Identifies this process as the holder of in-flight markers.
    pub(super) id: LeaseHolder,
    pub(super) token_requests: Semaphore,
    pub(super) logins: Semaphore,
    pub(super) revocations: Arc<Semaphore>,
    pub(super) pending_writes: Semaphore,
    pub(super) pending_write_count: AtomicUsize,
    pub(super) last_seen: LastSeenThrottle,
    pub(super) pending_logouts: PendingLogouts,
    pub(super) last_outage: LastOutage,
    entries: Mutex<EvictingMap<GrantKey, Arc<GrantEntry>>>,
    services: Mutex<EvictingMap<ServiceKey, Arc<ServiceGrant>>>,
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
        f.debug_struct("GrantManager").field("app", &self.config.app).finish_non_exhaustive()
    }
}

/// The refresh did not end while the request waited for it, or its process is stopping.
#[derive(Debug, thiserror::Error)]
#[error("the refresh did not end in time")]
struct NoOutcome;

/// A grant as a connection holds it: by reference, so that it always uses the current tokens.
#[derive(Clone)]
pub(crate) struct GrantHandle(Holder);

#[derive(Clone)]
enum Holder {
    Person {
        entry: Arc<GrantEntry>,
        manager: Arc<GrantManager>,
    },
    /// With the token that it started with.
    Service {
        grant: Arc<ServiceGrant>,
        manager: Arc<GrantManager>,
        first: Arc<GrantTokens>,
    },
}

impl fmt::Debug for GrantHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantHandle({:?})", self.key())
    }
}

impl GrantHandle {
    fn person(entry: Arc<GrantEntry>, manager: Arc<GrantManager>) -> Self {
        Self(Holder::Person { entry, manager })
    }

    /// Returns the key of the grant.
    pub(crate) fn key(&self) -> GrantKey {
        match &self.0 {
            Holder::Person { entry, .. } => entry.key(),
            Holder::Service { grant, first, .. } => grant.current().map_or(first.key, |tokens| tokens.key),
        }
    }

    /// Returns the tokens to use now.
    pub(crate) fn current(&self) -> Result<Arc<GrantTokens>, GrantError> {
        match &self.0 {
            Holder::Person { entry, .. } => entry.current().ok_or(GrantError::LoginOver),
            Holder::Service { grant, first, .. } => Ok(grant.current().unwrap_or_else(|| Arc::clone(first))),
        }
    }

    /// Returns the tokens to use after those of version `used` were rejected. Concurrent calls share one refresh, which
    /// goes on if this future is dropped.
    pub(crate) async fn refresh(&self, used: GrantVersion) -> Result<Arc<GrantTokens>, GrantError> {
        let (entry, manager) = match &self.0 {
            Holder::Person { entry, manager } => (entry, manager),
            Holder::Service { grant, manager, .. } => return grant.renew(manager, used).await,
        };
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
                let refresh = Refresh::new(Arc::clone(manager), Arc::clone(entry), from, result);
                manager.config.background.spawn(refresh.run());
                waiting
            }
        };
        outcome(&mut waiting, manager.config.timing.request_wait).await
    }

    /// Returns true if the login has ended. Asked after a fresh token was rejected: a logout revokes it, here or in
    /// another process, and the rejection does not tell that from a policy of the organization.
    pub(crate) async fn is_over(&self) -> bool {
        match &self.0 {
            Holder::Service { .. } => false,
            Holder::Person { entry, manager } => {
                // An unavailable store says nothing about the login.
                entry.current().is_none()
                    || manager.grant(entry.key()).await.is_ok_and(|grant| grant.is_none())
            }
        }
    }
}

pub(super) async fn outcome(
    waiting: &mut super::entry::Waiting,
    request_wait: Duration,
) -> super::entry::Renewed {
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
            token_requests: Semaphore::new(MAX_TOKEN_REQUESTS),
            logins: Semaphore::new(MAX_LOGINS),
            revocations: Arc::new(Semaphore::new(MAX_REVOCATIONS)),
            pending_writes: Semaphore::new(MAX_PENDING_WRITES),
            pending_write_count: AtomicUsize::new(0),
            last_seen: LastSeenThrottle::default(),
            pending_logouts: PendingLogouts::default(),
            last_outage: LastOutage::default(),
            entries: Mutex::default(),
            services: Mutex::default(),
        })
    }

    /// Returns the OAuth client of the background thread.
    pub(crate) fn oauth(&self) -> &OAuthClient {
        &self.config.oauth
    }

    /// Returns the stored grant under `key`.
    pub(crate) async fn grant(self: &Arc<Self>, key: GrantKey) -> Result<Option<GrantHandle>, StoreError> {
        let read_at = self.config.clock.instant();
        let record = absent_if_corrupt(self.config.store.load_grant(key).await)?;
        Ok(record.and_then(|record| self.handle(&record, read_at)))
    }

    /// Returns a handle on the grant of a record that was read at `read_at`, or `None` if the record does not open.
    pub(super) fn handle(self: &Arc<Self>, record: &GrantRecord, read_at: Instant) -> Option<GrantHandle> {
        let entry = self.entry(record.key);
        if !entry.knows(record.version) {
            match GrantTokens::open(&self.config.keys, record) {
                Ok(tokens) => entry.adopt(tokens, read_at),
                Err(error) => {
                    tracing::warn!(grant = %record.key, %error, "stored grant ignored");
                    return None;
                }
            }
        } else if let Some(tokens) = entry.begin_repair(record.version, read_at) {
            let repair = pending_write::repair(Arc::clone(self), Arc::clone(&entry), tokens, record.clone());
            self.config.background.spawn(repair);
        }
        Some(GrantHandle::person(entry, Arc::clone(self)))
    }

    /// Returns a handle on a new grant.
    pub(super) fn handle_of(self: &Arc<Self>, tokens: GrantTokens) -> GrantHandle {
        let entry = self.entry(tokens.key);
        entry.adopt(tokens, self.config.clock.instant());
        GrantHandle::person(entry, Arc::clone(self))
    }

    /// Returns the handle of a service user. Requests its token first if there is none.
    pub(crate) async fn service(self: &Arc<Self>, user: &ServiceUser) -> Result<GrantHandle, GrantError> {
        let grant = self.service_grant(user);
        let first = grant.token(self).await?;
        Ok(GrantHandle(Holder::Service { grant, manager: Arc::clone(self), first }))
    }

    fn service_grant(self: &Arc<Self>, user: &ServiceUser) -> Arc<ServiceGrant> {
        let key = ServiceKey {
            app: user.app.as_ref().map(|app| app.client_id.clone()),
            host: user.host.clone(),
            username: user.username().map(str::to_owned),
        };
        let mut services = lock(&self.services);
        if let Some(grant) = services.get(&key) {
            return Arc::clone(grant);
        }
        let grant = ServiceGrant::new(self, user.clone());
        services.insert(key, Arc::clone(&grant), |grant| Arc::strong_count(grant) > 1);
        grant
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
