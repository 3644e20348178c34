//! Decides what follows a failed token request. Without I/O and without a clock.
//!
//! If refresh tokens rotate, the request that returns the next token uses up the one it sent. So the rules are (F-08,
//! F-12):
//!
//! - `invalid_grant` is final, once it is certain that no other process has refreshed the grant. So are the codes that
//!   say that the user, the org or an administrator ended the access ([`OAuthError::is_grant_refused`]).
//! - A code that says that the app's settings are wrong, or one that is unknown, keeps the login. So does a refusal of this
//!   machine's address, or of the hour, although its code is `invalid_grant` ([`OAuthError::is_ip_restricted`]). The
//!   request is sent ever more rarely ([`permanent_pause`]).
//! - A response that only says "not now" (busy, overloaded, unavailable) used nothing: the same refresh retries,
//!   [`MAX_RETRIES`] times at most.
//! - Without a response the token may be used. The refresh sends it once more, after it has checked that no other process
//!   has refreshed the grant: the lost request may not have been processed.
//! - If that gets no response either, the token is *in doubt*. An outage must not end logins, so the token is not given
//!   up. But the next process to refresh finds the doubt [marked in the store](super::in_flight), reads the stored grant
//!   again, and sends the token once, without a retry if the response is lost again. All processes together do so at most
//!   once per cool-down.
//! - A successful response that is unreadable leaves the token in doubt at once.

use std::time::Duration;

use super::timing::MAX_COOL_DOWN;
use crate::base::backoff::Backoff;
use salesforce_connection::oauth::OAuthError;

/// Maximum number of retries within one refresh.
const MAX_RETRIES: u8 = 2;

/// How a token request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The token is invalid or revoked (`invalid_grant`), or the user, the org or an administrator ended the access.
    InvalidGrant,
    /// The endpoint cannot process the request now. The token was not used.
    Retryable,
    /// No response came: the token may be used.
    NoResponse,
    /// The response is unreadable, or a redirect: the request may have been processed.
    UnreadableResponse,
    /// A retry would fail in the same way.
    Permanent,
}

impl Failure {
    pub(super) fn of(error: &OAuthError) -> Self {
        match error {
            error if error.is_grant_refused() && !error.is_in_progress() => Self::InvalidGrant,
            OAuthError::InvalidResponse(_) => Self::UnreadableResponse,
            error if error.is_response_lost() && error.is_transient() => Self::NoResponse,
            error if error.is_response_lost() => Self::UnreadableResponse,
            error if error.is_transient() => Self::Retryable,
            _ => Self::Permanent,
        }
    }

    /// Returns true if the token may be used after this failure.
    pub(super) fn leaves_doubt(self) -> bool {
        matches!(self, Self::NoResponse | Self::UnreadableResponse)
    }
}

/// Returns the wait after the `count`th permanent failure in a row: doubled each time, as long as a cool-down may be.
pub(super) fn permanent_pause(cool_down: Duration, count: u32) -> Duration {
    Backoff { initial: cool_down, max: MAX_COOL_DOWN }.base(count.saturating_sub(1))
}

/// The token requests of one refresh so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Attempts {
    retries: u8,
    /// A request with this token got no response, in this refresh or an earlier one, here or in another process.
    in_doubt: bool,
}

impl Attempts {
    /// Begins a refresh.
    pub(super) fn first(in_doubt: bool) -> Self {
        Self { retries: 0, in_doubt }
    }

    /// Returns the number of retries so far.
    pub(super) fn retries(self) -> u8 {
        self.retries
    }
}

/// What follows a failed token request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Check whether another process refreshed the grant; otherwise it has ended.
    EndGrant { response_was_lost: bool },
    /// After `wait` check whether another process refreshed the grant; otherwise send the token again.
    Retry { wait: Duration, attempts: Attempts },
    /// The refresh fails. The login stays valid.
    GiveUp { again_in: Duration },
}

