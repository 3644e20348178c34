//! The reply of a script: a list of fields, read one after the other.

use std::{time::SystemTime, vec::IntoIter};

use super::super::{
    ConsumerKey, DisconnectedOwner, GrantKey, GrantRecord, LoginKey, LoginRecord, OwnedRecord,
    PositionRecord, Sealed, StoreError,
    encoding::{corrupt, grant_key, login_key, owned_key, owner_key, proof, time, version},
};
#[derive(Debug)]
pub(super) struct Reply(IntoIter<Vec<u8>>);

impl Reply {
    pub(super) fn new(fields: Vec<Vec<u8>>) -> Self {
        Self(fields.into_iter())
    }

    /// Returns the next `N` fields, or `None` at the end.
    fn take<const N: usize>(&mut self) -> Result<Option<[Vec<u8>; N]>, StoreError> {
        let fields: Vec<_> = self.0.by_ref().take(N).collect();
        if fields.is_empty() {
            return Ok(None);
        }
        fields.try_into().map(Some).map_err(|_| corrupt("the number of fields"))
    }

    /// Returns the first field: a word that says what happened.
    pub(super) fn word(&mut self) -> Result<String, StoreError> {
        let [word] = self.take()?.ok_or_else(|| corrupt("reply"))?;
        text(word, "reply")
    }

    pub(super) fn grant_key(&mut self) -> Result<GrantKey, StoreError> {
        let [key] = self.take()?.ok_or_else(|| corrupt("grant"))?;
        grant_key(&text(key, "grant")?)
    }

    /// Returns the next grant, or `None` at the end.
    pub(super) fn grant(&mut self) -> Result<Option<GrantRecord>, StoreError> {
        let Some([key, version_field, sealed, updated, expires]) = self.take()? else { return Ok(None) };
        Ok(Some(GrantRecord {
            key: grant_key(&text(key, "grant")?)?,
            version: version(&text(version_field, "version")?)?,
            sealed: Sealed::from_bytes(sealed),
            updated_at: moment(updated, "updated")?,
            expires_at: moment(expires, "expires")?,
        }))
    }

    /// Returns a grant that was replaced or deleted, or `None` if it is unreadable: the operation has succeeded anyway.
    pub(super) fn previous_grant(&mut self) -> Result<Option<GrantRecord>, StoreError> {
        match self.grant() {
            Err(StoreError::Corrupt(_)) => Ok(None),
            found => found,
        }
    }

    /// Returns what the end of a connection did.
    pub(super) fn disconnected_owner(mut self) -> Result<DisconnectedOwner, StoreError> {
        Ok(match self.word()?.as_str() {
            "changed" => DisconnectedOwner::Changed,
            "kept" => DisconnectedOwner::GrantKept(self.grant_key()?),
            "deleted" => {
                let grant = self.grant_key()?;
                let deleted = self.previous_grant()?;
                deleted.map_or(DisconnectedOwner::GrantKept(grant), DisconnectedOwner::GrantDeleted)
            }
            _ => DisconnectedOwner::NotFound,
        })
    }

    /// Returns the next connection of an owner, or `None` at the end.
    pub(super) fn owned(&mut self) -> Result<Option<OwnedRecord>, StoreError> {
        let Some([key, owner, grant, sealed, connected, expires]) = self.take()? else { return Ok(None) };
        Ok(Some(OwnedRecord {
            key: owned_key(&text(key, "owned connection")?)?,
            owner: owner_key(&text(owner, "owner")?)?,
            grant: grant_key(&text(grant, "grant")?)?,
            sealed: Sealed::from_bytes(sealed),
            connected_at: moment(connected, "connected")?,
            expires_at: moment(expires, "expires")?,
        }))
    }

    /// Returns the position of this consumer, or `None` at the end.
    pub(super) fn position(&mut self, key: ConsumerKey) -> Result<Option<PositionRecord>, StoreError> {
        let Some([version, sealed, updated]) = self.take()? else { return Ok(None) };
        let version = text(version, "version")?.parse().map_err(|_| corrupt("version"))?;
        let (sealed, updated_at) = (Sealed::from_bytes(sealed), moment(updated, "updated")?);
        Ok(Some(PositionRecord { key, version, sealed, updated_at }))
    }

    /// Returns the next login, or `None` at the end.
    pub(super) fn login(&mut self) -> Result<Option<LoginRecord>, StoreError> {
        let Some([grant, created, seen, expires, proof_field]) = self.take()? else { return Ok(None) };
        Ok(Some(LoginRecord {
            grant: grant_key(&text(grant, "grant")?)?,
            created_at: moment(created, "created")?,
            last_used_at: moment(seen, "seen")?,
            expires_at: moment(expires, "expires")?,
            proof: proof(&text(proof_field, "proof")?)?,
        }))
    }

    /// Returns the next login with its key, or `None` at the end.
    pub(super) fn keyed_login(&mut self) -> Result<Option<(LoginKey, LoginRecord)>, StoreError> {
        let Some([key]) = self.take()? else { return Ok(None) };
        let login = self.login()?;
        Ok(login.zip(Some(login_key(&text(key, "login")?)?)).map(|(login, key)| (key, login)))
    }
}

fn text(bytes: Vec<u8>, field: &'static str) -> Result<String, StoreError> {
    String::from_utf8(bytes).map_err(|_| corrupt(field))
}

fn moment(bytes: Vec<u8>, field: &'static str) -> Result<SystemTime, StoreError> {
    text(bytes, field)?.parse().map(time).map_err(|_| corrupt(field))
}
