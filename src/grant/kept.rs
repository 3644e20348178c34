//! What this process keeps in memory about grants and logins, and lets go of when nobody needs it any more.

use std::{collections::HashMap, hash::Hash};

/// So much is kept before it is looked what nobody needs.
const SWEEP_ABOVE: usize = 1_024;

/// A map that holds at most [`SWEEP_ABOVE`] entries, or twice as many as were needed when it was last looked through.
/// So each insertion costs little, however many are kept.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    entries: HashMap<K, V>,
    sweep_at: usize,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), sweep_at: SWEEP_ABOVE }
    }
}

impl<K: Eq + Hash, V> Kept<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Keeps one more. When there are too many, those go first that are not `needed`.
    pub(super) fn insert(&mut self, key: K, value: V, needed: impl Fn(&V) -> bool) {
        // (Its capacity would not do as the limit: what removals leave behind lets a map grow early.)
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|_, value| needed(value));
            self.sweep_at = SWEEP_ABOVE.max(2 * self.entries.len());
        }
        self.entries.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_needs_is_let_go_and_what_somebody_needs_stays() {
        let mut kept = Kept::default();
        let needed = 10_000..20_000;
        for n in 0..60_000_usize {
            kept.insert(n, n, |n| needed.contains(n));
            let so_far = n.clamp(needed.start, needed.end) - needed.start + 1;
            let len = kept.entries.len();
            assert!(len <= SWEEP_ABOVE.max(2 * so_far), "{len} are kept, {so_far} are needed");
        }
        assert!(needed.into_iter().all(|n| kept.get(&n) == Some(&n)));
    }
}
