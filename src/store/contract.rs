//! The contract of [`Store`], as a suite to run against an implementation (feature `test-util`).
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
    AppKey, ConnectionName, ConsumerKey, DeletedLogin, DisconnectedOwner, GrantFilter, GrantKey, GrantRecord,
    GrantVersion, LeaseHolder, LeaseName, LoginKey, LoginProof, LoginRecord, OneTimeKey, OwnedFilter,
    OwnedKey, OwnedRecord, Owner, OwnerKey, PositionRecord, PositionSwap, Sealed, Store, StoreError,
    SwapOutcome,
};
use crate::base::random;
use salesforce_connection::{OrgId, Secret, UserId, UserRef};

/// How a store violates the contract.
#[derive(Debug)]
#[non_exhaustive]
pub enum Violation {
    /// The store did something that must never happen.
    Violated(&'static str),
    /// The store failed where it must not.
    StoreFailed(&'static str, StoreError),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violated(promise) => write!(f, "the store violates the contract: {promise}"),
            Self::StoreFailed(promise, _) => {
                write!(f, "the store failed during a check of the contract: {promise}")
            }
        }
    }
}

impl std::error::Error for Violation {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Violated(_) => None,
            Self::StoreFailed(_, error) => Some(error),
        }
    }
}

mod apps;
mod broken;
mod owners;
mod positions;

type Checked = Result<(), Violation>;

/// Number of concurrent callers in the checks of concurrency.
const CALLERS: usize = 16;
const HOUR: Duration = Duration::from_secs(3600);

/// Checks a store against the whole contract. Every run uses random keys, so the store may hold other records.
///
/// # Errors
/// The first violation.
pub async fn check(store: Arc<dyn Store>) -> Checked {
    let store = &*store;
    a_login_is_never_overwritten(store).await?;
    a_second_login_replaces_the_grant_for_all(store).await?;
    a_swap_has_one_winner(store).await?;
    a_deleted_record_never_comes_back(store).await?;
    a_grant_is_deleted_with_its_last_login(store).await?;
    deleting_a_grant_deletes_its_logins(store).await?;
    an_expired_record_is_absent(store).await?;
    apps::records_are_listed_by_user_and_organization(store).await?;
    broken::check(store).await?;
    a_value_is_used_once(store).await?;
    a_lease_has_one_holder(store).await?;
    owners::check(store).await?;
    positions::check(store).await?;
    apps::apps_leave_each_other_alone(store).await
}

fn expect(holds: bool, promise: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(Violation::Violated(promise)) }
}

/// Converts the error of an operation that must not fail.
fn must<T>(result: Result<T, StoreError>, promise: &'static str) -> Result<T, Violation> {
    result.map_err(|error| Violation::StoreFailed(promise, error))
}

/// Names that no other run uses.
struct Sample {
    grant: GrantKey,
    other_grant: GrantKey,
}

