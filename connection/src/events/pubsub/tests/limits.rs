//! Responses that are too large for the client.

use super::*;

/// The first requests of the streams.
fn first_requests(org: &FakeOrg) -> Vec<i32> {
    let fetches = org.pubsub().fetches().into_iter();
    fetches.filter(|fetch| fetch.start.is_some()).map(|fetch| fetch.requested).collect()
}

#[tokio::test]
async fn a_response_that_is_too_large_is_requested_in_smaller_ones() {
    let org = start().await;
    let sf = connect(&org).await;
    let fields = [FieldSpec::new("Number__c", "double"), FieldSpec::new("Note__c", "string")];
    org.declare_platform_event("Order_Event__e", &fields);
    let note = "x".repeat(900_000);
    let orders: Vec<_> = (0..20).map(|number| json!({"Number__c": number, "Note__c": note})).collect();
    sf.publish(ORDERS).send(&orders).await.unwrap();
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 20).await, (0..20).collect::<Vec<_>>());
    assert_eq!(first_requests(&org), [100, 1]);
    assert_eq!(org.pubsub().violations(), [""; 0]);
}

#[tokio::test]
async fn a_single_event_that_is_too_large_ends_the_subscription_and_says_so() {
    let org = start().await;
    let sf = connect(&org).await;
    publish(&sf, [0]).await;
    org.pubsub().publish_raw(ORDERS, &vec![0; 17 * 1024 * 1024]).unwrap();
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 1).await, [0]);
    let error = next(&mut events).await.unwrap_err();
    assert!(matches!(error, Error::Events(PubSubError::ResponseTooLarge)), "{error:?}");
    assert!(error.to_string().contains("larger than 16 MiB"), "{error}");
    assert!(matches!(events.try_next().await, Ok(None)));
    let requests = first_requests(&org);
    assert!(requests.len() <= 3 && requests.last() == Some(&1), "{requests:?}");
}
