//! The contract that every [`Store`] must keep, as a suite to run against it (feature `test-util`).
//!
//! ```
//! # async fn run() -> Result<(), actix_salesforce::store::contract::Violation> {
//! use actix_salesforce::store::{MemoryStore, contract};
//!
//! contract::check(std::sync::Arc::new(MemoryStore::new())).await
//! # }
//! ```

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;

use super::{
    EndedLogin, GrantRecord, LeaseHolder, LoginKey, LoginRecord, OnceKey, Sealed, Store, StoreError, Subject,
    Swap,
};
use crate::grant::{AppKey, GrantKey, Version};
use salesforce_connection::{OrgId, Secret, UserId};

/// A promise that a store broke.
#[derive(Debug)]
#[non_exhaustive]
pub enum Violation {
    /// It did something that must never happen.
    Broken(&'static str),
    /// It failed where it should have answered.
    Failed(&'static str, StoreError),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(promise) => write!(f, "the store broke a promise: {promise}"),
            Self::Failed(promise, _) => {
                write!(f, "the store failed where it should have kept a promise: {promise}")
            }
        }
    }
}

impl std::error::Error for Violation {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Broken(_) => None,
            Self::Failed(_, error) => Some(error),
        }
    }
}

type Checked = Result<(), Violation>;

/// How many callers act at once in the checks of concurrency.
const CROWD: usize = 16;
const HOUR: Duration = Duration::from_secs(3600);

/// Checks a store against the whole contract. Every run uses keys of its own, so the store may hold other records.
///
/// # Errors
/// The first promise that the store broke.
pub async fn check(store: Arc<dyn Store>) -> Checked {
    let store = &*store;
    a_login_is_never_overwritten(store).await?;
    a_second_login_replaces_the_grant_for_all(store).await?;
    a_swap_has_one_winner(store).await?;
    what_was_ended_never_comes_back(store).await?;
    the_last_login_takes_its_grant_along(store).await?;
    ending_a_grant_ends_its_logins(store).await?;
    what_expired_is_absent(store).await?;
    records_are_listed_by_user_and_organization(store).await?;
    a_value_is_used_once(store).await?;
    a_lease_has_one_holder(store).await
}

fn expect(holds: bool, promise: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(Violation::Broken(promise)) }
}

/// `?` for an operation that must not fail.
fn must<T>(result: Result<T, StoreError>, promise: &'static str) -> Result<T, Violation> {
    result.map_err(|error| Violation::Failed(promise, error))
}

/// Names and records that no other run has used.
struct Sample {
    grant: GrantKey,
    other_grant: GrantKey,
}

