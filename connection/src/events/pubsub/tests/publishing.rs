//! Publishing: one result for each event.

use super::*;

#[tokio::test]
async fn each_event_that_is_published_has_a_result_and_its_id_reaches_the_subscriber() {
    let org = start().await;
    let sf = connect(&org).await;
    let id = "5f3bd3c0-9a7b-4a5e-8f47-0d6c1f9a2b11".to_owned();
    let results = sf.publish(ORDERS).send_with_ids(&[(id.clone(), Order { number: 1 })]).await.unwrap();
    assert_eq!(results[0].id, id);
    let mut events = sf.subscribe::<Value>(ORDERS, StartFrom::Earliest);
    let delivery = next(&mut events).await.unwrap();
    assert_eq!(delivery.id, Some(id));
    assert_eq!(&delivery.position, results[0].outcome.as_ref().unwrap());
    assert_eq!(delivery.event["CreatedById"], sf.user_id().to_string());
    assert!(delivery.event["CreatedDate"].as_i64().unwrap() > 1_700_000_000_000);

    publish(&sf, 0..450).await;
    assert_eq!(org.pubsub().calls("Publish"), 1 + 3);
}

#[tokio::test]
async fn an_event_that_does_not_fit_is_refused_before_anything_is_sent() {
    let org = start().await;
    let sf = connect(&org).await;
    let events = [json!({"Number__c": 1}), json!({"Number__c": "canary"})];
    let error = sf.publish(ORDERS).send(&events).await.unwrap_err();
    assert!(matches!(error, Error::Events(PubSubError::Unfit { index: 1, .. })), "{error:?}");
    assert!(
        format!("{error:?}").contains("Number__c") && !format!("{error:?}").contains("canary"),
        "{error:?}"
    );
    let error = sf.publish("/event/Nothing__e").send(&events).await.unwrap_err();
    assert!(format!("{error}").contains("topic.not.found"), "{error}");
    let error = sf.publish("/data/AccountChangeEvent").send(&events).await.unwrap_err();
    assert!(matches!(error, Error::Events(PubSubError::NotPublishable)), "{error:?}");
    org.pubsub().arm(PubSubFault::status(3, "schema.validation.failed").on("GetSchema"));
    let error = connect(&org).await.publish(ORDERS).send(&events).await.unwrap_err();
    assert!(matches!(error, Error::Events(PubSubError::Schema(_))), "{error:?}");
    let twice = ["a", "b", "a"].map(|id| (id.to_owned(), Order { number: 1 }));
    let error = sf.publish(ORDERS).send_with_ids(&twice).await.unwrap_err();
    assert!(matches!(error, Error::Events(PubSubError::DuplicateId { index: 2, .. })), "{error:?}");
    assert_eq!(org.pubsub().calls("Publish"), 0);
}

#[tokio::test]
async fn a_failed_request_says_whether_its_events_may_have_been_published() {
    let org = start().await;
    let sf = connect(&org).await;
    let orders: Vec<Order> = (0..250).map(|number| Order { number }).collect();
    org.pubsub().arm(PubSubFault::status(14, "").on("Publish"));
    let results = sf.publish(ORDERS).send(&orders).await.unwrap();
    assert_eq!(results.len(), 250);
    // The first request is in doubt, the second was not sent.
    assert!(results[..200].iter().all(|result| matches!(result.outcome, Err(NotPublished::InDoubt(_)))));
    assert!(results[200..].iter().all(|result| matches!(result.outcome, Err(NotPublished::Rejected(_)))));
    org.pubsub().arm(PubSubFault::status(8, "concurrent.client.limit.exceeded").on("Publish"));
    let results = sf.publish(ORDERS).send(&orders[..1]).await.unwrap();
    assert!(matches!(results[0].outcome, Err(NotPublished::Rejected(_))), "{results:?}");
    org.expire_access_tokens();
    assert_eq!(publish(&sf, [1]).await.len(), 1);
}

#[tokio::test]
async fn only_a_status_that_refuses_a_request_says_that_nothing_was_published() {
    let org = start().await;
    let sf = connect(&org).await;
    let publisher = sf.publish(ORDERS);
    for status in 1..=16 {
        org.pubsub().arm(PubSubFault::status(status, "some.code").on("Publish"));
        let results = publisher.send(&[Order { number: 1 }]).await.unwrap();
        let is_refused = matches!(results[0].outcome, Err(NotPublished::Rejected(_)));
        // INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, UNIMPLEMENTED and
        // UNAUTHENTICATED.
        assert_eq!(is_refused, [3, 5, 7, 8, 9, 12, 16].contains(&status), "{status}: {results:?}");
        assert!(is_refused || matches!(results[0].outcome, Err(NotPublished::InDoubt(_))), "{status}");
    }
    // A response that is too large for the client.
    org.pubsub().arm(PubSubFault::status(11, "").on("Publish"));
    let results = publisher.send(&[Order { number: 1 }]).await.unwrap();
    assert!(matches!(results[0].outcome, Err(NotPublished::InDoubt(_))), "{results:?}");
}

#[tokio::test]
async fn a_publisher_notices_that_its_event_was_changed() {
    let org = start().await;
    let sf = connect(&org).await;
    let publisher = sf.publish(ORDERS);
    publisher.send(&[Order { number: 1 }]).await.unwrap();
    let fields = [FieldSpec::new("Number__c", "double"), FieldSpec::new("Note__c", "string")];
    org.declare_platform_event("Order_Event__e", &fields);
    // It does not fit the schema that the publisher has.
    let noted = [json!({"Number__c": 2, "Note__c": "new"})];
    assert!(publisher.send(&noted).await.unwrap()[0].outcome.is_ok());
    let topics = || org.pubsub().calls("GetTopic");
    assert_eq!(topics(), 2);
    assert!(publisher.send(&[json!({"Nonsense__c": 1})]).await.is_err());
    // Salesforce's error may be due to a change.
    publisher.send(&noted).await.unwrap();
    let before = topics();
    org.pubsub().arm(PubSubFault::status(3, "publish.invalid").on("Publish"));
    publisher.send(&noted).await.unwrap();
    publisher.send(&noted).await.unwrap();
    publisher.send(&noted).await.unwrap();
    assert_eq!(topics(), before + 1);
}
