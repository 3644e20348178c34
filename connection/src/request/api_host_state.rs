//! [`ApiHostState`]: what all connections to one org share for one API host: concurrent requests and rejected tokens.
//!
//! An API host has other limits: its requests take no slot of the org, and say nothing about the org's limits.

use std::{sync::Arc, time::Duration};

use crate::{
    error::Error,
    id::UserId,
    request::{
        rejected_tokens::RejectedTokens,
        slots::{Slot, Slots},
    },
};

/// The state of one API host for one org.
#[derive(Debug)]
pub(crate) struct ApiHostState {
    slots: Arc<Slots>,
    acquire_timeout: Duration,
    /// The tokens that the host rejected. They may be good for the instance.
    pub(crate) rejected: RejectedTokens,
}

impl ApiHostState {
    pub(crate) fn new(max_concurrent: usize, acquire_timeout: Duration) -> Self {
        Self { slots: Slots::new(max_concurrent), acquire_timeout, rejected: RejectedTokens::default() }
    }

    /// Waits until a request of this user may be sent. Hold the slot until the request has ended.
    pub(crate) async fn acquire(&self, user: UserId) -> Result<Slot, Error> {
        let slot = tokio::time::timeout(self.acquire_timeout, self.slots.acquire(user)).await;
        slot.map_err(|_| Error::ConcurrencyLimit { limit: self.slots.in_use() })
    }
}
