//! What stays of a grant that Salesforce refuses for good.

use salesforce_fake_org::Fault;

use super::*;
use crate::{
    base::seal::Purpose,
    grants::{broken::BrokenGrant, tokens::UnreadableGrant},
    store::{GrantKey, GrantRecord},
};
use salesforce_connection::token::{TokenError, TokenSource as _};

fn refusal(code: &str) -> Fault {
    Fault::OauthError { error: code.to_owned(), description: "user is inactive".to_owned(), status: 400 }
}

impl Fleet {
    async fn stored(&self) -> GrantRecord {
        let mut grants = self.store.list_grants(GrantFilter::All).await.unwrap();
        assert_eq!(grants.len(), 1);
        grants.remove(0)
    }

    fn broken(&self, key: GrantKey) -> BrokenGrant {
        let (host, code) = (self.host.clone(), Some("inactive_user".to_owned()));
        BrokenGrant { key, host, code, reason: None, since: SystemTime::now() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_of_a_refused_grant_has_no_tokens() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let id = fleet.log_in(&manager, &fleet.ada()).await;
    let grant = manager.login(&id).await.unwrap().unwrap();
    let before = grant.current().unwrap();
    fleet.org.expire_access_tokens();
    fleet.org.faults().refresh(refusal("inactive_user"));
    assert!(matches!(grant.refresh_version(before.version).await, Err(GrantError::Refused(_))));

    let record = fleet.stored().await;
    assert_ne!(record.version.epoch, before.version.epoch);
    let bound_to = super::tokens::associated_data(record.key, record.version);
    let plain = fleet.keys.open(Purpose::Grant, &bound_to, record.sealed.as_bytes()).unwrap();
    let plain = String::from_utf8(plain.to_vec()).unwrap();
    for token in [Some(&before.access_token), before.refresh_token.as_ref()].into_iter().flatten() {
        assert!(!plain.contains(token.expose()), "{plain}");
    }
    assert!(plain.contains("inactive_user") && plain.contains(fleet.host.issuer()), "{plain}");
    let since = record.updated_at.duration_since(SystemTime::now() - Duration::from_secs(60));
    assert!(since.is_ok(), "its time is that of the refusal");
    // A version of this crate that does not know such records takes this one for an unreadable one.
    assert!(matches!(GrantTokens::open(&fleet.keys, &record), Err(UnreadableGrant::Broken(_))));
}

/// Another process refreshed the grant without the lease, and its response comes after the refusal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_ends_after_a_refusal_revives_nothing() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let id = fleet.log_in(&manager, &fleet.ada()).await;
    let grant = manager.login(&id).await.unwrap().unwrap();
    let used = grant.current().unwrap().version;
    fleet.org.expire_access_tokens();
    fleet.org.faults().refresh(Fault::Delay(Duration::from_millis(400)).once());
    let refuse = async {
        while fleet.org.tokens_in_flight_max() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let ends = SystemTime::now() + Duration::from_secs(3_600);
        let record = fleet.broken(grant.key()).seal(&fleet.keys, ends).unwrap();
        assert!(fleet.store.break_grant(used, record).await.unwrap());
    };
    let (refreshed, ()) = futures_util::join!(grant.refresh_version(used), refuse);
    assert!(matches!(refreshed, Err(GrantError::LoginOver)), "{refreshed:?}");
    let record = fleet.stored().await;
    assert!(manager.open_broken(&record).is_some(), "{record:?}");
    let job = JobGrant { grant, owned: None };
    assert!(matches!(job.token(), Err(TokenError::NeedsReconnecting(_))), "{:?}", job.token());
    for _ in 0..100 {
        if fleet.org.live_refresh_tokens(&fleet.ada()).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(fleet.org.live_refresh_tokens(&fleet.ada()).is_empty(), "what the refresh returned is revoked");
}

/// The refusal of the former grant does not reach the grant of a login that came in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_comes_before_the_refusal_is_not_broken() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let former = fleet.log_in(&manager, &fleet.ada()).await;
    let grant = manager.login(&former).await.unwrap().unwrap();
    let used = grant.current().unwrap().version;
    let before = fleet.org.token_calls("refresh_token");
    let tokens = fleet.tokens(&fleet.ada()).await;
    fleet
        .org
        .faults()
        .refresh(salesforce_fake_org::Rule::from(refusal("inactive_user")).delay(Duration::from_millis(400)));
    let id = random_secret().unwrap();
    let log_in = async {
        while fleet.org.token_calls("refresh_token") < before + 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let grant = manager
            .first_version(manager.config.apps.current_key(), tokens, Profile::default(), &fleet.host)
            .unwrap();
        manager.log_in(grant, id.clone()).await.unwrap();
    };
    let (refreshed, _) = futures_util::join!(grant.refresh_version(used), log_in);
    assert!(refreshed.is_ok(), "{refreshed:?}");
    assert!(manager.login(&id).await.unwrap().is_some());
    assert!(manager.open_broken(&fleet.stored().await).is_none());
}

/// W-13: the older key can be dropped while a refused grant is listed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_of_a_refused_grant_is_sealed_under_the_newest_key() {
    let (old, new) =
        ("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=", "xJ4uW8nQe2RfT6yLs0ZaPq9bVc3dMk5hGi7oEtBwYjU=");
    let mut fleet = Fleet::start(MemoryStore::new()).await;
    fleet.keys = KeyRing::from_base64(old).unwrap();
    let user = fleet.ada();
    let tokens = fleet.tokens(&user).await;
    let manager = fleet.process(Clock::system());
    let app = manager.config.apps.current_key();
    let grant = manager.first_version(app, tokens, Profile::default(), &fleet.host).unwrap();
    manager.log_in(grant, random_secret().unwrap()).await.unwrap();
    let grant = fleet.stored().await;
    let ends = SystemTime::now() + Duration::from_secs(3_600);
    let record = fleet.broken(grant.key).seal(&fleet.keys, ends).unwrap();
    assert!(fleet.store.break_grant(grant.version, record).await.unwrap());

    assert!(matches!(fleet.next_event().await, AuthEvent::LoggedIn { .. }));
    fleet.keys = KeyRing::from_base64(&format!("{new},{old}")).unwrap();
    let manager = fleet.process(Clock::system());
    let resealing = fleet.background.spawner();
    let task = tokio::spawn(reseal::run(Arc::downgrade(&manager), resealing));
    assert_eq!(fleet.next_event().await, AuthEvent::OlderKeysUnused);
    task.abort();
    fleet.keys = KeyRing::from_base64(new).unwrap();
    let manager = fleet.process(Clock::system());
    let listed = manager.list_grants(GrantFilter::All).await.unwrap();
    let listed = listed[0].needs_reconnecting.as_ref().expect("it opens under the new key alone");
    assert_eq!(listed.code.as_deref(), Some("inactive_user"));
}
