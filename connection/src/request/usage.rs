//! How much of the organization's API allocation is used up.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How long a usage that was told counts as today's.
const FRESH: Duration = Duration::from_secs(60);

/// How many API calls the organization has made in the last 24 hours, and how many it may make.
///
/// Source: REST API Developer Guide, "Limit Info Header" (`Sforce-Limit-Info: api-usage=18/5000`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiUsage {
    /// Calls made.
    pub used: u32,
    /// Calls allowed.
    pub allowed: u32,
}

impl ApiUsage {
    /// Whether more than so many hundredths of the allocation are used up.
    pub(crate) fn is_above(&self, percent: u8) -> bool {
        u64::from(self.used) * 100 > u64::from(self.allowed) * u64::from(percent)
    }

    /// Reads the header's value. An app with a quota of its own gets more than one member; the organization's counts.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let usage = header.split(',').find_map(|member| member.trim().strip_prefix("api-usage="))?;
        let (used, allowed) = usage.split_once('/')?;
        Some(Self { used: used.trim().parse().ok()?, allowed: allowed.trim().parse().ok()? })
    }
}

/// The latest [`ApiUsage`], without a lock: both numbers in one word. An allocation of 0 calls means "not known".
#[derive(Debug)]
pub(crate) struct LatestUsage {
    numbers: AtomicU64,
    born: Instant,
    /// Milliseconds since then.
    told_at: AtomicU64,
}

impl Default for LatestUsage {
    fn default() -> Self {
        Self { numbers: AtomicU64::new(0), born: Instant::now(), told_at: AtomicU64::new(0) }
    }
}

impl LatestUsage {
    pub(crate) fn set(&self, usage: ApiUsage) {
        self.numbers.store(u64::from(usage.used) << 32 | u64::from(usage.allowed), Ordering::Relaxed);
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.told_at.store(now, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<ApiUsage> {
        let word = self.numbers.load(Ordering::Relaxed);
        let usage = ApiUsage { used: (word >> 32) as u32, allowed: word as u32 };
        (usage.allowed > 0).then_some(usage)
    }

    /// The usage, if it is above so much of the allocation and was told within the last minute. An older one says
    /// nothing about now: a call must find out.
    pub(crate) fn above(&self, percent: u8) -> Option<ApiUsage> {
        let usage = self.get().filter(|usage| usage.is_above(percent))?;
        let told_at = Duration::from_millis(self.told_at.load(Ordering::Relaxed));
        (self.born.elapsed().saturating_sub(told_at) < FRESH).then_some(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_header_is_read_and_kept() {
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
