//! The pauses between streams that end.

use super::*;

/// How many streams were opened.
fn streams(org: &FakeOrg) -> usize {
    org.pubsub().fetches().iter().filter(|fetch| fetch.start.is_some()).count()
}

/// Reads for this time. No event comes.
async fn read(events: &mut Subscription<Order>, time: Duration) {
    assert!(tokio::time::timeout(time, events.try_next()).await.is_err(), "no event");
}

/// Reads until this many streams were opened.
async fn read_until_opened(events: &mut Subscription<Order>, org: &FakeOrg, count: usize) {
    let opened = async {
        while streams(org) < count {
            read(events, Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(8), opened).await.expect("a stream within 8 seconds");
}

/// Ends the open stream after a response without an event.
async fn end_after_a_response(events: &mut Subscription<Order>, org: &FakeOrg) {
    let before = events.position();
    // Salesforce's sign of life.
    org.advance(Duration::from_secs(280));
    while events.position() == before {
        read(events, Duration::from_millis(10)).await;
    }
    org.pubsub().arm(PubSubFault::end());
    read(events, Duration::from_millis(150)).await;
}

/// Each stream costs Salesforce a call.
#[tokio::test]
async fn streams_that_end_after_a_response_are_opened_ever_more_rarely() {
    let org = start().await;
    let sf = connect(&org).await;
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    for round in 1..=6 {
        read_until_opened(&mut events, &org, round).await;
        end_after_a_response(&mut events, &org).await;
        advance(Duration::from_secs(60)).await;
    }
    read_until_opened(&mut events, &org, 7).await;
    end_after_a_response(&mut events, &org).await;
    read(&mut events, Duration::from_millis(500)).await;
    assert_eq!(streams(&org), 7, "the pause is one of seconds");
    advance(Duration::from_secs(60)).await;
    read_until_opened(&mut events, &org, 8).await;

    // A stream that has worked for a minute is no failure.
    advance(Duration::from_secs(61)).await;
    end_after_a_response(&mut events, &org).await;
    read_until_opened(&mut events, &org, 9).await;
}
