//! A store that loses its data: a Redis without persistence that was started again.

use std::sync::Arc;

use super::scene::{Scene, health, org, until, until_running};
use crate::support::servers::Redis;
use actix_salesforce::store::{RedisStore, Store};

async fn scene(redis: &Redis) -> Scene {
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&redis.url(), "test:").await.unwrap());
    Scene::around(org().await, store).await
}

#[actix_web::test]
async fn a_consumer_whose_position_is_gone_begins_by_its_start_rule_and_says_so() {
    let redis = Redis::start();
    let scene = scene(&redis).await;
    scene.create(&["1", "2"]).await;
    let first = scene.process(scene.consumer()).await;
    scene.handled.until(2).await;
    assert!(health(&first).await.position_missing_at.is_some(), "the very first start says so, too");
    first.shutdown().await;

    let second = scene.process(scene.consumer()).await;
    until_running(&second).await;
    assert_eq!(health(&second).await.position_missing_at, None, "the position is there");
    second.shutdown().await;

    redis.cli(&["FLUSHALL"]);
    let third = scene.process(scene.consumer()).await;
    assert_eq!(scene.handled.until(4).await, ["1", "2", "1", "2"], "`Earliest` repeats and misses nothing");
    let report = health(&third).await;
    assert!(report.position_missing_at.is_some(), "{report:?}");
    let json = serde_json::to_value(&report).unwrap();
    assert!(json["position_missing_at"].is_u64(), "{json}");
    third.shutdown().await;
}

#[actix_web::test]
async fn a_position_that_is_lost_while_the_consumer_runs_is_written_again_and_said() {
    let redis = Redis::start();
    let scene = scene(&redis).await;
    scene.create(&["1"]).await;
    let first = scene.process(scene.consumer()).await;
    scene.handled.until(1).await;
    first.shutdown().await;
    let process = scene.process(scene.consumer()).await;
    scene.create(&["2"]).await;
    scene.handled.until(2).await;
    assert_eq!(health(&process).await.position_missing_at, None);
    redis.cli(&["FLUSHALL"]);
    scene.create(&["3"]).await;
    assert_eq!(scene.handled.until(3).await, ["1", "2", "3"]);
    until(&process, "it says so", |health| health.position_missing_at.is_some()).await;
    process.shutdown().await;
    let next = scene.process(scene.consumer()).await;
    scene.create(&["4"]).await;
    assert_eq!(scene.handled.until(4).await, ["1", "2", "3", "4"], "the position is there again");
    next.shutdown().await;
}
