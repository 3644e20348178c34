//! What the connections of one app share: what each organization has in common, and what objects look like.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{CallOptions, describe::DescribeCache, org::Org};
use crate::OrgId;

/// So many organizations are remembered before those that no connection uses are let go.
const SWEEP_ABOVE: usize = 1_024;

/// How the app treats organizations.
#[derive(Debug, Clone)]
pub(crate) struct ApiManners {
    pub(crate) concurrent_calls: usize,
    pub(crate) queue: Duration,
    pub(crate) optional_until_percent: u8,
    pub(crate) call_options: CallOptions,
}

#[derive(Debug)]
pub(crate) struct ApiShared {
    pub(super) manners: ApiManners,
    orgs: Mutex<HashMap<OrgId, Arc<Org>>>,
    pub(super) describes: DescribeCache,
}

impl ApiShared {
    pub(crate) fn new(manners: ApiManners) -> Self {
        Self { manners, orgs: Mutex::default(), describes: DescribeCache::default() }
    }

    /// What the connections to an organization share.
    pub(super) fn org(&self, id: OrgId) -> Arc<Org> {
        let mut all = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(org) = all.get(&id) {
            return Arc::clone(org);
        }
        if all.len() >= SWEEP_ABOVE {
            all.retain(|_, org| Arc::strong_count(org) > 1);
        }
        let org = Arc::new(Org::new(self.manners.concurrent_calls, self.manners.queue));
        all.insert(id, Arc::clone(&org));
        org
    }
}
