//! Mistakes that the model check must find.

use super::{
    Budget,
    runs::{CALM, explore},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mistake {
    /// Everyone refreshes who wants to, and heeds nobody.
    NoLease,
    /// What is stored is not read again before the token is sent.
    NoSecondLook,
    /// A note of another process is not heeded.
    NoNote,
    /// A new token that could not be stored is used, and lease and note are given up.
    HoldsWithoutALease,
    /// What is stored is overwritten, whatever it is.
    BlindWrite,
    /// A call without an answer is repeated as one that was answered.
    AsksOnAndOn,
    /// A note that a token is in doubt is not heeded.
    ForgetsDoubt,
    /// What came of a refresh is used, whatever came in between.
    PublishesBlindly,
}

#[test]
fn the_model_check_finds_mistakes() {
    let outage = Budget { failed_writes: 1, lost_leases: 1, ..CALM };
    let logout = Budget { logouts: 1, ..CALM };
    for (mistake, budget, promise) in [
        (Mistake::NoLease, CALM, "one refresh at a time"),
        (Mistake::NoSecondLook, CALM, "a spent token"),
        (Mistake::NoNote, outage, "a spent token"),
        (Mistake::HoldsWithoutALease, outage, "a spent token"),
        (Mistake::AsksOnAndOn, Budget { lost_answers: 3, ..CALM }, "a token in doubt"),
        (Mistake::ForgetsDoubt, Budget { lost_answers: 2, ..CALM }, "a token in doubt"),
        (Mistake::BlindWrite, logout, "what was logged out"),
        (Mistake::PublishesBlindly, logout, "where somebody logged out"),
    ] {
        // Without the mistake the same worlds keep every promise.
        explore(budget, None).unwrap();
        let Err(found) = explore(budget, Some(mistake)) else { panic!("{mistake:?} is not found") };
        assert!(found.starts_with(promise), "{mistake:?}: {found}");
    }
}
