//! What a consumer delivers: each event at least once, in order, from where the last process was.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::scene::{
    Account, CRASH, Handled, NAME, OnDemand, Scene, TOPIC, eventually, health, name, until, until_running,
};
use crate::support::ADA;
use actix_salesforce::{
    Connection,
    admin::ConsumerState,
    consumer::{Consumer, LostPosition},
    events::{Change, Delivery, Position, RawEvent, StartFrom},
    store::{ConsumerKey, MemoryStore},
};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

#[actix_web::test]
async fn a_restart_goes_on_after_the_last_event() {
    let scene = Scene::start().await;
    scene.create(&["1", "2", "3"]).await;
    let first = scene.process(scene.consumer()).await;
    assert_eq!(scene.handled.until(3).await, ["1", "2", "3"]);
    let report = health(&first).await;
    assert_eq!((report.state, report.handled, report.problem), (ConsumerState::Running, 3, None));
    assert!(report.is_healthy() && report.lag_seconds.is_some_and(|lag| lag < 60), "{report:?}");
    first.shutdown().await;
    scene.create(&["4", "5"]).await;
    let second = scene.process(scene.consumer()).await;
    assert_eq!(scene.handled.until(5).await, ["1", "2", "3", "4", "5"], "none twice after a clean end");
    second.shutdown().await;
}

#[actix_web::test]
async fn one_process_of_two_runs_it_and_a_clean_end_hands_over_at_once() {
    let scene = Scene::start().await;
    let first = scene.process(scene.consumer()).await;
    until_running(&first).await;
    let second = scene.process(scene.consumer()).await;
    until(&second, "it stands by", |health| health.state == ConsumerState::Standby).await;
    scene.create(&["1", "2"]).await;
    scene.handled.until(2).await;
    assert_eq!(health(&second).await.handled, 0);
    assert_eq!(scene.org.pubsub().calls("Subscribe"), 1, "one process subscribes");
    first.shutdown().await;
    let ended = Instant::now();
    scene.create(&["3"]).await;
    assert_eq!(scene.handled.until(3).await, ["1", "2", "3"]);
    assert!(
        ended.elapsed() < Duration::from_secs(3),
        "before the lease would have ended: {:?}",
        ended.elapsed()
    );
    second.shutdown().await;
}

#[actix_web::test]
async fn the_end_of_a_process_waits_for_the_handler_and_stores_its_position() {
    let scene = Scene::start().await;
    let (begun, handled) = (Handled::default(), scene.handled.clone());
    let (beginning, ended) = (begun.clone(), handled.clone());
    let slow = Consumer::new("slow", TOPIC, StartFrom::Earliest).on_event(
        move |delivery: Delivery<Change<Account>>, _: Connection| {
            beginning.add(name(&delivery));
            let handled = ended.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                handled.add(name(&delivery));
                Ok::<(), OnDemand>(())
            }
        },
    );
    let first = scene.process(slow.clone()).await;
    scene.create(&["1", "2"]).await;
    begun.until(1).await;
    first.shutdown().await;
    assert_eq!(handled.names(), ["1"], "it ended, and no other began");
    let second = scene.process(slow).await;
    assert_eq!(handled.until(2).await, ["1", "2"], "its position was stored");
    second.shutdown().await;
}

#[actix_web::test]
async fn each_object_of_a_channel_has_its_handler_and_others_are_passed_over() {
    let scene = Scene::start().await;
    let (accounts, rest) = (scene.handled.clone(), Handled::default());
    let others = rest.clone();
    let consumer = Consumer::new("channel", "/data/ChangeEvents", StartFrom::Earliest).on(
        "Account",
        move |delivery: Delivery<Change<Account>>, _: Connection| {
            accounts.add(name(&delivery));
            std::future::ready(Ok::<(), OnDemand>(()))
        },
    );
    let with_rest = consumer.clone().on_event(move |delivery: Delivery<RawEvent>, sf: Connection| {
        others.add(format!("{} of {}", delivery.event.name(), sf.organization_id()));
        std::future::ready(Ok::<(), OnDemand>(()))
    });
    let process = scene.process(consumer).await;
    let sf = process.service_connection().await.unwrap();
    sf.sobject("Contact").create(&json!({ "LastName": "Lovelace" })).await.unwrap();
    scene.create(&["1"]).await;
    assert_eq!(scene.handled.until(1).await, ["1"]);
    let report = health(&process).await;
    assert_eq!((report.handled, report.undecodable), (1, 0), "the contact was given to no handler");
    process.shutdown().await;
    let process = scene.process(with_rest).await;
    let sf = process.service_connection().await.unwrap();
    sf.sobject("Contact").create(&json!({ "LastName": "Babbage" })).await.unwrap();
    let expected = format!("ContactChangeEvent of {}", scene.org.organization_id());
    assert_eq!(rest.until(1).await, [expected], "the contact before was passed over");
    process.shutdown().await;
}

