//! Another process stores the next version while a token request of this one fails: the stored version is the outcome.

use salesforce_fake_org::{Fault, Rule};

use super::*;

fn refusal(error: &str, description: &str) -> Fault {
    Fault::OauthError { error: error.to_owned(), description: description.to_owned(), status: 400 }
}

/// Refreshes Ada's grant. The first token request fails as given, and meanwhile another process stores the next version.
async fn overtaken(fleet: &Fleet, first_response: Rule) {
    let manager = fleet.process(Clock::system());
    let id = fleet.log_in(&manager, &fleet.ada()).await;
    let grant = manager.login(&id).await.unwrap().unwrap();
    let used = grant.current().unwrap().version;
    assert!(matches!(fleet.next_event().await, AuthEvent::LoggedIn { .. }));
    let stored = fleet.store.load_grant(grant.key()).await.unwrap().unwrap();
    let mut theirs = GrantTokens::open(&fleet.keys, &stored).unwrap();
    theirs.version = used.next();
    theirs.access_token = Secret::new("theirs");
    let before = fleet.org.token_calls("refresh_token");
    let fault = fleet.org.faults().refresh(first_response.times(1));
    let overtake = async {
        while fleet.org.token_calls("refresh_token") == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fleet.store.put_grant(theirs.seal(&fleet.keys, stored.expires_at).unwrap()).await.unwrap();
    };
    let (refreshed, ()) = futures_util::join!(grant.refresh_version(used), overtake);
    let refreshed = refreshed.unwrap();
    assert_eq!((refreshed.version, refreshed.access_token.expose()), (theirs.version, "theirs"));
    assert_eq!(fault.hits(), 1);
    assert_eq!(fleet.org.token_calls("refresh_token"), before + 1, "no second token request");
    assert!(manager.login(&id).await.unwrap().is_some_and(|grant| grant.current().is_ok()), "not ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_another_process_stored_replaces_a_retry() {
    let busy = refusal("invalid_request", "Token request is already being processed");
    for first_response in [busy, Fault::LoseResponse, Fault::Status(502), Fault::Status(500)] {
        let fleet = Fleet::start(MemoryStore::new()).await;
        overtaken(&fleet, first_response.into()).await;
        assert_eq!(*fleet.heard.lock().unwrap(), [], "no event");
    }
}

/// It is reported, because it does not happen if all processes share one store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_token_that_another_process_used_ends_nothing_and_is_reported() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let refused = Rule::from(refusal("invalid_grant", "expired access/refresh token"));
    overtaken(&fleet, refused.delay(Duration::from_millis(400))).await;
    let heard = fleet.heard.lock().unwrap();
    assert!(matches!(heard[..], [AuthEvent::ReuseSuspected(_)]), "{heard:?}");
}

/// The end of the process ends the retries too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_revocation_is_reported() {
    let mut fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let id = fleet.log_in(&manager, &fleet.ada()).await;
    let down = fleet.org.faults().at(salesforce_fake_org::Route::Revoke, Fault::Status(503));
    manager.log_out(&id).await.unwrap();
    assert!(matches!(fleet.next_event().await, AuthEvent::LoggedIn { .. }));
    assert!(matches!(fleet.next_event().await, AuthEvent::LoggedOut { .. }));
    while down.hits() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(*fleet.heard.lock().unwrap(), [], "it is retried");
    fleet.background = BackgroundRuntime::start().unwrap();
    assert_eq!(fleet.next_event().await, AuthEvent::RevocationFailed);
    assert_eq!(*fleet.heard.lock().unwrap(), [], "once");
}

/// F-08 and F-12: an outage ends no login, and a token in doubt is not sent again and again, by any number of processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_doubt_is_sent_once_per_cool_down_over_all_processes() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let (one, two) = (fleet.process(Clock::system()), fleet.process(Clock::system()));
    let id = fleet.log_in(&one, &fleet.ada()).await;
    let here = one.login(&id).await.unwrap().unwrap();
    let there = two.login(&id).await.unwrap().unwrap();
    let used = here.current().unwrap().version;
    let gateway = fleet.org.faults().refresh(Fault::Status(502));
    let cool_down = || tokio::time::sleep(TIMING.cool_down * 11 / 10);
    let fails = async |grant: &GrantHandle, calls: u64| {
        let refreshed = grant.refresh_version(used).await;
        assert!(matches!(refreshed, Err(GrantError::Unavailable { .. })), "{refreshed:?}");
        assert_eq!(gateway.hits(), calls);
    };
    fails(&here, 2).await;
    fails(&there, 2).await;
    cool_down().await;
    fails(&there, 3).await;
    fails(&here, 3).await;
    cool_down().await;
    let (first, second) = futures_util::join!(here.refresh_version(used), there.refresh_version(used));
    assert!(first.is_err() && second.is_err());
    assert_eq!(gateway.hits(), 4, "one of them");
    gateway.remove();
    cool_down().await;
    let refreshed = here.refresh_version(used).await.unwrap();
    assert_eq!(there.refresh_version(used).await.unwrap().version, refreshed.version);
    assert_eq!(fleet.org.refresh_reuse_count(), 0);
    // A refreshed token is not in doubt: two requests again.
    let before = fleet.org.token_calls("refresh_token");
    fleet.org.faults().refresh(Fault::Status(502).times(1));
    assert!(there.refresh_version(refreshed.version).await.is_ok());
    assert_eq!(fleet.org.token_calls("refresh_token"), before + 2);
}
