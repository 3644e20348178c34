//! A consumer in trouble: handlers that fail, events that cannot be read, a lost position, a store that is down, a service
//! user without rights.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::scene::{
    Account, Handled, NAME, OnDemand, Scene, TOPIC, eventually, health, name, until, until_running,
};
use crate::support::{
    failing::{FailingStore, Mode},
    settings_for,
};
use actix_salesforce::{
    Connection, Salesforce,
    admin::{ConsumerProblem, ConsumerState},
    config::ConfigError,
    consumer::{Consumer, LostPosition, OnFailure},
    events::{Change, Delivery, Position, StartFrom},
};
use salesforce_fake_org::PubSubFault;

/// A consumer whose handler fails for the account "bad" for as long as `fails` says.
fn failing(scene: &Scene, fails: &Arc<AtomicBool>, calls: &Arc<AtomicUsize>) -> Consumer {
    let (handled, fails, calls) = (scene.handled.clone(), Arc::clone(fails), Arc::clone(calls));
    Consumer::new(NAME, TOPIC, StartFrom::Earliest).on_event(
        move |delivery: Delivery<Change<Account>>, _: Connection| {
            let (handled, fails) = (handled.clone(), Arc::clone(&fails));
            calls.fetch_add(1, Ordering::SeqCst);
            async move {
                let name = name(&delivery);
                if name == "panics" && fails.load(Ordering::SeqCst) {
                    panic!("on demand");
                }
                if name == "bad" && fails.load(Ordering::SeqCst) {
                    return Err(OnDemand);
                }
                handled.add(name);
                Ok(())
            }
        },
    )
}

#[actix_web::test]
async fn a_handler_that_fails_or_panics_holds_the_queue_until_it_succeeds() {
    for bad in ["bad", "panics"] {
        let scene = Scene::start().await;
        let (fails, calls) = (Arc::new(AtomicBool::new(true)), Arc::default());
        scene.create(&["1", bad, "3"]).await;
        let process = scene.process(failing(&scene, &fails, &calls)).await;
        eventually("it is called again and again", || calls.load(Ordering::SeqCst) >= 5).await;
        assert_eq!(scene.handled.names(), ["1"]);
        let report = health(&process).await;
        assert_eq!((report.state, report.problem), (ConsumerState::Running, Some(ConsumerProblem::Handler)));
        assert!(report.blocked_since.is_some() && report.skipped == 0, "{report:?}");
        fails.store(false, Ordering::SeqCst);
        assert_eq!(scene.handled.until(3).await, ["1", bad, "3"]);
        until(&process, "it is well", |health| health.problem.is_none() && health.blocked_since.is_none())
            .await;
        process.shutdown().await;
    }
}

#[actix_web::test]
async fn an_event_is_skipped_after_so_many_tries_where_the_app_says_so() {
    let scene = Scene::start().await;
    let (fails, calls) = (Arc::new(AtomicBool::new(true)), Arc::default());
    scene.create(&["1", "bad", "3"]).await;
    let consumer = failing(&scene, &fails, &calls).on_failure(OnFailure::Skip { after: 3 });
    let process = scene.process(consumer).await;
    assert_eq!(scene.handled.until(2).await, ["1", "3"]);
    assert_eq!(calls.load(Ordering::SeqCst), 5);
    let report = health(&process).await;
    assert_eq!((report.handled, report.skipped, report.problem), (2, 1, None));
    process.shutdown().await;
}

#[actix_web::test]
async fn an_event_that_cannot_be_read_is_reported_counted_and_passed_over() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Numbered {
        #[allow(dead_code, reason = "it is read only")]
        name: u64,
    }
    let scene = Scene::start().await;
    let (reported, reports) = (Handled::default(), Handled::default());
    let reporter = reports.clone();
    let handled = reported.clone();
    let consumer = Consumer::new(NAME, TOPIC, StartFrom::Earliest)
        .on_event(move |_: Delivery<Change<Numbered>>, _: Connection| {
            handled.add("handled");
            std::future::ready(Ok::<(), OnDemand>(()))
        })
        .on_undecodable(move |event| {
            reporter.add(format!("{:?} {}", event.name, event.error));
            panic!("on demand");
        });
    // No datum of the schema, and a text where the handler's type has a number.
    scene.org.pubsub().publish_raw(TOPIC, b"\xff\xff\xff").unwrap();
    scene.create(&["secret-name"]).await;
    let process = scene.process(consumer).await;
    let reports = reports.until(2).await;
    assert!(reports[0].starts_with("None"), "{reports:?}");
    assert!(reports[1].starts_with("Some(\"AccountChangeEvent\")"), "{reports:?}");
    assert!(!reports.concat().contains("secret-name"), "{reports:?}");
    until(&process, "both are counted", |health| health.undecodable == 2).await;
    assert!(reported.names().is_empty());
    process.shutdown().await;
    let process = scene.process(scene.consumer()).await;
    until_running(&process).await;
    scene.create(&["next"]).await;
    assert_eq!(scene.handled.until(1).await, ["next"], "they are behind the position");
    process.shutdown().await;
}

