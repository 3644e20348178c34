//! [`MemoryStore`]: the store for one process. Records are lost when the process ends.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use futures_util::FutureExt as _;

use super::{
    ConnectedOwner, ConsumerKey, DeletedLogin, DisconnectedOwner, GrantFilter, GrantKey, GrantRecord,
    GrantVersion, LeaseHolder, LeaseName, LoginKey, LoginRecord, OneTimeKey, OwnedFilter, OwnedKey,
    OwnedRecord, PositionRecord, PositionSwap, Sealed, Store, StoreError, StoreFuture, SwapOutcome,
    TOMBSTONE,
};
use crate::base::{clock::Clock, lock::lock, recent_map::FirstBytes};

use compact::{Logins, StoredGrant, StoredLogin};

mod compact;
mod owners;

/// Maximum number of one-time values; the oldest is dropped first. Unauthenticated requests create them, so there must
/// be a limit. At 60 bytes each this is about 6 MB.
const MAX_ONCE: usize = 100_000;
/// Fewest changes after which expired records are removed.
const SWEEP_EVERY: usize = 1_024;
/// They are removed after as many changes as this part of the logins, if that is more: removing them looks at all, while
/// all workers wait.
const SWEEP_PART: usize = 8;

/// Stores grants and logins in memory: for development, tests and apps of one process.
///
/// Tokens are sealed as in every store. That does not protect them from a memory dump of the process, which contains the
/// keys, too.
pub struct MemoryStore {
    // Every operation is a few map accesses, so one lock is enough.
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Default)]
struct State {
    grants: HashMap<Arc<GrantKey>, Box<StoredGrant>>,
    logins: HashMap<LoginKey, Box<StoredLogin>, FirstBytes>,
    owned: HashMap<OwnedKey, OwnedRecord>,
    /// Which of them use a grant.
    owners: HashMap<GrantKey, HashSet<OwnedKey>>,
    /// Deleted logins, and until when they are remembered.
    tombstones: HashMap<LoginKey, SystemTime>,
    /// When connections were ended, and until when that is remembered.
    ended: HashMap<OwnedKey, (SystemTime, SystemTime)>,
    /// One-time values and leases expire by monotonic time. They are never older than this process, and a change of the
    /// wall clock must not lengthen them.
    once: HashMap<OneTimeKey, Instant>,
    once_by_age: BTreeMap<(Instant, OneTimeKey), ()>,
    leases: HashMap<LeaseName, (LeaseHolder, Instant)>,
    positions: HashMap<ConsumerKey, PositionRecord>,
    changes: usize,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::with_clock(Clock::system())
    }

    pub(crate) fn with_clock(clock: Clock) -> Self {
        Self { state: Mutex::default(), clock }
    }

    fn with<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut State, SystemTime) -> Result<T, StoreError>,
    ) -> StoreFuture<'_, T> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        state.sweep(now, self.clock.instant());
        let result = run(&mut state, now);
        drop(state);
        std::future::ready(result).boxed()
    }
}

impl State {
    fn login(&self, key: &LoginKey, now: SystemTime) -> Option<&StoredLogin> {
        self.logins.get(key).map(Box::as_ref).filter(|login| login.expires_at() > now)
    }

    fn grant(&self, key: &GrantKey, now: SystemTime) -> Option<&StoredGrant> {
        self.grants.get(key).map(Box::as_ref).filter(|grant| grant.expires_at() > now)
    }

    fn put(&mut self, mut grant: GrantRecord, now: SystemTime) -> Option<GrantRecord> {
        let key = grant.key;
        grant.expires_at = grant.expires_at.max(self.needed_by_owners(&key, now));
        let Some(stored) = self.grants.get_mut(&key) else {
            self.grants.insert(Arc::new(key), StoredGrant::new(grant, Logins::default()));
            return None;
        };
        let former = stored.record(key);
        *stored = StoredGrant::new(grant, std::mem::take(&mut stored.logins));
        (former.expires_at > now).then_some(former)
    }

    fn remove_login(&mut self, key: &LoginKey) {
        if let Some(login) = self.logins.remove(key)
            && let Some(grant) = self.grants.get_mut(&login.grant)
        {
            grant.logins.remove(key);
        }
    }

    /// Removes expired records after so many changes that this costs each of them little.
    fn sweep(&mut self, now: SystemTime, instant: Instant) {
        if self.changes < SWEEP_EVERY.max(self.logins.len() / SWEEP_PART) {
            return;
        }
        self.changes = 0;
        let expired: Vec<_> =
            self.logins.iter().filter(|(_, login)| login.expires_at() <= now).map(|(key, _)| *key).collect();
        expired.iter().for_each(|key| self.remove_login(key));
        self.grants.retain(|_, grant| grant.expires_at() > now);
        self.sweep_owned(now);
        self.leases.retain(|_, (_, until)| *until > instant);
        self.tombstones.retain(|_, until| *until > now);
        self.ended.retain(|_, (_, until)| *until > now);
        while self.once_by_age.first_key_value().is_some_and(|((until, _), ())| *until <= instant) {
            self.forget_oldest_once();
        }
    }

