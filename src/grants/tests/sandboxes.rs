//! The question whether an org is a sandbox.

use super::*;
use crate::grants::{Admission, AppFunctions, StoredGrant, sandboxes::StoredAdmission};

/// A request waits for the question of another one, and that one for the one before.
#[tokio::test]
async fn waiting_for_the_question_of_another_request_has_a_limit() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process_with(fleet.store.clone(), Clock::system(), |config| {
        config.admission = Admission::new(true, AppFunctions::default());
    });
    fleet.log_in(&manager, &fleet.ada()).await;
    let key = fleet.store.list_grants(GrantFilter::All).await.unwrap().remove(0).key;
    let StoredGrant::Valid(grant) = manager.grant(key).await.unwrap() else { panic!("no grant") };
    let question = manager.config.admission.sandboxes.question(key.user().organization_id);
    let asks = question.lock().await;
    tokio::time::pause();
    let hour = Duration::from_secs(3_600);
    let found = tokio::time::timeout(hour, manager.is_let_in(&grant)).await.expect("it waits without end");
    assert!(matches!(found, StoredAdmission::Undecided(_)));
    tokio::time::resume();
    drop(asks);
    // Asked now: the org of this test does not say what it is.
    assert!(matches!(manager.is_let_in(&grant).await, StoredAdmission::Refused), "the wait is no outage");
}