/// A consumer that was at "1" when the topic was reset, and an event after that.
async fn reset() -> Scene {
    let scene = Scene::start().await;
    scene.create(&["1"]).await;
    let process = scene.process(scene.consumer()).await;
    scene.handled.until(1).await;
    process.shutdown().await;
    scene.org.pubsub().forget_events();
    scene.create(&["2"]).await;
    scene
}

#[actix_web::test]
async fn a_lost_position_stops_the_consumer_and_stays_stored() {
    let scene = reset().await;
    let process = scene.process(scene.consumer()).await;
    until(&process, "it stops", |health| health.state == ConsumerState::Stopped).await;
    let report = health(&process).await;
    assert_eq!(report.problem, Some(ConsumerProblem::LostPosition));
    assert!(!report.is_healthy() && process.health().await.is_ready(), "pages are served: {report:?}");
    scene.create(&["3"]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(scene.handled.names(), ["1"], "no event is taken in silence");
    process.shutdown().await;
    // The next process learns of it as well.
    let process = scene.process(scene.consumer()).await;
    until(&process, "it stops", |health| health.problem == Some(ConsumerProblem::LostPosition)).await;
    process.shutdown().await;
    let process = scene.process(scene.consumer().on_lost_position(LostPosition::Earliest)).await;
    assert_eq!(scene.handled.until(3).await, ["1", "2", "3"]);
    process.shutdown().await;
}

#[actix_web::test]
async fn after_a_lost_position_the_app_may_go_on_with_the_latest_event() {
    let scene = reset().await;
    let process = scene.process(scene.consumer().on_lost_position(LostPosition::Latest)).await;
    until_running(&process).await;
    scene.create(&["3"]).await;
    assert_eq!(scene.handled.until(2).await, ["1", "3"]);
    process.shutdown().await;
}

#[actix_web::test]
async fn after_a_lost_position_the_records_are_read_again_and_no_change_falls_between() {
    let scene = reset().await;
    let (handled, calls) = (scene.handled.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&calls);
    let resync = LostPosition::resync(move |sf: Connection| {
        let (handled, calls) = (handled.clone(), Arc::clone(&counted));
        async move {
            if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err(actix_salesforce::Error::LoginRequired);
            }
            let count = sf.query::<()>("SELECT COUNT() FROM Account").count().await?;
            // Made while the records are read.
            sf.sobject("Account").create(&serde_json::json!({ "Name": "3" })).await?;
            handled.add(format!("{count} read"));
            Ok(())
        }
    });
    let process = scene.process(scene.consumer().on_lost_position(resync)).await;
    assert_eq!(scene.handled.until(3).await, ["1", "2 read", "3"]);
    assert_eq!(calls.load(Ordering::SeqCst), 2, "it is called until it works");
    process.shutdown().await;
}

#[actix_web::test]
async fn a_store_outage_ends_the_run_in_time_and_no_event_is_lost() {
    let store = FailingStore::default();
    let scene = Scene::failing(&store).await;
    let process = scene.process(scene.consumer()).await;
    until_running(&process).await;
    scene.create(&["1"]).await;
    scene.handled.until(1).await;
    scene.written_after(1).await;
    for (round, mode) in [Mode::Fails, Mode::LosesResponses, Mode::Hangs].into_iter().enumerate() {
        let before = scene.handled.names().len();
        let [first, second] = ["a", "b"].map(|name| format!("{name}{round}"));
        store.set(mode);
        scene.create(&[&first]).await;
        scene.handled.until(before + 1).await;
        until(&process, "it gives up before its lease ends", |health| {
            health.state == ConsumerState::Standby && health.problem == Some(ConsumerProblem::Store)
        })
        .await;
        scene.create(&[&second]).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(scene.handled.names().len(), before + 1, "{mode:?}: it waits for the store");
        let version = scene.stored_version().await;
        store.set(Mode::Works);
        eventually("it goes on", || scene.handled.names().last() == Some(&second)).await;
        // The first may come twice: its position was not stored.
        let names = scene.handled.names();
        assert!(names.len() - before <= 3, "{mode:?}: {names:?}");
        // The claim, and the position after the event.
        scene.written_after(version + 1).await;
    }
    process.shutdown().await;
}

