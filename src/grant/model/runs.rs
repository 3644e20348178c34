//! All worlds within a bound on what goes wrong, and what holds in each.

use std::collections::HashSet;

use super::{Budget, World, mistakes::Mistake};

/// Visits every world, and gives how many there are, or the first promise that one of them breaks.
pub(super) fn explore(budget: Budget, mistake: Option<Mistake>) -> Result<usize, String> {
    let start = World::new(budget, mistake);
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(world) = open.pop() {
        world.check()?;
        if !world.is_quiet() && !world.goes_on() {
            return Err(format!("nobody is left waiting: {world:?}"));
        }
        for next in world.next() {
            if let (Some(before), Some(after)) = (world.stored, next.stored)
                && before.is_after(after)
                && world.budget.fall_backs == next.budget.fall_backs
            {
                return Err(format!("what is stored never goes back: {next:?}"));
            }
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    Ok(seen.len())
}

pub(super) const CALM: Budget = Budget {
    needs: 4,
    logouts: 0,
    failures: 0,
    lost_answers: 0,
    lost_leases: 0,
    failed_writes: 0,
    impatience: 0,
    cancellations: 0,
    crashes: 0,
    fall_backs: 0,
    clock: 0,
};

#[test]
fn two_processes_never_spend_a_token_twice() {
    assert!(explore(Budget { needs: 5, failures: 1, clock: 1, ..CALM }, None).unwrap() > 1_000);
}

/// A store that goes away for longer than a lease lasts.
#[test]
fn an_outage_of_the_store_spends_no_token_twice() {
    assert!(explore(Budget { failed_writes: 2, lost_leases: 2, ..CALM }, None).unwrap() > 10_000);
}

#[test]
fn a_logout_at_any_moment_is_final() {
    assert!(explore(Budget { logouts: 1, failures: 1, failed_writes: 1, ..CALM }, None).unwrap() > 1_000);
}

#[test]
fn mishaps_at_any_moment_leave_nobody_waiting_and_revive_nothing() {
    let mishaps = Budget { needs: 3, logouts: 1, lost_leases: 1, clock: 1, ..CALM };
    for mishap in [
        Budget { failures: 1, lost_answers: 1, ..mishaps },
        Budget { crashes: 1, lost_answers: 1, ..mishaps },
        Budget { cancellations: 1, failed_writes: 1, ..mishaps },
        Budget { failed_writes: 1, impatience: 1, crashes: 1, clock: 0, ..mishaps },
    ] {
        assert!(explore(mishap, None).unwrap() > 10_000, "{mishap:?}");
    }
}

/// F-08 and F-12: each process tries again after its cool-down, and another one may take over.
#[test]
fn a_token_in_doubt_is_sent_once_for_each_answer_that_was_lost() {
    let outage = Budget { lost_answers: 3, failures: 1, clock: 2, ..CALM };
    assert!(explore(outage, None).unwrap() > 1_000);
}

/// F-07: whoever read the older state sends its token once, and the login ends; or someone who knows better mends the
/// store before. Nothing goes round in circles.
#[test]
fn a_store_that_falls_back_costs_one_login_at_most() {
    for more in
        [Budget { failures: 1, ..CALM }, Budget { crashes: 1, ..CALM }, Budget { lost_answers: 1, ..CALM }]
    {
        assert!(explore(Budget { fall_backs: 1, ..more }, None).unwrap() > 1_000);
    }
}
