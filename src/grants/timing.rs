//! [`Timing`]: every wait and deadline of the grant manager, and the relations between them.

use std::time::Duration;

use crate::{
    base::{background::SHUTDOWN_TIMEOUT, backoff::Backoff},
    store::StoreTiming,
};

/// The longest cool-down, even if the token endpoint asks for a longer one. The user cannot help themselves meanwhile,
/// and an extreme value is more often an error than intended. No test waits for it, so it is the same in all profiles.
pub(super) const MAX_COOL_DOWN: Duration = Duration::from_secs(60);

/// The time in which a protected page responds while the store is unavailable.
const PAGE_RESPONSE: Duration = Duration::from_secs(2);

/// How long a sent token request may take.
const TOKEN_REQUEST: Duration = salesforce_connection::http::SHORT_TIMEOUT;

/// The waits and deadlines of the grant manager.
///
/// The default values are for production. [`Timing::fast`] is for tests: shorter, with the same relations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "test-util"), allow(unreachable_pub, reason = "`test-util` exports it"))]
#[non_exhaustive]
pub struct Timing {
    /// How long a request waits for a refresh. The refresh may take longer: a sent token request is always awaited.
    pub request_wait: Duration,
    /// How long after its start a refresh may send a token request. Long enough to take over from a process that was
    /// killed, which takes a lease and the grace period of its in-flight marker.
    pub send_window: Duration,
    /// How long a refresh waits for another process that holds the lease.
    pub lease_wait: Duration,
    /// Lifetime of a lease. The holder renews it three times as often, so that it survives a failed renewal.
    pub lease_lifetime: Duration,
    /// How often a waiting refresh looks at the store.
    pub poll_interval: Duration,
    /// How long a grant is not refreshed again after a failure, and how often a token in doubt is sent at most.
    pub cool_down: Duration,
    /// Wait before the first retry of a token request; doubled for each further one.
    pub token_retry_wait: Duration,
    /// Lifetime of an in-flight marker. Longer than most outages of a store: after it only the processes that sent the
    /// token know about the doubt.
    pub in_flight_lifetime: Duration,
    /// How long a process waits for another one that left an in-flight marker, so that it can store its new token.
    pub in_flight_grace: Duration,
    /// Wait before the first retry to store a new token; doubled for each further one.
    pub pending_write_wait: Duration,
    /// Longest wait between retries to store a new token, jitter included. Short enough that several retries fit into
    /// the grace period.
    pub pending_write_max_wait: Duration,
    /// Maximum time for getting a service user's token, including the wait for other token requests.
    pub service_deadline: Duration,
    /// How long a service user's token is not requested again after Salesforce refused it. Only an administrator can fix
    /// the cause.
    pub service_refused_for: Duration,
    /// Minimum age of a refreshed service token before it is refreshed again. A token that is rejected sooner would be
    /// followed by another rejected one, and Salesforce allows a user 3,600 logins per hour.
    pub min_token_age: Duration,
    /// How long a grant is not refreshed again after a new access token was rejected like the one before it; doubled for
    /// each further one. Each refresh uses up a refresh token.
    pub rejected_pause: Duration,
    /// Longest such pause. Shorter than the shortest session of Salesforce, 15 minutes: the token does not expire during
    /// it.
    pub rejected_max_pause: Duration,
    /// How long a grant is not checked again after Salesforce did not say whether it is valid; doubled for each further time
    /// in a row, up to the period of the check.
    pub recheck_pause: Duration,
    /// How long a login waits for other logins that are being completed.
    pub login_queue_timeout: Duration,
    /// Waits before each retry of work in the background that is given up in the end: revoking tokens, undoing logins.
    pub retry_schedule: [Duration; 4],
    /// Longest wait between retries to store a logout. Until it is stored, other processes still accept the login.
    pub logout_max_wait: Duration,
    /// How often grants are checked for `keep_alive`.
    pub keep_alive_interval: Duration,
    /// How often stored grants are checked for older keys while there are any.
    pub reseal_interval: Duration,
    /// Minimum interval between two writes of a login's last-used time.
    pub last_used_interval: Duration,
    /// Maximum time of an operation of a store that the app brought.
    pub store_call: Duration,
    /// Maximum time of a listing of such a store. No protected page waits for it, and it must succeed for many records
    /// too. Longer than the deadline of a listing in our own stores.
    pub store_listing: Duration,
    /// A store counts as recovered only after this long without a failure. Prevents flapping when, say, a full Redis
    /// still serves reads.
    pub store_recovery: Duration,
    /// How long shutdown waits for background tasks. Long enough for a refresh that has already sent its token request.
    pub shutdown: Duration,
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

impl Timing {
    const DEFAULT: Self = Self {
        request_wait: millis(12_000),
        send_window: millis(9_000),
        lease_wait: millis(10_000),
        lease_lifetime: millis(5_000),
        poll_interval: millis(100),
        cool_down: millis(2_000),
        token_retry_wait: millis(200),
        in_flight_lifetime: minutes(10),
        in_flight_grace: millis(2_500),
        pending_write_wait: millis(200),
        pending_write_max_wait: millis(1_000),
        service_deadline: millis(10_000),
        service_refused_for: millis(30_000),
        min_token_age: millis(5_000),
        rejected_pause: millis(20_000),
        rejected_max_pause: minutes(10),
        recheck_pause: millis(30_000),
        login_queue_timeout: millis(5_000),
        retry_schedule: [millis(500), millis(2_000), millis(8_000), millis(30_000)],
        logout_max_wait: millis(5_000),
        keep_alive_interval: minutes(6 * 60),
        reseal_interval: minutes(10),
        last_used_interval: millis(60_000),
        store_call: millis(1_500),
        store_listing: millis(11_000),
        store_recovery: millis(5_000),
        shutdown: SHUTDOWN_TIMEOUT,
    };

