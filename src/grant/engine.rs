//! The engine: all grants of this process, over the store that all processes share.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::{
    AppKey, GrantError, GrantKey, LiveGrant, Version,
    cell::{Cell, Step},
    hold,
    kept::Kept,
    live::version_of,
    logout::Endings,
    refresh::Refresh,
    touch::Touches,
};
use crate::{
    background::{Spawner, Stopped},
    clock::Clock,
    events::{Event, Events},
    store::{GrantRecord, KeyRing, LeaseHolder, Store, StoreError},
};
use salesforce_connection::{
    UserRef,
    oauth::{LoginHost, OAuthClient},
    token::{AccessToken, ServiceTokenEvent, ServiceTokenSource, ServiceUser, TokenError, TokenSource},
};

/// How many token calls this process has under way at most, however many users' tokens expire at once.
const MAX_TOKEN_CALLS: usize = 16;
/// How many codes are traded in at a time: whoever calls back without end takes nothing from those who are logged in.
const MAX_LOGINS: usize = 32;
/// How many tokens are revoked at a time, when everybody is logged out at once.
const MAX_REVOCATIONS: usize = 16;
/// How many held tokens this process tries to store at a time: a store that is back is not stormed.
const MAX_HELD_WRITES: usize = 16;
/// Nobody waits longer for a refresh. It may take longer still: what was sent is heard to its end.
const MAX_WAIT: Duration = Duration::from_secs(12);

/// What the engine is made of.
pub(crate) struct EngineParts {
    pub(crate) app: AppKey,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: KeyRing,
    pub(crate) oauth: OAuthClient,
    pub(crate) background: Spawner,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) lifetimes: Lifetimes,
}

/// How long a login lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    /// Unused.
    pub(crate) idle: Duration,
    /// At most.
    pub(crate) absolute: Duration,
}

/// Finds, keeps and renews grants. One per [`Salesforce`](crate::Salesforce).
pub(crate) struct Engine {
    pub(super) parts: EngineParts,
    /// This process, to others.
    pub(super) id: LeaseHolder,
    pub(super) token_calls: Arc<Semaphore>,
    pub(super) logins: Semaphore,
    pub(super) revocations: Arc<Semaphore>,
    pub(super) held_writes: Semaphore,
    pub(super) touches: Touches,
    pub(super) endings: Endings,
    cells: Mutex<Kept<GrantKey, Arc<Cell>>>,
    services: Mutex<Kept<ServiceKey, ServiceTokenSource>>,
}

/// Names a service user: which app, at which host, and as whom.
#[derive(PartialEq, Eq, Hash)]
struct ServiceKey {
    app: Option<String>,
    host: LoginHost,
    username: Option<String>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("app", &self.parts.app).finish_non_exhaustive()
    }
}

/// A refresh took longer than anyone waits, or its process ends.
#[derive(Debug, thiserror::Error)]
#[error("the refresh did not end in time")]
struct NoOutcome;

/// One grant as a connection holds it: by reference, so that it always uses the current tokens.
#[derive(Clone)]
pub(crate) struct GrantHandle {
    cell: Arc<Cell>,
    engine: Arc<Engine>,
}

impl fmt::Debug for GrantHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantHandle({:?})", self.key())
    }
}

impl GrantHandle {
    /// Which grant.
    pub(crate) fn key(&self) -> GrantKey {
        self.cell.key()
    }

    /// The tokens to use now.
    pub(crate) fn current(&self) -> Result<Arc<LiveGrant>, GrantError> {
        self.cell.current().ok_or(GrantError::LoginOver)
    }

    /// The tokens to use after those of version `used` were refused. At most one refresh is on its way; dropping this
    /// future does not end it.
    pub(crate) async fn renew(&self, used: Version) -> Result<Arc<LiveGrant>, GrantError> {
        let (cell, engine) = (&self.cell, &self.engine);
        let mut waiting = match cell.need(used, engine.parts.clock.instant()) {
            Step::Use(live) => return Ok(live),
            Step::Fail(GrantError::Unavailable { retry_after, .. })
                if engine.parts.background.is_ending() =>
            {
                return Err(GrantError::unavailable(retry_after, Stopped));
            }
            Step::Fail(error) => return Err(error),
            Step::Wait(waiting) => waiting,
            Step::Begin { from, result, waiting } => {
                let refresh = Refresh::new(Arc::clone(engine), Arc::clone(cell), from, result);
                engine.parts.background.spawn(refresh.run());
                waiting
            }
        };
        outcome(&mut waiting).await
    }
}

impl TokenSource for GrantHandle {
    fn user(&self) -> UserRef {
        UserRef::new(self.key().org(), self.key().user())
    }

    fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
        Ok(Arc::clone(&self.current()?.access))
    }

    fn refresh<'a>(
        &'a self,
        rejected: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>> {
        Box::pin(async { Ok(Arc::clone(&self.renew(version_of(rejected)).await?.access)) })
    }

    fn is_revoked(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            // A store that does not answer does not say so.
            self.cell.current().is_none()
                || self.engine.grant(self.key()).await.is_ok_and(|grant| grant.is_none())
        })
    }
}

