//! A store of an app that was written before there were positions.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::scene::{NAME, TOPIC};
use actix_salesforce::store::{
    ConnectedOwner, ConsumerKey, DeletedLogin, DisconnectedOwner, GrantFilter, GrantKey, GrantRecord,
    GrantVersion, LeaseHolder, LeaseName, LoginKey, LoginRecord, MemoryStore, OneTimeKey, OwnedFilter,
    OwnedKey, OwnedRecord, Sealed, Store, StoreError, StoreFuture, SwapOutcome, contract,
};

#[derive(Debug, Default)]
pub(super) struct FormerStore(MemoryStore);

macro_rules! delegate {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        impl Store for FormerStore {
            $(fn $name(&self, $($argument: $kind),*) -> StoreFuture<'_, $result> {
                self.0.$name($($argument),*)
            })*
        }
    };
}

delegate! {
    create_login(key: LoginKey, login: LoginRecord, grant: GrantRecord) -> Option<GrantRecord>;
    load_login(key: LoginKey) -> Option<(LoginRecord, GrantRecord)>;
    touch_login(key: LoginKey, last_used_at: SystemTime, expires_at: SystemTime) -> bool;
    delete_login(key: LoginKey) -> DeletedLogin;
    put_grant(grant: GrantRecord) -> Option<GrantRecord>;
    load_grant(key: GrantKey) -> Option<GrantRecord>;
    compare_and_swap_grant(expected: GrantVersion, next: GrantRecord) -> SwapOutcome;
    delete_grant(key: GrantKey, expected: Option<GrantVersion>) -> Option<GrantRecord>;
    break_grant(expected: GrantVersion, broken: GrantRecord) -> bool;
    connect_owner(owned: OwnedRecord, grant: GrantRecord, keep_unused: Duration) -> ConnectedOwner;
    load_owned(key: OwnedKey) -> Option<(OwnedRecord, Option<GrantRecord>)>;
    disconnect_owner(key: OwnedKey, expected: Sealed, keep_unused: Duration, ended_at: SystemTime) -> DisconnectedOwner;
    list_owned(filter: OwnedFilter) -> Vec<OwnedRecord>;
    reseal_owned(key: OwnedKey, expected: Sealed, next: Sealed) -> bool;
    list_logins(filter: GrantFilter) -> Vec<(LoginKey, LoginRecord)>;
    list_grants(filter: GrantFilter) -> Vec<GrantRecord>;
    consume_once(once: OneTimeKey, lifetime: Duration) -> bool;
    acquire_lease(name: LeaseName, holder: LeaseHolder, lifetime: Duration) -> bool;
    release_lease(name: LeaseName, holder: LeaseHolder) -> ();
}

#[tokio::test]
async fn a_store_from_before_positions_compiles_and_passes() {
    let former = FormerStore::default();
    let key = ConsumerKey::new(NAME, "00D000000000001EAA".parse().unwrap(), TOPIC);
    let position = former.load_position(key).await;
    assert!(matches!(position, Err(StoreError::Unsupported(_))), "{position:?}");
    contract::check(Arc::new(former)).await.unwrap();
}