#[actix_web::test]
async fn a_platform_event_has_its_own_type() {
    #[derive(serde::Deserialize)]
    struct Order {
        #[serde(rename = "Number__c")]
        number: String,
    }
    let number = serde_json::from_value(json!({ "name": "Number__c", "type": "string" })).unwrap();
    let org = FakeOrg::builder().execution_user(ADA).platform_event("Order_Event__e", &[number]);
    let scene = Scene::around(org.start().await.unwrap(), Arc::new(MemoryStore::new())).await;
    let handled = scene.handled.clone();
    let consumer = Consumer::new("orders", "/event/Order_Event__e", StartFrom::Earliest).on(
        "Order_Event__e",
        move |delivery: Delivery<Order>, _: Connection| {
            handled.add(delivery.event.number);
            std::future::ready(Ok::<(), OnDemand>(()))
        },
    );
    let process = scene.process(consumer).await;
    let sf = process.service_connection().await.unwrap();
    sf.publish("/event/Order_Event__e").send(&[json!({ "Number__c": "A-17" })]).await.unwrap();
    assert_eq!(scene.handled.until(1).await, ["A-17"]);
    assert_eq!(health(&process).await.lag_seconds, None);
    process.shutdown().await;
}

#[actix_web::test]
async fn own_changes_are_passed_over() {
    let scene = Scene::start().await;
    let settings = scene.settings().client_name("our-client");
    let consumer = scene.consumer().ignore_own_changes().with_test_timing();
    let process = settings.consumer(consumer).build().await.unwrap();
    let own = process.service_connection().await.unwrap();
    own.sobject("Account").create(&json!({ "Name": "own" })).await.unwrap();
    scene.create(&["theirs"]).await;
    assert_eq!(scene.handled.until(1).await, ["theirs"]);
    process.shutdown().await;
}

/// The app's own table: rows and the position are written in one step.
#[actix_web::test]
async fn with_the_apps_own_transaction_each_event_counts_exactly_once() {
    #[derive(Default)]
    struct Table {
        rows: Vec<String>,
        position: Option<Position>,
    }
    let scene = Scene::start().await;
    let table = Arc::new(Mutex::new(Table::default()));
    let (written, read) = (Arc::clone(&table), Arc::clone(&table));
    let consumer = Consumer::new("exact", TOPIC, StartFrom::Earliest)
        .on_event(move |delivery: Delivery<Change<Account>>, _: Connection| {
            let table = Arc::clone(&written);
            async move {
                {
                    let mut table = table.lock().unwrap();
                    table.rows.push(name(&delivery));
                    table.position = Some(delivery.position.clone());
                }
                // The process dies after its transaction, and before it could store the position.
                if name(&delivery) == "2" {
                    std::future::pending::<()>().await;
                }
                Ok::<(), OnDemand>(())
            }
        })
        .resume_from(move || std::future::ready(Ok::<_, OnDemand>(read.lock().unwrap().position.clone())));
    scene.create(&["1", "2"]).await;
    let first = scene.process(consumer.clone()).await;
    eventually("the second is written", || table.lock().unwrap().rows.len() == 2).await;
    // The handler of the second never ends: its process gives it up at its end.
    first.shutdown().await;
    scene.create(&["3"]).await;
    let second = scene.process(consumer).await;
    eventually("the third is written", || table.lock().unwrap().rows.len() >= 3).await;
    assert_eq!(table.lock().unwrap().rows, ["1", "2", "3"]);
    second.shutdown().await;
}

/// Salesforce forgets positions after 72 hours. A quiet topic has signs of life, which are positions, too.
#[actix_web::test]
async fn a_topic_that_is_quiet_for_days_keeps_its_position() {
    let scene = Scene::start().await;
    let process = scene.process(scene.consumer()).await;
    scene.create(&["1"]).await;
    scene.handled.until(1).await;
    for _ in 0..3 {
        let version = scene.written_after(1).await.version;
        scene.org.advance(Duration::from_secs(60 * 60 * 60));
        // The token has expired meanwhile; the stream lives on.
        scene.written_after(version).await;
    }
    process.shutdown().await;
    let process = scene.process(scene.consumer()).await;
    until_running(&process).await;
    scene.create(&["2"]).await;
    assert_eq!(scene.handled.until(2).await, ["1", "2"]);
    process.shutdown().await;
}

