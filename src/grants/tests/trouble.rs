//! Refreshes that run out of time, and writes that come too late.

use salesforce_fake_org::{Fault, Rule};

use super::*;
use crate::store::{GrantVersion, LeaseHolder, LeaseName};
use salesforce_connection::token::{ServiceUser, TokenSource};

/// F-34 and F-12: more tokens expire at once than a slow token endpoint can refresh in time. A refresh that runs out of
/// time has not sent its token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_refreshes_uses_no_token_in_vain() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let mut grants = Vec::new();
    for user in fleet.users(8) {
        let tokens = fleet.tokens(&user).await;
        grants.push(manager.save(tokens, Profile::default(), &fleet.host).await.unwrap());
    }
    let refresh = async || {
        let refreshed =
            grants.iter().map(async |grant| grant.refresh_version(grant.current().unwrap().version).await);
        join_all(refreshed).await
    };
    fleet.org.expire_access_tokens();
    // One at a time: the third request is sent within the send window and gets its response after it. A fourth would be
    // sent too late.
    let turns = manager.token_requests.of_host(&fleet.host);
    let others = turns.acquire_many(15).await.unwrap();
    let slow = fleet.org.faults().refresh(Rule::from(Fault::Slow).delay_after(TIMING.send_window * 2 / 5));
    let started = std::time::Instant::now();
    let refreshed = refresh().await;
    assert!(started.elapsed() < TIMING.request_wait + TIMING.cool_down, "{:?}", started.elapsed());
    for refreshed in &refreshed {
        assert!(matches!(refreshed, Ok(_) | Err(GrantError::Unavailable { .. })), "{refreshed:?}");
    }
    assert_eq!(
        slow.hits(),
        refreshed.iter().filter(|refreshed| refreshed.is_ok()).count() as u64,
        "every sent request is awaited"
    );
    assert!((1..=3).contains(&slow.hits()), "{}", slow.hits());
    let late = refreshed.iter().filter(|refreshed| match refreshed {
        Err(GrantError::Unavailable { source, .. }) => source.to_string().contains("no time left"),
        _ => false,
    });
    assert!(late.count() >= 3, "the error names the reason: {refreshed:?}");
    slow.remove();
    drop(others);
    tokio::time::sleep(TIMING.cool_down * 5 / 4).await;
    for refreshed in refresh().await {
        assert!(refreshed.is_ok(), "no login has ended: {refreshed:?}");
    }
    assert_eq!(fleet.org.refresh_reuse_count(), 0);
}

/// A process was suspended (a laptop that slept) and gets the response of a refresh after others have refreshed the grant.
/// Without rotation their grant has the same refresh token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_response_revokes_no_token_in_use() {
    for rotation in [false, true] {
        let org = FakeOrg::builder().rotation(rotation).start().await.unwrap();
        let fleet = Fleet::around(org, MemoryStore::new());
        let manager = fleet.process(Clock::system());
        let ada = fleet.ada();
        let id = fleet.log_in(&manager, &ada).await;
        let grant = manager.login(&id).await.unwrap().unwrap();
        let used = grant.current().unwrap().version;
        let stored = fleet.store.load_grant(grant.key()).await.unwrap().unwrap();
        let mut theirs = GrantTokens::open(&fleet.keys, &stored).unwrap();
        theirs.version = used.next().next();
        fleet.org.faults().refresh(Rule::from(Fault::Slow).delay_after(Duration::from_millis(500)));
        let overtake = async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let record = theirs.seal(&fleet.keys, stored.expires_at).unwrap();
            fleet.store.put_grant(record).await.unwrap();
        };
        let (refreshed, ()) = futures_util::join!(grant.refresh_version(used), overtake);
        assert_eq!(refreshed.unwrap().version, theirs.version);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let left = fleet.org.live_refresh_tokens(&ada).len();
        assert_eq!(left, usize::from(!rotation), "rotation {rotation}: only an unused token is revoked");
    }
}

