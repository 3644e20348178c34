//! What the connections of one app share: how much of each organization's API is used, and what objects look like.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{describe::DescribeCache, usage::LatestUsage};
use crate::OrgId;

/// So many organizations are remembered before those that no connection uses are let go.
const SWEEP_ABOVE: usize = 1_024;

#[derive(Debug, Default)]
pub(crate) struct ApiShared {
    usage: Mutex<HashMap<OrgId, Arc<LatestUsage>>>,
    pub(super) describes: DescribeCache,
}

impl ApiShared {
    /// The usage of an organization, whose calls all count together.
    pub(super) fn usage(&self, org: OrgId) -> Arc<LatestUsage> {
        let mut all = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = all.get(&org) {
            return Arc::clone(usage);
        }
        if all.len() >= SWEEP_ABOVE {
            all.retain(|_, usage| Arc::strong_count(usage) > 1);
        }
        Arc::clone(all.entry(org).or_default())
    }
}