/// Decides what follows a failed request.
///
/// `wait` is the time that the token endpoint asks to wait, or else the usual backoff. `left` is how much longer this
/// refresh may send requests. `cool_down` is the usual time until the next refresh.
pub(super) fn after_failure(
    failure: Failure,
    attempts: Attempts,
    wait: Duration,
    left: Duration,
    cool_down: Duration,
) -> NextStep {
    let may_retry = match failure {
        Failure::InvalidGrant => return NextStep::EndGrant { response_was_lost: attempts.in_doubt },
        Failure::Retryable => true,
        Failure::NoResponse => !attempts.in_doubt,
        Failure::UnreadableResponse | Failure::Permanent => false,
    };
    if !may_retry || attempts.retries >= MAX_RETRIES || wait >= left {
        return NextStep::GiveUp { again_in: wait.clamp(cool_down, MAX_COOL_DOWN) };
    }
    let in_doubt = attempts.in_doubt || failure.leaves_doubt();
    NextStep::Retry { wait, attempts: Attempts { retries: attempts.retries + 1, in_doubt } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WAIT: Duration = Duration::from_millis(200);
    const LEFT: Duration = Duration::from_secs(9);
    const COOL_DOWN: Duration = Duration::from_secs(2);

    fn next(failure: Failure, attempts: Attempts) -> NextStep {
        after_failure(failure, attempts, WAIT, LEFT, COOL_DOWN)
    }

    #[test]
    fn a_lost_response_is_retried_once_unless_the_token_was_in_doubt_before() {
        let NextStep::Retry { attempts, .. } = next(Failure::NoResponse, Attempts::first(false)) else {
            panic!("no retry")
        };
        assert_eq!(next(Failure::NoResponse, attempts), NextStep::GiveUp { again_in: COOL_DOWN });
        assert_eq!(next(Failure::InvalidGrant, attempts), NextStep::EndGrant { response_was_lost: true });
        assert_eq!(
            next(Failure::NoResponse, Attempts::first(true)),
            NextStep::GiveUp { again_in: COOL_DOWN }
        );
        assert_eq!(
            next(Failure::InvalidGrant, Attempts::first(false)),
            NextStep::EndGrant { response_was_lost: false }
        );
    }

    #[test]
    fn permanent_failures_are_not_retried() {
        for failure in [Failure::UnreadableResponse, Failure::Permanent] {
            assert_eq!(next(failure, Attempts::first(false)), NextStep::GiveUp { again_in: COOL_DOWN });
        }
    }

    #[test]
    fn permanent_failures_are_sent_ever_more_rarely() {
        let pauses = [1, 2, 3, 5, 6, 40].map(|count| permanent_pause(COOL_DOWN, count).as_secs());
        assert_eq!(pauses, [2, 4, 8, 32, 60, 60]);
    }

    #[test]
    fn a_refusal_by_an_administrator_is_final_and_a_mistake_of_the_app_is_not() {
        let of = |code: &str| Failure::of(&salesforce_connection::test_errors::oauth(code));
        for code in ["invalid_grant", "inactive_user", "inactive_org", "oauth_app_blocked", "app_blocked"] {
            assert_eq!(of(code), Failure::InvalidGrant, "{code}");
        }
        for code in ["invalid_client", "invalid_client_id", "unsupported_grant_type", "new_code"] {
            assert_eq!(of(code), Failure::Permanent, "{code}");
        }
        for code in ["rate_limit_exceeded", "server_error", "service_unavailable"] {
            assert_eq!(of(code), Failure::Retryable, "{code}");
        }
    }

    /// `invalid_grant` has several meanings. An address is not a property of the grant.
    #[test]
    fn a_refusal_of_this_machines_address_or_of_the_hour_is_not_final() {
        for description in ["ip restricted", "ip restricted or invalid login hours"] {
            let error = salesforce_connection::test_errors::oauth_described("invalid_grant", description);
            assert_eq!(Failure::of(&error), Failure::Permanent, "{description}");
        }
        let expired =
            salesforce_connection::test_errors::oauth_described("invalid_grant", "authentication failure");
        assert_eq!(Failure::of(&expired), Failure::InvalidGrant);
    }

    fn failure() -> impl Strategy<Value = Failure> {
        prop_oneof![
            4 => Just(Failure::Retryable),
            3 => Just(Failure::NoResponse),
            1 => Just(Failure::InvalidGrant),
            1 => Just(Failure::UnreadableResponse),
            1 => Just(Failure::Permanent),
        ]
    }

    proptest! {
        /// All failures, in any order.
        #[test]
        fn a_refresh_ends_and_sends_a_token_in_doubt_at_most_once_more(
            in_doubt: bool,
            requests in prop::collection::vec((failure(), 0..20_000_u64), 4),
            mut left in 0..9_000_u64,
        ) {
            let mut attempts = Attempts::first(in_doubt);
            let (mut sent, mut lost) = (0, 0);
            for (failure, wait) in requests {
                sent += 1;
                lost += u32::from(failure.leaves_doubt());
                let millis = Duration::from_millis;
                match after_failure(failure, attempts, millis(wait), millis(left), COOL_DOWN) {
                    NextStep::Retry { wait: waits, attempts: now } => {
                        prop_assert_eq!(waits, millis(wait));
                        prop_assert!(waits < millis(left), "no request is sent too late");
                        prop_assert_eq!(now.in_doubt, in_doubt || lost > 0, "doubt is never forgotten");
                        left -= wait;
                        attempts = now;
                    }
                    NextStep::EndGrant { response_was_lost } => {
                        prop_assert_eq!(failure, Failure::InvalidGrant);
                        prop_assert_eq!(response_was_lost, in_doubt || lost > 0);
                        lost = 0;
                        break;
                    }
                    NextStep::GiveUp { again_in } => {
                        prop_assert!(failure != Failure::InvalidGrant, "invalid_grant is final");
                        prop_assert!((COOL_DOWN..=MAX_COOL_DOWN).contains(&again_in));
                        break;
                    }
                }
            }
            prop_assert!(sent <= 3, "{sent} requests");
            prop_assert!(lost <= if in_doubt { 1 } else { 2 }, "{lost} lost responses");
        }
    }
}
