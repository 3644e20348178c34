//! What requests of Salesforce to the app need of the store: values that count once, and deliveries whose repeats are
//! dropped.
//!
//! A delivery is handled first and marked afterwards, so that a crash in between lets Salesforce repeat it. While an id is
//! handled, a lease keeps other requests with it out. Only under that lease is the mark looked at: a store has no operation
//! for that, so that it is set for a moment, which fails if it is there.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::sync::oneshot;

use super::{GrantManager, manager::random_holder};
use crate::store::{LeaseHolder, LeaseName, OneTimeKey, StoreError};
use salesforce_connection::Secret;

/// How long an id stays marked. Salesforce repeats an outbound message for 24 hours (Salesforce Help).
const HANDLED_FOR: Duration = Duration::from_secs(25 * 60 * 60);
/// How long an id is held without a sign of its handler. A process that crashed delays the repeat by this time.
const HELD_FOR: Duration = Duration::from_secs(120);
/// How often a handler that is still at work renews its leases. Three times within [`HELD_FOR`].
const RENEWED_EVERY: Duration = Duration::from_secs(40);
/// How long looking at a mark sets it. Far below [`HELD_FOR`]: a process that crashes meanwhile must not leave a mark
/// behind its lease.
const LOOK: Duration = Duration::from_secs(1);
/// How often leases are renewed at most: a handler that takes longer than an hour has its delivery repeated.
const MAX_RENEWALS: u32 = 90;
/// How many store operations of one delivery are under way at a time.
const CONCURRENT: usize = 16;

/// Ids that this process handles.
pub(crate) struct Delivery {
    /// One entry for each id, in their order. `false`: it was handled before.
    pub(crate) is_new: Vec<bool>,
    done: oneshot::Sender<oneshot::Sender<Result<(), StoreError>>>,
}

/// Why a delivery cannot be handled now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotNow {
    /// The handler of an earlier one with the same id is at work.
    #[error("another request with the same id is being handled")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopping,
}

impl GrantManager {
    /// Marks a value as used, for example the token of a caller. Returns whether it was unused.
    pub(crate) async fn consume_value(&self, value: String, lifetime: Duration) -> Result<bool, StoreError> {
        self.config.store.consume_once(OneTimeKey::from_secret(&Secret::new(value)), lifetime).await
    }

    /// Holds the ids of a delivery while it is handled. A dropped [`Delivery`] gives them back.
    ///
    /// `ids` name what they identify, too: they share one space.
    pub(crate) async fn begin_delivery(self: &Arc<Self>, ids: Vec<String>) -> Result<Delivery, NotNow> {
        let keys = ids.into_iter().map(|id| OneTimeKey::from_secret(&Secret::new(id))).collect();
        let held = Held { manager: Arc::clone(self), keys, holder: random_holder(), is_new: Vec::new() };
        let (begun, outcome) = oneshot::channel();
        // Not in the request's future: one that is dropped must not leave leases behind.
        self.config.background.spawn(held.run(begun));
        outcome.await.unwrap_or(Err(NotNow::Stopping))
    }
}

impl Delivery {
    /// Marks its ids as handled.
    pub(crate) async fn handled(self) -> Result<(), NotNow> {
        let (stored, outcome) = oneshot::channel();
        let _ = self.done.send(stored);
        Ok(outcome.await.map_err(|_| NotNow::Stopping)??)
    }
}

/// The leases of a delivery, in a task that no request owns.
struct Held {
    manager: Arc<GrantManager>,
    keys: Vec<OneTimeKey>,
    holder: LeaseHolder,
    is_new: Vec<bool>,
}

impl Held {
    async fn run(mut self, begun: oneshot::Sender<Result<Delivery, NotNow>>) {
        if let Err(error) = self.acquire().await {
            // After a store error the leases end by themselves: an operation that failed may still take effect.
            if matches!(error, NotNow::Busy) {
                self.give_back().await;
            }
            let _ = begun.send(Err(error));
            return;
        }
        let (done, mut ended) = oneshot::channel();
        let delivery = Delivery { is_new: self.is_new.clone(), done };
        if begun.send(Ok(delivery)).is_err() {
            return self.give_back().await;
        }
        for _ in 0..MAX_RENEWALS {
            match tokio::time::timeout(RENEWED_EVERY, &mut ended).await {
                // A failure is no reason to stop: the next renewal comes in time.
                Err(_) => drop(self.lease(LeaseName::Handling, HELD_FOR, |_| true).await),
                Ok(Ok(stored)) => {
                    let marked =
                        self.lease(LeaseName::Handled, HANDLED_FOR, |place| self.is_new_at(place)).await;
                    if marked.is_ok() {
                        self.give_back().await;
                    }
                    let _ = stored.send(marked.map(drop));
                    return;
                }
                Ok(Err(_)) => break,
            }
        }
        self.give_back().await;
    }

    async fn acquire(&mut self) -> Result<(), NotNow> {
        if !self.lease(LeaseName::Handling, HELD_FOR, |_| true).await?.into_iter().all(|is_ours| is_ours) {
            return Err(NotNow::Busy);
        }
        self.is_new = self.lease(LeaseName::Handled, LOOK, |_| true).await?;
        Ok(self.release(LeaseName::Handled, |place| self.is_new_at(place)).await?)
    }

    /// Lets another request handle the ids. What is not released ends by itself after [`HELD_FOR`].
    async fn give_back(&self) {
        if let Err(error) = self.release(LeaseName::Handling, |_| true).await {
            tracing::debug!(%error, "the leases of a delivery end by themselves");
        }
    }

    fn is_new_at(&self, place: usize) -> bool {
        self.is_new.get(place).copied().unwrap_or(false)
    }

    /// Acquires or renews a lease for each id that `which` selects. Returns whether each is ours; `false` for the others.
    async fn lease(
        &self,
        name: fn(OneTimeKey) -> LeaseName,
        lifetime: Duration,
        which: impl Fn(usize) -> bool,
    ) -> Result<Vec<bool>, StoreError> {
        let (store, holder) = (&self.manager.config.store, self.holder);
        let all: Vec<_> =
            self.keys.iter().enumerate().map(|(place, key)| (which(place), name(*key))).collect();
        let all = stream::iter(all).map(|(is_selected, name)| async move {
            match is_selected {
                true => store.acquire_lease(name, holder, lifetime).await,
                false => Ok(false),
            }
        });
        all.buffered(CONCURRENT).collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn release(
        &self,
        name: fn(OneTimeKey) -> LeaseName,
        which: impl Fn(usize) -> bool,
    ) -> Result<(), StoreError> {
        let (store, holder) = (&self.manager.config.store, self.holder);
        let selected = self.keys.iter().enumerate().filter(|(place, _)| which(*place));
        let names: Vec<_> = selected.map(|(_, key)| name(*key)).collect();
        let all = stream::iter(names).map(|name| store.release_lease(name, holder));
        all.buffered(CONCURRENT).collect::<Vec<_>>().await.into_iter().collect()
    }
}
