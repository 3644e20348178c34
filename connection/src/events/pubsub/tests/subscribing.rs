//! Subscriptions: what arrives, and what happens when the stream is lost.

use super::*;
use crate::events::pubsub::{
    calls::Calls,
    messages::{PUBLISH, ProducerEvent, PublishRequest, PublishResponse},
};

#[tokio::test]
async fn each_write_of_a_row_is_an_event_with_what_it_changed() {
    let (org, earlier) = (start().await, StartFrom::Earliest);
    let sf = connect(&org).await;
    let mut changes = sf.subscribe::<Change<Account>>("/data/AccountChangeEvent", earlier);
    let accounts = sf.sobject("Account");
    let id = accounts.create(&json!({"Name": "Acme", "Phone": "1", "BillingCity": "Bonn"})).await.unwrap();
    accounts
        .update(id, &json!({"Phone": null, "BillingCity": "Berlin", "AnnualRevenue": 7.5}))
        .await
        .unwrap();
    accounts.delete(id).await.unwrap();

    let created = next(&mut changes).await.unwrap();
    let Change::Created(account) = created.event else { panic!("{created:?}") };
    assert_eq!((account.name, account.annual_revenue), (Patch::Set("Acme".into()), Patch::Cleared));
    let updated = next(&mut changes).await.unwrap();
    let address = Address { city: Patch::Set("Berlin".into()), country: Patch::Unchanged };
    let expected = Account {
        phone: Patch::Cleared,
        billing_address: Patch::Set(address),
        annual_revenue: Patch::Set(7.5),
        ..Account::default()
    };
    assert_eq!(updated.event, Change::Updated(expected));
    let header = updated.header.unwrap();
    assert_eq!((header.object.as_str(), &header.record_ids), ("Account", &vec![id.to_string()]));
    assert!(
        header.is_from("our-client") && header.changed_fields.contains(&"BillingAddress.City".into()),
        "{header:?}"
    );
    assert_eq!(header.nulled_fields, ["Phone"]);
    assert_eq!(next(&mut changes).await.unwrap().event, Change::Deleted);
}

/// Feeds wait for it: pages load what they show once their topic is read.
#[tokio::test]
async fn the_opening_of_a_stream_is_seen_while_no_event_comes() {
    let org = start().await;
    let mut events = connect(&org).await.subscribe::<Order>(ORDERS, StartFrom::Latest);
    let mut openings = events.openings();
    assert_eq!(openings.borrow().all, 0);
    tokio::select! {
        event = next(&mut events) => panic!("{event:?}"),
        changed = openings.changed() => changed.unwrap(),
    }
    let opened = *openings.borrow();
    assert_eq!((opened.all, opened.at_latest), (1, 1));
}

#[tokio::test]
async fn a_channel_of_all_changes_has_events_of_each_object_and_none_of_a_write_that_was_taken_back() {
    let org = start().await;
    let sf = connect(&org).await;
    let rejected = json!({"allOrNone": true, "records": [
        {"attributes": {"type": "Account"}, "Name": "lost"}, {"attributes": {"type": "Account"}},
    ]});
    sf.request("POST", "composite/sobjects").json(&rejected).send().await.unwrap();
    sf.sobject("Contact").create(&json!({"LastName": "Doe", "FirstName": "Jo"})).await.unwrap();
    sf.sobject("Account").create(&json!({"Name": "Acme"})).await.unwrap();
    let mut changes = sf.subscribe::<RawEvent>("/data/ChangeEvents", StartFrom::Earliest);
    let (contact, account) = (next(&mut changes).await.unwrap(), next(&mut changes).await.unwrap());
    assert_eq!((contact.event.name(), account.event.name()), ("ContactChangeEvent", "AccountChangeEvent"));
    let contact: Value = contact.event.decode().unwrap();
    assert_eq!(contact["Name"], json!({"Salutation": null, "FirstName": "Jo", "LastName": "Doe"}));
    assert!(matches!(account.event.decode::<Change<Account>>(), Ok(Change::Created(_))));
}