    /// A quarter of the default values. Deadlines of work that takes real time in tests (store operations, the end of the
    /// process) are shortened less.
    #[cfg(any(test, feature = "test-util"))]
    const FAST: Self = Self {
        request_wait: millis(3_000),
        send_window: millis(2_250),
        lease_wait: millis(2_500),
        lease_lifetime: millis(1_250),
        poll_interval: millis(25),
        cool_down: millis(500),
        token_retry_wait: millis(50),
        in_flight_lifetime: millis(150_000),
        in_flight_grace: millis(625),
        pending_write_wait: millis(50),
        pending_write_max_wait: millis(250),
        service_deadline: millis(2_500),
        service_refused_for: millis(7_500),
        min_token_age: millis(1_250),
        rejected_pause: millis(5_000),
        rejected_max_pause: millis(150_000),
        recheck_pause: millis(7_500),
        login_queue_timeout: millis(1_250),
        retry_schedule: [millis(125), millis(500), millis(2_000), millis(7_500)],
        logout_max_wait: millis(1_250),
        store_call: millis(600),
        store_listing: millis(11_000),
        store_recovery: millis(1_250),
        shutdown: millis(14_000),
        ..Self::DEFAULT
    };

    /// Returns the profile for tests: about four times as fast as the default, with the same relations.
    #[cfg(any(test, feature = "test-util"))]
    #[doc(hidden)]
    pub const fn fast() -> Self {
        Self::FAST
    }

    /// Returns the profile of this process: the default. With the feature `test-util`, the environment variable
    /// `ACTIX_SALESFORCE_TEST_TIMING=fast` selects [`Timing::fast`] for programs that tests start.
    pub(crate) fn of_process() -> Self {
        #[cfg(feature = "test-util")]
        if std::env::var_os("ACTIX_SALESFORCE_TEST_TIMING").is_some_and(|profile| profile == "fast") {
            return Self::FAST;
        }
        Self::DEFAULT
    }

    /// Returns the waits of a store.
    pub(crate) fn store(&self) -> StoreTiming {
        StoreTiming {
            call: self.store_call,
            listing: self.store_listing,
            recovery_period: self.store_recovery,
        }
    }

    /// Returns the waits between token requests. They are capped by the cool-down, which follows the last one.
    pub(super) fn token_backoff(&self) -> Backoff {
        Backoff { initial: self.token_retry_wait, max: self.cool_down }
    }

    /// Returns the pauses after new access tokens were rejected.
    pub(super) fn rejected_pauses(&self) -> Backoff {
        Backoff { initial: self.rejected_pause, max: self.rejected_max_pause }
    }

    /// Returns the waits between retries to store a new token, without jitter.
    pub(super) fn pending_write_backoff(&self) -> Backoff {
        Backoff { initial: self.pending_write_wait, max: self.pending_write_max_wait * 3 / 4 }
    }

    /// Fails to compile if a profile breaks a relation.
    const fn check(&self) {
        // A protected page responds in time although one store operation hangs.
        assert!(less(self.store_call, PAGE_RESPONSE));
        assert!(less(self.store_call, self.store_recovery));
        assert!(less(self.store_call, self.store_listing));
        // A lease is still held after one renewal that hung.
        assert!(less(sum(third(self.lease_lifetime), self.store_call), self.lease_lifetime));
        assert!(less(self.poll_interval, third(self.lease_lifetime)));
        // A refresh can take over from a killed process and then still send its token.
        assert!(less(sum(self.lease_lifetime, self.in_flight_grace), self.send_window));
        // A process that has a new token retries to store it at least twice while another one waits for it.
        assert!(less(sum(self.pending_write_max_wait, self.pending_write_max_wait), self.in_flight_grace));
        assert!(less(self.pending_write_wait, self.pending_write_max_wait));
        assert!(less(self.poll_interval, third(self.in_flight_grace)));
        // A marker outlives the lease, every refresh and every wait of the end of the process.
        assert!(less(self.lease_lifetime, self.in_flight_lifetime));
        assert!(less(self.shutdown, self.in_flight_lifetime));
        // A request that waits learns why its refresh was not started.
        assert!(less(self.send_window, self.lease_wait));
        assert!(less(self.lease_wait, self.request_wait));
        assert!(less(self.service_deadline, self.request_wait));
        assert!(less(self.login_queue_timeout, self.request_wait));
        // A failure is remembered for longer than the retries within a refresh take to begin.
        assert!(less(self.token_retry_wait, self.cool_down));
        assert!(less(self.cool_down, MAX_COOL_DOWN));
        assert!(less(self.cool_down, self.service_refused_for));
        assert!(less(self.cool_down, self.rejected_pause));
        assert!(less(self.rejected_pause, self.rejected_max_pause));
        assert!(less(self.cool_down, self.recheck_pause));
        // The end of the process waits for a refresh that began just before it: sending, the request, storing.
        assert!(less(sum(sum(self.send_window, TOKEN_REQUEST), self.store_call), self.shutdown));
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const _: () = Timing::DEFAULT.check();
#[cfg(any(test, feature = "test-util"))]
const _: () = Timing::FAST.check();

const fn less(a: Duration, b: Duration) -> bool {
    a.as_nanos() < b.as_nanos()
}

const fn sum(a: Duration, b: Duration) -> Duration {
    a.saturating_add(b)
}

const fn third(a: Duration) -> Duration {
    Duration::from_millis(a.as_millis() as u64 / 3)
}
