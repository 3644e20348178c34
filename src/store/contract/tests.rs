//! Tests of the suite: the memory store passes, and each defect is found by the right check.

use std::time::{Duration, SystemTime};

use super::*;
use crate::store::{ConnectedOwner, MemoryStore, StoreFuture};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    OverwritingCreate,
    BlindReplace,
    SameVersionIsSame,
    RevivingTouch,
    ForgetfulEnd,
    ForgottenEnd,
    GrantOutlivesLogins,
    LoginsOutliveGrant,
    SharedLease,
    ReleasesForeignLease,
    AlwaysFresh,
    IgnoresFilter,
    DeletesForAllApps,
    ListsUnderOneApp,
    DropsProof,
    BreaksAnyVersion,
    BreaksAndKeepsLogins,
    BreaksForTheOldLifetime,
    OwnerKeepsNoGrant,
    LoginTakesGrantOfOwner,
    BreaksOwners,
    ListsAllOwners,
    ResealsBlindly,
    LeavesFormerGrant,
    KeepsNothing,
    MovesAndKeepsNothing,
    EndsAnyConnection,
    ForgetsEnds,
    MovesPositionsBlindly,
    RefusesRepeatedWrite,
    MakesMissingPosition,
    LeasesOneConsumer,
}

/// The memory store with one defect.
#[derive(Debug)]
struct Broken(MemoryStore, Defect);

impl Store for Broken {
    fn create_login(
        &self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        let login = if self.1 == Defect::DropsProof { LoginRecord { proof: None, ..login } } else { login };
        Box::pin(async move {
            let created = self.0.create_login(key, login.clone(), grant.clone()).await;
            let taken = matches!(created, Err(StoreError::AlreadyExists));
            let live = self.0.load_login(key).await?.is_some();
            match self.1 {
                Defect::OverwritingCreate if taken && live => self.0.put_grant(grant).await,
                Defect::ForgottenEnd if taken && !live => self.0.put_grant(grant).await,
                _ => created,
            }
        })
    }

    fn load_login(&self, key: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        self.0.load_login(key)
    }

    fn touch_login(
        &self,
        key: LoginKey,
        last_used_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'_, bool> {
        if self.1 == Defect::RevivingTouch {
            return Box::pin(async { Ok(true) });
        }
        self.0.touch_login(key, last_used_at, expires_at)
    }

