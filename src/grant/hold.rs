//! Renewed grants that the store did not take, or has forgotten again: they are in use, and are written until the store
//! has them.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{Engine, LiveGrant, Version, cell::Cell};
use crate::{
    events::Event,
    store::{GrantRecord, StoreError, Swap},
};

/// The longest wait before another try: well within the [grace](super::note::GRACE) that other processes give.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Puts a renewed grant in place of the version it was made from, or of one further behind: a store that fell back to
/// an older state, or that could not take the version in between, holds tokens that are spent.
pub(super) async fn write(engine: &Engine, from: Version, record: &GrantRecord) -> Result<Swap, StoreError> {
    let mut expected = from;
    loop {
        match engine.parts.store.replace_grant(expected, record.clone()).await? {
            // Each turn needs someone else's write in between, so that this ends.
            Swap::Moved(stored) if stored.version != expected && record.version.is_after(stored.version) => {
                expected = stored.version;
            }
            swap => return Ok(swap),
        }
    }
}

/// Tries to store a renewed grant until it is stored or no longer wanted. `keep_lease` is called before each further
/// try.
pub(super) async fn until_stored<F: Future<Output = ()>>(
    engine: &Arc<Engine>,
    cell: &Cell,
    from: Version,
    record: &GrantRecord,
    keep_lease: impl Fn() -> F,
) {
    let mut wait = Duration::from_millis(200);
    loop {
        sleep(wait + jitter(wait)).await;
        let asked_at = engine.parts.clock.instant();
        let swap = {
            // The semaphore is never closed.
            let _permit = engine.held_writes.acquire().await;
            write(engine, from, record).await
        };
        match swap {
            Ok(Swap::Done) => {
                tracing::info!(grant = %record.key, "a held token is stored now");
                engine.parts.events.tell(&Event::HeldTokenStored(record.key.into()));
                return;
            }
            Ok(Swap::Gone) => {
                if let Some(live) = cell.current().filter(|live| live.version == record.version) {
                    engine.revoke_later(&live);
                    cell.end(Some(record.version.lineage), engine.parts.clock.instant());
                }
                return;
            }
            Ok(Swap::Moved(stored)) => {
                match LiveGrant::open(&engine.parts.keys, &stored) {
                    Ok(theirs) if theirs.version == record.version => cell.replace(theirs),
                    Ok(theirs) => cell.adopt(theirs, asked_at),
                    Err(_) => {}
                }
                return;
            }
            Err(_) => {
                keep_lease().await;
                wait = (wait * 2).min(MAX_WAIT - MAX_WAIT / 4);
            }
        }
    }
}

/// Writes what is in use here over what a store that fell back to an older state holds. Otherwise a process that starts
/// anew would take tokens from there that are spent.
pub(super) async fn repair(engine: Arc<Engine>, cell: Arc<Cell>, live: Arc<LiveGrant>, stored: GrantRecord) {
    let key = live.key;
    let written = match live.seal(&engine.parts.keys, stored.expires_at) {
        Ok(record) => write(&engine, stored.version, &record).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match written {
        Ok(swap) => {
            tracing::warn!(grant = %key, ?swap, "the store held an older state of a grant; it was brought up to date")
        }
        Err(error) => tracing::warn!(grant = %key, %error, "the store holds an older state of a grant"),
    }
    cell.repaired();
}

/// Up to a quarter of `time`.
fn jitter(time: Duration) -> Duration {
    let mut random = [0; 1];
    // Without randomness processes march in step.
    let _ = getrandom::fill(&mut random);
    time / 4 * u32::from(random[0]) / 255
}