async fn outcome(waiting: &mut super::cell::Waiting) -> super::cell::Renewed {
    match tokio::time::timeout(MAX_WAIT, waiting.wait_for(Option::is_some)).await {
        Ok(Ok(outcome)) => match &*outcome {
            Some(outcome) => outcome.clone(),
            None => Err(GrantError::unavailable(Duration::from_secs(1), NoOutcome)),
        },
        Ok(Err(_)) | Err(_) => Err(GrantError::unavailable(Duration::from_secs(1), NoOutcome)),
    }
}

impl Engine {
    pub(crate) fn new(parts: EngineParts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            id: random_holder(),
            token_calls: Arc::new(Semaphore::new(MAX_TOKEN_CALLS)),
            logins: Semaphore::new(MAX_LOGINS),
            revocations: Arc::new(Semaphore::new(MAX_REVOCATIONS)),
            held_writes: Semaphore::new(MAX_HELD_WRITES),
            touches: Touches::default(),
            endings: Endings::default(),
            cells: Mutex::default(),
            services: Mutex::default(),
        })
    }

    /// The client that the background thread uses.
    pub(crate) fn oauth(&self) -> &OAuthClient {
        &self.parts.oauth
    }

    /// The stored grant under `key`.
    pub(crate) async fn grant(self: &Arc<Self>, key: GrantKey) -> Result<Option<GrantHandle>, StoreError> {
        let asked_at = self.parts.clock.instant();
        let record = absent_if_corrupt(self.parts.store.grant(key).await)?;
        Ok(record.and_then(|record| self.handle(&record, asked_at)))
    }

    /// A handle on the grant of this record, which the store was asked for at `asked_at`; `None` when the record does
    /// not open.
    pub(super) fn handle(self: &Arc<Self>, record: &GrantRecord, asked_at: Instant) -> Option<GrantHandle> {
        let cell = self.cell(record.key);
        if !cell.knows(record.version) {
            match LiveGrant::open(&self.parts.keys, record) {
                Ok(live) => cell.adopt(live, asked_at),
                Err(error) => {
                    tracing::warn!(grant = %record.key, %error, "a stored grant counts as absent");
                    return None;
                }
            }
        } else if let Some(live) = cell.begin_repair(record.version, asked_at) {
            let repair = hold::repair(Arc::clone(self), Arc::clone(&cell), live, record.clone());
            self.parts.background.spawn(repair);
        }
        Some(GrantHandle { cell, engine: Arc::clone(self) })
    }

    /// A handle on a grant that was just made.
    pub(super) fn handle_of(self: &Arc<Self>, live: LiveGrant) -> GrantHandle {
        let cell = self.cell(live.key);
        cell.adopt(live, self.parts.clock.instant());
        GrantHandle { cell, engine: Arc::clone(self) }
    }

    /// The token source of a service user, whose token is got first if there is none yet.
    pub(crate) async fn service(
        self: &Arc<Self>,
        user: &ServiceUser,
    ) -> Result<Arc<dyn TokenSource>, TokenError> {
        self.service_tokens(user).connect().await
    }

    fn service_tokens(self: &Arc<Self>, user: &ServiceUser) -> ServiceTokenSource {
        let key = ServiceKey {
            app: user.app().map(|app| app.client_id.clone()),
            host: user.host().clone(),
            username: user.username().map(str::to_owned),
        };
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(grant) = services.get(&key) {
            return grant.clone();
        }
        let grant = self.new_service_tokens(user);
        services.insert(key, grant.clone(), ServiceTokenSource::is_in_use);
        grant
    }

    fn new_service_tokens(&self, user: &ServiceUser) -> ServiceTokenSource {
        let (clock, events) = (self.parts.clock.clone(), self.parts.events.clone());
        ServiceTokenSource::builder(self.oauth().clone(), user.clone())
            .runtime(self.parts.background.runtime())
            .permits(Arc::clone(&self.token_calls))
            .clock(move || clock.now())
            .on_event(move |event| {
                let event = match event {
                    ServiceTokenEvent::Refreshed(user) => Event::Refreshed { who: user, rotated: false },
                    ServiceTokenEvent::RefreshFailed(user) => Event::RefreshFailed(user),
                    _ => return,
                };
                events.tell(&event);
            })
            .build()
    }

    /// The cell of `key`, made if there is none.
    pub(super) fn cell(&self, key: GrantKey) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(&key) {
            return Arc::clone(cell);
        }
        let cell = Arc::new(Cell::new(key));
        // What nobody holds can go: what is stored is found again.
        let now = self.parts.clock.instant();
        cells.insert(key, Arc::clone(&cell), |cell| Arc::strong_count(cell) > 1 || !cell.is_quiet(now));
        cell
    }
}

/// A name that no other holder of a lease has.
pub(super) fn random_holder() -> LeaseHolder {
    let mut bytes = [0; 16];
    // Without randomness the holder is zero: two holders would then take each other for themselves, and the versioned
    // write is what keeps them apart.
    let _ = getrandom::fill(&mut bytes);
    LeaseHolder(u128::from_be_bytes(bytes))
}

/// A record that cannot be read counts as absent, so that one bad record harms nobody else.
pub(super) fn absent_if_corrupt<T>(read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(error @ StoreError::Corrupt(_)) => {
            tracing::error!(%error, "a stored record counts as absent");
            Ok(None)
        }
        read => read,
    }
}
