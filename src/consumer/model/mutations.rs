//! Mistakes that the model must find.

use super::run;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutation {
    /// A term begins without a write that gives the record a new version.
    NoClaim,
    /// The record is overwritten whatever its version.
    BlindWrite,
    /// The lease is counted from the response, and not from the request.
    LeaseFromResponse,
    /// A position counts as handled when its handler begins.
    HandledEarly,
    /// A write that is repeated is sealed again, so that the store cannot tell that it is the same.
    SealsAgain,
    /// Events are handled after the end of the term.
    GoesOn,
    /// A term begins with the newest event, and not at the stored position.
    StartsAfresh,
    /// All terms of a process have one holder of the lease, so that a late release ends a later one.
    SameHolder,
    /// A write without a response counts as done.
    TakesFailureForSuccess,
}

#[test]
fn the_model_finds_mistakes() {
    for (mutation, promise) in [
        (Mutation::NoClaim, "a position never moves back"),
        (Mutation::BlindWrite, "a position never moves back"),
        (Mutation::LeaseFromResponse, "one process runs the consumer"),
        (Mutation::HandledEarly, "a stored position"),
        (Mutation::SealsAgain, "a conflict comes from another process"),
        (Mutation::GoesOn, "one process runs the consumer"),
        (Mutation::StartsAfresh, "a stored position"),
        (Mutation::SameHolder, "one process runs the consumer"),
        (Mutation::TakesFailureForSuccess, "a conflict comes from another process"),
    ] {
        let found = (0..2_000).find_map(|seed| run(seed, Some(mutation)).err());
        let Some(found) = found else { panic!("{mutation:?} is not found") };
        assert!(found.starts_with(promise), "{mutation:?}: {found}");
    }
}
