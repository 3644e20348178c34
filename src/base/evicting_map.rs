//! [`EvictingMap`]: a map that drops unused entries when it grows.

use std::{collections::HashMap, hash::Hash};

/// Number of entries at which unused ones are evicted. Small enough to be negligible (about 1 MB of grants), and large
/// enough that an insertion rarely evicts.
const EVICT_ABOVE: usize = 1_024;

/// A map of at most [`EVICT_ABOVE`] entries, or twice as many as were in use at the last eviction. So the average cost of
/// an insertion does not grow with the number of entries.
#[derive(Debug)]
pub(crate) struct EvictingMap<K, V> {
    entries: HashMap<K, V>,
    evict_at: usize,
}

impl<K, V> Default for EvictingMap<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), evict_at: EVICT_ABOVE }
    }
}

impl<K: Eq + Hash, V> EvictingMap<K, V> {
    /// Returns the value under `key`.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Inserts an entry. Evicts the entries that are not `in_use` first if the map has grown too large.
    pub(crate) fn insert(&mut self, key: K, value: V, in_use: impl Fn(&V) -> bool) {
        // (The capacity is no usable limit: after removals a map may grow although it has free space.)
        if self.entries.len() >= self.evict_at {
            self.entries.retain(|_, value| in_use(value));
            self.evict_at = EVICT_ABOVE.max(2 * self.entries.len());
        }
        self.entries.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_entries_are_evicted_and_used_ones_stay() {
        let mut map = EvictingMap::default();
        let needed = 10_000..20_000;
        for n in 0..60_000_usize {
            map.insert(n, n, |n| needed.contains(n));
            let so_far = n.clamp(needed.start, needed.end) - needed.start + 1;
            let len = map.entries.len();
            assert!(len <= EVICT_ABOVE.max(2 * so_far), "{len} entries, {so_far} in use");
        }
        assert!(needed.into_iter().all(|n| map.get(&n) == Some(&n)));
    }
}
