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
    assert!(matches!(error, Error::Events(PubSubError::Protocol(_))), "{error:?}");
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
