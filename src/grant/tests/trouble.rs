//! Refreshes that are short of time, and writes that come too late.

use salesforce_fake_org::{Fault, Rule};

use super::*;
use salesforce_connection::token::ServiceUser;

/// F-34 and F-12: more tokens expire at once than a slow token endpoint takes in time. Whoever does not get their turn
/// has not sent their token.
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
    // One at a time: the third begins in time and is answered when ten seconds are over, a fourth would not be.
    let others = engine.token_calls.acquire_many(15).await.unwrap();
    let slow = fleet.org.faults().refresh(Rule::from(Fault::Slow).delay_after(Duration::from_millis(3_600)));
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
    assert!((1..=3).contains(&slow.hits()), "{}", slow.hits());
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

/// A process that was stopped (a laptop that slept) comes back with the answer of a refresh that others overtook long
/// ago. Without rotation what they use has the same refresh token.
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

/// Two processes got an answer to the same token, and only one of them can be stored: that one counts for both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_answers_to_one_token_everybody_uses_the_stored_one() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let engine = fleet.process(Clock::system());
    let ada = fleet.ada();
    let id = fleet.log_in(&engine, &ada).await;
    let grant = engine.login(&id).await.unwrap().unwrap();
    let used = grant.current().unwrap().version;
    let stored = fleet.store.grant(grant.key()).await.unwrap().unwrap();
    let sealed_with = |token: &str| {
        let mut live = LiveGrant::open(&fleet.keys, &stored).unwrap();
        (live.version, live.access_token) = (used.next(), Secret::new(token));
        live.seal(&fleet.keys, stored.expires_at).unwrap()
    };
    fleet.org.faults().refresh(Rule::from(Fault::Slow).delay_after(Duration::from_millis(500)));
    let overtake = async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        fleet.store.put_grant(sealed_with("theirs")).await.unwrap();
    };
    let (renewed, ()) = futures_util::join!(grant.refresh(used), overtake);
    assert_eq!(renewed.unwrap().access_token.expose(), "theirs");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(fleet.org.live_refresh_tokens(&ada).len(), 1, "of one family with theirs: nothing is revoked");

    // The same for what could not be stored before.
    let held = sealed_with("held");
    engine.cell(grant.key()).replace(LiveGrant::open(&fleet.keys, &held).unwrap());
    assert_eq!(grant.current().unwrap().access_token.expose(), "held");
    let no_lease = || std::future::ready(());
    hold::until_stored(&engine, &engine.cell(grant.key()), used, &held, no_lease).await;
    assert_eq!(grant.current().unwrap().access_token.expose(), "theirs");
}

/// A token is not sent when nobody waits for the answer any more: neither by who did not get their turn, nor by who
/// gave another process time that died.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_without_time_left_sends_nothing_and_waits_for_nobody() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let (engine, dead) = (fleet.process(Clock::system()), fleet.process(Clock::system()));
    let mut grants = Vec::new();
    for user in fleet.org.users().into_iter().take(2) {
        let tokens = fleet.tokens(&user).await;
        let grant = engine.save(tokens, Profile::default(), &fleet.host).await.unwrap();
        let version = grant.current().unwrap().version;
        assert_eq!(note::write(&dead, grant.key(), version).await.unwrap(), note::Note::Ours);
        grants.push((grant, version));
    }
    let sent = fleet.org.token_calls("refresh_token");
    let others = engine.token_calls.acquire_many(16).await.unwrap();
    let started = std::time::Instant::now();
    let turn = async {
        tokio::time::sleep(Duration::from_secs(8)).await;
        engine.token_calls.add_permits(1);
    };
    let renewals = grants.iter().map(async |(grant, version)| {
        let renewed = grant.refresh(*version).await;
        let Err(GrantError::Unavailable { source, .. }) = renewed else { panic!("{renewed:?}") };
        assert!(source.to_string().contains("no time left"), "{source}");
        started.elapsed()
    });
    let (mut took, ()) = futures_util::join!(join_all(renewals), turn);
    took.sort();
    assert!(took[0] < Duration::from_secs(10), "no turn, no note: {took:?}");
    assert!(took[1] > Duration::from_secs(10), "with a turn, the other process was given its time: {took:?}");
    assert_eq!(fleet.org.token_calls("refresh_token"), sent);
    drop(others);
}

/// A service user waits for its turn no longer than for an answer, and then has asked nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_user_waits_for_its_turn_within_its_deadline() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let engine = fleet.process(Clock::system());
    let user = ServiceUser::client_credentials(fleet.org.instance_url().parse().unwrap());
    let others = engine.token_calls.acquire_many(16).await.unwrap();
    let started = std::time::Instant::now();
    let got = engine.service(&user).await;
    let Err(GrantError::Unavailable { source, .. }) = got else { panic!("{got:?}") };
    assert!(source.to_string().contains("too many tokens"), "{source}");
    let took = started.elapsed();
    assert!(took > Duration::from_secs(9) && took < Duration::from_secs(11), "{took:?}");
    drop(others);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(fleet.org.token_calls("client_credentials"), 0, "nobody waits any more");
}