    fn forget_oldest_once(&mut self) {
        if let Some(((_, key), ())) = self.once_by_age.pop_first() {
            self.once.remove(&key);
        }
    }
}

impl Store for MemoryStore {
    fn create_login(
        &self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        self.with(|state, now| {
            if state.login(&key, now).is_some()
                || state.tombstones.get(&key).is_some_and(|until| *until > now)
            {
                return Err(StoreError::AlreadyExists);
            }
            state.changes += 1;
            state.remove_login(&key);
            let replaced = state.put(grant, now);
            let shared = state.grants.get_key_value(&login.grant).map(|(shared, _)| Arc::clone(shared));
            if let Some(grant) = state.grants.get_mut(&login.grant) {
                grant.logins.push(key);
            }
            let shared = shared.unwrap_or_else(|| Arc::new(login.grant));
            state.logins.insert(key, StoredLogin::new(shared, &login));
            Ok(replaced)
        })
    }

    fn load_login(&self, key: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        self.with(|state, now| {
            let login = state.login(&key, now);
            let both = login.and_then(|login| {
                Some((login.record(), state.grant(&login.grant, now)?.record(*login.grant)))
            });
            Ok(both)
        })
    }

    fn touch_login(
        &self,
        key: LoginKey,
        last_used_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'_, bool> {
        self.with(|state, now| {
            if state.login(&key, now).is_none() {
                return Ok(false);
            }
            let Some(login) = state.logins.get_mut(&key) else { return Ok(false) };
            login.touch(last_used_at, expires_at);
            if let Some(grant) = state.grants.get_mut(&login.grant) {
                grant.set_expiry(grant.expires_at().max(expires_at));
            }
            Ok(true)
        })
    }

