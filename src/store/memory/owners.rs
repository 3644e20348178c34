//! The connections of owners in memory, and how long grants are needed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{
    super::{
        ConnectedOwner, DisconnectedOwner, GrantKey, GrantRecord, OwnedKey, OwnedRecord, Sealed, StoreError,
        TOMBSTONE,
    },
    State, StoredLogin,
};

impl State {
    pub(super) fn owned(&self, key: &OwnedKey, now: SystemTime) -> Option<&OwnedRecord> {
        self.owned.get(key).filter(|owned| owned.expires_at > now)
    }

    /// Returns until when owners need a grant; 1970 if none does.
    pub(super) fn needed_by_owners(&self, grant: &GrantKey, now: SystemTime) -> SystemTime {
        let owners = self.owners.get(grant).into_iter().flatten();
        let live = owners.filter_map(|key| self.owned(key, now));
        live.map(|owned| owned.expires_at).max().unwrap_or(UNIX_EPOCH)
    }

    /// Returns until when logins need a grant; 1970 if none does.
    pub(super) fn needed_by_logins(&self, grant: &GrantKey, now: SystemTime) -> SystemTime {
        let logins = self.grants.get(grant).map(|grant| grant.logins.as_slice()).unwrap_or_default();
        let live = logins.iter().filter_map(|login| self.login(login, now));
        live.map(StoredLogin::expires_at).max().unwrap_or(UNIX_EPOCH)
    }

    pub(super) fn connect(
        &mut self,
        owned: OwnedRecord,
        grant: GrantRecord,
        keep_unused: Duration,
        now: SystemTime,
    ) -> Result<ConnectedOwner, StoreError> {
        let ended =
            self.ended.get(&owned.key).filter(|(_, until)| *until > now).map(|(ended_at, _)| *ended_at);
        let stored = self.owned(&owned.key, now).map(|stored| stored.connected_at);
        // As exact as the other stores.
        let millis = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        if ended.into_iter().chain(stored).any(|at| millis(at) > millis(owned.connected_at)) {
            return Err(StoreError::AlreadyExists);
        }
        let former = self.remove_owned(&owned.key);
        self.owners.entry(owned.grant).or_default().insert(owned.key);
        let deleted = former.filter(|former| former.grant != owned.grant && former.expires_at > now);
        self.owned.insert(owned.key, owned);
        let deleted = deleted.and_then(|former| self.release(&former.grant, keep_unused, now));
        Ok(ConnectedOwner { replaced: self.put(grant, now), deleted })
    }

    pub(super) fn disconnect(
        &mut self,
        key: &OwnedKey,
        expected: &Sealed,
        keep_unused: Duration,
        (ended_at, now): (SystemTime, SystemTime),
    ) -> DisconnectedOwner {
        if self.owned(key, now).is_some_and(|owned| owned.sealed != *expected) {
            return DisconnectedOwner::Changed;
        }
        let until = now.checked_add(TOMBSTONE).unwrap_or(now);
        let ended = self.ended.entry(*key).or_insert((ended_at, until));
        *ended = (ended.0.max(ended_at), until);
        let Some(owned) = self.remove_owned(key).filter(|owned| owned.expires_at > now) else {
            return DisconnectedOwner::NotFound;
        };
        match self.release(&owned.grant, keep_unused, now) {
            Some(deleted) => DisconnectedOwner::GrantDeleted(deleted),
            None => DisconnectedOwner::GrantKept(owned.grant),
        }
    }

    pub(super) fn sweep_owned(&mut self, now: SystemTime) {
        let expired: Vec<_> =
            self.owned.values().filter(|owned| owned.expires_at <= now).map(|owned| owned.key).collect();
        for key in expired {
            self.remove_owned(&key);
        }
    }

    fn remove_owned(&mut self, key: &OwnedKey) -> Option<OwnedRecord> {
        let owned = self.owned.remove(key)?;
        if let Some(owners) = self.owners.get_mut(&owned.grant) {
            owners.remove(key);
            if owners.is_empty() {
                self.owners.remove(&owned.grant);
            }
        }
        Some(owned)
    }

    /// Deletes and returns a grant that nothing needs any more; otherwise it expires with the last of its logins and
    /// owners, and no earlier than it is kept unused.
    fn release(&mut self, grant: &GrantKey, keep_unused: Duration, now: SystemTime) -> Option<GrantRecord> {
        let stored = self.grant(grant, now).filter(|_| !keep_unused.is_zero());
        let kept = stored.and_then(|grant| grant.updated_at().checked_add(keep_unused));
        let needed = self.needed_by_owners(grant, now).max(self.needed_by_logins(grant, now));
        let until = needed.max(kept.unwrap_or(UNIX_EPOCH));
        if until > now {
            if let Some(grant) = self.grants.get_mut(grant) {
                grant.set_expiry(until);
            }
            return None;
        }
        let deleted = self.grants.remove(grant).filter(|deleted| deleted.expires_at() > now);
        deleted.map(|deleted| deleted.record(*grant))
    }
}
