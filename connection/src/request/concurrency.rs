//! [`OrgState`]: what all connections to one org share: its usage, its concurrent requests and its pauses.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use url::Url;

use crate::{
    error::{ApiError, Error},
    id::UserId,
    request::{
        api_host_state::ApiHostState,
        circuit_breaker::{CircuitBreaker, Limit},
        deprecation::Deprecations,
        newest_version::NewestVersion,
        rejected_tokens::RejectedTokens,
        slots::{Slot, Slots},
        usage::LatestUsage,
    },
};

/// The state that all connections to one org share in this process.
#[derive(Debug)]
pub(crate) struct OrgState {
    pub(crate) usage: LatestUsage,
    pub(crate) deprecations: Deprecations,
    pub(crate) newest_version: NewestVersion,
    /// The tokens that the org did not exchange for those of Data 360. They may be good for all else.
    pub(crate) rejected_exchanges: RejectedTokens,
    slots: Arc<Slots>,
    max_concurrent: usize,
    acquire_timeout: Duration,
    /// Whether the breaker is open. Read first, so that requests take no lock while it is closed.
    is_paused: AtomicBool,
    pause: Mutex<Pause>,
    /// By origin. A client names few of them.
    api_hosts: Mutex<HashMap<String, Arc<ApiHostState>>>,
}

#[derive(Debug, Default)]
struct Pause {
    breaker: CircuitBreaker,
    /// Status and errors of the last response that reported the limit.
    last_rejection: (u16, Vec<ApiError>),
}

impl OrgState {
    pub(crate) fn new(max_concurrent: usize, acquire_timeout: Duration) -> Self {
        Self {
            usage: LatestUsage::default(),
            deprecations: Deprecations::default(),
            newest_version: NewestVersion::default(),
            rejected_exchanges: RejectedTokens::default(),
            slots: Slots::new(max_concurrent),
            max_concurrent,
            acquire_timeout,
            is_paused: AtomicBool::new(false),
            pause: Mutex::default(),
            api_hosts: Mutex::default(),
        }
    }

    /// Returns the state of an API host; created on first use. It has as many slots as the org.
    pub(crate) fn api_host(&self, origin: &Url) -> Arc<ApiHostState> {
        let mut hosts = self.api_hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts.entry(origin.origin().ascii_serialization());
        let new = || Arc::new(ApiHostState::new(self.max_concurrent, self.acquire_timeout));
        Arc::clone(host.or_insert_with(new))
    }

    /// Waits until a request of this user may be sent. Hold the slot until the request has ended.
    pub(crate) async fn acquire(&self, user: UserId) -> Result<Slot, Error> {
        let slot = tokio::time::timeout(self.acquire_timeout, self.slots.acquire(user)).await;
        let slot = slot.map_err(|_| Error::ConcurrencyLimit { limit: self.slots.in_use() })?;
        self.check_breaker()?;
        Ok(slot)
    }

    /// Fails with the last rejection while the breaker is open.
    fn check_breaker(&self) -> Result<(), Error> {
        if !self.is_paused.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut state = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        state.breaker.try_acquire(Instant::now()).map_err(|wait| Error::LimitExceeded {
            status: state.last_rejection.0,
            errors: state.last_rejection.1.clone(),
            retry_after: Some(wait),
        })
    }

    /// Records the outcome of a request: its error, or `None` for a success.
    ///
    /// Sets the `retry_after` of [`Error::LimitExceeded`] to at least the length of the pause.
    pub(crate) fn record_outcome(&self, error: Option<&mut Error>) {
        let rejection = match error {
            Some(Error::LimitExceeded { status, errors, retry_after }) => {
                Some((*status, errors, retry_after))
            }
            _ => None,
        };
        if rejection.is_none() && !self.is_paused.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        match rejection {
            Some((status, errors, retry_after)) => {
                // "TotalRequests Limit exceeded." names the daily limit.
                let is_daily = errors.iter().any(|entry| entry.message.contains("TotalRequests"));
                let limit = if is_daily { Limit::Daily } else { Limit::Burst };
                let pause = state.breaker.on_limit(limit, Instant::now());
                *retry_after = (*retry_after).max(Some(pause));
                state.last_rejection = (status, errors.clone());
            }
            None => state.breaker.on_success(),
        }
        self.is_paused.store(!state.breaker.is_closed(), Ordering::Relaxed);
    }
}
