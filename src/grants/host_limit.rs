//! Limits how many requests of a kind are under way: in all, and per host, so that a host that hangs leaves the others
//! their permits.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::lock::lock;

/// Gives the requests to hosts, which `K` names, their permits.
#[derive(Debug)]
pub(super) struct HostLimit<K> {
    all: Arc<Semaphore>,
    per_host: usize,
    /// Hosts come from the settings, from stored grants and, with `allow_my_domain`, from users. Unused ones are dropped.
    hosts: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// A permit for one request, returned on drop.
#[derive(Debug)]
pub(super) struct HostPermit {
    _all: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

impl<K: Clone + Eq + Hash> HostLimit<K> {
    /// Allows `all` requests at a time, and `per_host` to each host.
    pub(super) fn new(all: usize, per_host: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), per_host, hosts: Mutex::default() }
    }

    /// Waits for a permit; `None` if there is none within `timeout`.
    pub(super) async fn acquire(&self, host: &K, timeout: Duration) -> Option<HostPermit> {
        tokio::time::timeout(timeout, self.wait(host)).await.ok().flatten()
    }

    /// Waits for a permit.
    pub(super) async fn wait(&self, host: &K) -> Option<HostPermit> {
        // The host's first: a request that waits for a host that hangs holds no permit of the others. Semaphores are
        // never closed.
        let host = self.of_host(host).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(HostPermit { _all: all, _host: host })
    }

    /// Returns the permits of one host.
    pub(super) fn of_host(&self, host: &K) -> Arc<Semaphore> {
        let mut hosts = lock(&self.hosts);
        if let Some(known) = hosts.get(host) {
            return Arc::clone(known);
        }
        hosts.retain(|_, permits| Arc::strong_count(permits) > 1);
        let permits = Arc::new(Semaphore::new(self.per_host));
        hosts.insert(host.clone(), Arc::clone(&permits));
        permits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_host_that_hangs_leaves_the_others_their_permits() {
        let limit = HostLimit::new(5, 2);
        let mut held = Vec::new();
        while let Some(permit) = limit.acquire(&"hangs", TIMEOUT).await {
            held.push(permit);
        }
        assert_eq!(held.len(), 2);
        assert!(limit.acquire(&"other", TIMEOUT).await.is_some());
        held.pop();
        assert!(limit.acquire(&"hangs", TIMEOUT).await.is_some(), "a permit that was returned is free");
    }

    #[tokio::test]
    async fn all_hosts_together_have_a_limit_and_unused_ones_are_dropped() {
        let limit = HostLimit::new(3, 2);
        let mut held = Vec::new();
        for host in 0..4 {
            held.extend(limit.acquire(&host, TIMEOUT).await);
        }
        assert_eq!(held.len(), 3);
        held.clear();
        for host in 4..100 {
            assert!(limit.acquire(&host, TIMEOUT).await.is_some());
        }
        assert!(lock(&limit.hosts).len() <= 2);
    }
}
