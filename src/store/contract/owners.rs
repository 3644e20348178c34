//! The checks of the connections of owners: a grant lives while a login or an owner uses it.

use super::*;

/// A grant that nothing uses is not kept.
const AT_ONCE: Duration = Duration::ZERO;

pub(super) async fn check(store: &dyn Store) -> Checked {
    a_grant_lives_while_a_login_or_an_owner_uses_it(store).await?;
    a_grant_with_an_owner_does_not_expire(store).await?;
    a_connection_that_moves_leaves_nothing_behind(store).await?;
    an_unused_grant_is_kept(store).await?;
    a_connection_is_ended_if_it_is_the_expected(store).await?;
    a_connection_outlives_its_grant(store).await?;
    connections_are_listed_by_owner_and_by_grant(store).await?;
    a_delayed_connection_does_not_count(store).await
}

struct Owned {
    owner: OwnerKey,
    key: OwnedKey,
}

impl Owned {
    fn new() -> Result<Self, Violation> {
        let invalid = |_| Violation::Violated("the owners of the suite are valid");
        let owner = Owner::new(format!("{}", random_number()?)).map_err(invalid)?;
        let owner = OwnerKey::new(AppKey::from_client_id("contract"), &owner);
        Ok(Self { owner, key: OwnedKey::new(owner, &ConnectionName::default()) })
    }

    fn named(&self, name: &str) -> Result<Self, Violation> {
        let name = ConnectionName::new(name).map_err(|_| Violation::Violated("the names are valid"))?;
        Ok(Self { owner: self.owner, key: OwnedKey::new(self.owner, &name) })
    }

    fn uses(&self, grant: GrantKey) -> OwnedRecord {
        let now = SystemTime::now();
        OwnedRecord::new((self.owner, self.key), grant, sealed(), now, now + 1_000 * HOUR)
    }
}

fn sealed() -> Sealed {
    Sealed::from_bytes(b"owner and name".to_vec())
}

