//! [`LoginCache`]: logins that are used without asking the server, as long as it says that they have not changed.
//!
//! The server remembers what was read over one connection, and sends a message over it when that changes (Redis
//! documentation, "Client-side caching"). A connection may be dead without a sign of it, so a message may be missing. So
//! the server is asked for a sign of life all the time (`tracking`), and a cached login counts for at most
//! [`MAX_UNCONFIRMED`] after the last question that got a reply. What was read while a change came is not cached.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use redis::{PushInfo, PushKind, Value, aio::MultiplexedConnection};

use super::{
    super::{GrantKey, GrantRecord, LoginKey, LoginRecord},
    key_names,
};
use crate::base::{
    lock::lock,
    recent_map::{FirstBytes, RecentMap},
};

/// How long a cached login counts after the server has confirmed that all changes until then were reported.
pub(super) const MAX_UNCONFIRMED: Duration = Duration::from_secs(1);
/// Half of the number of logins, and of grants, that are cached: up to about 20 MB.
const CACHED: usize = 4_096;
/// How many of the latest changes are remembered, for the reads that are under way.
const CHANGES: usize = 1_024;

/// What changed in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Login(LoginKey),
    Grant(GrantKey),
}

/// The cached logins of a store.
pub(super) struct LoginCache(Mutex<State>);

struct State {
    logins: RecentMap<LoginKey, Cached<LoginRecord>, FirstBytes>,
    grants: RecentMap<GrantKey, Cached<GrantRecord>>,
    /// `None` while there is no connection over which the server reports changes.
    tracked: Option<Tracked>,
    /// The number of the newest connection.
    connections: u64,
    /// The latest changes, and the number of all of them so far.
    changes: VecDeque<Change>,
    changed: u64,
    /// The logins that are being read.
    reading: HashSet<LoginKey>,
}

struct Tracked {
    number: u64,
    connection: MultiplexedConnection,
    confirmed_at: Instant,
}

#[derive(Clone)]
struct Cached<T> {
    record: T,
    ends_at: Instant,
}

/// A read over the tracking connection that is under way.
pub(super) struct Reading {
    cache: Arc<LoginCache>,
    key: LoginKey,
    /// The number of changes before the read.
    since: u64,
    started: Instant,
    pub(super) connection: MultiplexedConnection,
}

impl LoginCache {
    pub(super) fn new() -> Self {
        let (logins, grants) = (RecentMap::new(CACHED), RecentMap::new(CACHED));
        let (changes, reading) = (VecDeque::with_capacity(CHANGES), HashSet::new());
        let (tracked, connections, changed) = (None, 0, 0);
        Self(Mutex::new(State { logins, grants, tracked, connections, changes, changed, reading }))
    }

    /// Returns a login that has not changed, as far as the server has said within the last second.
    pub(super) fn get(&self, key: LoginKey) -> Option<(LoginRecord, GrantRecord)> {
        let mut state = lock(&self.0);
        let now = Instant::now();
        state.tracked.as_ref().filter(|tracked| tracked.is_alive(now))?;
        let login = state.logins.get(&key)?;
        let grant = state.grants.get(&login.record.grant)?;
        (login.ends_at.min(grant.ends_at) > now).then_some((login.record, grant.record))
    }

    /// Returns the number of a new connection.
    pub(super) fn next_connection(&self) -> u64 {
        let mut state = lock(&self.0);
        state.connections += 1;
        state.connections
    }

    /// Caches logins from now on. The server said at `confirmed_at` that it reports changes over this connection.
    pub(super) fn connected(&self, number: u64, connection: MultiplexedConnection, confirmed_at: Instant) {
        lock(&self.0).tracked = Some(Tracked { number, connection, confirmed_at });
    }

    /// Everything that changed before `asked_at` has been reported.
    pub(super) fn confirm(&self, number: u64, asked_at: Instant) {
        if let Some(tracked) = &mut lock(&self.0).tracked
            && tracked.number == number
        {
            tracked.confirmed_at = asked_at;
        }
    }

