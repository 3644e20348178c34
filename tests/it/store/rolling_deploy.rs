//! Two versions of the app on one store, as for the time of a rolling deploy (F-26).
//!
//! The newer version writes grants in a form that the version of today does not know: another format byte in front of what
//! is sealed. It reads both forms.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::store_faults::KEYS;
use crate::support::{
    ADA, Client, app,
    client::DOCUMENT,
    reserve,
    servers::{Folder, Postgres, Redis},
    settings_for,
};
use actix_salesforce::store::{
    ConnectedOwner, ConsumerKey, DeletedLogin, DisconnectedOwner, GrantFilter, GrantKey, GrantRecord,
    GrantVersion, LeaseHolder, LeaseName, LoginKey, LoginRecord, MemoryStore, OneTimeKey, OwnedFilter,
    OwnedKey, OwnedRecord, PositionRecord, PositionSwap, RedisStore, Sealed, SqlStore, Store, StoreFuture,
    SwapOutcome,
};
use futures_util::{FutureExt as _, future::join_all};
use salesforce_fake_org::FakeOrg;

const TODAY: u8 = 1;
const NEWER: u8 = 2;

/// The shared store, as the newer version uses it.
#[derive(Debug)]
struct NewerVersion(Arc<dyn Store>);

fn with_format(format: u8, mut grant: GrantRecord) -> GrantRecord {
    let mut sealed = grant.sealed.as_bytes().to_vec();
    assert!([TODAY, NEWER].contains(&sealed[0]), "the format stands in front: {}", sealed[0]);
    sealed[0] = format;
    grant.sealed = Sealed::from_bytes(sealed);
    grant
}

fn written(grant: GrantRecord) -> GrantRecord {
    with_format(NEWER, grant)
}

fn read(grant: GrantRecord) -> GrantRecord {
    with_format(TODAY, grant)
}

fn read_if_any<'a>(found: StoreFuture<'a, Option<GrantRecord>>) -> StoreFuture<'a, Option<GrantRecord>> {
    found.map(|found| Ok(found?.map(read))).boxed()
}

impl Store for NewerVersion {
    fn create_login<'a>(
        &'a self,
        key: LoginKey,
        login: LoginRecord,
        grant: GrantRecord,
    ) -> StoreFuture<'a, Option<GrantRecord>> {
        read_if_any(self.0.create_login(key, login, written(grant)))
    }

    fn load_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, Option<(LoginRecord, GrantRecord)>> {
        self.0.load_login(key).map(|found| Ok(found?.map(|(login, grant)| (login, read(grant))))).boxed()
    }

    fn touch_login<'a>(
        &'a self,
        key: LoginKey,
        last_used_at: SystemTime,
        expires_at: SystemTime,
    ) -> StoreFuture<'a, bool> {
        self.0.touch_login(key, last_used_at, expires_at)
    }

    fn delete_login<'a>(&'a self, key: LoginKey) -> StoreFuture<'a, DeletedLogin> {
        let deleted = self.0.delete_login(key);
        deleted
            .map(|deleted| {
                Ok(match deleted? {
                    DeletedLogin::GrantDeleted(grant) => DeletedLogin::GrantDeleted(read(grant)),
                    other => other,
                })
            })
            .boxed()
    }

    fn put_grant<'a>(&'a self, grant: GrantRecord) -> StoreFuture<'a, Option<GrantRecord>> {
        read_if_any(self.0.put_grant(written(grant)))
    }

    fn load_grant<'a>(&'a self, key: GrantKey) -> StoreFuture<'a, Option<GrantRecord>> {
        read_if_any(self.0.load_grant(key))
    }

    fn compare_and_swap_grant<'a>(
        &'a self,
        expected: GrantVersion,
        next: GrantRecord,
    ) -> StoreFuture<'a, SwapOutcome> {
        let swapped = self.0.compare_and_swap_grant(expected, written(next));
        swapped
            .map(|swapped| {
                Ok(match swapped? {
                    SwapOutcome::Conflict(grant) => SwapOutcome::Conflict(read(grant)),
                    other => other,
                })
            })
            .boxed()
    }

    fn delete_grant<'a>(
        &'a self,
        key: GrantKey,
        expected: Option<GrantVersion>,
    ) -> StoreFuture<'a, Option<GrantRecord>> {
        read_if_any(self.0.delete_grant(key, expected))
    }

    fn break_grant<'a>(&'a self, expected: GrantVersion, broken: GrantRecord) -> StoreFuture<'a, bool> {
        self.0.break_grant(expected, written(broken))
    }

    fn connect_owner(
        &self,
        owned: OwnedRecord,
        grant: GrantRecord,
        keep_unused: Duration,
    ) -> StoreFuture<'_, ConnectedOwner> {
        let connected = self.0.connect_owner(owned, written(grant), keep_unused);
        connected
            .map(|connected| {
                let ConnectedOwner { replaced, deleted, .. } = connected?;
                Ok(ConnectedOwner::new(replaced.map(read), deleted.map(read)))
            })
            .boxed()
    }

    fn load_owned(&self, key: OwnedKey) -> StoreFuture<'_, Option<(OwnedRecord, Option<GrantRecord>)>> {
        self.0.load_owned(key).map(|found| Ok(found?.map(|(owned, grant)| (owned, grant.map(read))))).boxed()
    }

    fn disconnect_owner(
        &self,
        key: OwnedKey,
        expected: Sealed,
        keep_unused: Duration,
        ended_at: SystemTime,
    ) -> StoreFuture<'_, DisconnectedOwner> {
        let ended = self.0.disconnect_owner(key, expected, keep_unused, ended_at);
        ended
            .map(|ended| {
                Ok(match ended? {
                    DisconnectedOwner::GrantDeleted(grant) => DisconnectedOwner::GrantDeleted(read(grant)),
                    other => other,
                })
            })
            .boxed()
    }

    fn list_owned(&self, filter: OwnedFilter) -> StoreFuture<'_, Vec<OwnedRecord>> {
        self.0.list_owned(filter)
    }

    fn reseal_owned(&self, key: OwnedKey, expected: Sealed, next: Sealed) -> StoreFuture<'_, bool> {
        self.0.reseal_owned(key, expected, next)
    }

    fn list_logins<'a>(&'a self, filter: GrantFilter) -> StoreFuture<'a, Vec<(LoginKey, LoginRecord)>> {
        self.0.list_logins(filter)
    }

    fn list_grants<'a>(&'a self, filter: GrantFilter) -> StoreFuture<'a, Vec<GrantRecord>> {
        self.0.list_grants(filter).map(|found| Ok(found?.into_iter().map(read).collect())).boxed()
    }

    fn consume_once<'a>(&'a self, once: OneTimeKey, lifetime: Duration) -> StoreFuture<'a, bool> {
        self.0.consume_once(once, lifetime)
    }

    fn acquire_lease<'a>(
        &'a self,
        name: LeaseName,
        holder: LeaseHolder,
        lifetime: Duration,
    ) -> StoreFuture<'a, bool> {
        self.0.acquire_lease(name, holder, lifetime)
    }

    fn release_lease<'a>(&'a self, name: LeaseName, holder: LeaseHolder) -> StoreFuture<'a, ()> {
        self.0.release_lease(name, holder)
    }

    fn load_position<'a>(&'a self, key: ConsumerKey) -> StoreFuture<'a, Option<PositionRecord>> {
        self.0.load_position(key)
    }

    fn compare_and_swap_position<'a>(
        &'a self,
        expected: Option<u64>,
        next: PositionRecord,
    ) -> StoreFuture<'a, PositionSwap> {
        self.0.compare_and_swap_position(expected, next)
    }
}