fn random() -> Result<u64, Violation> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| Violation::Broken("the system gave no random bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}

fn login_key() -> Result<LoginKey, Violation> {
    Ok(LoginKey::of_id(&Secret::new(format!("{}-{}", random()?, random()?))))
}

/// Twelve base-62 digits, so that ids of one run meet those of no other.
fn digits() -> Result<String, Violation> {
    Ok(format!("{:012}", random()? % 1_000_000_000_000))
}

impl Sample {
    fn new() -> Result<Self, Violation> {
        let id = |_| Violation::Broken("an id of the suite is malformed");
        let org: OrgId = format!("00D{}", digits()?).parse().map_err(id)?;
        let user: UserId = format!("005{}", digits()?).parse().map_err(id)?;
        let other: UserId = format!("005{}", digits()?).parse().map_err(id)?;
        let app = AppKey::of_client_id("contract");
        Ok(Self { grant: GrantKey::new(app, org, user), other_grant: GrantKey::new(app, org, other) })
    }
}

fn login(grant: GrantKey) -> LoginRecord {
    let now = SystemTime::now();
    LoginRecord { grant, created_at: now, seen_at: now, expires_at: now + HOUR }
}

fn grant(key: GrantKey, version: Version) -> GrantRecord {
    let now = SystemTime::now();
    let sealed = Sealed::from_bytes(format!("{} {}", version.lineage, version.revision).into_bytes());
    GrantRecord { key, version, sealed, updated_at: now, expires_at: now + HOUR }
}

fn version() -> Result<Version, Violation> {
    Ok(Version { lineage: random()?, revision: 0 })
}

async fn a_login_is_never_overwritten(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a login is never overwritten";
    let sample = Sample::new()?;
    let (key, first) = (login_key()?, version()?);
    let created = store.create_login(key, login(sample.grant), grant(sample.grant, first)).await;
    expect(must(created, PROMISE)?.is_none(), "nothing is replaced by the first login")?;
    let again =
        store.create_login(key, login(sample.other_grant), grant(sample.other_grant, version()?)).await;
    expect(matches!(again, Err(StoreError::Exists)), PROMISE)?;
    let found = must(store.login(key).await, PROMISE)?;
    expect(
        found.is_some_and(|(login, grant)| login.grant == sample.grant && grant.version == first),
        PROMISE,
    )?;
    let other = must(store.grant(sample.other_grant).await, PROMISE)?;
    expect(other.is_none(), "a login that is refused leaves no grant behind")?;

    let contested = login_key()?;
    let tries = (0..CROWD).map(|_| async {
        store.create_login(contested, login(sample.grant), grant(sample.grant, version()?)).await.or_else(
            |error| {
                if matches!(error, StoreError::Exists) {
                    Err(Violation::Broken(PROMISE))
                } else {
                    must(Err(error), PROMISE)
                }
            },
        )
    });
    let winners = join_all(tries).await.into_iter().filter(Result::is_ok).count();
    expect(winners == 1, "of many who create the same login one succeeds")
}

async fn a_second_login_replaces_the_grant_for_all(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a second login of the same person gives all of their logins the new grant";
    let sample = Sample::new()?;
    let (one, two) = (login_key()?, login_key()?);
    let (old, new) = (version()?, version()?);
    must(store.create_login(one, login(sample.grant), grant(sample.grant, old)).await, PROMISE)?;
    let replaced =
        must(store.create_login(two, login(sample.grant), grant(sample.grant, new)).await, PROMISE)?;
    expect(
        replaced.is_some_and(|grant| grant.version == old),
        "the grant that a login replaces is given back",
    )?;
    for key in [one, two] {
        let found = must(store.login(key).await, PROMISE)?;
        expect(found.is_some_and(|(_, grant)| grant.version == new), PROMISE)?;
    }
    Ok(())
}

async fn a_swap_has_one_winner(store: &dyn Store) -> Checked {
    const PROMISE: &str = "of many who replace the same version of a grant one succeeds";
    let sample = Sample::new()?;
    let first = version()?;
    must(store.put_grant(grant(sample.grant, first)).await, PROMISE)?;
    let mut rivals = Vec::with_capacity(CROWD);
    for revision in 1..=CROWD as u64 {
        // Different versions, as rivals with different answers would have them.
        rivals.push(Version { lineage: first.lineage, revision });
    }
    let swaps = rivals.iter().map(|next| store.replace_grant(first, grant(sample.grant, *next)));
    let mut winner = None;
    for (next, swap) in rivals.iter().zip(join_all(swaps).await) {
        match must(swap, PROMISE)? {
            Swap::Done => expect(winner.replace(*next).is_none(), PROMISE)?,
            Swap::Moved(stored) => {
                expect(stored.version != first, "the loser of a swap is told what is stored")?
            }
            Swap::Gone => expect(false, PROMISE)?,
        }
    }
    let stored = must(store.grant(sample.grant).await, PROMISE)?;
    expect(stored.is_some_and(|grant| Some(grant.version) == winner), PROMISE)?;
    let Some(winner) = winner else { return Err(Violation::Broken(PROMISE)) };
    let repeated = must(store.replace_grant(first, grant(sample.grant, winner)).await, PROMISE)?;
    expect(repeated == Swap::Done, "a swap that took effect may be repeated")?;
    let same_version =
        GrantRecord { sealed: Sealed::from_bytes(b"other".to_vec()), ..grant(sample.grant, winner) };
    for expected in [first, winner] {
        let rival = must(store.replace_grant(expected, same_version.clone()).await, PROMISE)?;
        expect(
            matches!(rival, Swap::Moved(stored) if stored.sealed == grant(sample.grant, winner).sealed),
            "other tokens under the version that is stored are someone else's, and do not replace it",
        )?;
    }
    let stale = must(store.replace_grant(first, grant(sample.grant, version()?)).await, PROMISE)?;
    expect(matches!(stale, Swap::Moved(_)), "a version that was replaced cannot be replaced again")
}

async fn what_was_ended_never_comes_back(store: &dyn Store) -> Checked {
    const PROMISE: &str = "what was ended never comes back";
    let sample = Sample::new()?;
    let (key, first) = (login_key()?, version()?);
    must(store.create_login(key, login(sample.grant), grant(sample.grant, first)).await, PROMISE)?;
    let ended = must(store.end_login(key).await, PROMISE)?;
    expect(
        matches!(ended, EndedLogin::Last(grant) if grant.version == first),
        "the last login gives its grant back",
    )?;
    let later = SystemTime::now() + HOUR;
    expect(!must(store.touch_login(key, SystemTime::now(), later).await, PROMISE)?, PROMISE)?;
    let swap = must(store.replace_grant(first, grant(sample.grant, first.next())).await, PROMISE)?;
    expect(swap == Swap::Gone, "a refresh that a logout overtook stores nothing")?;
    expect(must(store.login(key).await, PROMISE)?.is_none(), PROMISE)?;
    expect(must(store.grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)?;
    expect(must(store.end_login(key).await, PROMISE)? == EndedLogin::Absent, "a login ends once")?;
    // The creation of a login may have been on its way while its end was faster.
    let overtaken = login_key()?;
    let _ = must(store.end_login(overtaken).await, PROMISE)?;
    for key in [key, overtaken] {
        let late = store.create_login(key, login(sample.grant), grant(sample.grant, first)).await;
        expect(matches!(late, Err(StoreError::Exists)), "a login that was ended is not created again")?;
    }
    expect(must(store.grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)?;

    // Logout against touch and refresh, in any order.
    for _ in 0..CROWD {
        let (key, first) = (login_key()?, version()?);
        must(store.create_login(key, login(sample.grant), grant(sample.grant, first)).await, PROMISE)?;
        let next = grant(sample.grant, first.next());
        let (ended, touched, swapped) = futures_util::future::join3(
            store.end_login(key),
            store.touch_login(key, SystemTime::now(), later),
            store.replace_grant(first, next),
        )
        .await;
        must(touched, PROMISE)?;
        let _ = must(swapped, PROMISE)?;
        let _ = must(ended, PROMISE)?;
        expect(must(store.login(key).await, PROMISE)?.is_none(), PROMISE)?;
        expect(must(store.grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)?;
    }
    Ok(())
}

async fn the_last_login_takes_its_grant_along(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a grant ends with its last login and not before";
    let sample = Sample::new()?;
    let keys = [login_key()?, login_key()?];
    for key in keys {
        must(store.create_login(key, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    }
    let first = must(store.end_login(keys[0]).await, PROMISE)?;
    expect(first == EndedLogin::OthersRemain(sample.grant), PROMISE)?;
    expect(must(store.grant(sample.grant).await, PROMISE)?.is_some(), PROMISE)?;
    expect(must(store.login(keys[1]).await, PROMISE)?.is_some(), "a logout ends one login")?;
    let last = must(store.end_login(keys[1]).await, PROMISE)?;
    expect(matches!(last, EndedLogin::Last(_)), PROMISE)?;
    expect(must(store.grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)
}

async fn ending_a_grant_ends_its_logins(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a grant that ends takes all of its logins along";
    let sample = Sample::new()?;
    let (one, two, other) = (login_key()?, login_key()?, login_key()?);
    let current = version()?;
    must(store.create_login(one, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    must(store.create_login(two, login(sample.grant), grant(sample.grant, current)).await, PROMISE)?;
    must(
        store.create_login(other, login(sample.other_grant), grant(sample.other_grant, version()?)).await,
        PROMISE,
    )?;
    let stale = must(store.end_grant(sample.grant, Some(version()?)).await, PROMISE)?;
    expect(stale.is_none(), "a grant that moved on is not ended in the name of an old version")?;
    expect(must(store.login(one).await, PROMISE)?.is_some(), PROMISE)?;
    let ended = must(store.end_grant(sample.grant, Some(current)).await, PROMISE)?;
    expect(ended.is_some_and(|grant| grant.version == current), "the grant that ends is given back")?;
    for key in [one, two] {
        expect(must(store.login(key).await, PROMISE)?.is_none(), PROMISE)?;
    }
    expect(must(store.login(other).await, PROMISE)?.is_some(), "other people's logins stay")?;

    // The logins that ended must not come alive with the next login of the same person.
    let fresh = login_key()?;
    must(store.create_login(fresh, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    expect(must(store.login(one).await, PROMISE)?.is_none(), PROMISE)?;
    expect(matches!(must(store.end_login(fresh).await, PROMISE)?, EndedLogin::Last(_)), PROMISE)
}

async fn what_expired_is_absent(store: &dyn Store) -> Checked {
    const PROMISE: &str = "what expired is absent";
    let sample = Sample::new()?;
    let key = login_key()?;
    let past = SystemTime::now() - Duration::from_secs(1);
    let expired = LoginRecord { expires_at: past, ..login(sample.grant) };
    must(store.create_login(key, expired, grant(sample.grant, version()?)).await, PROMISE)?;
    expect(must(store.login(key).await, PROMISE)?.is_none(), PROMISE)?;
    expect(!must(store.touch_login(key, past, SystemTime::now() + HOUR).await, PROMISE)?, PROMISE)?;
    expect(
        must(store.login(key).await, PROMISE)?.is_none(),
        "a login that expired is not revived by a touch",
    )?;

    let live = login_key()?;
    must(store.create_login(live, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    let soon = SystemTime::now() + 2 * HOUR;
    expect(
        must(store.touch_login(live, SystemTime::now(), soon).await, PROMISE)?,
        "a touch finds a live login",
    )?;
    expect(
        must(store.touch_login(live, SystemTime::now(), past).await, PROMISE)?,
        "a touch finds a live login",
    )?;
    expect(must(store.login(live).await, PROMISE)?.is_none(), "a touch sets the expiry")
}

async fn records_are_listed_by_user_and_organization(store: &dyn Store) -> Checked {
    const PROMISE: &str = "records are listed by user and by organization";
    let (sample, elsewhere) = (Sample::new()?, Sample::new()?);
    let mut keys = Vec::new();
    for key in [sample.grant, sample.grant, sample.other_grant, elsewhere.grant] {
        keys.push(login_key()?);
        let last = keys.len() - 1;
        must(store.create_login(keys[last], login(key), grant(key, version()?)).await, PROMISE)?;
    }
    let user = Subject::User(sample.grant.org(), sample.grant.user());
    let org = Subject::Org(sample.grant.org());
    for (of, logins, grants) in [(user, 2, 1), (org, 3, 2)] {
        let listed = must(store.logins(of).await, PROMISE)?;
        let all_ours = listed.iter().all(|(key, _)| keys.contains(key));
        expect(listed.len() == logins && all_ours, PROMISE)?;
        expect(must(store.grants(of).await, PROMISE)?.len() == grants, PROMISE)?;
    }
    let everyone = must(store.logins(Subject::All).await, PROMISE)?;
    expect(keys.iter().all(|key| everyone.iter().any(|(listed, _)| listed == key)), PROMISE)
}

async fn a_value_is_used_once(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a value is used once";
    let once = OnceKey::of(&Secret::new(format!("{}", random()?)));
    let uses = join_all((0..CROWD).map(|_| store.consume(once, HOUR))).await;
    let mut winners = 0;
    for used in uses {
        winners += usize::from(must(used, PROMISE)?);
    }
    expect(winners == 1, PROMISE)?;
    expect(!must(store.consume(once, HOUR).await, PROMISE)?, PROMISE)?;
    let other = OnceKey::of(&Secret::new(format!("{}", random()?)));
    expect(must(store.consume(other, HOUR).await, PROMISE)?, "other values are not used along")
}

async fn a_lease_has_one_holder(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a lease has one holder";
    let sample = Sample::new()?;
    let holders: Vec<_> = (1..=CROWD as u128).map(LeaseHolder).collect();
    let tries = holders.iter().map(|holder| store.acquire_lease(sample.grant, *holder, HOUR));
    let mut winner = None;
    for (holder, acquired) in holders.iter().zip(join_all(tries).await) {
        if must(acquired, PROMISE)? {
            expect(winner.replace(*holder).is_none(), PROMISE)?;
        }
    }
    let winner = winner.ok_or(Violation::Broken("of many who want a lease one gets it"))?;
    let stranger = LeaseHolder(random()?.into());
    expect(
        must(store.acquire_lease(sample.grant, winner, HOUR).await, PROMISE)?,
        "its holder can renew a lease",
    )?;
    must(store.release_lease(sample.grant, stranger).await, PROMISE)?;
    let taken = must(store.acquire_lease(sample.grant, stranger, HOUR).await, PROMISE)?;
    expect(!taken, "a lease is given back by its holder only")?;
    let free = must(store.acquire_lease(sample.other_grant, stranger, HOUR).await, PROMISE)?;
    expect(free, "a lease is for one grant")?;
    must(store.release_lease(sample.grant, winner).await, PROMISE)?;
    let short = Duration::from_millis(50);
    expect(
        must(store.acquire_lease(sample.grant, stranger, short).await, PROMISE)?,
        "a lease given back is free",
    )?;
    tokio::time::sleep(short * 3).await;
    expect(
        must(store.acquire_lease(sample.grant, winner, HOUR).await, PROMISE)?,
        "a lease that is not renewed ends",
    )
}

#[cfg(test)]
mod tests;