    fn delete_login(&self, key: LoginKey) -> StoreFuture<'_, DeletedLogin> {
        Box::pin(async move {
            let login = self.0.load_login(key).await?;
            match self.1 {
                Defect::ForgetfulEnd => {
                    Ok(login.map_or(DeletedLogin::NotFound, |(_, grant)| DeletedLogin::GrantDeleted(grant)))
                }
                Defect::GrantOutlivesLogins => {
                    let ended = self.0.delete_login(key).await?;
                    if let DeletedLogin::GrantDeleted(grant) = &ended {
                        self.0.put_grant(grant.clone()).await?;
                    }
                    Ok(ended)
                }
                Defect::LoginTakesGrantOfOwner => match self.0.delete_login(key).await? {
                    DeletedLogin::GrantKept(grant)
                        if self.0.list_logins(GrantFilter::User(grant.user())).await?.is_empty() =>
                    {
                        let deleted = self.0.delete_grant(grant, None).await?;
                        Ok(deleted.map_or(DeletedLogin::NotFound, DeletedLogin::GrantDeleted))
                    }
                    ended => Ok(ended),
                },
                _ => self.0.delete_login(key).await,
            }
        })
    }

    fn put_grant(&self, grant: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        self.0.put_grant(grant)
    }

    fn load_grant(&self, key: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
        self.0.load_grant(key)
    }

    fn compare_and_swap_grant(
        &self,
        expected: GrantVersion,
        next: GrantRecord,
    ) -> StoreFuture<'_, SwapOutcome> {
        Box::pin(async move {
            if self.1 == Defect::BlindReplace {
                self.0.put_grant(next).await?;
                return Ok(SwapOutcome::Stored);
            }
            let version = next.version;
            match self.0.compare_and_swap_grant(expected, next).await? {
                SwapOutcome::Conflict(stored)
                    if self.1 == Defect::SameVersionIsSame && stored.version == version =>
                {
                    Ok(SwapOutcome::Stored)
                }
                swap => Ok(swap),
            }
        })
    }

    fn delete_grant(
        &self,
        key: GrantKey,
        expected: Option<GrantVersion>,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        Box::pin(async move {
            let filter = GrantFilter::User(key.user());
            let logins = self.0.list_logins(filter).await?;
            if self.1 == Defect::DeletesForAllApps {
                for grant in self.0.list_grants(filter).await?.into_iter().filter(|grant| grant.key != key) {
                    self.0.delete_grant(grant.key, None).await?;
                }
            }
            let ended = self.0.delete_grant(key, expected).await?;
            if let (Defect::LoginsOutliveGrant, Some(grant)) = (self.1, &ended) {
                for (login, record) in logins {
                    self.0.create_login(login, record, grant.clone()).await?;
                }
            }
            Ok(ended)
        })
    }

    fn break_grant(&self, expected: GrantVersion, broken: GrantRecord) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let (key, stored) = (broken.key, self.0.load_grant(broken.key).await?);
            let logins = self.0.list_logins(GrantFilter::User(key.user())).await?;
            match (self.1, stored) {
                (Defect::BreaksAnyVersion, Some(stored)) => self.0.break_grant(stored.version, broken).await,
                (Defect::BreaksForTheOldLifetime, Some(stored)) => {
                    let expires_at = stored.expires_at.max(broken.expires_at);
                    self.0.break_grant(expected, GrantRecord { expires_at, ..broken }).await
                }
                (Defect::BreaksAndKeepsLogins, _) => {
                    let is_broken = self.0.break_grant(expected, broken.clone()).await?;
                    for (login, record) in logins {
                        if is_broken {
                            self.0.create_login(login, record, broken.clone()).await?;
                        }
                    }
                    Ok(is_broken)
                }
                (Defect::BreaksOwners, _) => {
                    for owned in self.0.list_owned(OwnedFilter::Grants(GrantFilter::User(key.user()))).await?
                    {
                        let _ = self
                            .0
                            .disconnect_owner(owned.key, owned.sealed, Duration::ZERO, SystemTime::UNIX_EPOCH)
                            .await?;
                        self.0.put_grant(GrantRecord { version: expected, ..broken.clone() }).await?;
                    }
                    self.0.break_grant(expected, broken).await
                }
                _ => self.0.break_grant(expected, broken).await,
            }
        })
    }

    fn connect_owner(
        &self,
        owned: OwnedRecord,
        grant: GrantRecord,
        keep_unused: Duration,
    ) -> StoreFuture<'_, ConnectedOwner> {
        if self.1 == Defect::OwnerKeepsNoGrant {
            let owned = OwnedRecord { expires_at: SystemTime::now() + Duration::from_millis(400), ..owned };
            return self.0.connect_owner(owned, grant, keep_unused);
        }
        let keep_unused = if self.1 == Defect::MovesAndKeepsNothing { Duration::ZERO } else { keep_unused };
        Box::pin(async move {
            let connected = self.0.connect_owner(owned, grant, keep_unused).await?;
            if let (Defect::LeavesFormerGrant, Some(former)) = (self.1, &connected.deleted) {
                self.0.put_grant(former.clone()).await?;
            }
            Ok(connected)
        })
    }

    fn load_owned(&self, key: OwnedKey) -> StoreFuture<'_, Option<(OwnedRecord, Option<GrantRecord>)>> {
        self.0.load_owned(key)
    }

    fn disconnect_owner(
        &self,
        key: OwnedKey,
        expected: Sealed,
        keep_unused: Duration,
        ended_at: SystemTime,
    ) -> StoreFuture<'_, DisconnectedOwner> {
        let ended_at = if self.1 == Defect::ForgetsEnds { SystemTime::UNIX_EPOCH } else { ended_at };
        let keep_unused = if self.1 == Defect::KeepsNothing { Duration::ZERO } else { keep_unused };
        if self.1 != Defect::EndsAnyConnection {
            return self.0.disconnect_owner(key, expected, keep_unused, ended_at);
        }
        Box::pin(async move {
            let Some((owned, _)) = self.0.load_owned(key).await? else {
                return Ok(DisconnectedOwner::NotFound);
            };
            self.0.disconnect_owner(key, owned.sealed, keep_unused, ended_at).await
        })
    }

    fn list_owned(&self, filter: OwnedFilter) -> StoreFuture<'_, Vec<OwnedRecord>> {
        let all = OwnedFilter::Grants(GrantFilter::All);
        self.0.list_owned(if self.1 == Defect::ListsAllOwners { all } else { filter })
    }

    fn reseal_owned(&self, key: OwnedKey, expected: Sealed, next: Sealed) -> StoreFuture<'_, bool> {
        if self.1 != Defect::ResealsBlindly {
            return self.0.reseal_owned(key, expected, next);
        }
        Box::pin(async move {
            let Some((owned, _)) = self.0.load_owned(key).await? else { return Ok(false) };
            self.0.reseal_owned(key, owned.sealed, next).await
        })
    }

    fn list_logins(&self, filter: GrantFilter) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        self.0.list_logins(if self.1 == Defect::IgnoresFilter { GrantFilter::All } else { filter })
    }

    fn list_grants(&self, filter: GrantFilter) -> StoreFuture<'_, Vec<GrantRecord>> {
        if self.1 != Defect::ListsUnderOneApp {
            return self.0.list_grants(filter);
        }
        Box::pin(async move {
            let mut grants = self.0.list_grants(filter).await?;
            let mut users = std::collections::HashSet::new();
            grants.retain(|grant| users.insert(grant.key.user()));
            Ok(grants)
        })
    }

    fn consume_once(&self, once: OneTimeKey, lifetime: Duration) -> StoreFuture<'_, bool> {
        if self.1 == Defect::AlwaysFresh {
            return Box::pin(async { Ok(true) });
        }
        self.0.consume_once(once, lifetime)
    }

    fn acquire_lease(
        &self,
        name: LeaseName,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'_, bool> {
        if self.1 == Defect::SharedLease {
            return Box::pin(async { Ok(true) });
        }
        let name = match name {
            LeaseName::Consumer(_) if self.1 == Defect::LeasesOneConsumer => {
                LeaseName::Consumer(ConsumerKey::from_bytes([0; 32]))
            }
            name => name,
        };
        self.0.acquire_lease(name, holder, lifetime)
    }

    fn release_lease(&self, name: LeaseName, holder: LeaseHolder) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if self.1 == Defect::ReleasesForeignLease {
                for holder in (1..=CALLERS as u128).map(LeaseHolder) {
                    self.0.release_lease(name, holder).await?;
                }
            }
            self.0.release_lease(name, holder).await
        })
    }

    fn load_position(&self, key: ConsumerKey) -> StoreFuture<'_, Option<PositionRecord>> {
        self.0.load_position(key)
    }

    fn compare_and_swap_position(
        &self,
        expected: Option<u64>,
        next: PositionRecord,
    ) -> StoreFuture<'_, PositionSwap> {
        Box::pin(async move {
            let stored = self.0.load_position(next.key).await?;
            match self.1 {
                Defect::MovesPositionsBlindly => {
                    let version = stored.map(|stored| stored.version);
                    self.0.compare_and_swap_position(version, next).await
                }
                Defect::RefusesRepeatedWrite if stored.as_ref() == Some(&next) => {
                    Ok(PositionSwap::Conflict(next))
                }
                Defect::MakesMissingPosition if stored.is_none() => {
                    self.0.compare_and_swap_position(None, next).await
                }
                _ => self.0.compare_and_swap_position(expected, next).await,
            }
        })
    }
}

