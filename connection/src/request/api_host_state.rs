//! [`ApiHostState`]: what all connections to one org share for one API host: concurrent requests and rejected tokens.
//!
//! An API host has other limits: its requests take no slot of the org, and say nothing about the org's limits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    error::Error,
    id::UserId,
    request::slots::{Slot, Slots},
    token::{AccessToken, Generation},
};

/// How long a fresh token that an API host rejected is not refreshed because of that host.
///
/// Such a host rejects it for another reason than its age, such as a missing permission. It bounds what each user's
/// requests cost the org to one refresh a minute, and stays below the lifetime of any token (15 minutes and more).
const REJECTED_PAUSE: Duration = Duration::from_secs(60);

/// Number of users at which those whose pause is over are dropped, so that memory stays bounded.
const SWEEP_ABOVE: usize = 1_024;

/// The state of one API host for one org.
#[derive(Debug)]
pub(crate) struct ApiHostState {
    slots: Arc<Slots>,
    acquire_timeout: Duration,
    rejected: Mutex<HashMap<UserId, Rejected>>,
}

/// A fresh token that was rejected.
#[derive(Debug, Clone, Copy)]
struct Rejected {
    token: Generation,
    until: Instant,
}

impl ApiHostState {
    pub(crate) fn new(max_concurrent: usize, acquire_timeout: Duration) -> Self {
        Self { slots: Slots::new(max_concurrent), acquire_timeout, rejected: Mutex::default() }
    }

    /// Waits until a request of this user may be sent. Hold the slot until the request has ended.
    pub(crate) async fn acquire(&self, user: UserId) -> Result<Slot, Error> {
        let slot = tokio::time::timeout(self.acquire_timeout, self.slots.acquire(user)).await;
        slot.map_err(|_| Error::ConcurrencyLimit { limit: self.slots.in_use() })
    }

    /// Notes that the host rejected a token that was just refreshed.
    pub(crate) fn reject(&self, user: UserId, fresh: &AccessToken) {
        let now = Instant::now();
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        if rejected.len() >= SWEEP_ABOVE {
            rejected.retain(|_, rejected| rejected.until > now);
        }
        rejected.insert(user, Rejected { token: fresh.generation(), until: now + REJECTED_PAUSE });
    }

    /// Returns whether the host rejected this token a moment ago, when it was fresh.
    pub(crate) fn has_rejected(&self, user: UserId, token: &AccessToken) -> bool {
        let rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        rejected
            .get(&user)
            .is_some_and(|found| found.token == token.generation() && found.until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{oauth::Scopes, secret::Secret};

    #[tokio::test(start_paused = true)]
    async fn a_token_that_a_host_rejected_is_not_refreshed_for_a_minute() {
        let host = ApiHostState::new(1, Duration::ZERO);
        let [ada, bob] = ["005000000000001", "005000000000002"].map(|id| id.parse().unwrap());
        let token = |generation| {
            let instance = "https://acme.my.salesforce.com".parse().unwrap();
            let token = AccessToken::new(&Secret::new("x"), instance, Scopes::default()).unwrap();
            token.with_generation(Generation(generation))
        };
        host.reject(ada, &token(2));
        assert!(host.has_rejected(ada, &token(2)));
        assert!(!host.has_rejected(ada, &token(3)), "a newer one may be accepted");
        assert!(!host.has_rejected(bob, &token(2)), "another user's");
        tokio::time::advance(REJECTED_PAUSE).await;
        assert!(!host.has_rejected(ada, &token(2)));
        for user in 0..SWEEP_ABOVE {
            host.reject(format!("005{user:012}").parse().unwrap(), &token(1));
        }
        tokio::time::advance(REJECTED_PAUSE).await;
        host.reject(ada, &token(3));
        assert_eq!(host.rejected.lock().unwrap().len(), 1, "memory is bounded");
    }
}