#[tokio::test]
async fn a_lost_stream_goes_on_after_the_last_event_without_a_gap_or_a_repeat() {
    let org = start().await;
    let sf = connect(&org).await;
    publish(&sf, 0..60).await;
    let pubsub = org.pubsub();
    pubsub.arm(PubSubFault::reset().after_events(7));
    pubsub.arm(PubSubFault::end().after_events(13));
    pubsub.arm(PubSubFault::status(14, "service.unavailable").after_events(5));
    pubsub.arm(PubSubFault::status(13, "subscription.internal.error"));
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 60).await, (0..60).collect::<Vec<_>>());
    let starts: Vec<String> = pubsub.fetches().into_iter().filter_map(|fetch| fetch.start).collect();
    // A reset may take events with it that were sent before. The stream begins where the first one did then.
    assert_eq!(starts[0], "earliest");
    assert!(starts.len() >= 5 && starts[2..].iter().all(|start| start.parse::<u64>().is_ok()), "{starts:?}");
}

#[tokio::test]
async fn a_stored_position_is_where_the_next_subscription_starts() {
    let org = start().await;
    let sf = connect(&org).await;
    let positions = publish(&sf, 0..10).await;
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(events.position(), None);
    numbers(&mut events, 4).await;
    // Six events are in memory and were not delivered.
    let stored = events.position().unwrap().to_string();
    drop(events);
    assert_eq!(stored, positions[3].to_string());
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::After(stored.parse().unwrap()));
    assert_eq!(numbers(&mut events, 6).await, [4, 5, 6, 7, 8, 9]);

    // From the latest on: only what is published later.
    let mut latest = sf.subscribe::<Order>(ORDERS, StartFrom::Latest);
    let (event, ()) = tokio::join!(next(&mut latest), async {
        while org.pubsub().fetches().iter().all(|fetch| fetch.start.as_deref() != Some("latest")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        publish(&sf, [77]).await;
    });
    assert_eq!(event.unwrap().event.number, 77);
}

#[tokio::test]
async fn no_more_than_100_events_are_requested_at_a_time_and_more_before_they_run_out() {
    let org = start().await;
    let sf = connect(&org).await;
    publish(&sf, 0..450).await;
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 450).await, (0..450).collect::<Vec<_>>());
    assert_eq!(org.pubsub().violations(), [""; 0]);
    let fetches = org.pubsub().fetches();
    assert!(fetches.iter().all(|fetch| (1..=100).contains(&fetch.requested)), "{fetches:?}");
    assert_eq!(fetches.iter().filter(|fetch| fetch.start.is_some()).count(), 1, "{fetches:?}");
}

#[tokio::test]
async fn a_slow_reader_has_at_most_200_events_under_way() {
    let org = start().await;
    let sf = connect(&org).await;
    publish(&sf, 0..1_000).await;
    let requested = || org.pubsub().fetches().iter().map(|fetch| fetch.requested).sum::<i32>();
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    for read in 1..=350 {
        next(&mut events).await.unwrap();
        assert!(requested() <= read + 200, "{} requested after {read} were read", requested());
    }
    // It was not held up either.
    assert!(requested() >= 350);
}

#[tokio::test]
async fn a_token_that_ends_in_mid_stream_is_refreshed_once_and_no_event_is_lost() {
    let org = start().await;
    let (sf, publisher) = (connect(&org).await, connect(&org).await);
    let mut events = sf.subscribe::<Value>(ORDERS, StartFrom::Earliest);
    publish(&publisher, [0]).await;
    assert_eq!(next(&mut events).await.unwrap().event["Number__c"], 0.0);
    let refreshes = || org.token_calls("client_credentials");
    let before = refreshes();

    // The stream itself outlives its token.
    publish(&publisher, [1]).await;
    org.expire_access_tokens();
    assert_eq!(next(&mut events).await.unwrap().event["Number__c"], 1.0);
    assert_eq!(refreshes(), before);

    // A new schema has to be fetched, with a token of today.
    let fields = [FieldSpec::new("Number__c", "double"), FieldSpec::new("Note__c", "string")];
    org.declare_platform_event("Order_Event__e", &fields);
    let noted = json!({"Number__c": 2, "Note__c": "new"});
    publisher.publish(ORDERS).send(&[noted]).await.unwrap();
    org.expire_access_tokens();
    let before = refreshes();
    let event = next(&mut events).await.unwrap().event;
    assert_eq!((&event["Number__c"], &event["Note__c"]), (&json!(2.0), &json!("new")));
    assert_eq!(refreshes(), before + 1);

    // The stream ends, and is opened again with a token that has ended, too.
    org.expire_access_tokens();
    org.pubsub().arm(PubSubFault::status(16, "service.auth.error").after_events(3));
    let before = refreshes();
    let (event, _) = tokio::join!(next(&mut events), async {
        while org.pubsub().fetches().iter().filter(|fetch| fetch.start.is_some()).count() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        publish(&publisher, [3]).await
    });
    assert_eq!(event.unwrap().event["Number__c"], 3.0);
    // One for the subscription and one for the publisher.
    assert_eq!(refreshes(), before + 2);
    let streams = org.pubsub().fetches().into_iter().filter_map(|fetch| fetch.start).collect::<Vec<_>>();
    assert_eq!(streams.len(), 2, "{streams:?}");
}