#[tokio::test]
async fn the_memory_store_passes() {
    check(Arc::new(MemoryStore::new())).await.unwrap();
}

#[tokio::test]
async fn the_suite_names_the_promise_that_a_defect_violates() {
    for (defect, promise) in [
        (Defect::OverwritingCreate, "a login is never overwritten"),
        (Defect::BlindReplace, "one of many callers replaces a version of a grant"),
        (Defect::SameVersionIsSame, "a record with the stored version and other bytes does not replace it"),
        (Defect::RevivingTouch, "a deleted record never comes back"),
        (Defect::ForgetfulEnd, "a deleted record never comes back"),
        (Defect::ForgottenEnd, "a deleted login is not created again"),
        (Defect::GrantOutlivesLogins, "a swap stores nothing after the grant was deleted"),
        (Defect::LoginsOutliveGrant, "the deletion of a grant deletes all its logins"),
        (Defect::SharedLease, "a lease has one holder"),
        (Defect::ReleasesForeignLease, "only the holder releases a lease"),
        (Defect::AlwaysFresh, "a value is used once"),
        (Defect::DropsProof, "a login keeps its proof"),
        (Defect::IgnoresFilter, "records are listed by user and by organization"),
        (Defect::DeletesForAllApps, "apps with one store leave each other's records alone"),
        (Defect::ListsUnderOneApp, "apps with one store leave each other's records alone"),
        (Defect::BreaksAnyVersion, "a grant is not broken if an older version is expected"),
        (Defect::BreaksAndKeepsLogins, "a broken grant has no logins"),
        (Defect::BreaksForTheOldLifetime, "a broken grant expires with its record"),
        (Defect::OwnerKeepsNoGrant, "a grant does not expire while an owner uses it"),
        (Defect::LoginTakesGrantOfOwner, "a grant lives while a login or an owner uses it"),
        (Defect::BreaksOwners, "a grant does not expire while an owner uses it"),
        (Defect::ListsAllOwners, "connections are listed by owner and by grant"),
        (Defect::ResealsBlindly, "what is sealed in a connection is replaced if it is the expected"),
        (Defect::LeavesFormerGrant, "a connection that moves to another grant releases the former one"),
        (Defect::KeepsNothing, "a grant that nothing uses is kept for as long as the caller says"),
        (Defect::EndsAnyConnection, "a connection is ended only if it is the expected one"),
        (
            Defect::ForgetsEnds,
            "a connection from before the end of its name, or from before a newer one, is not stored",
        ),
        (Defect::MovesAndKeepsNothing, "a grant that nothing uses is kept for as long as the caller says"),
        (Defect::MovesPositionsBlindly, "one of many writers moves a position"),
        (Defect::RefusesRepeatedWrite, "a write that took effect may be repeated"),
        (Defect::MakesMissingPosition, "a position that is absent is not replaced"),
        (Defect::LeasesOneConsumer, "consumers leave each other's positions and leases alone"),
    ] {
        match check(Arc::new(Broken(MemoryStore::new(), defect))).await {
            Err(Violation::Violated(broken)) => assert_eq!(broken, promise, "{defect:?}"),
            other => panic!("{defect:?} is not found: {other:?}"),
        }
    }
}
