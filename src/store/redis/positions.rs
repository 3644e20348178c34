//! The positions of consumers. Their keys are the only ones without a lifetime.

use super::{
    super::{
        ConsumerKey, PositionRecord, PositionSwap, StoreFuture,
        encoding::{corrupt, hex, millis},
    },
    RedisStore,
    connection::Arguments,
    connection_manager::Idempotency,
    script,
};

pub(super) fn load(store: &RedisStore, key: ConsumerKey) -> StoreFuture<'_, Option<PositionRecord>> {
    let arguments = Arguments::of(hex(key.as_bytes()));
    let read = move |mut reply: super::Reply| reply.position(key);
    store.run(Idempotency::Idempotent, &script::LOAD_POSITION, arguments, read)
}

pub(super) fn compare_and_swap<'a>(
    store: &'a RedisStore,
    expected: Option<u64>,
    next: &PositionRecord,
) -> StoreFuture<'a, PositionSwap> {
    let arguments = Arguments::of(hex(next.key.as_bytes()))
        .text(expected.map(|version| version.to_string()).unwrap_or_default())
        .text(next.version.to_string())
        .bytes(next.sealed.as_bytes())
        .number(millis(next.updated_at));
    let key = next.key;
    store.run(Idempotency::Idempotent, &script::COMPARE_AND_SWAP_POSITION, arguments, move |mut reply| {
        Ok(match reply.word()?.as_str() {
            "done" => PositionSwap::Stored,
            "moved" => PositionSwap::Conflict(reply.position(key)?.ok_or_else(|| corrupt("position"))?),
            _ => PositionSwap::NotFound,
        })
    })
}