#[tokio::test]
async fn a_token_that_cannot_be_refreshed_ends_the_subscription() {
    let org = start().await;
    let tokens = org.issue_tokens(&org.user("ada@example.com"), "api");
    let user = UserRef::new(org.organization_id().parse().unwrap(), "005x00000012Q9P".parse().unwrap());
    let token = Secret::new(tokens.access_token);
    let source = FixedToken::new(user, org.instance_url().parse().unwrap(), &token).unwrap();
    let sf = Connection::new(&client(&org), Arc::new(source));
    org.expire_access_tokens();
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert!(matches!(events.try_next().await, Err(Error::LoginRequired)));
    assert!(matches!(events.try_next().await, Ok(None)));

    // A new token that is rejected as well.
    let sf = connect(&org).await;
    org.pubsub().arm(PubSubFault::status(16, "service.auth.error").times(9));
    let before = org.token_calls("client_credentials");
    let error = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest).try_next().await.unwrap_err();
    let Error::Events(error) = &error else { panic!("{error:?}") };
    assert_eq!(error.rejected().unwrap().code(), "service.auth.error");
    assert_eq!(org.token_calls("client_credentials"), before + 1);
}

#[tokio::test]
async fn a_silent_stream_is_left_after_300_seconds_and_not_before() {
    let org = start().await;
    let sf = connect(&org).await;
    org.pubsub().arm(PubSubFault::stall().after_events(2));
    publish(&sf, 0..5).await;
    let streams = || org.pubsub().fetches().iter().filter(|fetch| fetch.start.is_some()).count();
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 2).await, [0, 1]);
    let waiting = waiting_for(events, 3);
    // Lets the task begin to wait.
    tokio::time::sleep(Duration::from_millis(50)).await;
    advance(Duration::from_secs(290)).await;
    assert_eq!(streams(), 1);
    advance(Duration::from_secs(15)).await;
    assert_eq!(waiting.await.unwrap(), [2, 3, 4]);
    assert_eq!(streams(), 2);
}

/// Waits for events in a task, without a limit.
fn waiting_for(mut events: Subscription<Order>, count: usize) -> tokio::task::JoinHandle<Vec<i64>> {
    tokio::spawn(async move {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            numbers.push(events.try_next().await.unwrap().unwrap().event.number);
        }
        numbers
    })
}

#[tokio::test]
async fn a_lost_position_is_an_error_that_ends_the_subscription() {
    let org = start().await;
    let sf = connect(&org).await;
    let position = publish(&sf, 0..3).await[1].clone();
    let lost = async || {
        let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::After(position.clone()));
        let error = events.try_next().await.unwrap_err();
        assert!(matches!(error, Error::Events(PubSubError::LostPosition(_))), "{error:?}");
        assert!(matches!(events.try_next().await, Ok(None)));
    };
    org.advance(Duration::from_secs(73 * 3_600));
    lost().await;
    org.set_time(std::time::SystemTime::now());
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::After(position.clone()));
    assert_eq!(numbers(&mut events, 1).await, [2]);
    org.pubsub().forget_events();
    lost().await;
}

