//! Limits how many codes are exchanged at the same time: in all, and per login host.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::lock::lock;
use salesforce_connection::oauth::LoginHost;

/// Maximum number of concurrent code exchanges of this process, so that a flood of callbacks cannot starve refreshes.
const MAX_LOGINS: usize = 128;
/// Maximum number of concurrent code exchanges at one login host, so that a host that hangs, or a flood of invented
/// codes for it, does not stop the logins of the others.
const MAX_LOGINS_PER_HOST: usize = 32;

/// Permits for code exchanges.
#[derive(Debug)]
pub(super) struct LoginLimit {
    all: Arc<Semaphore>,
    /// Login hosts come from the settings and, with `allow_my_domain`, from users. Unused ones are dropped.
    hosts: Mutex<HashMap<LoginHost, Arc<Semaphore>>>,
}

/// A permit for one code exchange, returned on drop.
#[derive(Debug)]
pub(super) struct LoginPermit {
    _all: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

impl Default for LoginLimit {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(MAX_LOGINS)), hosts: Mutex::default() }
    }
}

impl LoginLimit {
    /// Waits for a permit. `None` if none is free within `timeout`.
    pub(super) async fn acquire(&self, host: &LoginHost, timeout: Duration) -> Option<LoginPermit> {
        let host = self.host(host);
        let both = async {
            // The host's permit first: a login that waits for a host that hangs must not hold one of the others' permits.
            let host = host.acquire_owned().await.ok()?;
            let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(LoginPermit { _all: all, _host: host })
        };
        tokio::time::timeout(timeout, both).await.ok().flatten()
    }

    fn host(&self, host: &LoginHost) -> Arc<Semaphore> {
        let mut hosts = lock(&self.hosts);
        if let Some(known) = hosts.get(host) {
            return Arc::clone(known);
        }
        hosts.retain(|_, limit| Arc::strong_count(limit) > 1);
        let limit = Arc::new(Semaphore::new(MAX_LOGINS_PER_HOST));
        hosts.insert(host.clone(), Arc::clone(&limit));
        limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_hangs_leaves_the_others_their_permits() {
        let limit = LoginLimit::default();
        let (one, other): (LoginHost, LoginHost) = (LoginHost::production(), LoginHost::sandbox());
        let mut held = Vec::new();
        let timeout = Duration::from_millis(20);
        while let Some(permit) = limit.acquire(&one, timeout).await {
            held.push(permit);
        }
        assert_eq!(held.len(), MAX_LOGINS_PER_HOST);
        assert!(limit.acquire(&other, timeout).await.is_some());
        held.pop();
        assert!(limit.acquire(&one, timeout).await.is_some(), "a permit that was returned is free");
    }
}