    fn delete_login(&self, key: LoginKey) -> StoreFuture<'_, DeletedLogin> {
        self.with(|state, now| {
            state.changes += 1;
            state.tombstones.insert(key, now.checked_add(TOMBSTONE).unwrap_or(now));
            let grant = state.login(&key, now).map(|login| *login.grant);
            state.remove_login(&key);
            let Some(grant) = grant else { return Ok(DeletedLogin::NotFound) };
            if state.needed_by_logins(&grant, now) > now || state.needed_by_owners(&grant, now) > now {
                return Ok(DeletedLogin::GrantKept(grant));
            }
            Ok(match state.grants.remove(&grant) {
                Some(deleted) => DeletedLogin::GrantDeleted(deleted.record(grant)),
                None => DeletedLogin::NotFound,
            })
        })
    }

    fn put_grant(&self, grant: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        self.with(|state, now| {
            state.changes += 1;
            Ok(state.put(grant, now))
        })
    }

    fn load_grant(&self, key: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
        self.with(|state, now| Ok(state.grant(&key, now).map(|grant| grant.record(key))))
    }

    fn compare_and_swap_grant(
        &self,
        expected: GrantVersion,
        next: GrantRecord,
    ) -> StoreFuture<'_, SwapOutcome> {
        self.with(|state, now| {
            let Some(stored) = state.grant(&next.key, now) else { return Ok(SwapOutcome::NotFound) };
            if stored.version == next.version && stored.sealed == next.sealed {
                return Ok(SwapOutcome::Stored);
            }
            if stored.version != expected || stored.version == next.version {
                return Ok(SwapOutcome::Conflict(stored.record(next.key)));
            }
            let expires_at = stored.expires_at().max(next.expires_at);
            state.put(GrantRecord { expires_at, ..next }, now);
            Ok(SwapOutcome::Stored)
        })
    }

    fn delete_grant(
        &self,
        key: GrantKey,
        expected: Option<GrantVersion>,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        self.with(|state, now| {
            let matches = state
                .grant(&key, now)
                .is_some_and(|grant| expected.is_none_or(|version| grant.version == version));
            if !matches {
                return Ok(None);
            }
            let Some(grant) = state.grants.remove(&key) else { return Ok(None) };
            for login in grant.logins.as_slice() {
                state.logins.remove(login);
            }
            Ok(Some(grant.record(key)))
        })
    }

    fn break_grant(&self, expected: GrantVersion, broken: GrantRecord) -> StoreFuture<'_, bool> {
        self.with(|state, now| {
            if state.grant(&broken.key, now).is_none_or(|grant| grant.version != expected) {
                return Ok(false);
            }
            state.changes += 1;
            let expires_at = broken.expires_at.max(state.needed_by_owners(&broken.key, now));
            let Some(grant) = state.grants.get_mut(&broken.key) else { return Ok(false) };
            for login in std::mem::take(&mut grant.logins).as_slice() {
                state.logins.remove(login);
            }
            *grant = StoredGrant::new(GrantRecord { expires_at, ..broken }, Logins::default());
            Ok(true)
        })
    }

    fn connect_owner(
        &self,
        owned: OwnedRecord,
        grant: GrantRecord,
        keep_unused: Duration,
    ) -> StoreFuture<'_, ConnectedOwner> {
        self.with(move |state, now| {
            state.changes += 1;
            state.connect(owned, grant, keep_unused, now)
        })
    }

    fn load_owned(&self, key: OwnedKey) -> StoreFuture<'_, Option<(OwnedRecord, Option<GrantRecord>)>> {
        self.with(|state, now| {
            let found = state.owned(&key, now).cloned();
            Ok(found.map(|owned| {
                let grant = state.grant(&owned.grant, now).map(|grant| grant.record(owned.grant));
                (owned, grant)
            }))
        })
    }

    fn disconnect_owner(
        &self,
        key: OwnedKey,
        expected: Sealed,
        keep_unused: Duration,
        ended_at: SystemTime,
    ) -> StoreFuture<'_, DisconnectedOwner> {
        self.with(move |state, now| {
            state.changes += 1;
            Ok(state.disconnect(&key, &expected, keep_unused, (ended_at, now)))
        })
    }

    fn list_owned(&self, filter: OwnedFilter) -> StoreFuture<'_, Vec<OwnedRecord>> {
        self.with(|state, now| {
            let live = state.owned.values().filter(|owned| owned.expires_at > now && filter.selects(owned));
            Ok(live.cloned().collect())
        })
    }

    fn reseal_owned(&self, key: OwnedKey, expected: Sealed, next: Sealed) -> StoreFuture<'_, bool> {
        self.with(|state, now| {
            let found = state.owned.get_mut(&key);
            let Some(owned) = found.filter(|owned| owned.expires_at > now && owned.sealed == expected) else {
                return Ok(false);
            };
            owned.sealed = next;
            Ok(true)
        })
    }

    fn list_logins(&self, filter: GrantFilter) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        self.with(|state, now| {
            let live = state
                .logins
                .iter()
                .filter(|(_, login)| login.expires_at() > now && filter.selects(&login.grant));
            Ok(live.map(|(key, login)| (*key, login.record())).collect())
        })
    }

    fn list_grants(&self, filter: GrantFilter) -> StoreFuture<'_, Vec<GrantRecord>> {
        self.with(|state, now| {
            let live =
                state.grants.iter().filter(|(key, grant)| grant.expires_at() > now && filter.selects(key));
            Ok(live.map(|(key, grant)| grant.record(**key)).collect())
        })
    }

    fn consume_once(&self, once: OneTimeKey, lifetime: Duration) -> StoreFuture<'_, bool> {
        let now = self.clock.instant();
        self.with(move |state, _| {
            state.changes += 1;
            let until = now.checked_add(lifetime).unwrap_or(now);
            if state.once.get(&once).is_some_and(|used_until| *used_until > now) {
                return Ok(false);
            }
            if let Some(stale) = state.once.insert(once, until) {
                state.once_by_age.remove(&(stale, once));
            }
            state.once_by_age.insert((until, once), ());
            if state.once.len() > MAX_ONCE {
                state.forget_oldest_once();
            }
            Ok(true)
        })
    }

    fn acquire_lease(
        &self,
        name: LeaseName,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'_, bool> {
        let now = self.clock.instant();
        self.with(move |state, _| {
            state.changes += 1;
            if state.leases.get(&name).is_some_and(|(other, until)| *other != holder && *until > now) {
                return Ok(false);
            }
            state.leases.insert(name, (holder, now.checked_add(lifetime).unwrap_or(now)));
            Ok(true)
        })
    }

    fn release_lease(&self, name: LeaseName, holder: LeaseHolder) -> StoreFuture<'_, ()> {
        self.with(|state, _| {
            if state.leases.get(&name).is_some_and(|(other, _)| *other == holder) {
                state.leases.remove(&name);
            }
            Ok(())
        })
    }

    fn load_position(&self, key: ConsumerKey) -> StoreFuture<'_, Option<PositionRecord>> {
        self.with(|state, _| Ok(state.positions.get(&key).cloned()))
    }

    fn compare_and_swap_position(
        &self,
        expected: Option<u64>,
        next: PositionRecord,
    ) -> StoreFuture<'_, PositionSwap> {
        self.with(move |state, _| {
            Ok(match state.positions.get(&next.key) {
                Some(stored) if stored.version == next.version && stored.sealed == next.sealed => {
                    PositionSwap::Stored
                }
                Some(stored) if Some(stored.version) != expected => PositionSwap::Conflict(stored.clone()),
                None if expected.is_some() => PositionSwap::NotFound,
                _ => {
                    state.positions.insert(next.key, next);
                    PositionSwap::Stored
                }
            })
        })
    }
}

#[cfg(test)]
mod tests;
