//! Visits all worlds within a bound on the number of faults, and checks the promises in each.

use std::collections::HashSet;

use super::{FaultBudget, World, mutations::Mutation};

/// Visits every world. Returns their number, or the first promise that is violated.
pub(super) fn explore(budget: FaultBudget, mutation: Option<Mutation>) -> Result<usize, String> {
    let start = World::new(budget, mutation);
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(world) = open.pop() {
        world.check()?;
        if !world.is_quiet() && !world.can_continue() {
            return Err(format!("no work is left unfinished: {world:?}"));
        }
        for next in world.next() {
            if let (Some(before), Some(after)) = (world.stored, next.stored)
                && before.is_after(after)
                && world.budget.fall_backs == next.budget.fall_backs
            {
                return Err(format!("the stored version never goes back: {next:?}"));
            }
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    Ok(seen.len())
}

pub(super) const NO_FAULTS: FaultBudget = FaultBudget {
    rejections: 4,
    new_rejections: 0,
    logouts: 0,
    logins: 0,
    connects: 0,
    disconnects: 0,
    refusals: 0,
    failures: 0,
    lost_responses: 0,
    unusable_responses: 0,
    redirects: 0,
    lost_leases: 0,
    failed_writes: 0,
    impatience: 0,
    cancellations: 0,
    crashes: 0,
    fall_backs: 0,
    clock: 0,
};

#[test]
fn two_processes_never_use_a_token_twice() {
    assert!(
        explore(FaultBudget { rejections: 5, failures: 1, clock: 1, ..NO_FAULTS }, None).unwrap() > 1_000
    );
}

/// The store is unavailable for longer than the lifetime of a lease.
#[test]
fn an_outage_of_the_store_uses_no_token_twice() {
    assert!(explore(FaultBudget { failed_writes: 2, lost_leases: 2, ..NO_FAULTS }, None).unwrap() > 10_000);
}

#[test]
fn a_logout_at_any_moment_is_final() {
    assert!(
        explore(FaultBudget { logouts: 1, failures: 1, failed_writes: 1, ..NO_FAULTS }, None).unwrap()
            > 1_000
    );
}

/// F-38 and F-39: no token is used twice, whatever host processes the request, and whatever of its response is usable.
#[test]
fn redirected_refreshes_and_thin_responses_use_no_token_twice() {
    let odd = FaultBudget { redirects: 2, unusable_responses: 2, clock: 1, ..NO_FAULTS };
    assert!(explore(odd, None).unwrap() > 1_000);
    let odd = FaultBudget { rejections: 2, redirects: 1, unusable_responses: 1, ..NO_FAULTS };
    for more in [
        FaultBudget { lost_responses: 1, clock: 1, ..odd },
        FaultBudget { failed_writes: 1, lost_leases: 1, ..odd },
        FaultBudget { logouts: 1, refusals: 1, ..odd },
    ] {
        assert!(explore(more, None).unwrap() > 1_000, "{more:?}");
    }
}

/// W-04: Salesforce rejects new tokens like the old ones. The version rests in all processes, after a restart as well, and
/// the mark that says so hides no other one.
#[test]
fn a_version_whose_new_token_was_rejected_rests() {
    let rejected = FaultBudget { rejections: 3, new_rejections: 2, clock: 2, ..NO_FAULTS };
    for more in [
        rejected,
        FaultBudget { lost_responses: 2, clock: 1, ..rejected },
        FaultBudget { new_rejections: 1, failed_writes: 1, lost_leases: 1, ..rejected },
        FaultBudget { new_rejections: 1, crashes: 1, ..rejected },
        FaultBudget { new_rejections: 1, cancellations: 1, failures: 1, clock: 1, ..rejected },
        FaultBudget { new_rejections: 1, logouts: 1, refusals: 1, clock: 1, ..rejected },
        FaultBudget { new_rejections: 1, fall_backs: 1, clock: 1, ..rejected },
    ] {
        assert!(explore(more, None).unwrap() > 1_000, "{more:?}");
    }
}

/// W-02: a refusal for good at any moment, with the faults in which another process is still at work, and with the next
/// login of the user at any moment.
#[test]
fn a_lasting_refusal_is_final_until_the_next_login() {
    for more in [
        FaultBudget { failed_writes: 1, lost_leases: 1, ..NO_FAULTS },
        FaultBudget { lost_responses: 1, clock: 1, ..NO_FAULTS },
        FaultBudget { cancellations: 1, failures: 1, ..NO_FAULTS },
        FaultBudget { crashes: 1, failed_writes: 1, ..NO_FAULTS },
    ] {
        let faults = FaultBudget { rejections: 2, refusals: 1, logins: 1, ..more };
        assert!(explore(faults, None).unwrap() > 1_000, "{faults:?}");
    }
}

/// A login and an owner use one grant, and end in any order, during refreshes and refusals.
#[test]
fn a_grant_lives_while_a_login_or_an_owner_uses_it() {
    for more in [
        FaultBudget { failures: 1, ..NO_FAULTS },
        FaultBudget { failed_writes: 1, lost_leases: 1, ..NO_FAULTS },
        FaultBudget { refusals: 1, ..NO_FAULTS },
        FaultBudget { crashes: 1, ..NO_FAULTS },
    ] {
        let faults = FaultBudget { rejections: 2, connects: 1, logouts: 1, disconnects: 1, ..more };
        assert!(explore(faults, None).unwrap() > 1_000, "{faults:?}");
    }
}

/// Faults at any moment leave no work unfinished and revive no grant.
fn at_any_moment(faults: FaultBudget) {
    let faults = FaultBudget { rejections: 3, logouts: 1, lost_leases: 1, ..faults };
    assert!(explore(faults, None).unwrap() > 10_000, "{faults:?}");
}

#[test]
fn failures_at_any_moment_leave_no_work_unfinished_and_revive_no_grant() {
    at_any_moment(FaultBudget { failures: 1, lost_responses: 1, clock: 1, ..NO_FAULTS });
}

#[test]
fn crashes_at_any_moment_leave_no_work_unfinished_and_revive_no_grant() {
    at_any_moment(FaultBudget { crashes: 1, lost_responses: 1, clock: 1, ..NO_FAULTS });
}

#[test]
fn cancellations_at_any_moment_leave_no_work_unfinished_and_revive_no_grant() {
    at_any_moment(FaultBudget { cancellations: 1, failed_writes: 1, clock: 1, ..NO_FAULTS });
}

#[test]
fn impatient_callers_at_any_moment_leave_no_work_unfinished_and_revive_no_grant() {
    at_any_moment(FaultBudget { failed_writes: 1, impatience: 1, crashes: 1, ..NO_FAULTS });
}

/// F-08 and F-12: each process retries after its cool-down, and another one may take over.
#[test]
fn a_token_in_doubt_is_sent_once_for_each_lost_response() {
    let outage = FaultBudget { lost_responses: 3, failures: 1, clock: 2, ..NO_FAULTS };
    assert!(explore(outage, None).unwrap() > 1_000);
}

/// F-07: a process that read the older state sends its token once, and the login ends; or a process with the newer state
/// repairs the store first. No token is sent endlessly.
#[test]
fn a_store_that_falls_back_ends_one_login_at_most() {
    for more in [
        FaultBudget { failures: 1, ..NO_FAULTS },
        FaultBudget { crashes: 1, ..NO_FAULTS },
        FaultBudget { lost_responses: 1, ..NO_FAULTS },
    ] {
        assert!(explore(FaultBudget { fall_backs: 1, ..more }, None).unwrap() > 1_000);
    }
}