    /// Forgets everything if the server does not report changes any more.
    pub(super) fn disconnected(&self, number: u64) {
        let mut state = lock(&self.0);
        if state.is_tracked_by(number) {
            state.tracked = None;
            state.clear();
        }
    }

    /// Forgets what has changed.
    pub(super) fn changed(&self, change: Change) {
        lock(&self.0).changed(change);
    }

    /// Handles a message of the server over a tracking connection.
    pub(super) fn receive(&self, number: u64, prefix: &str, message: &PushInfo) {
        match message.kind {
            PushKind::Invalidate => {}
            PushKind::Disconnection => return self.disconnected(number),
            _ => return,
        }
        let mut state = lock(&self.0);
        if !state.is_tracked_by(number) {
            return;
        }
        let Some(Value::Array(keys)) = message.data.first() else {
            // Null: the whole database was flushed.
            return state.clear();
        };
        for key in keys {
            match change(prefix, key) {
                Some(change) => state.changed(change),
                None => state.clear(),
            }
        }
    }

    /// Starts to read a login over the tracking connection. `None` if there is none, or the login is being read.
    pub(super) fn read(self: &Arc<Self>, key: LoginKey) -> Option<Reading> {
        let mut state = lock(&self.0);
        let started = Instant::now();
        let tracked = state.tracked.as_ref().filter(|tracked| tracked.is_alive(started))?;
        let connection = tracked.connection.clone();
        let since = state.changed;
        let cache = Arc::clone(self);
        // Not `then_some`: a reading that is not used would end the one that is under way.
        state.reading.insert(key).then(|| Reading { cache, key, since, started, connection })
    }
}

impl Tracked {
    fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.confirmed_at) < MAX_UNCONFIRMED
    }
}

impl State {
    fn is_tracked_by(&self, number: u64) -> bool {
        self.tracked.as_ref().is_some_and(|tracked| tracked.number == number)
    }

    fn changed(&mut self, change: Change) {
        match change {
            Change::Login(key) => self.logins.remove(&key),
            Change::Grant(key) => self.grants.remove(&key),
        }
        if self.changes.len() >= CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
        self.changed += 1;
    }

    fn clear(&mut self) {
        self.logins = RecentMap::new(CACHED);
        self.grants = RecentMap::new(CACHED);
        // More than are remembered: no read that is under way counts.
        self.changes.clear();
        self.changed += 1;
    }

    /// Returns whether none of these changed since there were `since` changes; `false` if that is unknown.
    fn is_unchanged(&self, since: u64, login: LoginKey, grant: GrantKey) -> bool {
        let Ok(recent) = usize::try_from(self.changed - since) else { return false };
        recent <= self.changes.len()
            && !self.changes.iter().rev().take(recent).any(|change| match change {
                Change::Login(key) => *key == login,
                Change::Grant(key) => *key == grant,
            })
    }
}

impl Reading {
    /// Caches what was read, unless it has changed meanwhile. The records end after these lifetimes in milliseconds, by
    /// the clock of the server.
    pub(super) fn store(self, login: (LoginRecord, i64), grant: (GrantRecord, i64)) {
        let mut state = lock(&self.cache.0);
        let key = login.0.grant;
        if state.tracked.is_none() || !state.is_unchanged(self.since, self.key, key) {
            return;
        }
        // The server counted from a later moment on.
        let end = |lifetime| {
            let lifetime = u64::try_from(lifetime).ok().map(Duration::from_millis);
            lifetime.and_then(|lifetime| self.started.checked_add(lifetime))
        };
        if let (Some(login_ends), Some(grant_ends)) = (end(login.1), end(grant.1)) {
            state.logins.insert(self.key, Cached { record: login.0, ends_at: login_ends });
            state.grants.insert(key, Cached { record: grant.0, ends_at: grant_ends });
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        lock(&self.cache.0).reading.remove(&self.key);
    }
}

/// Reads the name of a key that has changed.
fn change(prefix: &str, key: &Value) -> Option<Change> {
    let Value::BulkString(name) = key else { return None };
    key_names::change(prefix, name)
}
