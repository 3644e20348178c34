//! What the scripts answer, read with suspicion: anyone who reaches the server can write there.

use crate::{
    grant::{GrantKey, Version},
    store::{
        GrantRecord, LoginKey, LoginRecord, StoreError,
        record::{FORMAT, GrantRow, LoginRow, Unreadable, grant_key},
    },
};

/// A script's answer: texts and bytes, some absent.
pub(super) type Reply = Vec<Option<Vec<u8>>>;

/// How many fields a grant and a login have in a reply.
pub(super) const GRANT_FIELDS: usize = 6;
pub(super) const LOGIN_FIELDS: usize = 5;

/// The word that a script answers first.
pub(super) fn word(reply: &Reply) -> &str {
    text(reply, 0, "answer").unwrap_or_default()
}

fn text<'a>(fields: &'a [Option<Vec<u8>>], at: usize, name: &'static str) -> Result<&'a str, Unreadable> {
    let bytes = fields.get(at).and_then(Option::as_deref).ok_or(Unreadable::Field(name))?;
    std::str::from_utf8(bytes).map_err(|_| Unreadable::Field(name))
}

fn number<T: std::str::FromStr>(
    fields: &[Option<Vec<u8>>],
    at: usize,
    name: &'static str,
) -> Result<T, Unreadable> {
    text(fields, at, name)?.parse().map_err(|_| Unreadable::Field(name))
}

fn format(fields: &[Option<Vec<u8>>]) -> Result<(), Unreadable> {
    if number::<i64>(fields, 0, "format")? == FORMAT { Ok(()) } else { Err(Unreadable::Format) }
}

/// The grant under `key`, from the six fields of `read_grant`.
pub(super) fn grant(key: GrantKey, fields: &[Option<Vec<u8>>]) -> Result<GrantRecord, Unreadable> {
    format(fields)?;
    let version =
        Version { lineage: number(fields, 1, "lineage")?, revision: number(fields, 2, "revision")? };
    let sealed = fields.get(5).cloned().flatten().ok_or(Unreadable::Field("content"))?;
    let (updated_at, expires_at) = (number(fields, 3, "time")?, number(fields, 4, "expiry")?);
    GrantRow { key, version, sealed, updated_at, expires_at }.try_into()
}

/// A login, from its five fields.
pub(super) fn login(fields: &[Option<Vec<u8>>]) -> Result<LoginRecord, Unreadable> {
    format(fields)?;
    LoginRow {
        grant: grant_key(text(fields, 1, "grant")?)?,
        created_at: number(fields, 2, "time")?,
        seen_at: number(fields, 3, "time")?,
        expires_at: number(fields, 4, "expiry")?,
    }
    .try_into()
}

/// A login with its grant: eleven fields, or none.
pub(super) fn both(reply: &Reply) -> Result<Option<(LoginRecord, GrantRecord)>, StoreError> {
    let Some((first, second)) = reply.split_at_checked(LOGIN_FIELDS) else { return Ok(None) };
    let login = login(first)?;
    let grant = grant(login.grant, second)?;
    Ok(Some((login, grant)))
}

/// The grant that an operation took away. One that cannot be read is gone all the same, and nobody can use it.
pub(super) fn taken(key: GrantKey, reply: &Reply) -> Option<GrantRecord> {
    let fields = reply.get(1..).filter(|fields| fields.len() >= GRANT_FIELDS)?;
    match grant(key, fields) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::warn!(grant = %key, %error, "a stored grant was unreadable; its tokens cannot be revoked");
            None
        }
    }
}

/// The key of a grant as the last element of an answer.
pub(super) fn named_grant(reply: &Reply, at: usize) -> Result<GrantKey, Unreadable> {
    grant_key(text(reply, at, "grant")?)
}

/// A login's key, as it is part of a Redis key: hexadecimal.
pub(super) fn login_name(key: &LoginKey) -> String {
    hexadecimal(key.as_bytes())
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// A login's key from its place in a list.
pub(super) fn login_key(name: &[u8]) -> Result<LoginKey, Unreadable> {
    let mut bytes = [0; 32];
    if name.len() != 64 {
        return Err(Unreadable::Field("key"));
    }
    for (byte, pair) in bytes.iter_mut().zip(name.chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| Unreadable::Field("key"))?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| Unreadable::Field("key"))?;
    }
    Ok(LoginKey::from_bytes(bytes))
}