/// The error of a connection that is used after its `Salesforce` was dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_outlives_its_thread_reports_that() {
    let mut fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let id = fleet.log_in(&manager, &fleet.ada()).await;
    let grant = manager.login(&id).await.unwrap().unwrap();
    let used = grant.current().unwrap().version;
    fleet.background = BackgroundRuntime::start().unwrap();
    for _ in 0..2 {
        let refreshed = tokio::time::timeout(Duration::from_secs(5), grant.refresh_version(used)).await;
        let Ok(Err(GrantError::Unavailable { source, .. })) = refreshed else { panic!("{refreshed:?}") };
        assert!(source.to_string().contains("shutting down"), "{source}");
    }
}

/// Two processes got a response to the same token. The one that is stored counts for both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_responses_to_one_token_all_processes_use_the_stored_one() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let ada = fleet.ada();
    let id = fleet.log_in(&manager, &ada).await;
    let grant = manager.login(&id).await.unwrap().unwrap();
    let used = grant.current().unwrap().version;
    let stored = fleet.store.load_grant(grant.key()).await.unwrap().unwrap();
    let sealed_with = |token: &str| {
        let mut live = GrantTokens::open(&fleet.keys, &stored).unwrap();
        (live.version, live.access_token) = (used.next(), Secret::new(token));
        live.seal(&fleet.keys, stored.expires_at).unwrap()
    };
    fleet.org.faults().refresh(Rule::from(Fault::Slow).delay_after(Duration::from_millis(500)));
    let overtake = async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        fleet.store.put_grant(sealed_with("theirs")).await.unwrap();
    };
    let (refreshed, ()) = futures_util::join!(grant.refresh_version(used), overtake);
    assert_eq!(refreshed.unwrap().access_token.expose(), "theirs");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        fleet.org.live_refresh_tokens(&ada).len(),
        1,
        "of one family with theirs: no token is revoked"
    );

    // The same for a pending write.
    let pending = sealed_with("pending");
    manager.entry(grant.key()).replace(GrantTokens::open(&fleet.keys, &pending).unwrap());
    assert_eq!(grant.current().unwrap().access_token.expose(), "pending");
    let no_lease = || std::future::ready(());
    pending_write::retry_until_stored(&manager, &manager.entry(grant.key()), used, &pending, no_lease).await;
    assert_eq!(grant.current().unwrap().access_token.expose(), "theirs");
}

/// A token is not sent after the send window: neither by a refresh that had to wait for others, nor by one that gave a
/// dead process its grace period.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_after_its_send_window_sends_nothing() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let (manager, dead) = (fleet.process(Clock::system()), fleet.process(Clock::system()));
    let mut grants = Vec::new();
    for user in fleet.org.users().into_iter().take(2) {
        let tokens = fleet.tokens(&user).await;
        let grant = manager.save(tokens, Profile::default(), &fleet.host).await.unwrap();
        let version = grant.current().unwrap().version;
        assert_eq!(
            in_flight::write(&dead, grant.key(), version, || false).await.unwrap(),
            in_flight::Marker::Fresh
        );
        grants.push((grant, version));
    }
    let sent = fleet.org.token_calls("refresh_token");
    let turns = manager.token_requests.of_host(&fleet.host);
    let others = turns.acquire_many(16).await.unwrap();
    let started = std::time::Instant::now();
    let permit = async {
        tokio::time::sleep(TIMING.send_window * 8 / 9).await;
        turns.add_permits(1);
    };
    let renewals = grants.iter().map(async |(grant, version)| {
        let refreshed = grant.refresh_version(*version).await;
        let Err(GrantError::Unavailable { source, .. }) = refreshed else { panic!("{refreshed:?}") };
        assert!(source.to_string().contains("no time left"), "{source}");
        started.elapsed()
    });
    let (mut took, ()) = futures_util::join!(join_all(renewals), permit);
    took.sort();
    assert!(took[0] < TIMING.lease_wait, "no permit, no marker: {took:?}");
    assert!(took[1] > TIMING.lease_wait, "with a permit, the other process got its grace period: {took:?}");
    assert_eq!(fleet.org.token_calls("refresh_token"), sent);
    drop(others);
}

