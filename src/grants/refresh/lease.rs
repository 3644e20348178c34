//! The lease of a refresh: acquiring, renewing and releasing it. How long it lasts is in `timing.rs`.

use tokio::time::sleep;

use super::{
    super::{GrantError, GrantTokens},
    Refresh,
};
use crate::store::{LeaseName, StoreError};

/// Another process holds the lease and its refresh did not end.
#[derive(Debug, thiserror::Error)]
#[error("another process is refreshing this grant and did not finish in time")]
struct LeaseHeld;

/// How waiting for the lease ended.
pub(super) enum Lease {
    Acquired,
    /// Another process stored newer tokens meanwhile.
    Overtaken(Box<GrantTokens>),
}

impl Refresh {
    /// Acquires the lease, unless another process stores newer tokens before.
    pub(super) async fn acquire_lease(&self) -> Result<Lease, GrantError> {
        loop {
            if self.try_acquire().await.map_err(|error| self.unavailable(error))? {
                return Ok(Lease::Acquired);
            }
            if let Some(newer) = self.newer().await? {
                return Ok(Lease::Overtaken(Box::new(newer)));
            }
            if self.age() >= self.timing().lease_wait {
                return Err(self.unavailable(LeaseHeld));
            }
            sleep(self.timing().poll_interval).await;
        }
    }

    /// Acquires or renews the lease. Returns `false` if another process holds it.
    async fn try_acquire(&self) -> Result<bool, StoreError> {
        let (name, lifetime) = (LeaseName::Refresh(self.from.key), self.timing().lease_lifetime);
        self.manager.config.store.acquire_lease(name, self.holder, lifetime).await
    }

    /// Renews the lease for as long as this future is polled.
    pub(super) async fn keep_lease(&self) -> std::convert::Infallible {
        loop {
            sleep(self.timing().lease_lifetime / 3).await;
            self.renew_lease().await;
        }
    }

    /// Renews the lease once.
    pub(super) async fn renew_lease(&self) {
        // Losing it is harmless: other processes respect the marker, and the write checks the version.
        if let Err(error) = self.try_acquire().await {
            tracing::warn!(grant = %self.from.key, %error, "renewing a lease failed");
        }
    }

    /// Releases the lease unless another refresh or pending write of this process needs it.
    pub(super) async fn release_lease(&mut self) {
        if !self.leave_lease() {
            return;
        }
        if let Err(error) =
            self.manager.config.store.release_lease(LeaseName::Refresh(self.from.key), self.holder).await
        {
            tracing::warn!(grant = %self.from.key, %error, "releasing a lease failed; it expires by itself");
        }
    }

    /// Ends the use of the lease. Returns true if it has no other user in this process.
    pub(super) fn leave_lease(&mut self) -> bool {
        !std::mem::replace(&mut self.has_left_lease, true) && self.entry.leave_lease(self.holder)
    }
}
