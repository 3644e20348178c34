//! The engine: all grants of this process, over the store that all processes share.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, watch};

use super::{
    AppKey, GrantError, GrantKey, LiveGrant, Version,
    cell::{Cell, Step},
    refresh::Refresh,
};
use crate::{
    background::Spawner,
    clock::Clock,
    events::Events,
    oauth::OAuthClient,
    store::{GrantRecord, KeyRing, Store, StoreError},
};

/// How many token calls this process has under way at most, however many users' tokens expire at once.
const MAX_TOKEN_CALLS: usize = 16;
/// So many grants are kept in memory before those that nobody uses are let go.
const SWEEP_ABOVE: usize = 1_024;
/// Nobody waits longer for a refresh. Above what a refresh may take.
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
    pub(super) token_calls: Semaphore,
    cells: Mutex<HashMap<GrantKey, Arc<Cell>>>,
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
        write!(f, "GrantHandle({:?})", self.cell.key())
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
    pub(crate) async fn refresh(&self, used: Version) -> Result<Arc<LiveGrant>, GrantError> {
        let mut waiting = match self.cell.need(used, self.engine.parts.clock.instant()) {
            Step::Use(live) => return Ok(live),
            Step::Fail(error) => return Err(error),
            Step::Wait(waiting) => waiting,
            Step::Begin { from, result, waiting } => {
                let refresh = Refresh::new(Arc::clone(&self.engine), Arc::clone(&self.cell), from, result);
                self.engine.parts.background.spawn(refresh.run());
                waiting
            }
        };
        outcome(&mut waiting).await
    }
}

async fn outcome(waiting: &mut watch::Receiver<Option<super::cell::Renewed>>) -> super::cell::Renewed {
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
        Arc::new(Self { parts, token_calls: Semaphore::new(MAX_TOKEN_CALLS), cells: Mutex::default() })
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
        }
        Some(GrantHandle { cell, engine: Arc::clone(self) })
    }

    /// A handle on a grant that was just made.
    pub(super) fn handle_of(self: &Arc<Self>, live: LiveGrant) -> GrantHandle {
        let cell = self.cell(live.key);
        cell.adopt(live, self.parts.clock.instant());
        GrantHandle { cell, engine: Arc::clone(self) }
    }

    /// The cell of `key`, made if there is none.
    pub(super) fn cell(&self, key: GrantKey) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(&key) {
            return Arc::clone(cell);
        }
        if cells.len() >= SWEEP_ABOVE && cells.len() == cells.capacity() {
            // About to grow: first let go of what nobody holds. What is stored is found again.
            let now = self.parts.clock.instant();
            cells.retain(|_, cell| Arc::strong_count(cell) > 1 || !cell.is_quiet(now));
        }
        let cell = Arc::new(Cell::new(key));
        cells.insert(key, Arc::clone(&cell));
        cell
    }
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
