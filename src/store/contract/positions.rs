//! The checks of positions: one writer moves a position, and no late one moves it back. A store without positions passes.

use super::*;

pub(super) async fn check(store: &dyn Store) -> Checked {
    let sample = Sample::new()?;
    if let Err(StoreError::Unsupported(_)) = store.load_position(key(&sample, "any")?).await {
        return Ok(());
    }
    a_position_is_moved_by_one_writer(store, &sample).await?;
    a_late_write_never_moves_a_position(store, &sample).await?;
    consumers_leave_each_other_alone(store, &sample).await
}

fn key(sample: &Sample, name: &str) -> Result<ConsumerKey, Violation> {
    let topic = format!("/data/{}ChangeEvent", random_number()?);
    Ok(ConsumerKey::new(name, sample.grant.user().organization_id, &topic))
}

fn position(key: ConsumerKey, version: u64, bytes: &str) -> PositionRecord {
    PositionRecord::new(key, version, Sealed::from_bytes(bytes.into()), SystemTime::now())
}

async fn a_position_is_moved_by_one_writer(store: &dyn Store, sample: &Sample) -> Checked {
    const PROMISE: &str = "one of many writers moves a position";
    let key = key(sample, "contract")?;
    expect(must(store.load_position(key).await, PROMISE)?.is_none(), "a consumer starts without a position")?;
    // Without a record first, then with one.
    for expected in [None, Some(1)] {
        let version = expected.unwrap_or_default() + 1;
        let rivals: Vec<_> =
            (0..CALLERS).map(|rival| position(key, version, &format!("{version} {rival}"))).collect();
        let writes = rivals.iter().map(|next| store.compare_and_swap_position(expected, next.clone()));
        let mut winner = None;
        for (next, write) in rivals.iter().zip(join_all(writes).await) {
            match must(write, PROMISE)? {
                PositionSwap::Stored => expect(winner.replace(next.clone()).is_none(), PROMISE)?,
                PositionSwap::Conflict(stored) => {
                    expect(stored.version == version, "the loser of a write gets the stored position")?;
                }
                PositionSwap::NotFound => expect(false, PROMISE)?,
            }
        }
        let winner = winner.ok_or(Violation::Violated(PROMISE))?;
        let stored = must(store.load_position(key).await, PROMISE)?.ok_or(Violation::Violated(PROMISE))?;
        expect(stored.version == winner.version && stored.sealed == winner.sealed, PROMISE)?;
        let age = SystemTime::now().duration_since(stored.updated_at).unwrap_or_default();
        expect(age < HOUR, "a position says when it was written")?;
        let repeated = must(store.compare_and_swap_position(expected, winner).await, PROMISE)?;
        expect(repeated == PositionSwap::Stored, "a write that took effect may be repeated")?;
        let other =
            must(store.compare_and_swap_position(expected, position(key, version, "x")).await, PROMISE)?;
        expect(
            matches!(other, PositionSwap::Conflict(_)),
            "a position with the stored version and other bytes does not replace it",
        )?;
    }
    Ok(())
}

async fn a_late_write_never_moves_a_position(store: &dyn Store, sample: &Sample) -> Checked {
    const PROMISE: &str = "a late write never moves a position";
    let key = key(sample, "contract")?;
    let missing = must(store.compare_and_swap_position(Some(3), position(key, 4, "4")).await, PROMISE)?;
    expect(missing == PositionSwap::NotFound, "a position that is absent is not replaced")?;
    expect(must(store.load_position(key).await, PROMISE)?.is_none(), PROMISE)?;
    for (expected, version) in [(None, 1), (Some(1), 2), (Some(2), 3)] {
        let next = position(key, version, &version.to_string());
        let written = must(store.compare_and_swap_position(expected, next).await, PROMISE)?;
        expect(written == PositionSwap::Stored, "the version that was read can be replaced")?;
    }
    for expected in [None, Some(1), Some(2), Some(4), Some(u64::MAX)] {
        let next = position(key, expected.unwrap_or_default().saturating_add(1), "late");
        let late = must(store.compare_and_swap_position(expected, next).await, PROMISE)?;
        expect(matches!(late, PositionSwap::Conflict(stored) if stored.version == 3), PROMISE)?;
    }
    let stored = must(store.load_position(key).await, PROMISE)?;
    expect(stored.is_some_and(|stored| stored.version == 3 && stored.sealed.as_bytes() == b"3"), PROMISE)
}

async fn consumers_leave_each_other_alone(store: &dyn Store, sample: &Sample) -> Checked {
    const PROMISE: &str = "consumers leave each other's positions and leases alone";
    let topic = format!("/data/{}ChangeEvent", random_number()?);
    let (org, elsewhere) = (sample.grant.user().organization_id, Sample::new()?.grant.user().organization_id);
    let keys = [
        ConsumerKey::new("one", org, &topic),
        ConsumerKey::new("two", org, &topic),
        ConsumerKey::new("one", elsewhere, &topic),
        ConsumerKey::new("one", org, "/data/OtherChangeEvent"),
    ];
    for (holder, key) in (1..).map(LeaseHolder).zip(keys) {
        let next = position(key, 1, &format!("{holder:?}"));
        let written = must(store.compare_and_swap_position(None, next).await, PROMISE)?;
        expect(written == PositionSwap::Stored, PROMISE)?;
        expect(must(store.acquire_lease(LeaseName::Consumer(key), holder, HOUR).await, PROMISE)?, PROMISE)?;
    }
    for (holder, key) in (1..).map(LeaseHolder).zip(keys) {
        let found = must(store.load_position(key).await, PROMISE)?;
        let is_own = |found: PositionRecord| found.sealed.as_bytes() == format!("{holder:?}").as_bytes();
        expect(found.is_some_and(is_own), PROMISE)?;
    }
    Ok(())
}