#[tokio::test]
async fn a_quiet_topic_keeps_its_position_fresh() {
    let org = start().await;
    let sf = connect(&org).await;
    publish(&sf, [0]).await;
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    numbers(&mut events, 1).await;
    let of_the_event = events.position();
    for _ in 0..2 {
        let before = events.position();
        org.advance(Duration::from_secs(40 * 3_600));
        while events.position() == before {
            let quiet = tokio::time::timeout(Duration::from_millis(50), events.try_next()).await;
            assert!(quiet.is_err(), "no event");
        }
    }
    let position = events.position().unwrap();
    assert_ne!(Some(&position), of_the_event.as_ref());
    drop(events);
    // 80 hours after the event its position is lost, and this one is not.
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::After(position));
    let (event, _) = tokio::join!(next(&mut events), publish(&sf, [1]));
    assert_eq!(event.unwrap().event.number, 1);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_an_item_and_the_next_one_follows() {
    let org = start().await;
    let sf = connect(&org).await;
    publish(&sf, [0]).await;
    org.pubsub().publish_raw(ORDERS, b"canary-garbage").unwrap();
    // A schema that Salesforce does not know.
    let event =
        ProducerEvent { id: "x".into(), schema_id: "unknown".into(), payload: b"canary".to_vec().into() };
    let request = PublishRequest { topic_name: ORDERS.into(), events: vec![event] };
    let published: PublishResponse = Calls::new(sf.clone()).unary(PUBLISH, request).await.unwrap();
    assert_eq!(published.results.len(), 1);
    // Valid data that the type does not take.
    sf.publish(ORDERS).send(&[json!({"Number__c": 1.5})]).await.unwrap();
    publish(&sf, [2]).await;
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 1).await, [0]);
    for _ in 0..3 {
        let error = next(&mut events).await.unwrap_err();
        let Error::Events(PubSubError::Undecodable { position, .. }) = &error else { panic!("{error:?}") };
        assert_eq!(Some(position), events.position().as_ref());
        let text = format!("{error} {error:?}");
        assert!(!text.contains("canary") && !text.contains("1.5"), "{text}");
    }
    assert_eq!(numbers(&mut events, 1).await, [2]);
}

#[tokio::test]
async fn an_unknown_topic_ends_the_subscription_and_says_what_to_check() {
    let org = start().await;
    let sf = connect(&org).await;
    let mut events = sf.subscribe::<Order>("/data/accountchangeevent", StartFrom::Latest);
    let error = events.try_next().await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("topic.not.found") && text.contains("capitals included"), "{text}");
    let Error::Events(error) = error else { panic!("{text}") };
    assert!(error.rejected().unwrap().message().contains(&org.organization_id()));
    assert!(!text.contains(&org.organization_id()), "{text}");
}

#[tokio::test]
async fn a_topic_that_vanishes_for_a_moment_is_not_given_up() {
    let org = start().await;
    let sf = connect(&org).await;
    publish(&sf, 0..4).await;
    org.pubsub().arm(PubSubFault::status(5, "topic.not.found").after_events(2));
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 2).await, [0, 1]);
    let waiting = waiting_for(events, 2);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    advance(Duration::from_secs(30)).await;
    assert_eq!(waiting.await.unwrap(), [2, 3]);
}

#[tokio::test]
async fn a_schema_is_fetched_once_for_all_subscriptions_of_a_client() {
    let org = start().await;
    let sf = connect(&org).await;
    publish(&sf, 0..3).await;
    let read = async || numbers(&mut sf.subscribe::<Order>(ORDERS, StartFrom::Earliest), 3).await;
    tokio::join!(read(), read(), read());
    assert_eq!(org.pubsub().calls("GetSchema"), 1);
    // A failed fetch is tried again.
    let other = connect(&org).await;
    org.pubsub().arm(PubSubFault::status(14, "schema.api.unavailable").on("GetSchema"));
    let mut events = other.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 3).await, [0, 1, 2]);
    assert_eq!(org.pubsub().calls("GetSchema"), 3);
}

/// What a health check reads: an event that cannot be read does not keep the stream from being up to date.
#[tokio::test]
async fn a_stream_is_current_but_while_an_event_waits_for_its_schema() {
    let org = start().await;
    let sf = connect(&org).await;
    sf.publish(ORDERS).send(&[Order { number: 1 }]).await.unwrap();
    let sf = connect(&org).await;
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    let mut openings = events.openings();
    assert!(!openings.borrow().is_current, "no stream is open yet");
    org.pubsub().arm(PubSubFault::status(14, "").on("GetSchema"));
    org.pubsub().arm(PubSubFault::status(3, "schema.validation.failed").on("GetSchema"));
    let mut seen = Vec::new();
    let item = loop {
        tokio::select! {
            biased;
            Ok(()) = openings.changed() => seen.push(openings.borrow_and_update().is_current),
            item = events.try_next() => break item,
        }
    };
    assert!(matches!(item, Err(Error::Events(PubSubError::Undecodable { .. }))), "{item:?}");
    // That the stream is open is seen only if its first events do not come with it.
    assert!(seen.contains(&false), "the event waits: {seen:?}");
    assert!(openings.borrow().is_current, "nothing waits any more");
}
