//! What a script answers: a list of fields, read one after the other.

use std::{time::SystemTime, vec::IntoIter};

use super::super::{
    GrantRecord, LoginKey, LoginRecord, Sealed, StoreError,
    fields::{corrupt, grant_key, login_key, time, version},
};
use crate::grant::GrantKey;

#[derive(Debug)]
pub(super) struct Reply(IntoIter<Vec<u8>>);

impl Reply {
    pub(super) fn new(fields: Vec<Vec<u8>>) -> Self {
        Self(fields.into_iter())
    }

    /// The next so many fields; `None` at the end.
    fn take<const N: usize>(&mut self) -> Result<Option<[Vec<u8>; N]>, StoreError> {
        let fields: Vec<_> = self.0.by_ref().take(N).collect();
        if fields.is_empty() {
            return Ok(None);
        }
        fields.try_into().map(Some).map_err(|_| corrupt("the number of fields"))
    }

    /// The word in front that says what happened.
    pub(super) fn word(&mut self) -> Result<String, StoreError> {
        let [word] = self.take()?.ok_or_else(|| corrupt("answer"))?;
        text(word, "answer")
    }

    pub(super) fn grant_key(&mut self) -> Result<GrantKey, StoreError> {
        let [key] = self.take()?.ok_or_else(|| corrupt("grant"))?;
        grant_key(&text(key, "grant")?)
    }

    /// The next grant; `None` at the end.
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

    /// A grant that is replaced or ended. One that cannot be read is none, and no reason to fail: it is gone now.
    pub(super) fn former_grant(&mut self) -> Result<Option<GrantRecord>, StoreError> {
        match self.grant() {
            Err(StoreError::Corrupt(_)) => Ok(None),
            found => found,
        }
    }

    /// The next login; `None` at the end.
    pub(super) fn login(&mut self) -> Result<Option<LoginRecord>, StoreError> {
        let Some([grant, created, seen, expires]) = self.take()? else { return Ok(None) };
        Ok(Some(LoginRecord {
            grant: grant_key(&text(grant, "grant")?)?,
            created_at: moment(created, "created")?,
            seen_at: moment(seen, "seen")?,
            expires_at: moment(expires, "expires")?,
        }))
    }

    /// The next login with its key; `None` at the end.
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
