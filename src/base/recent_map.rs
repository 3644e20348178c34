//! [`RecentMap`]: a map of what was used lately.

use std::{
    borrow::Borrow,
    collections::{HashMap, hash_map::RandomState},
    fmt,
    hash::{BuildHasher, Hash},
    mem,
};

/// A map that drops the entries that were not used lately. It holds at most twice `half` of them.
///
/// An entry that is used moves to the recent half. When that is full it becomes the older half, whose entries are
/// dropped. So an entry stays for at least `half` uses of other entries, and each operation costs a few accesses.
pub(crate) struct RecentMap<K, V, S = RandomState> {
    recent: HashMap<K, V, S>,
    older: HashMap<K, V, S>,
    half: usize,
}

impl<K, V, S> fmt::Debug for RecentMap<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecentMap of {}", self.recent.len() + self.older.len())
    }
}

impl<K: Eq + Hash, V: Clone, S: BuildHasher + Default> RecentMap<K, V, S> {
    pub(crate) fn new(half: usize) -> Self {
        Self { recent: HashMap::default(), older: HashMap::default(), half }
    }

    /// Returns the value under `key`.
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        if let Some(value) = self.recent.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.older.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    /// Inserts an entry, in the place of one with the same key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.recent.len() >= self.half {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(key, value);
    }

    /// Removes an entry.
    #[cfg(feature = "redis")]
    pub(crate) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.recent.remove(key);
        self.older.remove(key);
    }
}

/// Hashes a key that is a hash already, by its first bytes. Only for keys that a client cannot choose.
pub(crate) type FirstBytes = std::hash::BuildHasherDefault<FirstBytesHasher>;

#[derive(Default)]
pub(crate) struct FirstBytesHasher(u64);

impl std::hash::Hasher for FirstBytesHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }

    /// The length of the key.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut map = RecentMap::<_, _>::new(100);
        for n in 0..10_000 {
            map.insert(n, n);
            assert!(map.recent.len() <= 100 && map.older.len() <= 100);
            assert_eq!(map.get(&7), (n >= 7).then_some(7), "used all the time");
        }
        assert_eq!(map.get(&9_999), Some(9_999));
        assert_eq!(map.get(&5_000), None, "not used for a while");
        map.insert(7, 8);
        assert_eq!(map.get(&7), Some(8), "the latest value counts");
    }

    #[test]
    fn a_value_that_was_replaced_never_comes_back() {
        let mut map = RecentMap::<_, _>::new(2);
        map.insert(1, "old");
        map.insert(2, "");
        map.insert(3, "");
        // 1 is in the older half now.
        map.insert(1, "new");
        for n in 4..9 {
            assert_ne!(map.get(&1), Some("old"));
            map.insert(n, "");
        }
        #[cfg(feature = "redis")]
        {
            // In both halves.
            (map.recent, map.older) = ([(1, "new")].into(), [(1, "old")].into());
            map.remove(&1);
            assert_eq!(map.get(&1), None);
        }
    }
}
