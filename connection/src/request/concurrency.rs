//! What all connections to one organization share in this process: its usage, its turn, and its pauses.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

use crate::{
    error::{ApiError, Error},
    request::{
        circuit_breaker::{CircuitBreaker, Limit},
        usage::LatestUsage,
    },
};

#[derive(Debug)]
pub(crate) struct OrgState {
    pub(crate) usage: LatestUsage,
    calls: Semaphore,
    limit: usize,
    queue: Duration,
    /// Whether `paused` is worth a look: nearly always not.
    is_paused: AtomicBool,
    paused: Mutex<Paused>,
}

#[derive(Debug, Default)]
struct Paused {
    breaker: CircuitBreaker,
    /// What Salesforce last_rejection when the limit was reached.
    last_rejection: (u16, Vec<ApiError>),
}

impl OrgState {
    pub(crate) fn new(limit: usize, queue: Duration) -> Self {
        Self {
            usage: LatestUsage::default(),
            calls: Semaphore::new(limit.min(Semaphore::MAX_PERMITS)),
            limit,
            queue,
            is_paused: AtomicBool::new(false),
            paused: Mutex::default(),
        }
    }

    /// Waits until a call may be sent. The permit is the call's while it is under way.
    pub(crate) async fn acquire(&self) -> Result<SemaphorePermit<'_>, Error> {
        let permit = match self.calls.try_acquire() {
            Ok(permit) => permit,
            Err(TryAcquireError::Closed) => return Err(Error::internal(TryAcquireError::Closed)),
            Err(TryAcquireError::NoPermits) => {
                match tokio::time::timeout(self.queue, self.calls.acquire()).await {
                    Ok(permit) => permit.map_err(Error::internal)?,
                    Err(_) => return Err(Error::ConcurrencyLimit { limit: self.limit }),
                }
            }
        };
        self.check_breaker()?;
        Ok(permit)
    }

    fn check_breaker(&self) -> Result<(), Error> {
        if !self.is_paused.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused.breaker.admit(Instant::now()).map_err(|wait| Error::LimitExceeded {
            status: paused.last_rejection.0,
            errors: paused.last_rejection.1.clone(),
            retry_after: Some(wait),
        })
    }

    /// What came of a call. A refusal at the limit learns for how long no further call is sent.
    pub(crate) fn record_outcome(&self, refused: Option<&mut Error>) {
        let reached = match refused {
            Some(Error::LimitExceeded { status, errors, retry_after }) => {
                Some((*status, errors, retry_after))
            }
            _ => None,
        };
        if reached.is_none() && !self.is_paused.load(Ordering::Relaxed) {
            return;
        }
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        match reached {
            Some((status, errors, retry_after)) => {
                let is_daily = errors.iter().any(|entry| entry.message.contains("TotalRequests"));
                let limit = if is_daily { Limit::Daily } else { Limit::Burst };
                let pause = paused.breaker.on_limit(limit, Instant::now());
                *retry_after = (*retry_after).max(Some(pause));
                paused.last_rejection = (status, errors.clone());
            }
            None => paused.breaker.on_success(),
        }
        self.is_paused.store(!paused.breaker.is_closed(), Ordering::Relaxed);
    }
}
