//! How much of the organization's API allocation is used up.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many API calls the organization has made in the last 24 hours, and how many it may make.
///
/// Source: REST API Developer Guide, "Limit Info Header" (`Sforce-Limit-Info: api-usage=18/5000`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiUsage {
    /// Calls made.
    pub used: u32,
    /// Calls allowed.
    pub allowed: u32,
}

impl ApiUsage {
    /// Reads the header's value. An app with a quota of its own gets more than one member; the organization's counts.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let usage = header.split(',').find_map(|member| member.trim().strip_prefix("api-usage="))?;
        let (used, allowed) = usage.split_once('/')?;
        Some(Self { used: used.trim().parse().ok()?, allowed: allowed.trim().parse().ok()? })
    }
}

/// The latest [`ApiUsage`], without a lock: both numbers in one word. An allocation of 0 calls means "not known".
#[derive(Debug, Default)]
pub(crate) struct LatestUsage(AtomicU64);

impl LatestUsage {
    pub(crate) fn set(&self, usage: ApiUsage) {
        self.0.store(u64::from(usage.used) << 32 | u64::from(usage.allowed), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<ApiUsage> {
        let word = self.0.load(Ordering::Relaxed);
        let usage = ApiUsage { used: (word >> 32) as u32, allowed: word as u32 };
        (usage.allowed > 0).then_some(usage)
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
