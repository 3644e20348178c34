//! The checks of a broken grant: what stays of it has no tokens, and only the next login replaces it.

use super::*;

pub(super) async fn check(store: &dyn Store) -> Checked {
    a_broken_grant_has_no_logins(store).await?;
    a_late_swap_never_revives_a_broken_grant(store).await?;
    a_broken_grant_expires_with_its_record(store).await
}

/// Creates a login, and breaks its grant. Returns the version before and the record.
async fn broken(
    store: &dyn Store,
    sample: &Sample,
    login_key: LoginKey,
    promise: &'static str,
) -> Result<(GrantVersion, GrantRecord), Violation> {
    let first = version()?;
    must(store.create_login(login_key, login(sample.grant), grant(sample.grant, first)).await, promise)?;
    let record = grant(sample.grant, version()?);
    expect(must(store.break_grant(first, record.clone()).await, promise)?, "a grant can be broken")?;
    Ok((first, record))
}

async fn a_broken_grant_has_no_logins(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a broken grant has no logins";
    const STALE: &str = "a grant is not broken if an older version is expected";
    let sample = Sample::new()?;
    let (one, two, other) = (login_key()?, login_key()?, login_key()?);
    let current = version()?;
    must(store.create_login(one, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    must(store.create_login(two, login(sample.grant), grant(sample.grant, current)).await, PROMISE)?;
    must(
        store.create_login(other, login(sample.other_grant), grant(sample.other_grant, version()?)).await,
        PROMISE,
    )?;
    let record = grant(sample.grant, version()?);
    expect(!must(store.break_grant(version()?, record.clone()).await, STALE)?, STALE)?;
    expect(
        must(store.load_login(one).await, STALE)?.is_some_and(|(_, grant)| grant.version == current),
        STALE,
    )?;
    expect(must(store.break_grant(current, record.clone()).await, PROMISE)?, "a grant can be broken")?;
    for key in [one, two] {
        expect(must(store.load_login(key).await, PROMISE)?.is_none(), PROMISE)?;
        let later = SystemTime::now() + HOUR;
        expect(!must(store.touch_login(key, SystemTime::now(), later).await, PROMISE)?, PROMISE)?;
        expect(must(store.delete_login(key).await, PROMISE)? == DeletedLogin::NotFound, PROMISE)?;
    }
    let user = GrantFilter::User(sample.grant.user());
    expect(must(store.list_logins(user).await, PROMISE)?.is_empty(), PROMISE)?;
    expect(must(store.load_login(other).await, PROMISE)?.is_some(), "logins of other users stay")?;
    let stays = "a broken grant stays without its logins";
    let stored = must(store.load_grant(sample.grant).await, stays)?;
    expect(
        stored.is_some_and(|stored| stored.version == record.version && stored.sealed == record.sealed),
        stays,
    )?;
    let listed = must(store.list_grants(user).await, stays)?;
    expect(listed.len() == 1 && listed[0].version == record.version, "a broken grant is listed")?;

    // The next login replaces it, and the former logins do not come back with it.
    let (fresh, new) = (login_key()?, version()?);
    let replaced = store.create_login(fresh, login(sample.grant), grant(sample.grant, new)).await;
    let replaces = "the next login replaces a broken grant";
    expect(must(replaced, replaces)?.is_some_and(|grant| grant.version == record.version), replaces)?;
    expect(
        must(store.load_login(fresh).await, replaces)?.is_some_and(|(_, grant)| grant.version == new),
        replaces,
    )?;
    expect(must(store.load_login(one).await, PROMISE)?.is_none(), PROMISE)?;
    expect(
        matches!(must(store.delete_login(fresh).await, replaces)?, DeletedLogin::GrantDeleted(grant) if grant.version == new),
        replaces,
    )?;

    let absent = grant(sample.grant, version()?);
    let made = "a grant that is absent is not broken";
    expect(!must(store.break_grant(new, absent).await, made)?, made)?;
    expect(must(store.load_grant(sample.grant).await, made)?.is_none(), made)
}

async fn a_late_swap_never_revives_a_broken_grant(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a late swap never revives a broken grant";
    let sample = Sample::new()?;
    let (first, record) = broken(store, &sample, login_key()?, PROMISE).await?;
    for expected in [first, first.next()] {
        let late = store.compare_and_swap_grant(expected, grant(sample.grant, first.next())).await;
        let conflict = must(late, PROMISE)?;
        expect(
            matches!(conflict, SwapOutcome::Conflict(stored) if stored.version == record.version),
            PROMISE,
        )?;
    }
    let stored = must(store.load_grant(sample.grant).await, PROMISE)?;
    expect(stored.is_some_and(|stored| stored.sealed == record.sealed), PROMISE)?;
    let deleted = must(store.delete_grant(sample.grant, None).await, PROMISE)?;
    expect(deleted.is_some(), "a broken grant is deleted like any other")?;

    // A refusal against a refresh and a login, in any order.
    for _ in 0..CALLERS {
        let (first, new, key) = (version()?, version()?, login_key()?);
        must(
            store.create_login(login_key()?, login(sample.grant), grant(sample.grant, first)).await,
            PROMISE,
        )?;
        let record = grant(sample.grant, version()?);
        let (broken, swapped, logged_in) = futures_util::future::join3(
            store.break_grant(first, record.clone()),
            store.compare_and_swap_grant(first, grant(sample.grant, first.next())),
            store.create_login(key, login(sample.grant), grant(sample.grant, new)),
        )
        .await;
        let (broken, swapped) = (must(broken, PROMISE)?, must(swapped, PROMISE)?);
        must(logged_in, PROMISE)?;
        expect(!(broken && swapped == SwapOutcome::Stored), PROMISE)?;
        let found = must(store.load_login(key).await, PROMISE)?;
        expect(
            found.is_some_and(|(_, grant)| grant.version == new),
            "a late refusal never breaks the grant of a new login",
        )?;
        must(store.delete_grant(sample.grant, None).await, PROMISE)?;
    }
    Ok(())
}

async fn a_broken_grant_expires_with_its_record(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a broken grant expires with its record";
    let sample = Sample::new()?;
    let first = version()?;
    must(store.create_login(login_key()?, login(sample.grant), grant(sample.grant, first)).await, PROMISE)?;
    let short = Duration::from_millis(100);
    let record = GrantRecord { expires_at: SystemTime::now() + short, ..grant(sample.grant, version()?) };
    expect(must(store.break_grant(first, record).await, PROMISE)?, "a grant can be broken")?;
    tokio::time::sleep(short * 2).await;
    expect(must(store.load_grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)?;
    let listed = must(store.list_grants(GrantFilter::User(sample.grant.user())).await, PROMISE)?;
    expect(listed.is_empty(), PROMISE)
}
