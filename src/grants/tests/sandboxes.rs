//! The question whether an org is a sandbox.

use super::*;
use crate::grants::{Admission, AppFunctions, StoredGrant, sandboxes::StoredAdmission};
use salesforce_fake_org::Fault;

/// A process that leaves sandboxes out, and may send its questions to the org.
fn process(fleet: &Fleet) -> Arc<GrantManager> {
    fleet.process_with(fleet.store.clone(), Clock::system(), |config| {
        config.admission = Admission::new(true, AppFunctions::default());
        let hosts = AllowedHosts::new([fleet.org.instance_url().parse().unwrap()]);
        config.client = Client::builder().allowed_hosts(hosts).build().unwrap();
        // The grant of a login that ends stays.
        config.revoke_on_logout = crate::grants::RevokeOnLogout::Never;
    })
}

/// Such a process, and a stored grant of Ada.
async fn asking() -> (Fleet, Arc<GrantManager>, GrantHandle) {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = process(&fleet);
    fleet.log_in(&manager, &fleet.ada()).await;
    let key = fleet.store.list_grants(GrantFilter::All).await.unwrap().remove(0).key;
    let StoredGrant::Valid(grant) = manager.grant(key).await.unwrap() else { panic!("no grant") };
    (fleet, manager, grant)
}

/// A request waits for the question of another one, and that one for the one before.
#[tokio::test]
async fn waiting_for_the_question_of_another_request_has_a_limit() {
    let (_fleet, manager, grant) = asking().await;
    let questions = manager.config.admission.sandboxes.questions(grant.key().user().organization_id);
    let asks = questions.turn.lock().await;
    tokio::time::pause();
    let hour = Duration::from_secs(3_600);
    let found = tokio::time::timeout(hour, manager.is_let_in(&grant)).await.expect("it waits without end");
    assert!(matches!(found, StoredAdmission::Undecided(_)));
    tokio::time::resume();
    drop(asks);
    assert!(matches!(manager.is_let_in(&grant).await, StoredAdmission::Allowed), "the wait is no outage");
}

/// A client that gives up does not leave it to the next one to find the org down.
#[tokio::test]
async fn a_request_that_is_dropped_leaves_its_question_running() {
    let (fleet, manager, grant) = asking().await;
    fleet.org.faults().query(Fault::Delay(Duration::from_secs(8)));
    let questions = || fleet.org.requests().iter().filter(|request| request.path.contains("/query")).count();
    let given_up = tokio::time::timeout(Duration::from_millis(500), manager.is_let_in(&grant)).await;
    assert!(given_up.is_err());
    // Its end is noted, and not asked for again.
    assert!(matches!(manager.is_let_in(&grant).await, StoredAdmission::Undecided(_)));
    assert_eq!(questions(), 1);
}

/// A logout counts, though the org had to be asked for the login before it.
#[tokio::test]
async fn a_login_that_ends_while_its_org_is_asked_is_over() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let (manager, other) = (process(&fleet), process(&fleet));
    let id = fleet.log_in(&other, &fleet.ada()).await;
    fleet.org.faults().query(Fault::Delay(Duration::from_secs(1)));
    let login = LoginId::new(id.clone());
    let (found, ended) = tokio::join!(manager.find_login(&login), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        other.log_out(&id).await
    });
    ended.unwrap();
    assert!(matches!(found, Ok(FoundLogin::Over)), "{found:?}");
}