#[actix_web::test]
async fn expired_tokens_and_a_new_schema_lose_no_event() {
    let number = |name: &str| serde_json::from_value(json!({ "name": name, "type": "string" })).unwrap();
    let org = FakeOrg::builder().execution_user(ADA).platform_event("Order_Event__e", &[number("Number__c")]);
    let scene = Scene::around(org.start().await.unwrap(), Arc::new(MemoryStore::new())).await;
    let handled = scene.handled.clone();
    let consumer = Consumer::new("orders", "/event/Order_Event__e", StartFrom::Earliest).on_event(
        move |delivery: Delivery<Value>, _: Connection| {
            handled.add(delivery.event["Number__c"].as_str().unwrap());
            std::future::ready(Ok::<(), OnDemand>(()))
        },
    );
    let process = scene.process(consumer).await;
    // With another token than the process.
    let sf = scene.connection().await;
    let publish = async |number: &str| {
        let order = json!({ "Number__c": number });
        sf.publish("/event/Order_Event__e").send(&[order]).await.unwrap();
    };
    publish("1").await;
    scene.handled.until(1).await;
    let (streams, tokens) = (scene.org.pubsub().calls("stream"), scene.org.token_calls("client_credentials"));
    scene.org.expire_access_tokens();
    publish("2").await;
    scene.handled.until(2).await;
    // The schema of the next event is fetched with the token of the process, which has expired.
    scene.org.declare_platform_event("Order_Event__e", &[number("Number__c"), number("Other__c")]);
    sf.publish("/event/Order_Event__e").send(&[json!({ "Number__c": "3", "Other__c": "x" })]).await.unwrap();
    assert_eq!(scene.handled.until(3).await, ["1", "2", "3"]);
    // A little longer than a quiet topic is looked at.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(scene.org.pubsub().calls("stream"), streams, "the stream was left alone");
    assert_eq!(scene.org.token_calls("client_credentials"), tokens + 2, "one for each token that expired");
    process.shutdown().await;
}

/// A process that is dropped without `shutdown`, as a program that ends otherwise.
#[actix_web::test]
async fn a_handle_that_is_dropped_hands_over_too() {
    let scene = Scene::start().await;
    let first = scene.process(scene.consumer()).await;
    until_running(&first).await;
    let started = Instant::now();
    drop(first);
    let second = scene.process(scene.consumer()).await;
    scene.create(&["1"]).await;
    scene.handled.until(1).await;
    assert!(started.elapsed() < CRASH / 2, "{:?}", started.elapsed());
    second.shutdown().await;
}

/// The app's table has no position of an event that no handler took.
#[actix_web::test]
async fn events_without_a_handler_leave_the_stored_position_beside_the_apps_own() {
    let scene = Scene::start().await;
    let handled = scene.handled.clone();
    let consumer = Consumer::new(NAME, "/data/ChangeEvents", StartFrom::Latest)
        .on("Contact", move |_: Delivery<RawEvent>, _: Connection| {
            handled.add("contact");
            std::future::ready(Ok::<(), OnDemand>(()))
        })
        .resume_from(|| std::future::ready(Ok::<Option<Position>, OnDemand>(None)));
    let first = scene.process(consumer.clone()).await;
    until_running(&first).await;
    scene.create(&["passed over"]).await;
    let key = ConsumerKey::new(NAME, scene.org.organization_id().parse().unwrap(), "/data/ChangeEvents");
    let started = Instant::now();
    while scene.store.load_position(key).await.unwrap().is_none_or(|record| record.version < 2) {
        assert!(started.elapsed() < Duration::from_secs(20), "the position is written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    first.shutdown().await;
    let sf = scene.connection().await;
    sf.sobject("Contact").create(&json!({ "LastName": "Byron" })).await.unwrap();
    let second = scene.process(consumer).await;
    scene.handled.until(1).await;
    second.shutdown().await;
}

/// A deployment before the first position: what happened between two streams is not passed over in silence.
#[actix_web::test]
async fn a_second_process_without_a_position_reads_the_records_again() {
    let scene = Scene::start().await;
    let resyncs = Arc::new(AtomicUsize::default());
    let counted = Arc::clone(&resyncs);
    let consumer = Consumer::new(NAME, TOPIC, StartFrom::Latest)
        .on_event(|_: Delivery<RawEvent>, _: Connection| std::future::ready(Ok::<(), OnDemand>(())))
        .on_lost_position(LostPosition::resync(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok::<(), OnDemand>(()))
        }));
    let first = scene.process(consumer.clone()).await;
    until_running(&first).await;
    first.shutdown().await;
    assert_eq!(resyncs.load(Ordering::SeqCst), 0, "a new consumer misses nothing");
    let second = scene.process(consumer).await;
    eventually("the records are read again", || resyncs.load(Ordering::SeqCst) == 1).await;
    second.shutdown().await;
}

/// Positions are written between events that wait already, whatever their handlers do to the thread.
#[actix_web::test]
async fn handlers_that_block_their_thread_do_not_keep_the_position_from_moving() {
    let scene = Scene::start().await;
    let handled = scene.handled.clone();
    let consumer = Consumer::new(NAME, TOPIC, StartFrom::Earliest).on_event(
        move |delivery: Delivery<Change<Account>>, _: Connection| {
            std::thread::sleep(Duration::from_millis(600));
            handled.add(name(&delivery));
            std::future::ready(Ok::<(), OnDemand>(()))
        },
    );
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    scene.create(&names).await;
    let process = scene.process(consumer).await;
    assert_eq!(scene.handled.until(10).await, names);
    // All in one batch, they would last longer than the lease, and begin again.
    tokio::time::sleep(CRASH).await;
    assert_eq!(scene.handled.names(), names);
    process.shutdown().await;
}