async fn deploy_over(store: Arc<dyn Store>) {
    let org = FakeOrg::start().await.unwrap();
    let ada = org.user(ADA);
    org.sign_in(&ada);
    let (listener, today) = reserve();
    let start = async |store: Arc<dyn Store>| {
        settings_for(&org, &today).store(store).keys(KEYS).build().await.unwrap()
    };
    let _today = app::standard(listener, 2, start(Arc::clone(&store)).await);
    let (listener, newer) = reserve();
    let _newer = app::standard(listener, 2, start(Arc::new(NewerVersion(Arc::clone(&store)))).await);
    let browser = Client::new();
    let status = async |instance: &str| browser.fetch(&format!("{instance}/whoami")).await.status;
    let format = async || store.list_grants(GrantFilter::All).await.unwrap()[0].sealed.as_bytes()[0];

    assert_eq!(browser.visit(&format!("{today}/whoami")).await.status, 200);
    assert_eq!((status(&newer).await, format().await), (200, TODAY), "the newer version reads both forms");

    // What the newer one writes is absent for the one of today, which neither deletes nor replaces it.
    org.expire_access_tokens();
    assert_eq!((status(&newer).await, format().await), (200, NEWER));
    org.expire_access_tokens();
    let page = browser.send(reqwest::Method::GET, &format!("{today}/whoami"), &DOCUMENT, None).await;
    assert_eq!(page.status, 303, "a new login is all that it costs: {page:?}");
    assert_eq!((status(&today).await, format().await), (401, NEWER));
    assert_eq!(status(&newer).await, 200);

    // A login at the one of today counts at both.
    assert_eq!(browser.visit(&format!("{today}/whoami")).await.status, 200);
    assert_eq!((status(&newer).await, status(&today).await, format().await), (200, 200, TODAY));

    // Either may refresh first: both at once, many times.
    for _ in 0..3 {
        org.expire_access_tokens();
        let both = [&today, &newer].into_iter().cycle().take(20);
        let statuses = join_all(both.map(|instance| status(instance))).await;
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
        assert_eq!(status(&newer).await, 200, "the login is still one");
    }

    // A logout at the one of today ends what the newer one wrote.
    org.expire_access_tokens();
    assert_eq!((status(&newer).await, format().await), (200, NEWER));
    let page = browser.submit(&format!("{today}/auth/salesforce/logout"), &today, &[]).await;
    assert_eq!(page.status, 303, "{page:?}");
    assert_eq!((status(&today).await, status(&newer).await), (401, 401));
    assert_eq!(org.refresh_reuse_count(), 0, "no used token was sent again");
}

#[actix_web::test]
async fn two_versions_share_a_store_in_memory() {
    deploy_over(Arc::new(MemoryStore::new())).await;
}

#[actix_web::test]
async fn two_versions_share_a_sqlite_file() {
    let folder = Folder::new("rolling");
    deploy_over(Arc::new(SqlStore::sqlite(folder.path().join("logins.db")).await.unwrap())).await;
}

#[actix_web::test]
async fn two_versions_share_a_postgres_database() {
    let postgres = Postgres::start();
    deploy_over(Arc::new(SqlStore::postgres(&postgres.url()).await.unwrap())).await;
}

#[actix_web::test]
async fn two_versions_share_a_redis() {
    let redis = Redis::start();
    deploy_over(Arc::new(RedisStore::connect(&redis.url(), "test:").await.unwrap())).await;
}
