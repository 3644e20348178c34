//! The connections of owners.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    super::{
        ConnectedOwner, DisconnectedOwner, GrantRecord, OwnedFilter, OwnedKey, OwnedRecord, Sealed,
        StoreError, StoreFuture, TOMBSTONE,
        encoding::{hex, millis, whole_millis},
    },
    RedisStore,
    connection::{Arguments, Connection},
    connection_manager::Idempotency,
    login_cache::Change,
    reply::Reply,
    script,
};

pub(super) fn connect<'a>(
    store: &'a RedisStore,
    owned: OwnedRecord,
    grant: &GrantRecord,
    keep_unused: Duration,
) -> StoreFuture<'a, ConnectedOwner> {
    let arguments = Arguments::of(hex(owned.key.as_bytes()))
        .text(hex(owned.owner.as_bytes()))
        .text(owned.grant.to_string())
        .bytes(owned.sealed.as_bytes())
        .number(millis(owned.connected_at))
        .number(millis(owned.expires_at))
        .number(store.ttl(owned.expires_at));
    let arguments = store.grant_arguments(arguments, grant).number(whole_millis(keep_unused));
    store.write(
        Change::Grant(grant.key),
        Idempotency::Unsafe,
        &script::CONNECT_OWNER,
        arguments,
        |mut reply| {
            let (replaces, deletes) = match reply.word()?.as_str() {
                "exists" => return Err(StoreError::AlreadyExists),
                "both" => (true, true),
                "replaced" => (true, false),
                "deleted" => (false, true),
                _ => (false, false),
            };
            Ok(ConnectedOwner {
                replaced: if replaces { reply.previous_grant()? } else { None },
                deleted: if deletes { reply.previous_grant()? } else { None },
            })
        },
    )
}

pub(super) fn load(
    store: &RedisStore,
    key: OwnedKey,
) -> StoreFuture<'_, Option<(OwnedRecord, Option<GrantRecord>)>> {
    let arguments = Arguments::of(hex(key.as_bytes()));
    store.run(Idempotency::Idempotent, &script::LOAD_OWNED, arguments, |mut reply| {
        let Some(owned) = reply.owned()? else { return Ok(None) };
        Ok(Some((owned, reply.grant()?)))
    })
}

pub(super) fn disconnect<'a>(
    store: &'a RedisStore,
    key: OwnedKey,
    expected: &Sealed,
    keep_unused: Duration,
    ended_at: SystemTime,
) -> StoreFuture<'a, DisconnectedOwner> {
    let arguments = Arguments::of(hex(key.as_bytes())).bytes(expected.as_bytes());
    let arguments = arguments.number(whole_millis(keep_unused));
    let arguments = arguments.number(millis(ended_at)).number(whole_millis(TOMBSTONE));
    store.run(Idempotency::Unsafe, &script::DISCONNECT_OWNER, arguments, Reply::disconnected_owner)
}

pub(super) fn list(store: &RedisStore, filter: OwnedFilter) -> StoreFuture<'_, Vec<OwnedRecord>> {
    let owner = match filter {
        OwnedFilter::Owner(owner) => Some(hex(owner.as_bytes())),
        OwnedFilter::Grants(_) => None,
    };
    let keys = |connection: Arc<Connection>| async move { connection.owned(owner).await };
    let listed = store.list(keys, &script::LIST_OWNED, Reply::owned);
    Box::pin(async move {
        let mut listed = listed.await?;
        listed.retain(|owned| filter.selects(owned));
        Ok(listed)
    })
}

pub(super) fn reseal<'a>(
    store: &'a RedisStore,
    key: OwnedKey,
    expected: &Sealed,
    next: &Sealed,
) -> StoreFuture<'a, bool> {
    let arguments = Arguments::of(hex(key.as_bytes())).bytes(expected.as_bytes()).bytes(next.as_bytes());
    store.run(Idempotency::Unsafe, &script::RESEAL_OWNED, arguments, |mut reply| Ok(reply.word()? == "done"))
}
