//! The suite itself: the memory store passes, and a store with a defect is found out by name.

use std::time::{Duration, SystemTime};

use super::*;
use crate::store::{MemoryStore, StoreFuture};

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
    LeaseFreedByAnyone,
    AlwaysFresh,
    ListsEveryone,
}

/// The memory store with one thing done wrong.
#[derive(Debug)]
struct Broken(MemoryStore, Defect);

impl Store for Broken {
    fn create_login(
        &self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'_, Option<GrantRecord>> {
        Box::pin(async move {
            let created = self.0.create_login(key, login.clone(), grant.clone()).await;
            let taken = matches!(created, Err(StoreError::Exists));
            let live = self.0.login(key).await?.is_some();
            match self.1 {
                Defect::OverwritingCreate if taken && live => self.0.put_grant(grant).await,
                Defect::ForgottenEnd if taken && !live => self.0.put_grant(grant).await,
                _ => created,
            }
        })
    }

    fn login(&self, key: LoginKey) -> StoreFuture<'_, Option<(LoginRecord, GrantRecord)>> {
        self.0.login(key)
    }

    fn touch_login(
        &self,
        key: LoginKey,
        seen_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'_, bool> {
        if self.1 == Defect::RevivingTouch {
            return Box::pin(async { Ok(true) });
        }
        self.0.touch_login(key, seen_at, expires_at)
    }

    fn end_login(&self, key: LoginKey) -> StoreFuture<'_, EndedLogin> {
        Box::pin(async move {
            let login = self.0.login(key).await?;
            match self.1 {
                Defect::ForgetfulEnd => {
                    Ok(login.map_or(EndedLogin::Absent, |(_, grant)| EndedLogin::Last(grant)))
                }
                Defect::GrantOutlivesLogins => {
                    let ended = self.0.end_login(key).await?;
                    if let EndedLogin::Last(grant) = &ended {
                        self.0.put_grant(grant.clone()).await?;
                    }
                    Ok(ended)
                }
                _ => self.0.end_login(key).await,
            }
        })
    }

    fn put_grant(&self, grant: GrantRecord) -> StoreFuture<'_, Option<GrantRecord>> {
        self.0.put_grant(grant)
    }

    fn grant(&self, key: GrantKey) -> StoreFuture<'_, Option<GrantRecord>> {
        self.0.grant(key)
    }

    fn replace_grant(&self, expected: Version, next: GrantRecord) -> StoreFuture<'_, Swap> {
        Box::pin(async move {
            if self.1 == Defect::BlindReplace {
                self.0.put_grant(next).await?;
                return Ok(Swap::Done);
            }
            let version = next.version;
            match self.0.replace_grant(expected, next).await? {
                Swap::Moved(stored) if self.1 == Defect::SameVersionIsSame && stored.version == version => {
                    Ok(Swap::Done)
                }
                swap => Ok(swap),
            }
        })
    }

    fn end_grant(&self, key: GrantKey, expected: Option<Version>) -> StoreFuture<'_, Option<GrantRecord>> {
        Box::pin(async move {
            let of = Subject::User(key.org(), key.user());
            let logins = self.0.logins(of).await?;
            let ended = self.0.end_grant(key, expected).await?;
            if let (Defect::LoginsOutliveGrant, Some(grant)) = (self.1, &ended) {
                for (login, record) in logins {
                    self.0.create_login(login, record, grant.clone()).await?;
                }
            }
            Ok(ended)
        })
    }

    fn logins(&self, of: Subject) -> StoreFuture<'_, Vec<(LoginKey, LoginRecord)>> {
        self.0.logins(if self.1 == Defect::ListsEveryone { Subject::All } else { of })
    }

    fn grants(&self, of: Subject) -> StoreFuture<'_, Vec<GrantRecord>> {
        self.0.grants(of)
    }

    fn consume(&self, once: OnceKey, lifetime: Duration) -> StoreFuture<'_, bool> {
        if self.1 == Defect::AlwaysFresh {
            return Box::pin(async { Ok(true) });
        }
        self.0.consume(once, lifetime)
    }

    fn acquire_lease(&self, key: GrantKey, holder: LeaseHolder, lifetime: Duration) -> StoreFuture<'_, bool> {
        if self.1 == Defect::SharedLease {
            return Box::pin(async { Ok(true) });
        }
        self.0.acquire_lease(key, holder, lifetime)
    }

    fn release_lease(&self, key: GrantKey, holder: LeaseHolder) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if self.1 == Defect::LeaseFreedByAnyone {
                for holder in (1..=CROWD as u128).map(LeaseHolder) {
                    self.0.release_lease(key, holder).await?;
                }
            }
            self.0.release_lease(key, holder).await
        })
    }
}

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    check(Arc::new(MemoryStore::new())).await.unwrap();
}

#[tokio::test]
async fn a_store_with_a_defect_is_rejected_by_the_promise_it_breaks() {
    for (defect, promise) in [
        (Defect::OverwritingCreate, "a login is never overwritten"),
        (Defect::BlindReplace, "of many who replace the same version of a grant one succeeds"),
        (
            Defect::SameVersionIsSame,
            "other tokens under the version that is stored are someone else's, and do not replace it",
        ),
        (Defect::RevivingTouch, "what was ended never comes back"),
        (Defect::ForgetfulEnd, "what was ended never comes back"),
        (Defect::ForgottenEnd, "a login that was ended is not created again"),
        (Defect::GrantOutlivesLogins, "a refresh that a logout overtook stores nothing"),
        (Defect::LoginsOutliveGrant, "a grant that ends takes all of its logins along"),
        (Defect::SharedLease, "a lease has one holder"),
        (Defect::LeaseFreedByAnyone, "a lease is given back by its holder only"),
        (Defect::AlwaysFresh, "a value is used once"),
        (Defect::ListsEveryone, "records are listed by user and by organization"),
    ] {
        match check(Arc::new(Broken(MemoryStore::new(), defect))).await {
            Err(Violation::Broken(broken)) => assert_eq!(broken, promise, "{defect:?}"),
            other => panic!("{defect:?} went unnoticed: {other:?}"),
        }
    }
}