/// A write whose response is lost is repeated as it was, and is no conflict with itself.
#[actix_web::test]
async fn a_write_without_a_response_costs_nothing() {
    let store = FailingStore::default();
    let scene = Scene::failing(&store).await;
    let process = scene.process(scene.consumer()).await;
    until_running(&process).await;
    let opened = scene.org.pubsub().calls("stream");
    for round in 1..=5 {
        store.set(Mode::LosesResponses);
        scene.create(&[&round.to_string()]).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
        store.set(Mode::Works);
        // Time for the same write once more.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(scene.handled.until(5).await, ["1", "2", "3", "4", "5"]);
    assert_eq!(scene.org.pubsub().calls("stream"), opened, "the run went on");
    process.shutdown().await;
}

#[actix_web::test]
async fn a_service_user_that_is_refused_stops_it_and_its_position_stays() {
    let scene = Scene::start().await;
    scene.create(&["1"]).await;
    let process = scene.process(scene.consumer()).await;
    scene.handled.until(1).await;
    let version = scene.written_after(1).await.version;
    scene.org.set_execution_user(None);
    scene.org.revoke_all();
    scene.org.pubsub().arm(PubSubFault::end());
    until(&process, "it stops", |health| health.state == ConsumerState::Stopped).await;
    assert_eq!(health(&process).await.problem, Some(ConsumerProblem::ServiceUser));
    assert!(scene.record().await.unwrap().version >= version, "the position stays");
    scene.org.set_execution_user(Some(crate::support::ADA));
    // Another process: this one asks again after half a minute.
    let next = scene.process(scene.consumer()).await;
    until_running(&next).await;
    scene.create(&["2"]).await;
    assert_eq!(scene.handled.until(2).await, ["1", "2"]);
    next.shutdown().await;
    process.shutdown().await;
}

#[actix_web::test]
async fn the_trouble_of_one_topic_leaves_other_consumers_alone() {
    let scene = Scene::start().await;
    let unknown = Consumer::new("unknown", "/data/MissingChangeEvent", StartFrom::Earliest)
        .on_event(|_: Delivery<Change<Account>>, _: Connection| std::future::ready(Ok::<(), OnDemand>(())));
    let blocking = Consumer::new("blocking", TOPIC, StartFrom::Earliest).on_event(
        |_: Delivery<Change<Account>>, _: Connection| {
            std::thread::sleep(Duration::from_secs(1));
            std::future::ready(Ok::<(), OnDemand>(()))
        },
    );
    let settings =
        scene.settings().consumer(unknown.with_test_timing()).consumer(blocking.with_test_timing());
    let process = settings.consumer(scene.consumer().with_test_timing()).build().await.unwrap();
    scene.create(&["1", "2", "3"]).await;
    assert_eq!(scene.handled.until(3).await, ["1", "2", "3"]);
    eventually_async("it is stopped", async || {
        let consumers = process.health().await.consumers;
        consumers[0].state == ConsumerState::Stopped
            && consumers[0].problem == Some(ConsumerProblem::Rejected)
            && consumers[2].state == ConsumerState::Running
    })
    .await;
    process.shutdown().await;
}

async fn eventually_async(what: &str, holds: impl AsyncFn() -> bool) {
    let started = std::time::Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn refused(build: impl Future<Output = Result<Salesforce, ConfigError>>) -> String {
    build.await.map(|_| ()).unwrap_err().to_string()
}

#[actix_web::test]
async fn mistakes_in_a_consumer_are_said_at_the_start() {
    let scene = Scene::start().await;
    let handler = |_: Delivery<Change<Account>>, _: Connection| std::future::ready(Ok::<(), OnDemand>(()));
    let with = |name: &str, topic: &str| Consumer::new(name, topic, StartFrom::Latest).on_event(handler);
    for (consumers, said) in [
        (vec![with("one", TOPIC), with("one", "/data/ChangeEvents")], "two consumers \"one\""),
        (vec![with("a name", TOPIC)], "is not a name"),
        (vec![with("", TOPIC)], "is not a name"),
        (vec![with(&"n".repeat(65), TOPIC)], "is not a name"),
        (vec![with("one", "AccountChangeEvent")], "is not a topic"),
        (vec![with("one", "/data/Account ChangeEvent")], "is not a topic"),
        (vec![Consumer::new("one", TOPIC, StartFrom::Latest)], "has no handler"),
        (vec![with("one", TOPIC).on("Account", handler).on("Account", handler)], "two handlers"),
        (vec![with("one", TOPIC).on_event(handler)], "two handlers"),
        (vec![with("one", TOPIC).ignore_own_changes()], "client_name"),
        (vec![with("one", TOPIC).on_failure(OnFailure::Skip { after: 0 })], "at least 1 try"),
    ] {
        let settings = consumers.into_iter().fold(scene.settings(), |settings, one| settings.consumer(one));
        let error = refused(settings.build()).await;
        assert!(error.contains(said) && error.contains("consumer"), "{said}: {error}");
    }
    let settings = settings_for(&scene.org, "http://127.0.0.1:8080").consumer(with("one", TOPIC));
    let error = refused(settings.build()).await;
    assert!(error.contains("SALESFORCE_SERVICE_URL"), "{error}");
    let settings = scene.settings().store(Arc::new(super::former::FormerStore::default()));
    let error = refused(settings.consumer(with("one", TOPIC)).build()).await;
    assert!(error.contains("positions of consumers"), "{error}");
}

/// It counts as a failure: the consumer goes on.
#[actix_web::test]
async fn a_function_of_the_app_that_panics_is_called_again() {
    let scene = Scene::start().await;
    let calls = Arc::new(AtomicU32::default());
    let counted = Arc::clone(&calls);
    let consumer = scene.consumer().resume_from(move || {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(call > 0, "on demand");
            Ok::<Option<Position>, OnDemand>(None)
        }
    });
    scene.create(&["1"]).await;
    let process = scene.process(consumer).await;
    assert_eq!(scene.handled.until(1).await, ["1"]);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    process.shutdown().await;
}

/// A consumer that has read all events is not up to date without a stream.
#[actix_web::test]
async fn an_outage_of_the_stream_is_in_the_health() {
    let scene = Scene::start().await;
    let process = scene.process(scene.consumer()).await;
    scene.create(&["1"]).await;
    scene.handled.until(1).await;
    until(&process, "it has read all", |health| health.problem.is_none() && health.handled == 1).await;
    scene.org.pubsub().arm(PubSubFault::status(14, "").times(u64::MAX));
    until(&process, "it is unreachable", |health| health.problem == Some(ConsumerProblem::Unreachable)).await;
    scene.org.pubsub().disarm();
    process.shutdown().await;
}

/// What has to work before events are read: its failure is no health.
#[actix_web::test]
async fn a_function_of_the_app_that_fails_is_in_the_health() {
    async fn shows_failure(process: &Salesforce) {
        until(process, "it is blocked", |health| {
            health.state == ConsumerState::Running
                && health.problem == Some(ConsumerProblem::Handler)
                && health.blocked_since.is_some()
                && health.lag_seconds >= Some(1)
        })
        .await;
    }
    let scene = reset().await;
    let resync = LostPosition::resync(|_: Connection| async { Err(actix_salesforce::Error::LoginRequired) });
    let process = scene.process(scene.consumer().on_lost_position(resync)).await;
    shows_failure(&process).await;
    process.shutdown().await;

    let scene = Scene::start().await;
    let works = Arc::new(AtomicBool::default());
    let asked = Arc::clone(&works);
    let consumer = scene.consumer().resume_from(move || {
        let works = asked.load(Ordering::SeqCst);
        async move { if works { Ok(None) } else { Err(OnDemand) } }
    });
    let process = scene.process(consumer).await;
    shows_failure(&process).await;
    works.store(true, Ordering::SeqCst);
    scene.create(&["1"]).await;
    scene.handled.until(1).await;
    until(&process, "it works", |health| health.problem.is_none() && health.blocked_since.is_none()).await;
    process.shutdown().await;
}

/// A stream that opens and breaks each time, while the records are to be read again.
#[actix_web::test]
async fn an_outage_after_a_lost_position_is_in_the_health() {
    let scene = reset().await;
    let resync = LostPosition::resync(|_: Connection| async { Ok::<(), OnDemand>(()) });
    scene.org.pubsub().arm(PubSubFault::status(3, "subscription.fetch.replayid.corrupted"));
    scene.org.pubsub().arm(PubSubFault::status(14, "").times(u64::MAX));
    let process = scene.process(scene.consumer().on_lost_position(resync)).await;
    until(&process, "it is unreachable", |health| {
        health.problem == Some(ConsumerProblem::Unreachable) && health.lag_seconds >= Some(1)
    })
    .await;
    scene.org.pubsub().disarm();
    until(&process, "it goes on", |health| health.problem.is_none()).await;
    process.shutdown().await;
}
