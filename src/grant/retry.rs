//! What follows a token call that brought no tokens: decided without I/O and without a clock.
//!
//! Where refresh tokens rotate, one is spent by the call that brings the next. So the rule is (F-08, F-12):
//!
//! - A refusal (`invalid_grant`) is final, once it is certain that nobody else moved the grant.
//! - An answer that only says "not now" (busy, overloaded, down) spent nothing: the same refresh asks again,
//!   [`MAX_RETRIES`] times at most.
//! - Without an answer the token may be spent. That refresh asks once more, after it has looked whether somebody else
//!   moved the grant: the call may not have been carried out.
//! - When that brings no answer either, the token is *in doubt*. An outage must not end logins, so it is not given up;
//!   but whichever process refreshes next finds the doubt [noted in the store](super::note), reads what is stored anew,
//!   and sends the token once, without another try when the answer is lost again. All processes together do so once per
//!   [`COOL_DOWN`] at most.
//! - A success that cannot be read leaves the token in doubt at once.

use std::time::Duration;

use super::machine::LONGEST_WAIT;
use salesforce_connection::oauth::OAuthError;

/// How often a failure is tried again within one refresh.
const MAX_RETRIES: u8 = 2;
/// After a failure everybody waits so long.
pub(super) const COOL_DOWN: Duration = Duration::from_secs(2);

/// How a token call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The token is not, or no longer, good.
    Refused,
    /// Not now. The token is what it was.
    NotNow,
    /// No answer came: the token may be spent.
    Lost,
    /// It was carried out, and what came of it cannot be read.
    Unreadable,
    /// Something that another try does not mend.
    Lasting,
}

impl Failure {
    pub(super) fn of(error: &OAuthError) -> Self {
        match error {
            error if error.is_invalid_grant() => Self::Refused,
            OAuthError::InvalidResponse(_) => Self::Unreadable,
            error if error.is_response_lost() && error.is_transient() => Self::Lost,
            error if error.is_response_lost() => Self::Unreadable,
            error if error.is_transient() => Self::NotNow,
            _ => Self::Lasting,
        }
    }

    /// Whether the token may be spent after it.
    pub(super) fn leaves_doubt(self) -> bool {
        matches!(self, Self::Lost | Self::Unreadable)
    }
}

/// What was tried before, in one refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tries {
    retries: u8,
    /// A call with this token had no answer, in this refresh or before it, here or in another process.
    in_doubt: bool,
}

impl Tries {
    pub(super) fn none(in_doubt: bool) -> Self {
        Self { retries: 0, in_doubt }
    }

    pub(super) fn retries(self) -> u8 {
        self.retries
    }
}

/// What to do then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// See whether another process moved the grant; otherwise it is over.
    End { after_lost_answer: bool },
    /// After `wait` see whether another process moved the grant; otherwise ask again.
    Again { wait: Duration, tries: Tries },
    /// This refresh has failed. The login is kept.
    GiveUp { again_in: Duration },
}

/// Decides after a failure. `wait` is how long the token endpoint asks to wait, or the usual time; `left` how much
/// longer this refresh may begin a call.
pub(super) fn after_failure(failure: Failure, tries: Tries, wait: Duration, left: Duration) -> Next {
    let may_ask = match failure {
        Failure::Refused => return Next::End { after_lost_answer: tries.in_doubt },
        Failure::NotNow => true,
        Failure::Lost => !tries.in_doubt,
        Failure::Unreadable | Failure::Lasting => false,
    };
    if !may_ask || tries.retries >= MAX_RETRIES || wait >= left {
        return Next::GiveUp { again_in: wait.clamp(COOL_DOWN, LONGEST_WAIT) };
    }
    let in_doubt = tries.in_doubt || failure.leaves_doubt();
    Next::Again { wait, tries: Tries { retries: tries.retries + 1, in_doubt } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WAIT: Duration = Duration::from_millis(200);
    const LEFT: Duration = Duration::from_secs(9);

    fn next(failure: Failure, tries: Tries) -> Next {
        after_failure(failure, tries, WAIT, LEFT)
    }

    #[test]
    fn a_lost_answer_is_asked_for_once_more_unless_the_token_was_in_doubt_before() {
        let Next::Again { tries, .. } = next(Failure::Lost, Tries::none(false)) else { panic!("not again") };
        assert_eq!(next(Failure::Lost, tries), Next::GiveUp { again_in: COOL_DOWN });
        assert_eq!(next(Failure::Refused, tries), Next::End { after_lost_answer: true });
        assert_eq!(next(Failure::Lost, Tries::none(true)), Next::GiveUp { again_in: COOL_DOWN });
        assert_eq!(next(Failure::Refused, Tries::none(false)), Next::End { after_lost_answer: false });
    }

    #[test]
    fn what_another_try_does_not_mend_is_not_tried_again() {
        for failure in [Failure::Unreadable, Failure::Lasting] {
            assert_eq!(next(failure, Tries::none(false)), Next::GiveUp { again_in: COOL_DOWN });
        }
    }

    fn failure() -> impl Strategy<Value = Failure> {
        prop_oneof![
            4 => Just(Failure::NotNow),
            3 => Just(Failure::Lost),
            1 => Just(Failure::Refused),
            1 => Just(Failure::Unreadable),
            1 => Just(Failure::Lasting),
        ]
    }

    proptest! {
        /// Whatever a refresh meets, in any order.
        #[test]
        fn a_refresh_ends_and_sends_a_token_that_may_be_spent_once_more_at_most(
            in_doubt: bool,
            calls in prop::collection::vec((failure(), 0..20_000_u64), 4),
            mut left in 0..9_000_u64,
        ) {
            let mut tries = Tries::none(in_doubt);
            let (mut sent, mut lost) = (0, 0);
            for (failure, wait) in calls {
                sent += 1;
                lost += u32::from(failure.leaves_doubt());
                let millis = Duration::from_millis;
                match after_failure(failure, tries, millis(wait), millis(left)) {
                    Next::Again { wait: waits, tries: now } => {
                        prop_assert_eq!(waits, millis(wait));
                        prop_assert!(waits < millis(left), "no call begins too late");
                        prop_assert_eq!(now.in_doubt, in_doubt || lost > 0, "doubt is never forgotten");
                        left -= wait;
                        tries = now;
                    }
                    Next::End { after_lost_answer } => {
                        prop_assert_eq!(failure, Failure::Refused);
                        prop_assert_eq!(after_lost_answer, in_doubt || lost > 0);
                        lost = 0;
                        break;
                    }
                    Next::GiveUp { again_in } => {
                        prop_assert!(failure != Failure::Refused, "a refusal is final");
                        prop_assert!((COOL_DOWN..=LONGEST_WAIT).contains(&again_in));
                        break;
                    }
                }
            }
            prop_assert!(sent <= 3, "{sent} calls");
            prop_assert!(lost <= if in_doubt { 1 } else { 2 }, "{lost} lost answers");
        }
    }
}