fn random_number() -> Result<u64, Violation> {
    let bytes =
        random::bytes().map_err(|_| Violation::Violated("the operating system returns random bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}

fn login_key() -> Result<LoginKey, Violation> {
    Ok(LoginKey::from_login_id(&Secret::new(format!("{}-{}", random_number()?, random_number()?))))
}

/// Returns twelve digits, so that the ids of two runs differ.
fn digits() -> Result<String, Violation> {
    Ok(format!("{:012}", random_number()? % 1_000_000_000_000))
}

impl Sample {
    fn new() -> Result<Self, Violation> {
        let id = |_| Violation::Violated("the ids of the suite are valid");
        let org: OrgId = format!("00D{}", digits()?).parse().map_err(id)?;
        let user: UserId = format!("005{}", digits()?).parse().map_err(id)?;
        let other: UserId = format!("005{}", digits()?).parse().map_err(id)?;
        let app = AppKey::from_client_id("contract");
        let grant = |user| GrantKey::new(app, UserRef::new(org, user));
        Ok(Self { grant: grant(user), other_grant: grant(other) })
    }
}

fn login(grant: GrantKey) -> LoginRecord {
    let now = SystemTime::now();
    let proof = Some(LoginProof::new(&Secret::new("contract"), &grant));
    LoginRecord { grant, created_at: now, last_used_at: now, expires_at: now + HOUR, proof }
}

fn grant(key: GrantKey, version: GrantVersion) -> GrantRecord {
    let now = SystemTime::now();
    let sealed = Sealed::from_bytes(format!("{} {}", version.epoch, version.revision).into_bytes());
    GrantRecord { key, version, sealed, updated_at: now, expires_at: now + HOUR }
}

fn version() -> Result<GrantVersion, Violation> {
    Ok(GrantVersion { epoch: random_number()?, revision: 0 })
}

async fn a_login_is_never_overwritten(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a login is never overwritten";
    let sample = Sample::new()?;
    let (key, first) = (login_key()?, version()?);
    let created = store.create_login(key, login(sample.grant), grant(sample.grant, first)).await;
    expect(must(created, PROMISE)?.is_none(), "nothing is replaced by the first login")?;
    let again =
        store.create_login(key, login(sample.other_grant), grant(sample.other_grant, version()?)).await;
    expect(matches!(again, Err(StoreError::AlreadyExists)), PROMISE)?;
    let found = must(store.load_login(key).await, PROMISE)?;
    expect(
        found.is_some_and(|(login, grant)| login.grant == sample.grant && grant.version == first),
        PROMISE,
    )?;
    let other = must(store.load_grant(sample.other_grant).await, PROMISE)?;
    expect(other.is_none(), "a login that already exists leaves no grant behind")?;
    let (now, later) = (SystemTime::now(), SystemTime::now() + 2 * HOUR);
    must(store.touch_login(key, now, later).await, PROMISE)?;
    let found = must(store.load_login(key).await, PROMISE)?;
    expect(
        found.is_some_and(|(found, _)| found.proof == login(sample.grant).proof),
        "a login keeps its proof",
    )?;
    let without = login_key()?;
    let former = LoginRecord { proof: None, ..login(sample.grant) };
    must(store.create_login(without, former, grant(sample.grant, first)).await, PROMISE)?;
    let found = must(store.load_login(without).await, PROMISE)?;
    expect(
        found.is_some_and(|(found, _)| found.proof.is_none()),
        "a login without a proof is returned without one",
    )?;

    let contested = login_key()?;
    let tries = (0..CALLERS).map(|_| async {
        store.create_login(contested, login(sample.grant), grant(sample.grant, version()?)).await.or_else(
            |error| {
                if matches!(error, StoreError::AlreadyExists) {
                    Err(Violation::Violated(PROMISE))
                } else {
                    must(Err(error), PROMISE)
                }
            },
        )
    });
    let winners = join_all(tries).await.into_iter().filter(Result::is_ok).count();
    expect(winners == 1, "one of many callers creates a login")
}

async fn a_second_login_replaces_the_grant_for_all(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a second login of the same user gives all logins of the user the new grant";
    let sample = Sample::new()?;
    let (one, two) = (login_key()?, login_key()?);
    let (old, new) = (version()?, version()?);
    must(store.create_login(one, login(sample.grant), grant(sample.grant, old)).await, PROMISE)?;
    let replaced =
        must(store.create_login(two, login(sample.grant), grant(sample.grant, new)).await, PROMISE)?;
    expect(
        replaced.is_some_and(|grant| grant.version == old),
        "the grant that a login replaces is returned",
    )?;
    for key in [one, two] {
        let found = must(store.load_login(key).await, PROMISE)?;
        expect(found.is_some_and(|(_, grant)| grant.version == new), PROMISE)?;
    }
    Ok(())
}

async fn a_swap_has_one_winner(store: &dyn Store) -> Checked {
    const PROMISE: &str = "one of many callers replaces a version of a grant";
    let sample = Sample::new()?;
    let first = version()?;
    must(store.put_grant(grant(sample.grant, first)).await, PROMISE)?;
    let mut rivals = Vec::with_capacity(CALLERS);
    for revision in 1..=CALLERS as u64 {
        // Different versions, as different processes would write them.
        rivals.push(GrantVersion { epoch: first.epoch, revision });
    }
    let swaps = rivals.iter().map(|next| store.compare_and_swap_grant(first, grant(sample.grant, *next)));
    let mut winner = None;
    for (next, swap) in rivals.iter().zip(join_all(swaps).await) {
        match must(swap, PROMISE)? {
            SwapOutcome::Stored => expect(winner.replace(*next).is_none(), PROMISE)?,
            SwapOutcome::Conflict(stored) => {
                expect(stored.version != first, "the loser of a swap gets the stored record")?
            }
            SwapOutcome::NotFound => expect(false, PROMISE)?,
        }
    }
    let stored = must(store.load_grant(sample.grant).await, PROMISE)?;
    expect(stored.is_some_and(|grant| Some(grant.version) == winner), PROMISE)?;
    let Some(winner) = winner else { return Err(Violation::Violated(PROMISE)) };
    let repeated = must(store.compare_and_swap_grant(first, grant(sample.grant, winner)).await, PROMISE)?;
    expect(repeated == SwapOutcome::Stored, "a swap that took effect may be repeated")?;
    let same_version =
        GrantRecord { sealed: Sealed::from_bytes(b"other".to_vec()), ..grant(sample.grant, winner) };
    for expected in [first, winner] {
        let rival = must(store.compare_and_swap_grant(expected, same_version.clone()).await, PROMISE)?;
        expect(
            matches!(rival, SwapOutcome::Conflict(stored) if stored.sealed == grant(sample.grant, winner).sealed),
            "a record with the stored version and other bytes does not replace it",
        )?;
    }
    let stale = must(store.compare_and_swap_grant(first, grant(sample.grant, version()?)).await, PROMISE)?;
    expect(matches!(stale, SwapOutcome::Conflict(_)), "a version that was replaced cannot be replaced again")
}

async fn a_deleted_record_never_comes_back(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a deleted record never comes back";
    let sample = Sample::new()?;
    let (key, first) = (login_key()?, version()?);
    must(store.create_login(key, login(sample.grant), grant(sample.grant, first)).await, PROMISE)?;
    let ended = must(store.delete_login(key).await, PROMISE)?;
    expect(
        matches!(ended, DeletedLogin::GrantDeleted(grant) if grant.version == first),
        "the deletion of the last login returns its grant",
    )?;
    let later = SystemTime::now() + HOUR;
    expect(!must(store.touch_login(key, SystemTime::now(), later).await, PROMISE)?, PROMISE)?;
    let swap = must(store.compare_and_swap_grant(first, grant(sample.grant, first.next())).await, PROMISE)?;
    expect(swap == SwapOutcome::NotFound, "a swap stores nothing after the grant was deleted")?;
    expect(must(store.load_login(key).await, PROMISE)?.is_none(), PROMISE)?;
    expect(must(store.load_grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)?;
    expect(
        must(store.delete_login(key).await, PROMISE)? == DeletedLogin::NotFound,
        "a login is deleted once",
    )?;
    // The creation of a login may be delayed until after its deletion.
    let overtaken = login_key()?;
    let _ = must(store.delete_login(overtaken).await, PROMISE)?;
    for key in [key, overtaken] {
        let late = store.create_login(key, login(sample.grant), grant(sample.grant, first)).await;
        expect(matches!(late, Err(StoreError::AlreadyExists)), "a deleted login is not created again")?;
    }
    expect(must(store.load_grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)?;

    // Logout against touch and refresh, in any order.
    for _ in 0..CALLERS {
        let (key, first) = (login_key()?, version()?);
        must(store.create_login(key, login(sample.grant), grant(sample.grant, first)).await, PROMISE)?;
        let next = grant(sample.grant, first.next());
        let (ended, touched, swapped) = futures_util::future::join3(
            store.delete_login(key),
            store.touch_login(key, SystemTime::now(), later),
            store.compare_and_swap_grant(first, next),
        )
        .await;
        must(touched, PROMISE)?;
        let _ = must(swapped, PROMISE)?;
        let _ = must(ended, PROMISE)?;
        expect(must(store.load_login(key).await, PROMISE)?.is_none(), PROMISE)?;
        expect(must(store.load_grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)?;
    }
    Ok(())
}

async fn a_grant_is_deleted_with_its_last_login(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a grant is deleted with its last login and not before";
    let sample = Sample::new()?;
    let keys = [login_key()?, login_key()?];
    for key in keys {
        must(store.create_login(key, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    }
    let first = must(store.delete_login(keys[0]).await, PROMISE)?;
    expect(first == DeletedLogin::GrantKept(sample.grant), PROMISE)?;
    expect(must(store.load_grant(sample.grant).await, PROMISE)?.is_some(), PROMISE)?;
    expect(
        must(store.load_login(keys[1]).await, PROMISE)?.is_some(),
        "the deletion of a login leaves the other logins",
    )?;
    let last = must(store.delete_login(keys[1]).await, PROMISE)?;
    expect(matches!(last, DeletedLogin::GrantDeleted(_)), PROMISE)?;
    expect(must(store.load_grant(sample.grant).await, PROMISE)?.is_none(), PROMISE)
}

async fn deleting_a_grant_deletes_its_logins(store: &dyn Store) -> Checked {
    const PROMISE: &str = "the deletion of a grant deletes all its logins";
    let sample = Sample::new()?;
    let (one, two, other) = (login_key()?, login_key()?, login_key()?);
    let current = version()?;
    must(store.create_login(one, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    must(store.create_login(two, login(sample.grant), grant(sample.grant, current)).await, PROMISE)?;
    must(
        store.create_login(other, login(sample.other_grant), grant(sample.other_grant, version()?)).await,
        PROMISE,
    )?;
    let stale = must(store.delete_grant(sample.grant, Some(version()?)).await, PROMISE)?;
    expect(stale.is_none(), "a grant is not deleted if an older version is expected")?;
    expect(must(store.load_login(one).await, PROMISE)?.is_some(), PROMISE)?;
    let ended = must(store.delete_grant(sample.grant, Some(current)).await, PROMISE)?;
    expect(ended.is_some_and(|grant| grant.version == current), "the deleted grant is returned")?;
    for key in [one, two] {
        expect(must(store.load_login(key).await, PROMISE)?.is_none(), PROMISE)?;
    }
    expect(must(store.load_login(other).await, PROMISE)?.is_some(), "logins of other users stay")?;

    // Deleted logins must not come back with the next login of the same user.
    let fresh = login_key()?;
    must(store.create_login(fresh, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    expect(must(store.load_login(one).await, PROMISE)?.is_none(), PROMISE)?;
    expect(matches!(must(store.delete_login(fresh).await, PROMISE)?, DeletedLogin::GrantDeleted(_)), PROMISE)
}

async fn an_expired_record_is_absent(store: &dyn Store) -> Checked {
    const PROMISE: &str = "an expired record is absent";
    let sample = Sample::new()?;
    let key = login_key()?;
    let past = SystemTime::now() - Duration::from_secs(1);
    let expired = LoginRecord { expires_at: past, ..login(sample.grant) };
    must(store.create_login(key, expired, grant(sample.grant, version()?)).await, PROMISE)?;
    expect(must(store.load_login(key).await, PROMISE)?.is_none(), PROMISE)?;
    expect(!must(store.touch_login(key, past, SystemTime::now() + HOUR).await, PROMISE)?, PROMISE)?;
    expect(
        must(store.load_login(key).await, PROMISE)?.is_none(),
        "a touch does not revive an expired login",
    )?;

    let live = login_key()?;
    must(store.create_login(live, login(sample.grant), grant(sample.grant, version()?)).await, PROMISE)?;
    let soon = SystemTime::now() + 2 * HOUR;
    expect(must(store.touch_login(live, SystemTime::now(), soon).await, PROMISE)?, "a touch finds a login")?;
    expect(must(store.touch_login(live, SystemTime::now(), past).await, PROMISE)?, "a touch finds a login")?;
    expect(must(store.load_login(live).await, PROMISE)?.is_none(), "a touch sets the expiry")?;
    expect(must(store.delete_login(live).await, PROMISE)? == DeletedLogin::NotFound, PROMISE)?;
    let stays = must(store.load_grant(sample.grant).await, PROMISE)?;
    expect(stays.is_some(), "the grant of an expired login stays until it expires")
}

async fn a_value_is_used_once(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a value is used once";
    let once = OneTimeKey::from_secret(&Secret::new(format!("{}", random_number()?)));
    let uses = join_all((0..CALLERS).map(|_| store.consume_once(once, HOUR))).await;
    let mut winners = 0;
    for used in uses {
        winners += usize::from(must(used, PROMISE)?);
    }
    expect(winners == 1, PROMISE)?;
    expect(!must(store.consume_once(once, HOUR).await, PROMISE)?, PROMISE)?;
    let other = OneTimeKey::from_secret(&Secret::new(format!("{}", random_number()?)));
    expect(must(store.consume_once(other, HOUR).await, PROMISE)?, "other values stay unused")
}

async fn a_lease_has_one_holder(store: &dyn Store) -> Checked {
    const PROMISE: &str = "a lease has one holder";
    let sample = Sample::new()?;
    let lease = LeaseName::Refresh(sample.grant);
    let holders: Vec<_> = (1..=CALLERS as u128).map(LeaseHolder).collect();
    let tries = holders.iter().map(|holder| store.acquire_lease(lease, *holder, HOUR));
    let mut winner = None;
    for (holder, acquired) in holders.iter().zip(join_all(tries).await) {
        if must(acquired, PROMISE)? {
            expect(winner.replace(*holder).is_none(), PROMISE)?;
        }
    }
    let winner = winner.ok_or(Violation::Violated("one of many callers acquires a lease"))?;
    let stranger = LeaseHolder(random_number()?.into());
    expect(
        must(store.acquire_lease(lease, winner, HOUR).await, PROMISE)?,
        "the holder of a lease can renew it",
    )?;
    must(store.release_lease(lease, stranger).await, PROMISE)?;
    let taken = must(store.acquire_lease(lease, stranger, HOUR).await, PROMISE)?;
    expect(!taken, "only the holder releases a lease")?;
    let version = version()?;
    for other in [
        LeaseName::Refresh(sample.other_grant),
        LeaseName::InFlight(sample.grant, version),
        LeaseName::RetrySlot(sample.grant, version),
        LeaseName::Recheck(sample.grant),
        LeaseName::InFlight(sample.grant, version.next()),
        LeaseName::Login(OneTimeKey::from_secret(&Secret::new(format!("state {}", random_number()?)))),
    ] {
        let free = must(store.acquire_lease(other, stranger, HOUR).await, PROMISE)?;
        expect(free, "leases with different names are independent")?;
    }
    must(store.release_lease(lease, winner).await, PROMISE)?;
    let short = Duration::from_millis(50);
    expect(must(store.acquire_lease(lease, stranger, short).await, PROMISE)?, "a released lease is free")?;
    tokio::time::sleep(short * 3).await;
    expect(
        must(store.acquire_lease(lease, winner, HOUR).await, PROMISE)?,
        "a lease expires unless it is renewed",
    )
}

#[cfg(test)]
mod tests;
