//! Refreshes that are short of time, and writes that come too late.

use salesforce_fake_org::{Fault, Rule};

use super::*;

/// F-34 and F-12: more tokens expire at once than a slow token endpoint takes in time. Whoever does not get their turn has
/// not sent their token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_refreshes_spends_no_token_for_nothing() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let engine = fleet.process(Clock::system());
    let mut grants = Vec::new();
    for user in fleet.crowd(8) {
        let tokens = fleet.tokens(&user).await;
        grants.push(engine.save(tokens, Profile::default(), &fleet.host).await.unwrap());
    }
    let renew = async || {
        let renewed = grants.iter().map(async |grant| grant.refresh(grant.current().unwrap().version).await);
        join_all(renewed).await
    };
    fleet.org.expire_access_tokens();
    // One at a time: the fifth begins just in time and is answered when ten seconds are over, a sixth would not be.
    let others = engine.token_calls.acquire_many(15).await.unwrap();
    let slow = fleet.org.faults().refresh(Rule::from(Fault::Slow).delay_after(Duration::from_millis(2_100)));
    let started = std::time::Instant::now();
    let renewed = renew().await;
    assert!(started.elapsed() < Duration::from_secs(13), "{:?}", started.elapsed());
    for renewed in &renewed {
        assert!(matches!(renewed, Ok(_) | Err(GrantError::Unavailable { .. })), "{renewed:?}");
    }
    assert_eq!(
        slow.hits(),
        renewed.iter().filter(|renewed| renewed.is_ok()).count() as u64,
        "heard to the end"
    );
    assert!((1..=5).contains(&slow.hits()), "{}", slow.hits());
    let late = renewed.iter().filter(|renewed| match renewed {
        Err(GrantError::Unavailable { source, .. }) => source.to_string().contains("no time left"),
        _ => false,
    });
    assert!(late.count() >= 3, "whoever comes too late is told so: {renewed:?}");
    slow.remove();
    drop(others);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    for renewed in renew().await {
        assert!(renewed.is_ok(), "nobody is logged out: {renewed:?}");
    }
    assert_eq!(fleet.org.refresh_reuse_count(), 0);
}

/// A process that was stopped (a laptop that slept) comes back with the answer of a refresh that others overtook long ago.
/// Without rotation what they use has the same refresh token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_too_late_takes_nobodys_token_away() {
    for rotation in [false, true] {
        let org = FakeOrg::builder().rotation(rotation).start().await.unwrap();
        let fleet = Fleet::around(org, MemoryStore::new());
        let engine = fleet.process(Clock::system());
        let ada = fleet.ada();
        let id = fleet.log_in(&engine, &ada).await;
        let grant = engine.login(&id).await.unwrap().unwrap();
        let used = grant.current().unwrap().version;
        let stored = fleet.store.grant(grant.key()).await.unwrap().unwrap();
        let mut theirs = LiveGrant::open(&fleet.keys, &stored).unwrap();
        theirs.version = used.next().next();
        fleet.org.faults().refresh(Rule::from(Fault::Slow).delay_after(Duration::from_millis(500)));
        let overtake = async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let record = theirs.seal(&fleet.keys, stored.expires_at).unwrap();
            fleet.store.put_grant(record).await.unwrap();
        };
        let (renewed, ()) = futures_util::join!(grant.refresh(used), overtake);
        assert_eq!(renewed.unwrap().version, theirs.version);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let left = fleet.org.live_refresh_tokens(&ada).len();
        assert_eq!(left, usize::from(!rotation), "rotation {rotation}: what is nobody's is revoked, no more");
    }
}

/// What a person's connection says when it is used on after its `Salesforce`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_outlives_its_thread_says_so() {
    let mut fleet = Fleet::start(MemoryStore::new()).await;
    let engine = fleet.process(Clock::system());
    let id = fleet.log_in(&engine, &fleet.ada()).await;
    let grant = engine.login(&id).await.unwrap().unwrap();
    let used = grant.current().unwrap().version;
    fleet.background = Background::start().unwrap();
    for _ in 0..2 {
        let renewed = tokio::time::timeout(Duration::from_secs(5), grant.refresh(used)).await;
        let Ok(Err(GrantError::Unavailable { source, .. })) = renewed else { panic!("{renewed:?}") };
        assert!(source.to_string().contains("shutting down"), "{source}");
    }
}