/// A service user waits for other token requests within its deadline, and then sends no request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_user_waits_for_others_within_its_deadline() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let user = ServiceUser::client_credentials(fleet.org.instance_url().parse().unwrap());
    let turns = manager.token_requests.of_host(user.host());
    let others = turns.acquire_many(16).await.unwrap();
    let started = std::time::Instant::now();
    let got = manager.service(&user).await;
    let Err(salesforce_connection::Error::Unavailable { source, .. }) = got else { panic!("{got:?}") };
    assert!(source.to_string().contains("too many token"), "{source}");
    let took = started.elapsed();
    let deadline = TIMING.service_deadline;
    assert!(took > deadline * 9 / 10 && took < deadline * 11 / 10, "{took:?}");
    drop(others);
    tokio::time::sleep(TIMING.cool_down * 21 / 20).await;
    assert_eq!(fleet.org.token_calls("client_credentials"), 0, "no request is sent later");
}

/// Each version whose new token is rejected doubles the pause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pause_after_rejected_tokens_grows() {
    use super::super::entry::Step;

    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let tokens = fleet.tokens(&fleet.ada()).await;
    let grant = manager.save(tokens, Profile::default(), &fleet.host).await.unwrap();
    let entry = manager.entry(grant.key());
    let refreshed = || {
        let next = entry.current().unwrap().same_tokens().unwrap();
        entry.adopt(next, std::time::Instant::now());
    };
    let seconds = Duration::from_secs;
    let pauses = crate::base::backoff::Backoff { initial: seconds(10), max: seconds(40) };
    for expected in [10, 20, 40, 40] {
        let (version, now) = (entry.current().unwrap().version, std::time::Instant::now());
        for later in [0, 1] {
            let pause = entry.rejected_again(version, now + seconds(later), pauses);
            assert_eq!(pause, (later == 0).then(|| seconds(expected)), "it is marked once");
        }
        // An entry that was dropped would forget the pause, and a late response to an older token end it.
        assert!(!entry.is_idle(now + seconds(expected)));
        if let Some(older) = version.revision.checked_sub(2) {
            let older = GrantVersion { revision: older, ..version };
            assert_eq!(entry.rejected_again(older, now + seconds(2), pauses), None);
        }
        let end = now + seconds(expected);
        assert!(matches!(entry.decide(version, end - Duration::from_millis(1)), Step::Use(_)), "{expected}");
        assert!(matches!(entry.decide(version, end), Step::Begin { .. }), "{expected}");
        refreshed();
    }
}

/// A refresh waits for its lease when this process finds that the token to refresh is rejected although it is new. The mark
/// in the store is this process's own, and holds for its refreshes, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_has_begun_does_not_pass_the_mark_of_the_same_process() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let grant =
        manager.save(fleet.tokens(&fleet.ada()).await, Profile::default(), &fleet.host).await.unwrap();
    let new = grant.refresh_version(grant.current().unwrap().version).await.unwrap();
    let sent = fleet.org.token_calls("refresh_token");
    let (lease, other) = (LeaseName::Refresh(grant.key()), LeaseHolder(77));
    assert!(fleet.store.acquire_lease(lease, other, TIMING.lease_wait).await.unwrap());
    let begun = grant.refresh_version(new.version);
    let rejected = async {
        tokio::time::sleep(TIMING.poll_interval * 2).await;
        TokenSource::rejected_again(&grant, &new.access).await;
        fleet.store.release_lease(lease, other).await.unwrap();
    };
    let (refreshed, ()) = futures_util::join!(begun, rejected);
    assert_eq!(refreshed.unwrap().version, new.version, "the tokens stay as they are");
    // What the refresh found in the store does not shorten the pause.
    tokio::time::sleep(TIMING.cool_down * 2).await;
    assert_eq!(grant.refresh_version(new.version).await.unwrap().version, new.version);
    assert_eq!(fleet.org.token_calls("refresh_token"), sent);
}