async fn a_grant_lives_while_a_login_or_an_owner_uses_it(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a grant lives while a login or an owner uses it";
    let sample = Sample::new()?;
    let (one, two, key) = (Owned::new()?, Owned::new()?, login_key()?);
    let (first, second, third) = (version()?, version()?, version()?);
    must(store.create_login(key, login(sample.grant), grant(sample.grant, first)).await, PROMISE)?;
    let connected = store.connect_owner(one.uses(sample.grant), grant(sample.grant, second), AT_ONCE).await;
    let connected = must(connected, PROMISE)?;
    expect(
        connected.replaced.is_some_and(|grant| grant.version == first) && connected.deleted.is_none(),
        "the grant that a connection replaces is returned",
    )?;
    let found = must(store.load_login(key).await, PROMISE)?;
    expect(found.is_some_and(|(_, grant)| grant.version == second), "logins use the new grant")?;
    must(store.connect_owner(two.uses(sample.grant), grant(sample.grant, third), AT_ONCE).await, PROMISE)
        .map(drop)?;

    // The last login goes, then one owner, then the other.
    expect(must(store.delete_login(key).await, PROMISE)? == DeletedLogin::GrantKept(sample.grant), PROMISE)?;
    let ended = must(store.disconnect_owner(one.key, sealed(), AT_ONCE, SystemTime::now()).await, PROMISE)?;
    expect(ended == DisconnectedOwner::GrantKept(sample.grant), PROMISE)?;
    expect(
        must(store.load_owned(one.key).await, PROMISE)?.is_none(),
        "a connection that was ended is absent",
    )?;
    let (owned, of_grant) = must(store.load_owned(two.key).await, PROMISE)?
        .ok_or(Violation::Violated("a connection is read back with its grant"))?;
    let is_whole = owned.sealed == two.uses(sample.grant).sealed
        && owned.owner == two.owner
        && owned.grant == sample.grant
        && of_grant.is_some_and(|grant| grant.version == third);
    expect(is_whole, "a connection is read back with its grant")?;
    let ended = must(store.disconnect_owner(two.key, sealed(), AT_ONCE, SystemTime::now()).await, PROMISE)?;
    expect(
        matches!(ended, DisconnectedOwner::GrantDeleted(grant) if grant.version == third),
        "the end of the last use returns the grant",
    )?;
    expect(must(store.load_grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)?;
    let again = must(store.disconnect_owner(two.key, sealed(), AT_ONCE, SystemTime::now()).await, PROMISE)?;
    expect(again == DisconnectedOwner::NotFound, "a connection is ended once")?;

    // A login that is left keeps the grant, too.
    must(
        store.connect_owner(one.uses(sample.grant), grant(sample.grant, version()?), AT_ONCE).await,
        PROMISE,
    )
    .map(drop)?;
    let left = login_key()?;
    must(store.create_login(left, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    let ended = must(store.disconnect_owner(one.key, sealed(), AT_ONCE, SystemTime::now()).await, PROMISE)?;
    expect(ended == DisconnectedOwner::GrantKept(sample.grant), PROMISE)?;
    expect(must(store.load_login(left).await, PROMISE)?.is_some(), PROMISE)?;
    expect(matches!(must(store.delete_login(left).await, PROMISE)?, DeletedLogin::GrantDeleted(_)), PROMISE)?;

    // Ends at the same time: exactly one of them is the last.
    for _ in 0..CALLERS {
        let (one, two, key) = (Owned::new()?, Owned::new()?, login_key()?);
        must(store.create_login(key, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
        for owned in [&one, &two] {
            let record = grant(sample.grant, version()?);
            must(store.connect_owner(owned.uses(sample.grant), record, AT_ONCE).await, PROMISE).map(drop)?;
        }
        let (login, one, two) = futures_util::future::join3(
            store.delete_login(key),
            store.disconnect_owner(one.key, sealed(), AT_ONCE, SystemTime::now()),
            store.disconnect_owner(two.key, sealed(), AT_ONCE, SystemTime::now()),
        )
        .await;
        let last = usize::from(matches!(must(login, PROMISE)?, DeletedLogin::GrantDeleted(_)))
            + usize::from(matches!(must(one, PROMISE)?, DisconnectedOwner::GrantDeleted(_)))
            + usize::from(matches!(must(two, PROMISE)?, DisconnectedOwner::GrantDeleted(_)));
        expect(last == 1, "one of the uses of a grant is the last")?;
        expect(must(store.load_grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)?;
    }
    Ok(())
}

/// Whatever replaces the grant: each of these records would expire right away.
async fn a_grant_with_an_owner_does_not_expire(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a grant does not expire while an owner uses it";
    const SOON: Duration = Duration::from_millis(150);
    let sample = Sample::new()?;
    let owned = Owned::new()?;
    let soon = |version| GrantRecord { expires_at: SystemTime::now() + SOON, ..grant(sample.grant, version) };
    let lasts = async || {
        tokio::time::sleep(SOON * 2).await;
        let found = must(store.load_owned(owned.key).await, PROMISE)?;
        expect(found.is_some_and(|(_, grant)| grant.is_some()), PROMISE)
    };
    let (first, second) = (version()?, version()?);
    must(store.connect_owner(owned.uses(sample.grant), soon(first), AT_ONCE).await, PROMISE).map(drop)?;
    lasts().await?;
    let swapped = must(store.compare_and_swap_grant(first, soon(first.next())).await, PROMISE)?;
    expect(swapped == SwapOutcome::Stored, PROMISE)?;
    expect(must(store.break_grant(first.next(), soon(second)).await, PROMISE)?, PROMISE)?;
    lasts().await?;
    let brief = LoginRecord { expires_at: SystemTime::now() + SOON, ..login(sample.grant) };
    must(store.create_login(login_key()?, brief, soon(version()?)).await, PROMISE)?;
    lasts().await?;

    // Afterwards it lasts as long as its last login.
    let brief = LoginRecord { expires_at: SystemTime::now() + SOON, ..login(sample.grant) };
    must(store.create_login(login_key()?, brief, soon(version()?)).await, PROMISE)?;
    let ended = must(store.disconnect_owner(owned.key, sealed(), AT_ONCE, SystemTime::now()).await, PROMISE)?;
    expect(ended == DisconnectedOwner::GrantKept(sample.grant), PROMISE)?;
    tokio::time::sleep(SOON * 2).await;
    expect(
        must(store.load_grant(sample.grant).await, PROMISE)?.is_none(),
        "a grant expires with its last login once no owner uses it",
    )
}

async fn a_connection_that_moves_leaves_nothing_behind(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a connection that moves to another grant releases the former one";
    let sample = Sample::new()?;
    let (owned, other) = (Owned::new()?, Owned::new()?);
    let first = version()?;
    must(store.connect_owner(owned.uses(sample.grant), grant(sample.grant, first), AT_ONCE).await, PROMISE)
        .map(drop)?;
    let moved = grant(sample.other_grant, version()?);
    let connected = must(store.connect_owner(owned.uses(sample.other_grant), moved, AT_ONCE).await, PROMISE)?;
    expect(
        connected.replaced.is_none() && connected.deleted.is_some_and(|grant| grant.version == first),
        PROMISE,
    )?;
    expect(must(store.load_grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)?;
    let found = must(store.load_owned(owned.key).await, PROMISE)?;
    expect(found.is_some_and(|(owned, _)| owned.grant == sample.other_grant), PROMISE)?;

    // Another owner keeps the former grant.
    must(
        store.connect_owner(other.uses(sample.other_grant), grant(sample.other_grant, first), AT_ONCE).await,
        PROMISE,
    )
    .map(drop)?;
    let back = grant(sample.grant, version()?);
    let connected = must(store.connect_owner(owned.uses(sample.grant), back, AT_ONCE).await, PROMISE)?;
    expect(connected.deleted.is_none(), PROMISE)?;
    expect(must(store.load_grant(sample.other_grant).await, PROMISE)?.is_some(), PROMISE)?;
    must(store.disconnect_owner(owned.key, sealed(), AT_ONCE, SystemTime::now()).await, PROMISE).map(drop)?;
    must(store.disconnect_owner(other.key, sealed(), AT_ONCE, SystemTime::now()).await, PROMISE).map(drop)
}

/// For as long as the caller says, counted from the grant's last change.
async fn an_unused_grant_is_kept(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a grant that nothing uses is kept for as long as the caller says";
    const KEEP: Duration = HOUR.saturating_mul(10);
    let sample = Sample::new()?;
    let owned = Owned::new()?;
    let connect = async |key| {
        let record = grant(key, version()?);
        must(store.connect_owner(owned.uses(key), record, KEEP).await, PROMISE)
    };
    let is_kept = async |key| {
        let found = must(store.load_grant(key).await, PROMISE)?;
        let kept = |grant: GrantRecord| {
            let (kept_until, minute) = (grant.updated_at + KEEP, Duration::from_secs(60));
            grant.expires_at > kept_until - minute && grant.expires_at < kept_until + minute
        };
        expect(found.is_some_and(kept), PROMISE)
    };
    let kept = DisconnectedOwner::GrantKept(sample.grant);

    connect(sample.grant).await.map(drop)?;
    expect(
        must(store.disconnect_owner(owned.key, sealed(), KEEP, SystemTime::now()).await, PROMISE)? == kept,
        PROMISE,
    )?;
    is_kept(sample.grant).await?;
    // Beside a login that ends earlier.
    connect(sample.grant).await.map(drop)?;
    let key = login_key()?;
    must(store.create_login(key, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    expect(
        must(store.disconnect_owner(owned.key, sealed(), KEEP, SystemTime::now()).await, PROMISE)? == kept,
        PROMISE,
    )?;
    is_kept(sample.grant).await?;
    // By a connection that moves.
    connect(sample.grant).await.map(drop)?;
    expect(must(store.touch_login(key, SystemTime::now(), SystemTime::now()).await, PROMISE)?, PROMISE)?;
    let connected = connect(sample.other_grant).await?;
    expect(connected.deleted.is_none(), PROMISE)?;
    is_kept(sample.grant).await?;

    // A grant whose last change is longer ago is not kept.
    let brief = Duration::from_millis(1);
    tokio::time::sleep(brief * 50).await;
    let ended = must(store.disconnect_owner(owned.key, sealed(), brief, SystemTime::now()).await, PROMISE)?;
    expect(matches!(ended, DisconnectedOwner::GrantDeleted(_)), PROMISE)?;
    must(store.delete_grant(sample.grant, None).await, PROMISE).map(drop)
}

async fn a_connection_is_ended_if_it_is_the_expected(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a connection is ended only if it is the expected one";
    let sample = Sample::new()?;
    let owned = Owned::new()?;
    let newer = || Sealed::from_bytes(b"newer".to_vec());
    let connect = async |sealed| {
        let (record, version) = (OwnedRecord { sealed, ..owned.uses(sample.grant) }, version()?);
        must(store.connect_owner(record, grant(sample.grant, version), AT_ONCE).await, PROMISE)
            .map(|_| version)
    };
    let is_newer = async |version| {
        let found = must(store.load_owned(owned.key).await, PROMISE)?;
        let is_whole = |(owned, grant): (OwnedRecord, Option<GrantRecord>)| {
            owned.sealed == newer() && grant.is_some_and(|grant| grant.version == version)
        };
        expect(found.is_some_and(is_whole), PROMISE)
    };
    connect(sealed()).await?;
    let version = connect(newer()).await?;
    let late = must(store.disconnect_owner(owned.key, sealed(), AT_ONCE, SystemTime::now()).await, PROMISE)?;
    expect(late == DisconnectedOwner::Changed, PROMISE)?;
    is_newer(version).await?;
    let ended = must(store.disconnect_owner(owned.key, newer(), AT_ONCE, SystemTime::now()).await, PROMISE)?;
    expect(matches!(ended, DisconnectedOwner::GrantDeleted(_)), PROMISE)?;

    // An end and a new connection, in any order.
    for _ in 0..CALLERS {
        connect(sealed()).await?;
        let end = store.disconnect_owner(owned.key, sealed(), AT_ONCE, SystemTime::now());
        let (ended, version) = futures_util::future::join(end, connect(newer())).await;
        expect(must(ended, PROMISE)? != DisconnectedOwner::NotFound, PROMISE)?;
        is_newer(version?).await?;
    }
    must(store.disconnect_owner(owned.key, newer(), AT_ONCE, SystemTime::now()).await, PROMISE).map(drop)
}

async fn a_delayed_connection_does_not_count(store: &dyn Store) -> Checked {
    const PROMISE: &str =
        "a connection from before the end of its name, or from before a newer one, is not stored";
    let sample = Sample::new()?;
    let (owned, other) = (Owned::new()?, Owned::new()?);
    let second = Duration::from_secs(1);
    let start = SystemTime::now();
    let connect = async |owned: &Owned, connected_at: SystemTime| {
        let record = OwnedRecord { connected_at, ..owned.uses(sample.grant) };
        store.connect_owner(record, grant(sample.grant, version()?), AT_ONCE).await.map_or_else(
            |error| match error {
                StoreError::AlreadyExists => Ok(false),
                error => must(Err(error), PROMISE),
            },
            |_| Ok(true),
        )
    };
    let is_there = async || Ok(must(store.load_owned(owned.key).await, PROMISE)?.is_some());
    let end =
        async |ended_at| must(store.disconnect_owner(owned.key, sealed(), AT_ONCE, ended_at).await, PROMISE);

    // None was there: the one from before is on its way.
    expect(end(start).await? == DisconnectedOwner::NotFound, PROMISE)?;
    expect(!connect(&owned, start - second).await? && !is_there().await?, PROMISE)?;
    expect(must(store.load_grant(sample.grant).await, PROMISE)?.is_none(), "it stores no grant, either")?;
    expect(connect(&other, start - second).await?, "another owner's connection counts")?;
    // The owner connects again at once.
    expect(connect(&owned, start).await? && is_there().await?, "a newer connection counts after an end")?;
    expect(connect(&owned, start + second).await?, "a newer connection replaces an older one")?;
    expect(!connect(&owned, start).await? && is_there().await?, PROMISE)?;
    let ended = end(start + second * 2).await?;
    expect(ended == DisconnectedOwner::GrantKept(sample.grant), PROMISE)?;
    expect(!connect(&owned, start + second).await? && !is_there().await?, PROMISE)?;
    let listed = must(store.list_owned(OwnedFilter::Owner(owned.owner)).await, PROMISE)?;
    expect(listed.is_empty(), "the end of a connection is not listed")?;
    // An end that comes late itself takes nothing back.
    expect(end(start).await? == DisconnectedOwner::NotFound, PROMISE)?;
    expect(!connect(&owned, start + second).await? && !is_there().await?, PROMISE)?;
    expect(
        connect(&owned, start + second * 3).await? && is_there().await?,
        "a newer connection counts after an end",
    )?;
    end(start + second * 4).await.map(drop)?;
    must(store.disconnect_owner(other.key, sealed(), AT_ONCE, start).await, PROMISE).map(drop)
}

async fn a_connection_outlives_its_grant(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a connection stays without its grant";
    let sample = Sample::new()?;
    let owned = Owned::new()?;
    let first = version()?;
    must(store.connect_owner(owned.uses(sample.grant), grant(sample.grant, first), AT_ONCE).await, PROMISE)
        .map(drop)?;
    expect(must(store.break_grant(first, grant(sample.grant, version()?)).await, PROMISE)?, PROMISE)?;
    let found = must(store.load_owned(owned.key).await, PROMISE)?;
    expect(found.is_some_and(|(_, grant)| grant.is_some()), "a broken grant keeps its owners")?;
    expect(must(store.delete_grant(sample.grant, None).await, PROMISE)?.is_some(), PROMISE)?;
    let found = must(store.load_owned(owned.key).await, PROMISE)?;
    expect(found.is_some_and(|(_, grant)| grant.is_none()), PROMISE)?;
    // The next login of the user gives it a grant again.
    let key = login_key()?;
    must(store.create_login(key, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    let found = must(store.load_owned(owned.key).await, PROMISE)?;
    expect(found.is_some_and(|(_, grant)| grant.is_some()), "a connection uses the grant of the next login")?;
    expect(
        must(store.delete_login(key).await, PROMISE)? == DeletedLogin::GrantKept(sample.grant),
        "a grant that an owner uses survives the last login",
    )?;
    must(store.disconnect_owner(owned.key, sealed(), AT_ONCE, SystemTime::now()).await, PROMISE).map(drop)
}

async fn connections_are_listed_by_owner_and_by_grant(store: &dyn Store) -> Checked {
    const PROMISE: &str = "connections are listed by owner and by grant";
    let (sample, elsewhere) = (Sample::new()?, Sample::new()?);
    let one = Owned::new()?;
    let (second, other) = (one.named("second")?, Owned::new()?);
    for (owned, key) in [(&one, sample.grant), (&second, elsewhere.grant), (&other, sample.other_grant)] {
        must(store.connect_owner(owned.uses(key), grant(key, version()?), AT_ONCE).await, PROMISE)
            .map(drop)?;
    }
    let user = GrantFilter::User(sample.grant.user());
    let org = GrantFilter::Org(sample.grant.user().organization_id);
    for (filter, expected) in [
        (OwnedFilter::Owner(one.owner), vec![one.key, second.key]),
        (OwnedFilter::Owner(other.owner), vec![other.key]),
        (OwnedFilter::Grants(user), vec![one.key]),
        (OwnedFilter::Grants(org), vec![one.key, other.key]),
    ] {
        let listed = must(store.list_owned(filter).await, PROMISE)?;
        let same = listed.len() == expected.len() && listed.iter().all(|owned| expected.contains(&owned.key));
        expect(same, PROMISE)?;
    }
    let all = must(store.list_owned(OwnedFilter::Grants(GrantFilter::All)).await, PROMISE)?;
    expect([&one, &second, &other].iter().all(|owned| all.iter().any(|all| all.key == owned.key)), PROMISE)?;

    const RESEALED: &str = "what is sealed in a connection is replaced if it is the expected";
    let (old, new) = (sealed(), Sealed::from_bytes(b"newer".to_vec()));
    expect(!must(store.reseal_owned(one.key, new.clone(), old.clone()).await, RESEALED)?, RESEALED)?;
    expect(must(store.reseal_owned(one.key, old.clone(), new.clone()).await, RESEALED)?, RESEALED)?;
    let found = must(store.load_owned(one.key).await, RESEALED)?;
    expect(found.is_some_and(|(owned, _)| owned.sealed == new), RESEALED)?;
    expect(must(store.reseal_owned(one.key, new, old).await, RESEALED)?, RESEALED)?;
    for owned in [&one, &second, &other] {
        must(store.disconnect_owner(owned.key, sealed(), AT_ONCE, SystemTime::now()).await, PROMISE)
            .map(drop)?;
    }
    let listed = must(store.list_owned(OwnedFilter::Owner(one.owner)).await, PROMISE)?;
    expect(listed.is_empty(), "a connection that was ended is not listed")
}
