//! Bulk API 2.0 over HTTP: loading and reading by jobs.
#![cfg(feature = "bulk")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod support;

use actix_salesforce::{Connection, JobState};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use salesforce_fake_org::{Fault, Route};
use serde::{Deserialize, Serialize};
use support::World;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    name: String,
    phone: Option<String>,
}

fn account(name: impl Into<String>) -> Account {
    Account { name: name.into(), phone: None }
}

async fn connection(world: &World) -> Connection {
    let browser = world.logged_in().await;
    let me = browser.fetch(&world.url("/auth/salesforce/me")).await.json();
    let (org, user) = (me["organization_id"].as_str().unwrap(), me["user_id"].as_str().unwrap());
    world.salesforce.connection_for(org.parse().unwrap(), user.parse().unwrap()).await.unwrap()
}

#[actix_web::test]
async fn records_are_loaded_in_as_many_jobs_as_they_need() {
    let world = World::start().await;
    let sf = connection(&world).await;
    let names = ["0123", "a,b", "\"q\"", "two\nlines", "ümläut"].map(str::to_owned);
    let many = names.iter().cloned().chain((0..3_000).map(|n| format!("Zebra {n}"))).map(account);
    let jobs = sf.bulk("Account").job_bytes(20_000).insert(stream::iter(many)).await.unwrap();
    assert!(jobs.len() >= 2, "{} jobs", jobs.len());
    assert!(jobs.iter().all(|job| job.info().state == JobState::JobComplete), "{jobs:?}");
    let loaded = jobs[0].successful::<Account>().await.unwrap();
    assert_eq!(loaded.iter().take(5).map(|row| row.record.name.clone()).collect::<Vec<_>>(), names);
    assert!(loaded.iter().all(|row| row.created));
    let all: u64 = jobs.iter().map(|job| job.info().records_processed).sum();
    assert_eq!(all, 3_005);

    let query = sf.query::<Account>("SELECT Name, Phone FROM Account WHERE Name LIKE :name ORDER BY Name");
    let read: Vec<_> = query
        .bind("name", actix_salesforce::soql::Like::starts_with("Zebra "))
        .fetch_bulk()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(read.len(), 3_000);
    assert_eq!(read[0], account("Zebra 0"));
}

#[actix_web::test]
async fn refused_records_come_back_with_their_reasons() {
    let world = World::start().await;
    let sf = connection(&world).await;
    let new = [account("Good"), account(""), account("Good too")];
    let jobs = sf.bulk("Account").insert(stream::iter(new)).await.unwrap();
    let refused = jobs[0].failed::<Account>().await.unwrap();
    assert_eq!((jobs[0].info().records_failed, refused.len()), (1, 1));
    assert!(refused[0].error.contains("REQUIRED_FIELD_MISSING"), "{refused:?}");
    assert!(jobs[0].unprocessed::<Account>().await.unwrap().is_empty());
    let ids = jobs[0].successful::<Account>().await.unwrap().into_iter().map(|row| row.id);
    let deleted = sf.bulk("Account").delete(stream::iter(ids.collect::<Vec<_>>())).await.unwrap();
    assert_eq!((deleted[0].info().records_processed, deleted[0].info().records_failed), (2, 0));
    let again = sf.ingest_job(&deleted[0].info().id).unwrap();
    assert!(again.failed::<serde_json::Value>().await.unwrap().is_empty());
    assert!(sf.ingest_job("../x").is_err());
}

#[actix_web::test]
async fn jobs_that_were_made_before_a_failure_are_not_forgotten() {
    let world = World::start().await;
    let sf = connection(&world).await;
    // Creating, filling and closing the first job are three calls.
    world.org.faults().path("/services/data/v66.0/jobs/ingest", Fault::Status(500).times(100).skip(3));
    let many = (0..2_000).map(|n| account(format!("Quagga {n}")));
    let error = sf.bulk("Account").job_bytes(2_000).insert(stream::iter(many)).await.unwrap_err();
    assert_eq!((error.jobs.len(), error.source.status()), (1, Some(500)), "{error:?}");
    world.org.faults().clear();
    let mut job = error.jobs.into_iter().next().unwrap();
    while !job.refresh().await.unwrap().state.is_final() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(job.info().records_processed > 0);
}

#[actix_web::test]
async fn a_query_that_cannot_run_as_a_job_is_a_typed_error() {
    let world = World::start().await;
    let sf = connection(&world).await;
    for soql in [
        "SELECT COUNT(Id) FROM Account",
        "SELECT Nonsense FROM Account",
        "SELECT Name FROM Account WHERE Name = :x",
    ] {
        let mut rows = sf.query::<Account>(soql).fetch_bulk();
        assert!(rows.next().await.unwrap().is_err(), "{soql}");
        assert!(rows.next().await.is_none(), "{soql}: the error is the last item");
    }
    for fault in [Fault::Garbage, Fault::Html, Fault::Empty200] {
        world.org.faults().clear();
        world.org.faults().at(Route::Api, fault.clone());
        let rows: Result<Vec<_>, _> =
            sf.query::<Account>("SELECT Name FROM Account").fetch_bulk().try_collect().await;
        assert!(rows.is_err(), "{fault:?}");
        assert!(sf.bulk("Account").insert(stream::iter([account("x")])).await.is_err(), "{fault:?}");
    }
}
