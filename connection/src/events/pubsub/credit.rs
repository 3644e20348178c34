//! [`Credit`]: how many events a stream may still send.

/// Most events that may be outstanding. Salesforce cuts a higher number to this. Source: Pub/Sub API documentation, "Flow
/// Control".
const MAX_OUTSTANDING: i32 = 100;
/// The events that were requested and did not arrive yet.
///
/// More are requested when a response has arrived and half of them are left. The next response is read when the caller has
/// taken all events of the last one. So at most 200 events are under way, 100 of them in memory; HTTP/2 holds back the rest
/// at the server.
///
/// After a response that was too large a stream begins with a single event, and doubles that with each response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credit {
    /// Most events that may be outstanding at the moment.
    most: i32,
}

impl Credit {
    /// The credit of a new stream, and the number to request first.
    pub(super) fn open(is_small: bool) -> (Self, i32) {
        let most = if is_small { 1 } else { MAX_OUTSTANDING };
        (Self { most }, most)
    }

    /// Notes a response, which says how many events are still outstanding. Returns how many more to request.
    pub(super) fn received(&mut self, pending: i32) -> Option<i32> {
        self.most = (self.most * 2).min(MAX_OUTSTANDING);
        let outstanding = pending.clamp(0, MAX_OUTSTANDING);
        (outstanding <= self.most / 2).then(|| self.most - outstanding)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the server reports, a request is never for zero events and never leads to more than 100.
        #[test]
        fn no_more_than_100_events_are_outstanding(
            is_small: bool,
            reports in proptest::collection::vec(any::<i32>(), 0..50),
        ) {
            let (mut credit, first) = Credit::open(is_small);
            prop_assert_eq!(first, if is_small { 1 } else { 100 });
            let mut most = first;
            for pending in reports {
                let known = pending.clamp(0, 100);
                most = (most * 2).min(100);
                match credit.received(pending) {
                    Some(more) => prop_assert!(known <= most / 2 && more > 0 && known + more == most),
                    None => prop_assert!(known > most / 2),
                }
            }
        }
    }
}
