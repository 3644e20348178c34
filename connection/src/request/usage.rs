//! [`ApiUsage`]: how many of its API requests an org has used.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Age up to which a reported usage is current. An older one must not block requests, since only a request updates it.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The API requests of an org in the last 24 hours: used and allowed.
///
/// Source: REST API Developer Guide, "Limit Info Header" (`Sforce-Limit-Info: api-usage=18/5000`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiUsage {
    /// The number of requests sent.
    pub used: u32,
    /// The number of requests allowed.
    pub allowed: u32,
}

impl ApiUsage {
    /// Returns whether more than this percentage of the allocation is used.
    pub(crate) fn is_above(&self, percent: u8) -> bool {
        u64::from(self.used) * 100 > u64::from(self.allowed) * u64::from(percent)
    }

    /// Reads the header's value. An app with a separate quota gets a second member; only the org's is read.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let usage = header.split(',').find_map(|member| member.trim().strip_prefix("api-usage="))?;
        let (used, allowed) = usage.split_once('/')?;
        Some(Self { used: used.trim().parse().ok()?, allowed: allowed.trim().parse().ok()? })
    }
}

/// The latest [`ApiUsage`], without a lock: both numbers are in one word. An allocation of 0 means "unknown".
#[derive(Debug)]
pub(crate) struct LatestUsage {
    numbers: AtomicU64,
    created: Instant,
    /// When the usage was reported, in milliseconds since `created`.
    reported_at: AtomicU64,
}

impl Default for LatestUsage {
    fn default() -> Self {
        Self { numbers: AtomicU64::new(0), created: Instant::now(), reported_at: AtomicU64::new(0) }
    }
}

impl LatestUsage {
    pub(crate) fn set(&self, usage: ApiUsage) {
        self.numbers.store(u64::from(usage.used) << 32 | u64::from(usage.allowed), Ordering::Relaxed);
        let now = u64::try_from(self.created.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.reported_at.store(now, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<ApiUsage> {
        let word = self.numbers.load(Ordering::Relaxed);
        let usage = ApiUsage { used: (word >> 32) as u32, allowed: word as u32 };
        (usage.allowed > 0).then_some(usage)
    }

    /// Returns the usage if it is above this percentage and was reported within [`MAX_AGE`].
    pub(crate) fn above(&self, percent: u8) -> Option<ApiUsage> {
        let usage = self.get().filter(|usage| usage.is_above(percent))?;
        let reported_at = Duration::from_millis(self.reported_at.load(Ordering::Relaxed));
        (self.created.elapsed().saturating_sub(reported_at) < MAX_AGE).then_some(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_header_is_read_and_stored() {
        let latest = LatestUsage::default();
        assert_eq!(latest.get(), None);
        for (header, usage) in [
            ("api-usage=18/5000", Some((18, 5000))),
            ("api-usage=25/5000, per-app-api-usage=17/250(appName=sample)", Some((25, 5000))),
            ("per-app-api-usage=17/250(appName=sample)", None),
            ("api-usage=-1/5000", None),
            ("api-usage=99999999999/1", None),
            ("", None),
        ] {
            let usage = usage.map(|(used, allowed)| ApiUsage { used, allowed });
            assert_eq!(ApiUsage::parse(header), usage, "{header}");
            if let Some(usage) = usage {
                latest.set(usage);
                assert_eq!(latest.get(), Some(usage));
            }
        }
    }
}
