//! Unused grants, over several processes.

use salesforce_fake_org::Fault;

use super::*;
use crate::grants::keep_alive;

const TEN_DAYS: Duration = Duration::from_secs(10 * DAY as u64);

/// So many that a round without a limit would refresh all of them at once.
const USERS: usize = 40;

async fn fleet_of_many(wall: &WallClock) -> (Fleet, Arc<GrantManager>) {
    let fleet = Fleet::start(MemoryStore::with_clock(wall.clock())).await;
    let manager = fleet.process(wall.clock());
    for user in fleet.users(USERS) {
        let tokens = fleet.tokens(&user).await;
        manager.save(tokens, Profile::default(), &fleet.host).await.unwrap();
    }
    (fleet, manager)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unused_grants_are_renewed_a_few_at_a_time() {
    let wall = WallClock::default();
    let (fleet, one) = fleet_of_many(&wall).await;
    let two = fleet.process(wall.clock());
    let (before, users) = (fleet.org.token_calls("refresh_token"), USERS as u64);
    fleet.org.faults().refresh(Fault::Delay(Duration::from_millis(100)));
    wall.set(9 * DAY);
    one.keep_alive(TEN_DAYS).await;
    assert_eq!(fleet.org.token_calls("refresh_token"), before, "none is that old");
    wall.set(11 * DAY);
    one.keep_alive(TEN_DAYS).await;
    assert_eq!(fleet.org.token_calls("refresh_token"), before + users, "once each");
    let at_once = fleet.org.tokens_in_flight_max();
    assert!((2..=4).contains(&at_once), "{at_once} at a time");
    wall.set(22 * DAY);
    futures_util::join!(one.keep_alive(TEN_DAYS), two.keep_alive(TEN_DAYS));
    assert_eq!(fleet.org.token_calls("refresh_token"), before + 2 * users, "once each, over all processes");
    assert!(fleet.org.tokens_in_flight_max() <= 8);
    wall.set(45 * DAY);
    assert_eq!(fleet.store.list_grants(GrantFilter::All).await.unwrap().len(), USERS);
    assert_eq!(fleet.org.refresh_reuse_count(), 0);
}

/// The task of `keep_alive_days` checks again and again, and ends with its manager.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keep_alive_repeats_and_ends_with_its_manager() {
    let wall = WallClock::default();
    let (fleet, manager) = fleet_of_many(&wall).await;
    let before = fleet.org.token_calls("refresh_token");
    let often = Duration::from_millis(50);
    let spawner = fleet.background.spawner();
    let looking = tokio::spawn(keep_alive::run_every(often, Arc::downgrade(&manager), spawner, TEN_DAYS));
    for round in 0..3 {
        wall.set(11 * DAY * round);
        let expected = before + USERS as u64 * round as u64;
        for _ in 0..400 {
            if fleet.org.token_calls("refresh_token") >= expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Several more checks find nothing to do.
        tokio::time::sleep(often * 6).await;
        assert_eq!(fleet.org.token_calls("refresh_token"), expected, "round {round}");
    }
    drop(manager);
    tokio::time::timeout(Duration::from_secs(10), looking).await.unwrap().unwrap();
}
