//! [`Credit`]: how many events a stream may still send.

/// Most events that may be outstanding. Salesforce cuts a higher number to this. Source: Pub/Sub API documentation, "Flow
/// Control".
const MAX_OUTSTANDING: i32 = 100;
/// Number of outstanding events at which more are requested.
const REFILL_AT: i32 = 50;

/// The events that were requested and did not arrive yet.
///
/// More are requested when a response has arrived and half of them are left. The next response is read when the caller has
/// taken all events of the last one. So at most 200 events are under way, 100 of them in memory; HTTP/2 holds back the rest
/// at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credit {
    outstanding: i32,
}

impl Credit {
    /// The credit of a new stream, and the number to request first.
    pub(super) fn open() -> (Self, i32) {
        (Self { outstanding: MAX_OUTSTANDING }, MAX_OUTSTANDING)
    }

    /// Notes a response, which says how many events are still outstanding. Returns how many more to request.
    pub(super) fn received(&mut self, pending: i32) -> Option<i32> {
        self.outstanding = pending.clamp(0, MAX_OUTSTANDING);
        if self.outstanding > REFILL_AT {
            return None;
        }
        let more = MAX_OUTSTANDING - self.outstanding;
        self.outstanding = MAX_OUTSTANDING;
        Some(more)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the server reports, a request is never for zero events and never leads to more than 100.
        #[test]
        fn no_more_than_100_events_are_outstanding(reports in proptest::collection::vec(any::<i32>(), 0..50)) {
            let (mut credit, first) = Credit::open();
            prop_assert!((1..=100).contains(&first));
            for pending in reports {
                let known = pending.clamp(0, 100);
                match credit.received(pending) {
                    Some(more) => prop_assert!(known <= 50 && more > 0 && known + more == 100),
                    None => prop_assert!(known > 50),
                }
            }
        }
    }
}
