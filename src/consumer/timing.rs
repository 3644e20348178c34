//! [`ConsumerTiming`]: every wait of a consumer, and the relations between them.

use std::time::Duration;

use crate::base::{background::SHUTDOWN_TIMEOUT, backoff::Backoff};

/// The waits of a consumer. The default values are for production; [`fast`](Self::fast) is for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConsumerTiming {
    /// Lifetime of the lease: how long other processes wait after a crash.
    pub(super) lease_lifetime: Duration,
    /// How often the lease is renewed. A third of its lifetime, so that two renewals may fail.
    pub(super) renew_interval: Duration,
    /// How long after the last renewal a process stops, by its monotonic clock. The rest of the lifetime is for the
    /// difference between clocks, and for what was sent before.
    pub(super) give_up_after: Duration,
    /// How often a process that does not run the consumer tries to acquire the lease.
    pub(super) poll_interval: Duration,
    /// Wait before an operation of the store that failed is repeated.
    pub(super) store_retry: Duration,
    /// Shortest time between two writes of the position. A crash repeats about as much.
    pub(super) write_interval: Duration,
    /// Number of events after which the position is written earlier.
    pub(super) write_events: u32,
    /// How often the position is written while the topic is quiet. Salesforce forgets a position after 72 hours.
    pub(super) idle_write_interval: Duration,
    /// Waits before an event whose handler failed is handled again.
    pub(super) handler_waits: Backoff,
    /// Waits before a consumer that Salesforce refused starts again.
    pub(super) restart_waits: Backoff,
    /// How long the end of the process waits for the handler.
    pub(super) handler_at_end: Duration,
    /// How long the last write of a position is tried before the lease is released.
    pub(super) last_write: Duration,
    /// How long the end of the process waits for the consumer in all.
    pub(super) shutdown: Duration,
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl ConsumerTiming {
    pub(super) const DEFAULT: Self = Self {
        lease_lifetime: millis(30_000),
        renew_interval: millis(10_000),
        give_up_after: millis(20_000),
        poll_interval: millis(1_000),
        store_retry: millis(1_000),
        write_interval: millis(1_000),
        write_events: 100,
        idle_write_interval: Duration::from_secs(10 * 60),
        handler_waits: Backoff { initial: millis(1_000), max: millis(60_000) },
        restart_waits: Backoff { initial: millis(1_000), max: millis(60_000) },
        handler_at_end: millis(3_000),
        last_write: millis(1_000),
        shutdown: millis(7_500),
    };

    /// Shorter values, each as short as a test on a busy machine allows.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) const FAST: Self = Self {
        lease_lifetime: millis(6_000),
        renew_interval: millis(1_000),
        give_up_after: millis(4_200),
        poll_interval: millis(100),
        store_retry: millis(100),
        write_interval: millis(100),
        idle_write_interval: millis(1_000),
        handler_waits: Backoff { initial: millis(50), max: millis(1_000) },
        restart_waits: Backoff { initial: millis(100), max: millis(1_000) },
        ..Self::DEFAULT
    };

    /// Returns the profile of this process: the default. With the feature `test-util`, the environment variable
    /// `ACTIX_SALESFORCE_TEST_TIMING=fast` selects the fast one for programs that tests start.
    pub(super) fn of_process() -> Self {
        #[cfg(feature = "test-util")]
        if std::env::var_os("ACTIX_SALESFORCE_TEST_TIMING").is_some_and(|profile| profile == "fast") {
            return Self::FAST;
        }
        Self::DEFAULT
    }

    /// Fails to compile if a profile breaks a relation.
    const fn check(&self) {
        // Two renewals may fail before the process stops, each with its deadline of 1.5 seconds.
        let renewals = self.renew_interval.saturating_add(self.store_retry).saturating_add(millis(3_000));
        assert!(less(renewals, self.give_up_after));
        assert!(less(self.give_up_after, self.lease_lifetime));
        assert!(less(self.store_retry, self.renew_interval));
        // What was sent before the process stopped has arrived, or was given up, when the lease ends.
        assert!(less(millis(1_500), self.lease_lifetime.saturating_sub(self.give_up_after)));
        assert!(less(self.poll_interval, self.lease_lifetime));
        assert!(less(self.write_interval, self.idle_write_interval));
        // The end of the process: the handler, the last write, the release. Those two have 1.5 seconds each.
        let end = self.handler_at_end.saturating_add(self.last_write);
        assert!(less(end.saturating_add(millis(3_000)), self.shutdown));
        // With the tasks in the background it fits into the 30 seconds that platforms give a process.
        assert!(less(self.shutdown.saturating_add(SHUTDOWN_TIMEOUT), millis(30_000)));
    }
}

const _: () = ConsumerTiming::DEFAULT.check();
#[cfg(any(test, feature = "test-util"))]
const _: () = ConsumerTiming::FAST.check();

const fn less(a: Duration, b: Duration) -> bool {
    a.as_nanos() < b.as_nanos()
}
