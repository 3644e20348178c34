//! Mutations of the model that the check must find.

use super::{
    FaultBudget,
    explore::{NO_FAULTS, explore},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mutation {
    /// Processes refresh without the lease.
    NoLease,
    /// The stored version is not read again before the token is sent.
    NoSecondRead,
    /// The marker of another process is ignored.
    NoMarker,
    /// Lease and marker are released although the new token is not stored.
    NoLeaseForPendingWrites,
    /// The stored version is overwritten without a comparison.
    BlindWrite,
    /// A request without a response is retried like one with a response.
    RetriesWithoutLimit,
    /// The marker of a token in doubt is ignored.
    ForgetsDoubt,
    /// The outcome of a refresh is used although a login or logout came in between.
    PublishesBlindly,
    /// A refused grant is broken although the stored version is another one.
    BreaksBlindly,
    /// A late refresh overwrites what stays of a refused grant.
    RevivesBroken,
    /// A new refresh token is dropped, because the rest of its response is useless.
    DropsUnusable,
    /// The last logout deletes the grant although an owner uses it.
    LogoutTakesGrantOfOwner,
    /// The grant stays although neither a login nor an owner uses it any more.
    DisconnectLeavesGrant,
    /// A request that was processed is sent to another host.
    RepeatsProcessed,
    /// The mark on a version whose new token was rejected is ignored.
    IgnoresRejection,
    /// A refresh that has begun passes the mark of the same process.
    RestsForOthersOnly,
    /// What a process finds in the store shortens the rest that it knows of.
    OthersEndOwnRest,
    /// That mark replaces the marker of a process that sends the token, or of a token in doubt.
    RejectionHidesMarker,
    /// A process that was started again holds what it held before.
    RestartsShareSlots,
}

#[test]
fn the_check_finds_mutations() {
    let outage = FaultBudget { failed_writes: 1, lost_leases: 1, ..NO_FAULTS };
    let logout = FaultBudget { logouts: 1, ..NO_FAULTS };
    let rejected = FaultBudget { rejections: 3, new_rejections: 1, ..NO_FAULTS };
    let refusal = FaultBudget { rejections: 2, refusals: 1, ..NO_FAULTS };
    for (mutation, budget, promise) in [
        (Mutation::NoLease, NO_FAULTS, "one refresh at a time"),
        (Mutation::NoSecondRead, NO_FAULTS, "a used token"),
        (Mutation::NoMarker, outage, "a used token"),
        (Mutation::NoLeaseForPendingWrites, outage, "a used token"),
        (Mutation::RetriesWithoutLimit, FaultBudget { lost_responses: 3, ..NO_FAULTS }, "a token in doubt"),
        (Mutation::ForgetsDoubt, FaultBudget { lost_responses: 2, ..NO_FAULTS }, "a token in doubt"),
        (Mutation::BlindWrite, logout, "a deleted grant"),
        (Mutation::PublishesBlindly, logout, "a process uses no token"),
        (
            Mutation::DropsUnusable,
            FaultBudget { unusable_responses: 1, clock: 1, ..NO_FAULTS },
            "a used token",
        ),
        (Mutation::RepeatsProcessed, FaultBudget { redirects: 1, ..NO_FAULTS }, "a used token"),
        (Mutation::IgnoresRejection, rejected, "a version whose new token"),
        (Mutation::RestsForOthersOnly, rejected, "a version whose new token"),
        (
            Mutation::OthersEndOwnRest,
            FaultBudget { rejections: 4, clock: 1, ..rejected },
            "a version whose new token",
        ),
        (Mutation::RestartsShareSlots, FaultBudget { crashes: 1, ..rejected }, "a version whose new token"),
        (
            Mutation::RejectionHidesMarker,
            FaultBudget { rejections: 4, ..rejected },
            "a version whose new token",
        ),
        (Mutation::BreaksBlindly, FaultBudget { logins: 1, ..refusal }, "the next login"),
        (
            Mutation::RevivesBroken,
            FaultBudget { failed_writes: 1, lost_leases: 1, impatience: 1, ..refusal },
            "a broken grant",
        ),
        (
            Mutation::LogoutTakesGrantOfOwner,
            FaultBudget { connects: 1, logouts: 1, ..NO_FAULTS },
            "a grant that an owner uses",
        ),
        (
            Mutation::DisconnectLeavesGrant,
            FaultBudget { connects: 1, logouts: 1, disconnects: 1, ..NO_FAULTS },
            "a grant that nothing uses",
        ),
    ] {
        // Without the mutation the same worlds satisfy every promise.
        explore(budget, None).unwrap();
        let Err(found) = explore(budget, Some(mutation)) else { panic!("{mutation:?} is not found") };
        assert!(found.starts_with(promise), "{mutation:?}: {found}");
    }
}
