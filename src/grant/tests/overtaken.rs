//! Another process stores the next version while this one hears nothing good from the token endpoint: what is stored is
//! the answer then.

use salesforce_fake_org::{Fault, Rule};

use super::*;

fn refusal(error: &str, description: &str) -> Fault {
    Fault::OauthError { error: error.to_owned(), description: description.to_owned(), status: 400 }
}

/// A refresh of Ada's grant whose first token call ends like this, while another process stores the next version.
async fn overtaken(fleet: &Fleet, first_answer: Rule) {
    let engine = fleet.process(Clock::system());
    let id = fleet.log_in(&engine, &fleet.ada()).await;
    let grant = engine.login(&id).await.unwrap().unwrap();
    let used = grant.current().unwrap().version;
    assert!(matches!(fleet.next_event().await, Event::LoggedIn(_)));
    let stored = fleet.store.grant(grant.key()).await.unwrap().unwrap();
    let mut theirs = LiveGrant::open(&fleet.keys, &stored).unwrap();
    theirs.version = used.next();
    theirs.access_token = Secret::new("theirs");
    let before = fleet.org.token_calls("refresh_token");
    let fault = fleet.org.faults().refresh(first_answer.times(1));
    let overtake = async {
        while fleet.org.token_calls("refresh_token") == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fleet.store.put_grant(theirs.seal(&fleet.keys, stored.expires_at).unwrap()).await.unwrap();
    };
    let (renewed, ()) = futures_util::join!(grant.refresh(used), overtake);
    let renewed = renewed.unwrap();
    assert_eq!((renewed.version, renewed.access_token.expose()), (theirs.version, "theirs"));
    assert_eq!(fault.hits(), 1);
    assert_eq!(fleet.org.token_calls("refresh_token"), before + 1, "no second token call");
    assert!(engine.login(&id).await.unwrap().is_some_and(|grant| grant.current().is_ok()), "not ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_stored_meanwhile_is_used_instead_of_another_try() {
    let busy = refusal("invalid_request", "Token request is already being processed");
    for first_answer in [busy, Fault::LoseAnswer, Fault::Status(502), Fault::Status(500)] {
        let fleet = Fleet::start(MemoryStore::new()).await;
        overtaken(&fleet, first_answer.into()).await;
        assert_eq!(*fleet.heard.lock().unwrap(), [], "nothing that anybody need know");
    }
}

/// And somebody is told: with one store for all processes that does not happen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_of_a_token_that_another_process_used_ends_nothing_and_is_told() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let refused = Rule::from(refusal("invalid_grant", "expired access/refresh token"));
    overtaken(&fleet, refused.delay(Duration::from_millis(400))).await;
    let heard = fleet.heard.lock().unwrap();
    assert!(matches!(heard[..], [Event::ReuseSuspected(_)]), "{heard:?}");
}

/// The end of the program is the end of the tries too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_could_not_be_revoked_is_told() {
    let mut fleet = Fleet::start(MemoryStore::new()).await;
    let engine = fleet.process(Clock::system());
    let id = fleet.log_in(&engine, &fleet.ada()).await;
    let down = fleet.org.faults().at(salesforce_fake_org::Route::Revoke, Fault::Status(503));
    engine.log_out(&id).await.unwrap();
    assert!(matches!(fleet.next_event().await, Event::LoggedIn(_)));
    assert!(matches!(fleet.next_event().await, Event::LoggedOut(_)));
    while down.hits() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(*fleet.heard.lock().unwrap(), [], "it is tried again");
    fleet.background = Background::start().unwrap();
    assert_eq!(fleet.next_event().await, Event::RevocationFailed);
    assert_eq!(*fleet.heard.lock().unwrap(), [], "once");
}

/// F-08 and F-12: an outage keeps the login, and a token that may be spent is not sent on and on, by however many
/// processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_doubt_is_sent_once_a_cool_down_over_all_processes() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let (one, two) = (fleet.process(Clock::system()), fleet.process(Clock::system()));
    let id = fleet.log_in(&one, &fleet.ada()).await;
    let here = one.login(&id).await.unwrap().unwrap();
    let there = two.login(&id).await.unwrap().unwrap();
    let used = here.current().unwrap().version;
    let gateway = fleet.org.faults().refresh(Fault::Status(502));
    let cool_down = || tokio::time::sleep(Duration::from_millis(2_200));
    let fails = async |grant: &GrantHandle, calls: u64| {
        let renewed = grant.refresh(used).await;
        assert!(matches!(renewed, Err(GrantError::Unavailable { .. })), "{renewed:?}");
        assert_eq!(gateway.hits(), calls);
    };
    fails(&here, 2).await;
    fails(&there, 2).await;
    cool_down().await;
    fails(&there, 3).await;
    fails(&here, 3).await;
    cool_down().await;
    let (first, second) = futures_util::join!(here.refresh(used), there.refresh(used));
    assert!(first.is_err() && second.is_err());
    assert_eq!(gateway.hits(), 4, "one of them");
    gateway.remove();
    cool_down().await;
    let renewed = here.refresh(used).await.unwrap();
    assert_eq!(there.refresh(used).await.unwrap().version, renewed.version);
    assert_eq!(fleet.org.refresh_reuse_count(), 0);
    // What is renewed is in no doubt: two calls again.
    let before = fleet.org.token_calls("refresh_token");
    fleet.org.faults().refresh(Fault::Status(502).times(1));
    assert!(there.refresh(renewed.version).await.is_ok());
    assert_eq!(fleet.org.token_calls("refresh_token"), before + 2);
}
