//! Leases and one-time values against a wall clock that is set.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::*;
use crate::store::AppKey;
use salesforce_connection::{Secret, UserRef};

/// Setting the wall clock back by an hour does not lengthen a lease or a one-time value, and setting it forward does
/// not shorten one.
#[tokio::test]
async fn leases_and_one_time_values_do_not_follow_the_wall_clock() {
    const SHORT: Duration = Duration::from_millis(50);
    let back = Arc::new(AtomicBool::new(false));
    let is_back = Arc::clone(&back);
    let store = MemoryStore::with_clock(Clock::manual(move || match is_back.load(Ordering::SeqCst) {
        true => SystemTime::now() - Duration::from_secs(3_600),
        false => SystemTime::now(),
    }));
    let key = GrantKey::new(
        AppKey::from_client_id("app"),
        UserRef::new("00D000000000001EAA".parse().unwrap(), "005000000000001AAA".parse().unwrap()),
    );
    let name = LeaseName::Refresh(key);
    let once = OneTimeKey::from_secret(&Secret::new("state"));
    assert!(store.acquire_lease(name, LeaseHolder(1), SHORT).await.unwrap());
    assert!(store.consume_once(once, SHORT).await.unwrap());
    back.store(true, Ordering::SeqCst);
    assert!(!store.acquire_lease(name, LeaseHolder(2), SHORT).await.unwrap());
    assert!(!store.consume_once(once, SHORT).await.unwrap());
    tokio::time::sleep(SHORT * 2).await;
    assert!(store.acquire_lease(name, LeaseHolder(2), SHORT * 100).await.unwrap());
    assert!(store.consume_once(once, SHORT * 100).await.unwrap());
    back.store(false, Ordering::SeqCst);
    assert!(!store.acquire_lease(name, LeaseHolder(3), SHORT).await.unwrap());
    assert!(!store.consume_once(once, SHORT).await.unwrap());
}
